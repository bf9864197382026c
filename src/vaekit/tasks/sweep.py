"""Sweep: many models of the same rows, to find the settings whose bound on held-out rows is best."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import time as clock
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vaekit.data.batches import seed_of
from vaekit.data.frames import is_frame
from vaekit.data.progress import Tell
from vaekit.data.readers import read
from vaekit.data.schema import as_array
from vaekit.errors import MissingExtraError, ParameterError, TrainingError
from vaekit.models.fitted import Fitted
from vaekit.storage.model_file import save_model
from vaekit.tasks.fit import choose_architecture, fit, plain_options
from vaekit.tasks.loading import load_rows
from vaekit.tasks.options import Options
from vaekit.training.presets import CHANNELS, parse_seconds
from vaekit.training.progress import EpochEnded, Event

TRIALS = 20
AT_RANDOM = 6  # trials before settings are drawn near to those that did well
NONE_PRUNED = 4  # trials, that later ones are held against
PRUNED_FROM = 0.25  # of a run on, since the KL's weight has yet to rise


@dataclass(frozen=True)
class Trial:
    """One model of a sweep.

    Parameters
    ----------
    number : int
        From 1.
    settings : dict of str to value
    valid_elbo_nats : float or None
        The bound on held-out rows; of a pruned trial that of its last epoch, None where it had none.
    seconds : float
    state : {"finished", "pruned"}
    """

    number: int
    settings: dict[str, Any]
    valid_elbo_nats: float | None
    seconds: float
    state: str


@dataclass(frozen=True)
class Bounds:
    """Within which a setting is searched: numbers on a logarithmic scale, or words."""

    low: float = 0.0
    high: float = 0.0
    words: tuple[str, ...] = ()

    def draw(self, trial: Any, name: str) -> Any:
        """Return a trial's value of a setting."""
        if self.words:
            return trial.suggest_categorical(name, self.words)
        suggest = trial.suggest_int if isinstance(self.low, int) else trial.suggest_float
        return suggest(name, self.low, self.high, log=True)


SEARCHED = {
    "latent_dim": Bounds(1, 64),
    "hidden": Bounds(32, 512),  # the width of both layers
    "learning_rate": Bounds(5e-4, 1e-2),
    "beta": Bounds(0.25, 4.0),
    "weight_decay": Bounds(1e-3, 0.3),
    "batch_size": Bounds(32, 512),
    "prior": Bounds(words=("normal", "vamp", "autoregressive")),
    "activation": Bounds(words=("gated", "relu", "silu")),
}
USUALLY = ("latent_dim", "hidden", "learning_rate")


