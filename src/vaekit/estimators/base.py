"""What every estimator shares: scikit-learn's contract over the verbs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from vaekit.codec import archive
from vaekit.data.frames import frame_of
from vaekit.data.html import html_table
from vaekit.data.labels import labels_apart
from vaekit.data.progress import Tell
from vaekit.data.readers import opened, read
from vaekit.data.streams import Sampled
from vaekit.distributions.likelihoods import LIKELIHOODS
from vaekit.errors import MissingExtraError, ParameterError
from vaekit.models.fitted import Fitted
from vaekit.networks.mlp import ACTIVATIONS
from vaekit.objectives import OBJECTIVES
from vaekit.priors import PRIORS
from vaekit.storage.model_file import load_model, save_model
from vaekit.tasks.classify import class_probabilities, classify
from vaekit.tasks.compress import compress
from vaekit.tasks.embed import embed
from vaekit.tasks.evaluate import evaluate
from vaekit.tasks.explain import explain
from vaekit.tasks.export import Exported, export
from vaekit.tasks.fit import fit
from vaekit.tasks.hub import push
from vaekit.tasks.impute import impute, impute_draws, intervals
from vaekit.tasks.interpolate import interpolate
from vaekit.tasks.likelihood import IMPORTANCE_SAMPLES, log_likelihood
from vaekit.tasks.options import Options
from vaekit.tasks.plots import plot_codes, plot_history
from vaekit.tasks.purposes import PURPOSES
from vaekit.tasks.reconstruct import decode, reconstruct
from vaekit.tasks.report import report
from vaekit.tasks.sample import sample
from vaekit.tasks.score import Scores, score
from vaekit.tasks.second_stage import SECOND_STAGES
from vaekit.tasks.sweep import TRIALS, USUALLY, Trial, sweep
from vaekit.tasks.tune import tune
from vaekit.training.diagnosis import Diagnosis, Finding
from vaekit.training.distributed import World
from vaekit.training.presets import PRESETS
from vaekit.training.progress import Doing, JsonLines, Listener, on_screen

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vaekit.explorer.background import Page

_POSITIVE_INT = Interval(Integral, 1, None, closed="left")


def _one_of(*words: str) -> StrOptions:
    """Return the constraint that a value is one of `words`, which its message lists in this order."""
    return StrOptions(dict.fromkeys(words).keys())


CONSTRAINTS: dict[str, list[Any]] = {
    "latent_dim": [_POSITIVE_INT, _one_of("auto")],
    "preset": [_one_of(*PRESETS)],
    "purpose": [_one_of(*PURPOSES)],
    "likelihood": [_one_of("auto", *LIKELIHOODS)],
    "kinds": [dict, None],
    "network": [_one_of("auto", "mlp", "conv")],
    "hidden": ["array-like", None],
    "activation": [_one_of("gated", *ACTIVATIONS)],
    "prior": [_one_of("auto", *PRIORS)],
    "second_stage": [_one_of(*SECOND_STAGES)],
    "levels": [_POSITIVE_INT, None],
    "objective": [_one_of("auto", *OBJECTIVES)],
    "draws": [_POSITIVE_INT, None],
    "strength": [Interval(Real, 0, None, closed="left"), None],
    "beta": [Interval(Real, 0, None, closed="left")],
    "free_nats": [Interval(Real, 0, None, closed="left")],
    "warmup": [Interval(Real, 0, 1, closed="both")],
    "cycles": [_POSITIVE_INT],
    "epochs": [_POSITIVE_INT, None],
    "time": [str, Interval(Real, 0, None, closed="neither"), None],
    "batch_size": [_POSITIVE_INT, None],
    "micro_batch": [_POSITIVE_INT, None],
    "recompute": ["boolean"],
    "shard": ["boolean"],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "valid": [Interval(Real, 0, 1, closed="left"), "array-like", str, os.PathLike, HasMethods("columns")],
    "random_state": ["random_state"],
    "device": [_one_of("auto", "cpu", "cuda", "mps")],
    "precision": [_one_of("auto", "float32", "bfloat16")],
    "threads": [_POSITIVE_INT, None],
    "compile": [_one_of("auto", "yes", "no")],
    "encoder": [HasMethods("forward"), None],
    "decoder": [HasMethods("forward"), None],
    "verbose": ["boolean"],
}


class LatentEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The common face of fitted latent-variable models; see `VAE` and `Autoencoder`."""

    _model: ClassVar[str]
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    # -- fit -------------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,  # noqa: N803 - scikit-learn's name
        y: Any = None,
        *,
        log: str | os.PathLike[str] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        labels: Any = None,
        listeners: tuple[Listener, ...] = (),
        world: World | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array, tensor, frame or path of n_samples rows
        y : ignored
            So that pipelines may pass it; a model that learns classes is fitted with `labels`.
        log : path, optional
            A file to which each event is appended as one JSON object a line.
        checkpoint : path, optional
            A file that keeps the run's state; remove it once the model is saved.
        resume : bool, default=False
            Go on from the checkpoint where there is one.
        labels : array, series, frame of one column, path or name of a column of X, optional
            Classes of the rows, −1 or a gap where they are not known. The model learns them with the rows: see
            `vaekit.Classifier`.
        listeners : tuple of callable
            Are called with each event of the run.
        world : World, optional
            The processes that train the model together, as `vaekit.training.distributed.joined` finds them. All but the
            first end after training; the first alone writes and tells.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            When a setting is outside its rule.
        DataError
            When the data are not fit to be learned from.
        """
        self.check_parameters()
        with Doing("looking at the data") if self.verbose else nullcontext() as tell:
            raw, known = labels_apart(opened(X, tell=tell) if isinstance(X, str | os.PathLike) else X, labels)
        heard: tuple[Listener, ...] = (*self._listeners(), *listeners)
        heard += (JsonLines(log),) if log else ()
        self._adopt(fit(raw, self._options(), heard, checkpoint, resume=resume, labels=known, world=world))
        self._note_names(raw)
        return self

    def sweep(
        self,
        X: Any,  # noqa: N803
        output: str | os.PathLike[str],
        *,
        tuned: Sequence[str] = USUALLY,
        trials: int = TRIALS,
        time: str | float | None = None,
        resume: bool = False,
        heard: Callable[[Trial], None] | None = None,
        tell: Tell | None = None,
    ) -> Self:
        """Fit many models and become the best of them, which is kept in a file: see `vaekit.tasks.sweep.sweep`.

        Parameters
        ----------
        X : array, tensor, frame or path of n_samples rows
        output : path
            The model file; beside it lies OUTPUT.sweep, from which a stopped sweep goes on.
        tuned : sequence of str, default=("latent_dim", "hidden", "learning_rate")
            The settings that are searched: these, beta, weight_decay, batch_size, prior, activation.
        trials : int, default=20
            So many in all, those of before included.
        time : str or float, optional
            No trial begins after so long, as "10m" or in seconds.
        resume : bool, default=False
            Go on with the trials of before.
        heard : callable, optional
            Is told each trial when it is over.
        tell : callable, optional
            Is told the share that is done.

        Returns
        -------
        self
            `sweep_` lists the trials.

        Raises
        ------
        ParameterError
            When a setting is outside its rule, or the sweep that is to go on is of other data or settings.
        MissingExtraError
            When optuna is not installed.
        """
        self.check_parameters()
        raw = loaded(X)
        self.sweep_ = sweep(
            raw,
            self._options(),
            output,
            tuned=tuned,
            trials=trials,
            time=time,
            resume=resume,
            heard=heard,
            tell=tell,
        )
        self._adopt(load_model(output))
        self._note_names(raw)
        return self

    def _note_names(self, raw: Any) -> None:
        """Note the number and the names of columns, as scikit-learn asks for."""
        if not self.fitted_.schema.is_picture:
            validate_data(self, raw.data if isinstance(raw, Sampled) else raw, skip_check_array=True)

    def check_parameters(self) -> None:
        """Raise what `fit` would raise of the settings, without any data.

        Raises
        ------
        ParameterError
            When a setting is outside its rule.
        """
        check_parameters(self)
        widths = [] if self.hidden is None else list(self.hidden)
        if any(not isinstance(w, Integral) or w < 1 for w in widths) or self.hidden is not None and not widths:
            raise ParameterError(f"hidden must list widths of at least 1, as in (300, 300); got {self.hidden}.")

    def _options(self) -> Options:
        chosen = {k: _plain(v) for k, v in self.get_params(deep=False).items() if k not in ("random_state", "verbose")}
        chosen["hidden"] = None if self.hidden is None else tuple(int(width) for width in self.hidden)
        return Options(model=self._model, seed=_seed(self.random_state), **chosen)

    def _listeners(self) -> tuple[Listener, ...]:
        return (on_screen(),) if self.verbose else ()

    def _adopt(self, fitted: Fitted) -> None:
        self.fitted_ = fitted
        self.model_ = fitted.model
        self.schema_ = fitted.schema
        self.latent_dim_ = fitted.model.latent_dim
        self.n_features_in_ = fitted.schema.n_dims
        self._n_features_out = fitted.model.latent_dim

    def tune(
        self,
        X: Any,  # noqa: N803
        *,
        quality: float,
        epochs: int | None = None,
        time: str | float | None = None,
        valid: float = 0.1,
    ) -> Self:
        """Return another model, trained some more so that lossy archives lose less near a quality.

        Parameters
        ----------
        X : array, tensor, frame or path of n_samples rows
            Pictures or vectors of levels, such as the model was fitted on.
        quality : float
            As `compress` takes it.
        epochs : int, optional
            A fifth of those of the first training if neither they nor a time are said.
        time : str or float, optional
            A budget as "10m", or in seconds.
        valid : float, default=0.1
            The share of rows held out, by which the best epoch is chosen.

        Raises
        ------
        ParameterError
            When the quality is out of its range.
        DataError
            When the model is not of levels without gaps.
        """
        other = clone(self)
        other._adopt(  # noqa: SLF001 - one of its own
            tune(
                self._fitted(),
                loaded(X),
                quality,
                epochs=epochs,
                time=time,
                valid=valid,
                listeners=self._listeners(),
            )
        )
        return other

    # -- the verbs -------------------------------------------------------------------------------------------------

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Return the posterior means, the same for a row alone or in a batch.

        Parameters
        ----------
        X : array, tensor, frame or path of n_samples rows

        Returns
        -------
        ndarray of shape (n_samples, latent_dim_)
        """
        return embed(self._fitted(), loaded(X))

    def inverse_transform(self, Z: ArrayLike) -> Any:  # noqa: N803
        """Return the decoded codes in the data's own units.

        Parameters
        ----------
        Z : array of shape (n_samples, latent_dim_)

        Returns
        -------
        array or frame of n_samples rows
        """
        return decode(self._fitted(), Z)

    def reconstruct(self, X: Any) -> Any:  # noqa: N803
        """Return the likelihood's mean at the code of each row, in the data's own units and dtypes."""
        return reconstruct(self._fitted(), loaded(X))

    def sample(
        self,
        n: int = 1,
        *,
        given: Mapping[str, Any] | None = None,
        balance: str | None = None,
        random_state: int | None = 0,
        temperature: float = 1.0,
        truncation: float = 1.0,
    ) -> Any:
        """Return n new rows, in the container and dtypes of the data the model was fitted on.

        Parameters
        ----------
        n : int, default=1
        given : dict of str to value, optional
            Values by column, which all rows are to have; the rest is drawn given them.
        balance : str, optional
            A column of categories, of each of which there are to be as many rows.
        random_state : int or None, default=0
        temperature : float, default=1.0
            Below 1 more typical, above 1 more varied.
        truncation : float, default=1.0
            The share of codes, the likeliest, that rows are decoded from; below 1 more typical.

        Raises
        ------
        ParameterError
            When a setting is outside its rule, or there is no such row as far as the model knows.
        DataError
            When a given value is none that its column knows.
        """
        return sample(self._fitted(), n, _seed(random_state), temperature, given, balance, truncation)

    def interpolate(self, X: Any, between: tuple[int, int], steps: int = 10) -> Any:  # noqa: N803
        """Return the decoded rows on the line between the codes of two rows of X."""
        return interpolate(self._fitted(), loaded(X), between, steps)

    def score_samples(self, X: Any, importance_samples: int = IMPORTANCE_SAMPLES) -> NDArray[np.float64]:  # noqa: N803
        """Return the log-likelihood of each row in nats, an importance-sampled bound with fixed noise: [n_samples]."""
        fitted = self._fitted()
        return log_likelihood(fitted.model, fitted.rows(loaded(X)), importance_samples)

    def score_rows(self, X: Any, importance_samples: int = IMPORTANCE_SAMPLES) -> Scores:  # noqa: N803
        """Return log-likelihood in nats, bits per dimension, oddity in nats and tail probability of each row."""
        return score(self._fitted(), loaded(X), importance_samples)

    def classify(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the likeliest class of each row, of a model that was fitted with labels: [n_samples]."""
        return classify(self._fitted(), loaded(X))

    def class_probabilities(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Return the probability of each class, of a model that was fitted with labels: [n_samples, n_classes]."""
        return class_probabilities(self._fitted(), loaded(X))

    def explain(self, X: Any) -> Any:  # noqa: N803
        """Return by how many nats each value of a row is odder than usual: see `vaekit.tasks.explain.explain`."""
        return explain(self._fitted(), loaded(X))

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Return the mean log-likelihood of rows in nats, so that a grid search picks the likeliest model."""
        return float(self.score_samples(X).mean())

    def evaluate(self, X: Any, labels: Any = None, importance_samples: int = IMPORTANCE_SAMPLES) -> dict[str, Any]:  # noqa: N803
        """Return the figures of `vaekit.tasks.evaluate.evaluate`."""
        return evaluate(self._fitted(), *self._labels_apart(X, labels), importance_samples)

    def report(self, X: Any, labels: Any = None) -> str:  # noqa: N803
        """Return a page about the model on rows, as HTML that holds all it shows: see `vaekit.tasks.report.report`."""
        return report(self._fitted(), *self._labels_apart(X, labels))

    def compress(
        self,
        X: Any,  # noqa: N803
        *,
        embed_model: bool = False,
        quality: float | None = None,
        max_error: float | str | None = None,
        target_bits: float | None = None,
    ) -> bytes:
        """Return X as an archive that gives the very same data back; rows that the model does not fit go by zstd.

        With one of the last three, the archive is smaller and gives back nearly the same; what it gives back is the
        same on every machine.

        Parameters
        ----------
        X : array, tensor, frame or path of n_samples rows
        embed_model : bool, default=False
            Whether the archive holds the model it needs, so that `vaekit.decompress` reads it without this one.
        quality : float, optional
            From 0, little more than what rows have in common, to 100, nothing is lost. Of reals a bound on the error.
        max_error : float or str, optional
            The most that any value may be off: in the data's own units, or as "1%" of the range of X, of a table of
            each column's.
        target_bits : float, optional
            The most bits for a row, as an average over rows.

        Raises
        ------
        ParameterError
            When two of the three are given, or a number is outside its range.
        DataError
            When something is to be lost of data that are no real numbers.
        """
        return compress(
            self._fitted(),
            loaded(X),
            embed_model=embed_model,
            quality=quality,
            max_error=max_error,
            target_bits=target_bits,
        )

    def decompress(self, blob: bytes) -> Any:
        """Return the data of an archive that was made with this model, bit for bit.

        Raises
        ------
        CodecError
            When the archive is damaged, or was made with another model.
        """
        return archive.decompress(blob, self._fitted().integer_model)

    def impute(self, X: Any, n_draws: int = 1, *, random_state: int | None = 0) -> Any:  # noqa: N803
        """Return X with its gaps filled, given the rest of each row; nothing else changes.

        Parameters
        ----------
        X : array, tensor, frame or path of n_samples rows
            Gaps are NaN or null.
        n_draws : int, default=1
            With 1, gaps hold means, or the likeliest categories. With more, a list of so many copies of X is returned,
            whose gaps hold draws: multiple imputation.
        random_state : int or None, default=0
            Of the draws.

        Returns
        -------
        array or frame like X, or a list of such
        """
        if n_draws == 1:
            return impute(self._fitted(), loaded(X))
        return impute_draws(self._fitted(), loaded(X), n_draws, _seed(random_state))

    def impute_intervals(self, X: Any, coverage: float = 0.9) -> Any:  # noqa: N803
        """Return a frame with a line for each gap of X: what it holds, within which ends, how probably.

        Parameters
        ----------
        X : array, tensor, frame or path of n_samples rows
        coverage : float, default=0.9
            The probability that a number is between its ends.

        Returns
        -------
        polars.DataFrame
            row (from 0), column, value, low, high (of numbers), probability (of categories).
        """
        return intervals(self._fitted(), loaded(X), coverage)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model file and return its path."""
        save_model(self._fitted(), Path(path))
        return Path(path)

    def export(self, path: str | os.PathLike[str], check: Any = None) -> Exported:
        """Write the model for other programs, NAME.onnx or NAME.keras: see `vaekit.tasks.export.export`.

        Parameters
        ----------
        path : path
        check : array, tensor, frame or path of n_samples rows, optional
            Rows to compare on, beside those that are drawn from the model.

        Returns
        -------
        Exported
            The files, and how far their answers are from the model's.

        Raises
        ------
        ParameterError
            When the suffix is unknown, or the model cannot be said in the format.
        MissingExtraError
            When the packages of the format are not installed.
        OutputError
            When a file cannot be written, or would answer otherwise than the model.
        """
        return export(self._fitted(), path, None if check is None else loaded(check))

    def push(self, repo: str, *, private: bool = False, message: str = "") -> str:
        """Put the model and a page about it on the Hugging Face Hub, and return the commit's address.

        `vaekit.load("hf://OWNER/NAME")` takes it from there: see `vaekit.tasks.hub.push`.

        Parameters
        ----------
        repo : str
            OWNER/NAME; made where there is none.
        private : bool, default=False
            That only its owner may see it.
        message : str, optional
            What the commit says.

        Raises
        ------
        ServiceError
            When the Hub does not answer, or refuses.
        MissingExtraError
            When huggingface_hub is not installed.
        """
        with tempfile.TemporaryDirectory() as folder:
            return push(self.save(Path(folder, "model.vae")), repo, private=private, message=message)

    # -- in a notebook ---------------------------------------------------------------------------------------------

    def explore(self, X: Any = None, labels: Any = None) -> Page:  # noqa: N803
        """Serve a page to look into the model with, until it is closed or Python ends: see `vaekit.explorer`.

        Parameters
        ----------
        X : array, tensor, frame or path of n_samples rows, optional
            Rows to look at; without, the codes that the model keeps.
        labels : array, series, path or column's name, optional
            Classes of the rows, for colours.

        Returns
        -------
        Page
            `url` is where it is, `close()` ends it; a notebook shows a link.

        Raises
        ------
        MissingExtraError
            When starlette and uvicorn are not installed.
        """
        try:
            from vaekit.explorer.background import Page
        except ImportError as missing:
            raise MissingExtraError("explore") from missing
        from vaekit.explorer.session import Session

        rows, classes = (None, None) if X is None else self._labels_apart(X, labels)
        return Page(Session(self._fitted(), rows, classes))

    def plot_history(self, ax: Axes | None = None) -> Axes:
        """Draw the bound after each epoch; return the matplotlib axes."""
        return plot_history(self._fitted(), ax)

    def plot_codes(self, X: Any, labels: Any = None, ax: Axes | None = None) -> Axes:  # noqa: N803
        """Draw where rows lie in latent space, coloured by labels; return the matplotlib axes."""
        return plot_codes(self._fitted(), *self._labels_apart(X, labels), ax)

    def _html_repr(self) -> str:
        diagram: str = super()._html_repr()
        if not hasattr(self, "fitted_"):
            return diagram
        told = [(name, value) for name, value in self._fitted().record["metrics"].items() if np.ndim(value) == 0]
        facts = html_table((), [(name, f"{value:.5g}" if isinstance(value, float) else value) for name, value in told])
        return f"{diagram}{facts}{self.diagnosis_._repr_html_()}"

    # -- what was learned ------------------------------------------------------------------------------------------

    @property
    def history_(self) -> Any:
        """A frame with one row an epoch: epoch, seconds, elbo_nats, kl_nats, ..."""
        rows = self._fitted().record["history"]
        columns = {k: np.asarray([row[k] for row in rows]) for k in rows[0]}
        return frame_of(columns, {k: "Int64" if k.startswith("epoch") else "Float64" for k in columns}, "polars")

    @property
    def diagnosis_(self) -> Diagnosis:
        """What went well or wrong, one sentence each, with advice."""
        found = self._fitted().record["diagnosis"]
        return Diagnosis(" ".join(filter(None, (f["sentence"], f["advice"]))) for f in found)

    @property
    def findings_(self) -> Diagnosis:
        """The diagnosis with each finding's topic, and a mark where something is wrong."""
        return Diagnosis(str(Finding(**f)) for f in self._fitted().record["diagnosis"])

    def _labels_apart(self, X: Any, labels: Any) -> tuple[Any, Any]:  # noqa: N803
        """Return rows and labels; a column that names these stays in the rows where the model reads it."""
        return labels_apart(loaded(X), labels, keep=self._fitted().schema.names)

    def _fitted(self) -> Fitted:
        check_is_fitted(self, "fitted_")
        return self.fitted_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.input_tags.string = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def check_parameters(estimator: Any) -> None:
    """Check an estimator's parameters against the constraints of its class.

    Raises
    ------
    ParameterError
        When one is outside its rule.
    """
    try:
        validate_parameter_constraints(
            estimator._parameter_constraints, estimator.get_params(deep=False), caller_name=type(estimator).__name__
        )
    except InvalidParameterError as error:
        raise ParameterError(str(error)) from None


def loaded(data: Any) -> Any:
    """Return data, read where a path was given."""
    return read(data) if isinstance(data, str | os.PathLike) else data


def _plain(value: Any) -> Any:
    """Return numpy's numbers as Python's, which a model file can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
