"""Fit: a person's data in, a fitted model out."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data.batches import spread
from vaekit.data.fields import Array
from vaekit.data.frames import is_frame
from vaekit.data.labels import Labels
from vaekit.data.readers import opened
from vaekit.data.rows import n_rows
from vaekit.data.schema import Schema, as_array
from vaekit.data.streamed import StreamedBatches
from vaekit.data.streams import Sampled
from vaekit.errors import ParameterError
from vaekit.models.base import LatentModel
from vaekit.models.build import MODELS, Architecture, build, choose_likelihoods
from vaekit.models.classes import ModelOfClasses
from vaekit.models.conditional import ConditionalVAE
from vaekit.models.fitted import Fitted, Usual
from vaekit.models.inputs import make_inputs, n_inputs
from vaekit.models.references import References
from vaekit.objectives import NOT_COMPILED, OF_VAES, Objective
from vaekit.objectives.conditional import Conditional
from vaekit.objectives.not_miwae import NotMIWAE
from vaekit.objectives.semi_supervised import SemiSupervised
from vaekit.tasks.calibration import calibrated
from vaekit.tasks.combinations import check_combination, objective_of
from vaekit.tasks.distances import references
from vaekit.tasks.gaps import learned_gaps
from vaekit.tasks.likelihood import IMPORTANCE_SAMPLES, log_likelihood, nats_by_value
from vaekit.tasks.loading import MOST_HELD_OUT, Loaded, load_rows, looked_at, make_batches
from vaekit.tasks.observe import observed
from vaekit.tasks.options import Options
from vaekit.tasks.purposes import by_data, for_classes, for_compression, for_imputation, for_synthesis
from vaekit.tasks.score import oddities
from vaekit.tasks.second_stage import said, second_stage
from vaekit.tasks.self_masking import not_at_random, said_of_gaps
from vaekit.tasks.tiles import in_tiles
from vaekit.tasks.whole_numbers import add_integer_model
from vaekit.training import presets
from vaekit.training.checkpoints import Checkpoint
from vaekit.training.compiling import repays
from vaekit.training.diagnosis import diagnose
from vaekit.training.distributed import World
from vaekit.training.loop import Run
from vaekit.training.measures import ACTIVE_VARIANCE, mean_elbo_nats, unit_kl_nats, unit_means, without_latent_nats
from vaekit.training.precision import (
    choose_device,
    choose_precision,
    choose_threads,
    is_small,
    own_randomness_and_threads,
)
from vaekit.training.progress import Began, Event, Listener, Note
from vaekit.training.settings import Settings

HELD_OUT_SHARE = 0.1  # the bound at an epoch's end takes held-out rows as many as this share of the training rows,
SOME_HELD_OUT = 1_000  # or so many if they are more
MOST_CALIBRATION = 1_000
MOST_CODES = 2_000  # of rows fitted on
SOME_EXPLAINED = 200
SOME_ROWS = 20_000  # enough to set a bias or fit a mixture


def fit(
    data: Any,
    options: Options,
    listeners: Sequence[Listener] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    resume: bool = False,
    labels: Any = None,
    world: World | None = None,
) -> Fitted:
    """Return a model fitted on data.

    Parameters
    ----------
    data : array, frame, path, or a stream and a sample of it
    options : Options
    listeners : sequence of Listener
        Are told how it goes.
    checkpoint : path, optional
        Where the run's state is kept; it stays, for the caller to remove once the model is safe.
    resume : bool
        Go on from the checkpoint where there is one.
    labels : array, series or frame of one column, optional
        Classes of the rows, some of which may not be known: see `vaekit.data.labels`. The model learns them too.
    world : World, optional
        The processes that train the model together: see `vaekit.training.distributed.joined`. All but the first end
        after training, with status 0.

    Returns
    -------
    Fitted
    """
    world = world or World()
    if world.size > 1 and MODELS[options.model].one_process:
        raise ParameterError(
            f"The model '{options.model}' follows the rows that one process sees; got {world.size} processes. Use "
            "another, or start one process."
        )
    listeners = listeners if world.is_first else ()
    raw = _opened(data)
    classes = None if labels is None else Labels.of(labels, n_rows(raw))
    options = by_data(options, looked_at(raw))
    loaded = load_rows(raw, options, classes)
    train, held_out, schema, places, n_train = loaded
    asked = options  # whose objective may be open still
    options = _for_purpose(options, loaded, has_labels=classes is not None)
    n_classes = 0 if classes is None else len(classes.values)
    architecture = choose_architecture(options, schema, train, n_classes, n_train)
    model = make_model(architecture, schema, train, options)
    settings = Settings(**world.same(asdict(choose_settings(options, n_train, model, architecture.network))))
    for words in stated_data(schema, architecture, density=model.observation.density):
        _tell(listeners, Note(words))
    if classes is not None:
        _tell(listeners, Note(str(classes)))
    known = None if classes is None else classes.index[places]
    own = _own_objective(asked, architecture, model, train, known, settings.device, listeners)
    if isinstance(own, NotMIWAE):
        _tell(listeners, Note(said_of_gaps(schema, own.columns)))
    valid = torch.from_numpy(held_out[:MOST_HELD_OUT])
    at_epochs = max(SOME_HELD_OUT, round(HELD_OUT_SHARE * n_train))
    batches = make_batches(raw, loaded, settings, (world.rank, world.size))
    if isinstance(batches, StreamedBatches):
        _tell(listeners, Note(str(batches)))
    without_latent = without_latent_nats(model, valid, settings.seed)
    kept = _checkpoint(checkpoint, settings, architecture, schema, _all_that_is_learned(raw, loaded, classes))
    if kept:
        world.check_same(kept.fingerprint)
    run = Run(
        model,
        batches,
        valid[spread(len(valid), at_epochs)].to(settings.device),
        settings,
        listeners,
        kept if world.is_first else None,
        objective=own,
        world=world,
    )
    if world.same(bool(resume and run.checkpoint and run.checkpoint.exists())):
        run.resume()
    _tell(listeners, began(options, architecture, settings, n_train))
    run.train()
    world.leave()
    batches.share = (0, 1)
    fitted = Fitted(model, schema, architecture, {"options": plain_options(options)})
    fitted.record["classes"] = None if classes is None else classes.to_json()
    if isinstance(own, NotMIWAE):
        fitted.masking, fitted.record["gaps"] = own.learned(), said_of_gaps(schema, own.columns)
    if options.second_stage != "none":
        _second_stage(run, fitted, valid, options.second_stage)
        _tell(listeners, Note(said(fitted.record["second_stage"])))
    finish(run, fitted, valid, without_latent, keep_active=options.latent_dim == "auto")
    if options.purpose == "imputation":
        _calibrate(fitted, settings, valid, share=float(np.isnan(train).mean()))
    return fitted


# -- before training ---------------------------------------------------------------------------------------------------


def _opened(data: Any) -> Any:
    """Return an array, a frame or a sampled stream."""
    raw = opened(data) if isinstance(data, str | os.PathLike) else data
    return raw if is_frame(raw) or isinstance(raw, Sampled) else as_array(raw)


def _for_purpose(options: Options, loaded: Loaded, *, has_labels: bool) -> Options:
    """Return options with what their purpose asks for, of the rows to fit."""
    train, _, schema, _, n_rows = loaded
    if options.purpose == "compression":
        size = lambda o: n_weights(choose_architecture(o, schema, train, n_rows=n_rows), schema)  # noqa: E731
        options = for_compression(options, schema, train, size, n_rows)
    if options.purpose == "imputation":
        options = for_imputation(options, schema, n_rows)
    if options.purpose == "synthesis":
        options = for_synthesis(options, schema, n_rows)
    return for_classes(options, len(train)) if has_labels else options


def choose_architecture(
    options: Options, schema: Schema, codes: Array, n_classes: int = 0, n_rows: int | None = None
) -> Architecture:
    """Return the architecture that the options, the preset and the data ask for.

    Parameters
    ----------
    options : Options
    schema : Schema
    codes : ndarray of shape (n_samples, *event_shape)
    n_classes : int
    n_rows : int, optional
        How many rows there are, where the codes are those of some.
    """
    n_rows = n_rows or len(codes)
    check_combination(options, n_classes)
    size = n_inputs(make_inputs(schema))
    own = options.encoder is not None or options.decoder is not None
    chosen = presets.default_network(options.preset, schema) if options.network == "auto" else options.network
    network = "custom" if own else chosen
    if network == "conv" and not schema.is_picture:
        raise ParameterError(f"The network 'conv' is for pictures, but the data are {schema.noun}. Use network='mlp'.")
    prior = _prior(options, n_rows)
    latent_dim = _latent_dim(options, size)
    is_single = n_classes > 0 or prior == "vamp" or options.objective == "tcvae" or options.second_stage != "none"
    levels = 1 if is_single else presets.default_levels(options.preset, options.model, latent_dim, n_rows)
    usual = presets.default_hidden(options.preset, network, size)
    hidden = usual if options.hidden is None else options.hidden
    return Architecture(
        model=options.model,
        latent_dim=latent_dim,
        likelihoods=choose_likelihoods(schema, codes, options.likelihood),
        network=network,
        hidden=tuple(int(width) for width in hidden),
        activation=options.activation,
        prior=prior,
        levels=options.levels or levels,
        n_classes=n_classes,
    )


def n_weights(architecture: Architecture, schema: Schema) -> int:
    """Return how many numbers a model has to learn."""
    return sum(weights.numel() for weights in build(architecture, schema).parameters())


def make_model(architecture: Architecture, schema: Schema, codes: Array, options: Options) -> LatentModel:
    """Return the untrained model, its weights drawn from the seed and its output's bias set from the data."""
    with own_randomness_and_threads(options.seed, choose_threads(options.threads)):
        model = build(architecture, schema, copy.deepcopy(options.encoder), copy.deepcopy(options.decoder))
        model.prepare(torch.from_numpy(codes[spread(len(codes), SOME_ROWS)]))
    return model


