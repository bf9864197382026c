"""What a purpose asks for where the user says nothing."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from vaekit.data.fields import Array, Levels
from vaekit.data.frames import is_frame
from vaekit.data.inference import constant_kinds, kinds_of_numbers
from vaekit.data.schema import Schema
from vaekit.errors import ParameterError
from vaekit.models.build import ACCEPTS, MODELS, natural_likelihood
from vaekit.tasks.options import Options
from vaekit.training.presets import default_batch_size, default_epochs

PURPOSES = ("any", "compression", "imputation", "anomalies", "synthesis")
SAMPLED_BYTES = 1 << 22  # of codes, for what all of them take when packed
MODEL_SHARE = 0.1  # of that, which the model may take: a byte a weight
CHANNELS = (4, 6, 8, 12, 16, 24, 32)
WIDTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
MOST_UNITS = 32  # a unit's bits are few next to what its weights in a small model are worth
LEAST_SIDE = 12  # of pictures that convolutions halve
MANY_LEVELS = 64
PASSES = 3  # over rows with gaps, for one over whole rows
DEAR = 4  # times a pass with many draws takes one with a single draw
WIDTH_BY_ROW = "gaussian-heteroscedastic"
LEAST_BATCH = 64  # of rows some of whose classes are known
WITH_LABELS: dict[str, tuple[Any, ...]] = {  # what may be said of a model that learns these too
    "model": ("vae", "conditional"),
    "purpose": ("any",),
    "objective": ("auto", "elbo"),
    "levels": (None, 1),
    "prior": ("auto", "mixture"),
    "compile": ("auto", "no"),
    "free_nats": (0,),
    "second_stage": ("none",),
}
EPOCHS = 30  # for anomalies: more gain little, and where odd rows are among those fitted on they lose
SOME_HELD_OUT, MOST_HELD_OUT = 100, 1 / 3  # rows, and their share, that oddities are ranked among


def for_compression(
    options: Options,
    schema: Schema,
    codes: Array,
    n_weights: Callable[[Options], int],
    n_rows: int | None = None,
) -> Options:
    """Return options for the fewest bytes in all, archive and model: of the widths, the largest that the rows repay.

    Parameters
    ----------
    options : Options
    schema : Schema
    codes : ndarray of shape (n_samples, *event_shape)
    n_weights : callable
        Of the model that options ask for.
    n_rows : int, optional
        How many rows there are, where the codes are those of some.
    """
    convolves = options.network == "conv" or options.network == "auto" and _is_large_picture(schema)
    filled = replace(
        options,
        network="conv" if convolves else "mlp",
        prior="mixture" if options.prior == "auto" else options.prior,
        levels=options.levels or 1,
        latent_dim=min(MOST_UNITS, max(1, schema.n_dims // 2)) if options.latent_dim == "auto" else options.latent_dim,
        likelihood=_likelihood(schema, codes) if options.likelihood == "auto" else options.likelihood,
    )
    if options.hidden is not None:
        return filled
    sizes = [(width, 8 * width) for width in CHANNELS] if convolves else [(width, width) for width in WIDTHS]
    tried = [replace(filled, hidden=size) for size in sizes]
    budget = MODEL_SHARE * packed_bytes(codes) * (n_rows or len(codes)) / len(codes)
    return max((o for o in tried if n_weights(o) <= budget), key=n_weights, default=tried[0])


def packed_bytes(codes: Array) -> float:
    """Return about how many bytes xz makes of all codes, by a look at some rows spread over them."""
    rows = max(1, SAMPLED_BYTES // max(1, codes[0].nbytes))
    sample = np.ascontiguousarray(codes[:: max(1, len(codes) // rows)])
    return len(lzma.compress(sample.tobytes(), preset=1)) * len(codes) / len(sample)


def _is_large_picture(schema: Schema) -> bool:
    return schema.is_picture and min(schema.event_shape[1:]) >= LEAST_SIDE


def _likelihood(schema: Schema, codes: Array) -> str:
    """Return the natural likelihood of an array; where there are many levels, one that is worth its time.

    That is one told from the neighbours in pictures whose levels are seldom the first or last, as of photographs, else
    one of several components.
    """
    if not schema.is_block:
        return "auto"
    field = schema.fields[0]
    name = natural_likelihood(field, schema, codes)
    if not (isinstance(field, Levels) and field.n_levels >= MANY_LEVELS):
        return name
    is_photograph = schema.is_picture and not schema.has_missing and not name.endswith("ends")
    return name + "-context" if is_photograph else name.replace("logistic", "logistic-mixture")


def by_data(options: Options, raw: Any) -> Options:
    """Return options with what a purpose asks of the schema, which raw data decide.

    Parameters
    ----------
    options : Options
    raw : array or frame of n_samples rows
    """
    if options.purpose == "anomalies":
        return for_anomalies(options, raw)
    found: dict[str, str] = {}
    if options.purpose == "imputation":
        found = constant_kinds(raw)
    if options.purpose == "compression":
        fields = Schema.infer(raw, options.kinds, options.likelihood).fields
        found = {field.name: "real" for field in fields if field.kind == "heavy-tailed"}  # whose step archives know
    return replace(options, kinds=found | dict(options.kinds or {}) or None)


def for_imputation(options: Options, schema: Schema, n_rows: int) -> Options:
    """Return options for the likeliest gaps: a tight bound, and reals under which outliers cost little.

    Source: Mattei and Frellsen (2019), section 4.3, arXiv:1812.02633: IWAE's bound of the observed values with 20
    draws, Student's t, ten units under a normal prior and three layers. With gaps rows say less, and more passes over
    them are needed.
    """
    has_numbers = any(field.kind in ACCEPTS["student-t"] for field in schema.fields)
    is_tight = may_be_tight(options)
    epochs = PASSES * default_epochs(options.preset, n_rows, "mlp") if options.time is None else None
    return replace(
        options,
        objective="iwae" if is_tight else options.objective,
        draws=20 if is_tight and options.draws is None else options.draws,
        likelihood="student-t" if options.likelihood == "auto" and has_numbers else options.likelihood,
        prior="normal" if options.prior == "auto" and "normal" in MODELS[options.model].priors else options.prior,
        latent_dim=min(10, schema.n_dims) if options.latent_dim == "auto" else options.latent_dim,
        epochs=options.epochs or epochs,
        hidden=(128, 128, 128) if options.hidden is None and options.network != "conv" else options.hidden,
    )


def for_synthesis(options: Options, schema: Schema, n_rows: int) -> Options:
    """Return options for rows that pass for real ones: a bound so tight that the prior's draws are like the data.

    Between a row and what the encoder's draws say of it lies the bound's gap, and new rows are drawn from the prior
    alone. With 20 draws a pass takes about four times as long, and there are as many fewer.
    """
    is_tight = may_be_tight(options)
    dearness = 1 if MODELS[options.model].point_mass else DEAR
    usual = default_epochs(options.preset, dearness * n_rows, "mlp")
    return replace(
        options,
        objective="iwae" if is_tight else options.objective,
        draws=20 if is_tight and options.draws is None else options.draws,
        latent_dim=min(16, schema.n_dims) if options.latent_dim == "auto" else options.latent_dim,
        epochs=options.epochs or (None if options.time else usual),
    )


def may_be_tight(options: Options) -> bool:
    """Whether the objective is left open, and several draws make the bound that a model is trained on tighter."""
    model = MODELS[options.model]
    return options.objective == "auto" and model.default_objective == "elbo" and not model.point_mass


def for_classes(options: Options, n_rows: int) -> Options:
    """Return options for a model of rows some of whose classes are known.

    A step takes several passes through the classifier, and there are as many fewer. Batches are twice as large as
    others, so that the share of each class in them says something: on MNIST with 100 labels 10 % of training rows held
    out were wrong after batches of 256, 3.6 % after ones of 512.

    Raises
    ------
    ParameterError
        When another model, prior, objective or purpose was asked for, or compiled steps.
    """
    for name, allowed in WITH_LABELS.items():
        if (asked := getattr(options, name)) not in allowed:
            raise ParameterError(f"A model that learns labels takes no {name}={asked!r}. Leave it, or the labels.")
    return replace(
        options,
        prior=options.prior if MODELS[options.model].needs_classes else "mixture",
        compile="no",
        epochs=options.epochs or (None if options.time else default_epochs(options.preset, DEAR * n_rows, "mlp")),
        batch_size=options.batch_size or max(LEAST_BATCH, 2 * default_batch_size(n_rows)),
    )


def for_anomalies(options: Options, raw: Any) -> Options:
    """Return options for a model that tells odd rows: numbers of any size have a density, whose width follows the row.

    Rows held out are a hundred or more where the data have them, since shares of them are what an alarm rests on.

    Parameters
    ----------
    options : Options
    raw : array or frame of n_samples rows
    """
    kinds = kinds_of_numbers(raw) | dict(options.kinds or {})
    has_numbers = "real" in kinds.values() if is_frame(raw) or kinds else raw.ndim == 2
    valid = options.valid
    if isinstance(valid, float | int) and len(raw):
        valid = min(MOST_HELD_OUT, max(valid, SOME_HELD_OUT / len(raw)))
    return replace(
        options,
        kinds=kinds or None,
        likelihood=WIDTH_BY_ROW if options.likelihood == "auto" and has_numbers else options.likelihood,
        epochs=options.epochs or (None if options.time else EPOCHS),
        valid=valid,
    )