def sweep(
    data: Any,
    options: Options,
    output: str | os.PathLike[str],
    *,
    tuned: Sequence[str] = USUALLY,
    trials: int = TRIALS,
    time: str | float | None = None,
    resume: bool = False,
    heard: Callable[[Trial], None] | None = None,
    tell: Tell | None = None,
) -> list[Trial]:
    """Fit models with other and other settings and keep the best one in a file; return what each was worth.

    All have the same rows to learn from and the same rows held out; the best has the highest bound on these. Settings
    are drawn by a tree-structured Parzen estimator, each trial's from a seed of its own: a sweep that was stopped, and
    goes on, has the very trials of one that was not. A trial that is worse than the median of those before it, after as
    many epochs, is pruned.

    Parameters
    ----------
    data : array, frame or path of n_samples rows
    options : Options
        What all models share, and the seed.
    output : path
        The model file; beside it lies OUTPUT.sweep, optuna's journal of the trials.
    tuned : sequence of str
        The settings that are searched, of `SEARCHED`.
    trials : int
        So many in all, those of before included.
    time : str or float, optional
        No trial begins after so long.
    resume : bool
        Go on with the trials of before.
    heard : callable, optional
        Is told each trial when it is over.
    tell : callable, optional
        Is told the share that is done.

    Raises
    ------
    ParameterError
        When a setting cannot be searched, or the sweep that is to go on is of other data or settings.
    TrainingError
        When no trial ended with finite numbers.
    MissingExtraError
        When optuna is not installed.

    References
    ----------
    J. Bergstra et al. (2011). Algorithms for hyper-parameter optimization. NIPS 24. T. Akiba et al. (2019). Optuna,
    arXiv:1907.10902.
    """
    _check(tuned, trials)
    budget, began = parse_seconds(time) or math.inf, clock.monotonic()
    raw = read(data) if isinstance(data, str | os.PathLike) else data
    raw = raw if is_frame(raw) else as_array(raw)
    train, held_out, schema, *_ = load_rows(raw, options)
    network = choose_architecture(options, schema, train).network
    bounds = {name: _bounds(name, schema.n_dims) for name in tuned}
    fingerprint = _fingerprint(options, tuned, (train, held_out))

    def options_of(settings: dict[str, Any]) -> Options:
        width = settings.get("hidden")
        layers = {"hidden": (max(1, width // CHANNELS) if network == "conv" else width, width)} if width else {}
        return replace(options, **(settings | layers))

    with _study(study_path(output), fingerprint, resume=resume) as study:
        past = finished(study)
        if past and not Path(output).exists() and (best := best_of(past)):
            save_model(fit(raw, options_of(best.settings)), output)
        for index in range(len(past), trials):
            if index and clock.monotonic() - began >= budget:
                break
            study.sampler = _sampler(options.seed, index)
            share = None if tell is None else _share_of(tell, index, trials)
            _try(study, bounds, lambda s, listen: fit(raw, options_of(s), (listen,)), output, share)
            if heard is not None:
                heard(finished(study)[-1])
        found = finished(study)
    if best_of(found) is None:
        raise TrainingError("No trial ended with finite numbers. Look for extreme values in the data.")
    return found


def study_path(output: str | os.PathLike[str]) -> Path:
    """Return where the trials of a model are kept."""
    return Path(f"{os.fspath(output)}.sweep")


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial with the highest bound of those that ran to their end, the first of equals."""
    whole = [trial for trial in trials if trial.state == "finished"]
    return max(whole, key=_nats, default=None)


def _nats(trial: Trial) -> float:
    return -math.inf if trial.valid_elbo_nats is None else trial.valid_elbo_nats


def finished(study: Any) -> list[Trial]:
    """Return the trials of a study that are over, in order; those that were broken off are none."""
    from optuna.trial import TrialState

    over = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return [_trial(number, one) for number, one in enumerate(over, 1)]


# -- one trial ---------------------------------------------------------------------------------------------------------

Fit = Callable[[dict[str, Any], Callable[[Event], None]], Fitted]


def _try(study: Any, bounds: dict[str, Bounds], fit: Fit, output: Any, share: Tell | None) -> None:
    """Fit one model, keep it if it is the best, and note what it was worth."""
    from optuna import TrialPruned
    from optuna.trial import TrialState

    trial, before = study.ask(), best_of(finished(study))
    settings = {name: one.draw(trial, name) for name, one in bounds.items()}
    began = clock.monotonic()
    try:
        fitted = fit(settings, _listener(trial, share))
        if fitted.record["reason"] == "interrupted":
            raise KeyboardInterrupt
        nats = fitted.record["metrics"]["valid_elbo_nats"]
        if not math.isfinite(nats):
            raise TrainingError("The bound is not finite.")
        if before is None or nats > _nats(before):
            save_model(fitted, output)
        trial.set_user_attr("seconds", clock.monotonic() - began)
        study.tell(trial, nats)
    except (TrialPruned, TrainingError):  # one that no finite numbers come of is no good either
        trial.set_user_attr("seconds", clock.monotonic() - began)
        study.tell(trial, state=TrialState.PRUNED)
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)  # it will be tried anew
        raise


def _listener(trial: Any, share: Tell | None) -> Callable[[Event], None]:
    """Return what ends a run that is worse than the median."""
    from optuna import TrialPruned

    def listen(event: Event) -> None:
        if not isinstance(event, EpochEnded):
            return
        if share is not None:
            share(event.progress)
        if math.isfinite(event.valid_elbo_nats):
            trial.report(event.valid_elbo_nats, event.epoch)
        if PRUNED_FROM <= event.progress < 1 and trial.should_prune():
            raise TrialPruned

    return listen


def _share_of(tell: Tell, index: int, trials: int) -> Tell:
    return lambda progress: tell((index + progress) / trials)


def _trial(number: int, one: Any) -> Trial:
    last = one.value if one.value is not None else one.intermediate_values.get(one.last_step)
    state = "finished" if one.state.name == "COMPLETE" else "pruned"
    return Trial(number, dict(one.params), last, one.user_attrs["seconds"], state)


# -- the study ---------------------------------------------------------------------------------------------------------


@contextmanager
def _study(path: Path, fingerprint: str, *, resume: bool) -> Iterator[Any]:
    """Lend the study of a file; trials that were broken off by a kill are marked so."""
    optuna = _optuna()
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    if not resume:
        path.unlink(missing_ok=True)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(os.fspath(path))),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=NONE_PRUNED),
            study_name="vaekit",
            direction="maximize",
            load_if_exists=True,
        )
        if study.user_attrs.setdefault("of", fingerprint) != fingerprint:
            raise ParameterError(
                f"{path} is a sweep of other data or settings. Give those of before, or start anew: do not resume it."
            )
        study.set_user_attr("of", fingerprint)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)):
            study.tell(trial.number, state=TrialState.FAIL)
        yield study
    finally:
        optuna.logging.set_verbosity(before)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as missing:
        raise MissingExtraError("sweep") from missing
    return optuna


def _sampler(seed: int, index: int) -> Any:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed_of(seed, 5, index) % 2**32, n_startup_trials=AT_RANDOM)


def _fingerprint(options: Options, tuned: Sequence[str], codes: Sequence[Any]) -> str:
    rows = [hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest() for part in codes]
    words = json.dumps([plain_options(options), list(tuned), rows], sort_keys=True, default=str)
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def _bounds(name: str, n_dims: int) -> Bounds:
    bounds = SEARCHED[name]
    return replace(bounds, high=max(2, min(int(bounds.high), n_dims))) if name == "latent_dim" else bounds


def _check(tuned: Sequence[str], trials: int) -> None:
    unknown = [name for name in tuned if name not in SEARCHED]
    if unknown or not tuned or len(set(tuned)) < len(tuned):
        raise ParameterError(
            f"The settings to tune must be one or more of {', '.join(SEARCHED)}, each once; got {', '.join(tuned)!r}."
        )
    if trials < 1:
        raise ParameterError(f"A sweep must have at least 1 trial; got {trials}.")


# -- a picture ---------------------------------------------------------------------------------------------------------


def drawn(trials: Sequence[Trial]) -> bytes:
    """Return the bound against each setting as a PNG; pruned trials are crosses, the best one is ringed."""
    from matplotlib.figure import Figure

    names = list(trials[0].settings)
    figure = Figure(figsize=(3.2 * len(names), 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False, sharey=True)[0], names, strict=True):
        _draw(axes, [trial for trial in trials if trial.valid_elbo_nats is not None], name)
    figure.axes[0].set_ylabel("bound on held-out rows, nats")
    figure.axes[0].legend(fontsize=7)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def _draw(axes: Any, trials: Sequence[Trial], name: str) -> None:
    for state, mark in (("finished", "o"), ("pruned", "x")):
        own = [trial for trial in trials if trial.state == state]
        axes.plot([t.settings[name] for t in own], [t.valid_elbo_nats for t in own], mark, label=state, alpha=0.8)
    if best := best_of(trials):
        axes.plot([best.settings[name]], [best.valid_elbo_nats], "o", ms=14, mfc="none", mec="C3", label="best")
    if not SEARCHED[name].words:
        values = [trial.settings[name] for trial in trials]
        ticks = sorted(set(np.geomspace(min(values), max(values), 4)))
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axes.minorticks_off()
    whole = [_nats(t) for t in trials if t.state == "finished"]
    if len(whole) > 1:  # what was pruned early would flatten all others
        axes.set_ylim(bottom=min(whole) - 0.05 * (max(whole) - min(whole)))
    axes.set_xlabel(name)
    axes.grid(alpha=0.3)