def plain_options(options: Options) -> dict[str, Any]:
    """Return the options that JSON can keep: all but networks and held-out rows."""
    kept = {k: getattr(options, k) for k in options.__dataclass_fields__ if k not in ("encoder", "decoder")}
    if not isinstance(options.valid, float | int | str):
        del kept["valid"]
    return kept


def choose_settings(options: Options, n_rows: int, model: LatentModel, network: str) -> Settings:
    """Return the settings of the run."""
    seconds = presets.parse_seconds(options.time)
    epochs = options.epochs or (100_000 if seconds else presets.default_epochs(options.preset, n_rows, network))
    device = choose_device(options.device)
    batch_size = options.batch_size or presets.default_batch_size(n_rows)
    steps = epochs * -(-n_rows // batch_size)
    objective = objective_of(options)
    is_open = options.compile == "auto" and objective not in NOT_COMPILED and not options.shard
    repaid = is_open and repays(model, steps, batch_size, seconds, device)
    return Settings(
        epochs=epochs,
        seconds=seconds,
        batch_size=batch_size,
        micro_batch=options.micro_batch,
        recompute=options.recompute,
        shard=options.shard,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        objective=objective,
        draws=options.draws,
        strength=options.strength,
        beta=options.beta,
        free_nats=options.free_nats,
        warmup=options.warmup,
        cycles=options.cycles,
        seed=options.seed,
        device=device,
        precision=choose_precision(options.precision, device, model),
        threads=choose_threads(options.threads, small=is_small(model, batch_size)),
        compiled=options.compile == "yes" or repaid,
        to_the_end=isinstance(model, ModelOfClasses),
    )


def stated_data(schema: Schema, architecture: Architecture, *, density: bool) -> list[str]:
    """Return what the data were taken for, and what the numbers to come mean, in words."""
    chosen: dict[str, list[str]] = {}
    for field, name in zip(schema.fields, architecture.likelihoods, strict=True):
        chosen.setdefault(f"{field.kind} → {name or 'kept as it is'}", []).append(field.name)
    if schema.is_block:
        field = schema.fields[0]
        what = "pixels are" if schema.is_picture else "values are"
        likelihoods = f"{what} {field.stated} → {architecture.likelihoods[0]}"
    else:
        likelihoods = "; ".join(f"{len(names)} {words}" for words, names in chosen.items())
    return [
        str(schema),
        f"{likelihoods}; numbers below are nats per row and bits per {'pixel' if schema.is_picture else 'value'}"
        + ("; real numbers have densities, which may exceed 1" if density else ""),
    ]


def began(options: Options, architecture: Architecture, settings: Settings, n_rows: int) -> Began:
    """Return what was chosen for training on `n_rows` rows, in words and by name."""
    layers = f" in {architecture.levels} layers" if architecture.levels > 1 else ""
    compiled = ", compiled," if settings.compiled else ""
    budget = f"{settings.seconds:g} s" if settings.seconds else f"{settings.epochs} epochs"
    words = (
        f"{architecture.model}, {architecture.network} {'-'.join(map(str, architecture.hidden))}, "
        f"{architecture.latent_dim} latent units{layers}, {architecture.prior} prior; "
        f"{settings.objective}, {budget}, batches of {settings.batch_size}, "
        f"{settings.precision}{compiled} on {settings.device}, {settings.threads} threads, seed {settings.seed}"
    )
    named = {"n_rows": n_rows, "preset": options.preset, "purpose": options.purpose}
    named |= architecture.to_json() | {"likelihoods": sorted(set(filter(None, architecture.likelihoods)))}
    return Began(words, named | asdict(settings))


def _latent_dim(options: Options, size: int) -> int:
    if options.latent_dim != "auto":
        return int(options.latent_dim)
    return max(options.levels or 1, presets.default_latent_dim(options.model, size, options.preset))


def _prior(options: Options, n_rows: int) -> str:
    if len(own := MODELS[options.model].priors) == 1:
        return next(iter(own))
    usual = "normal" if options.objective in OF_VAES else presets.default_prior(n_rows)  # as their papers have it
    return usual if options.prior == "auto" else options.prior


def _own_objective(
    asked: Options,
    architecture: Architecture,
    model: LatentModel,
    rows: Array,
    classes: Array | None,
    device: str,
    listeners: Sequence[Listener],
) -> Objective | None:
    """Return the objective that learns something beside a model, of classes or of gaps; None where nothing is."""
    if classes is not None:
        return _of_classes(model, rows, classes, device)
    columns = not_at_random(asked, architecture, rows, lambda words: _tell(listeners, Note(words)))
    return NotMIWAE.of(torch.from_numpy(rows), torch.from_numpy(columns)) if len(columns) else None


def _of_classes(model: LatentModel, rows: Array, classes: Array, device: str) -> SemiSupervised:
    """Return the objective of rows [n, *event_shape] whose classes [n] are known, or −1."""
    assert isinstance(model, ModelOfClasses)
    made = Conditional if isinstance(model, ConditionalVAE) else SemiSupervised
    return made(model.to(device), torch.from_numpy(rows).to(device), torch.from_numpy(classes).to(device))


def _all_that_is_learned(raw: Any, loaded: Loaded, classes: Labels | None) -> list[Array]:
    """Return arrays that are others where a run is of other rows; of a stream where it is cut, for its rows."""
    others = [] if classes is None else [classes.index]
    others += [raw.stream.chunks] if isinstance(raw, Sampled) else []
    return [loaded.train, loaded.held_out, *others]


def _checkpoint(
    path: str | os.PathLike[str] | None,
    settings: Settings,
    architecture: Architecture,
    schema: Schema,
    codes: Sequence[Array],
) -> Checkpoint | None:
    if path is None:
        return None
    rows = [hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest() for part in codes]
    return Checkpoint(path, settings.fingerprint(architecture.to_json(), schema.to_json(), rows))


def _tell(listeners: Sequence[Listener], event: Event) -> None:
    for listener in listeners:
        listener(event)


# -- after training ----------------------------------------------------------------------------------------------------


def _second_stage(run: Run, fitted: Fitted, valid: Tensor, asked: str) -> None:
    """Give the model the prior that explains held-out rows best."""
    model, settings, train = fitted.model, run.settings, run.batches.rows
    with own_randomness_and_threads(settings.seed, settings.threads):
        some = train[spread(len(train), SOME_ROWS)]
        model.finish(some, settings.seed)
        own, held_out = fitted.architecture.prior, valid.to(settings.device)
        fitted.record["second_stage"] = second_stage(model, own, asked, some, held_out, settings.seed)
    fitted.architecture = replace(fitted.architecture, prior=fitted.record["second_stage"]["chosen"])


def _calibrate(fitted: Fitted, settings: Settings, valid: Tensor, share: float) -> None:
    """Let intervals reach as far as rows held out say that they must, where a share of values is missing."""
    with own_randomness_and_threads(settings.seed, settings.threads):
        fitted.calibration = calibrated(fitted.model, fitted.schema, valid, share, settings.seed, fitted.masking)


def finish(run: Run, fitted: Fitted, valid: Tensor, without_latent: float, *, keep_active: bool) -> None:
    """Fit what is fitted after training, then measure, calibrate and diagnose, into the fitted model's record."""
    model, settings = fitted.model.eval(), run.settings
    train, held_out = run.batches.rows, valid.to(settings.device)
    with own_randomness_and_threads(settings.seed, settings.threads):
        some = train[spread(len(train), SOME_ROWS)]
        model.finish(some, settings.seed)
        mean, variance = unit_means(model, held_out)
        n_tried = model.latent_dim
        active = (variance > ACTIVE_VARIANCE * model.unit_variance).nonzero()[:, 0]
        if keep_active and 0 < len(active) < n_tried:
            model.keep_units(active, mean)
        compression = add_integer_model(fitted, held_out, run, some)
        metrics = measure(model, train[spread(len(train), len(held_out))], held_out, settings.seed)
        metrics |= {"n_units_tried": n_tried, "without_latent_nats": without_latent}
        some_codes = train[spread(len(train), MOST_CODES)]
        fitted.references = references(model, some_codes)
        fitted.usual = usual(model, some_codes, fitted.references, held_out[:MOST_CALIBRATION])
        fitted.gaps = learned_gaps(model, some) if fitted.schema.is_frame else None
    findings = diagnose(metrics, run.history.rows, run.facts.reason)
    fitted.record |= {
        "settings": asdict(settings),
        "reason": run.facts.reason,
        "seconds": run.facts.seconds,
        "history": run.history.rows,
        "metrics": metrics,
        "diagnosis": [asdict(f) for f in findings],
        "held_out_rows": len(fitted.usual.oddities),
        "compression": compression,
    }


def usual(model: LatentModel, train: Tensor, others: References, held_out: Tensor) -> Usual:
    """Return what rows held out are like beside those to train on."""
    codes = in_tiles(lambda x: model.posterior(observed(model, x)).mean.cpu(), train)
    found = oddities(model, others, held_out, log_likelihood(model, held_out, IMPORTANCE_SAMPLES))
    nats = nats_by_value(model, held_out[:SOME_EXPLAINED]).mean(0)
    return Usual(codes, torch.from_numpy(found), torch.from_numpy(nats))


def measure(model: LatentModel, train: Tensor, held_out: Tensor, seed: int) -> dict[str, Any]:
    """Return the figures that the diagnosis looks at."""
    _, variance = unit_means(model, held_out)
    kl = unit_kl_nats(model, held_out, seed)
    return {
        "latent_dim": model.latent_dim,
        "active_units": int((variance > ACTIVE_VARIANCE * model.unit_variance).sum()),
        "variance_by_unit": variance.tolist(),
        "kl_by_unit_nats": None if kl is None else kl.tolist(),
        "train_elbo_nats": mean_elbo_nats(model, train, seed),
        "valid_elbo_nats": mean_elbo_nats(model, held_out, seed),
    }
