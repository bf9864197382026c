"""`OutlierDetector`: odd rows by a VAE that is fitted for it."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from vaekit.estimators.base import check_parameters
from vaekit.estimators.job import Job
from vaekit.estimators.vae import VAE
from vaekit.tasks.score import usual_oddity


class OutlierDetector(OutlierMixin, Job):
    """Tells rows that are odd beside those it was fitted on, among which some may be odd.

    Parameters
    ----------
    false_alarm_rate : float, default=0.05
        The share of ordinary rows that are called odd. Rows held out set the threshold.
    kinds : dict of str to str, default=None
        Kinds of columns by name, where the inferred ones are wrong.
    epochs : int, default=None
        Passes over the rows.
    time : str or float, default=None
        A budget of wall-clock time, as in "90s" or "10m".
    random_state : int, RandomState or None, default=0
        The seed of everything.
    verbose : bool, default=False
        Show progress on standard error.

    Attributes
    ----------
    vae_ : VAE
        The fitted model, which does all other jobs too.
    offset_ : float
        The score below which rows are called odd.

    Examples
    --------
    >>> import numpy as np, vaekit
    >>> x = np.random.default_rng(0).normal(size=(300, 1)) * [1.0, 2.0]
    >>> detector = vaekit.OutlierDetector(epochs=5).fit(x)
    >>> detector.predict([[0.1, 0.2], [9.0, -20.0]]).tolist()
    [1, -1]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: VAE._parameter_constraints[name] for name in ("kinds", "epochs", "time", "random_state", "verbose")},
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither")],
    }

    _purpose = "anomalies"

    def __init__(
        self,
        *,
        false_alarm_rate: float = 0.05,
        kinds: Mapping[str, str] | None = None,
        epochs: int | None = None,
        time: str | float | None = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        super().__init__(kinds=kinds, epochs=epochs, time=time, random_state=random_state, verbose=verbose)
        self.false_alarm_rate = false_alarm_rate

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Fit the model on rows, most of them ordinary, and set the threshold: see `Job.fit`."""
        check_parameters(self)
        super().fit(X)
        oddity = usual_oddity(self.vae_.fitted_)
        self.offset_ = -float(np.quantile(oddity, 1 - self.false_alarm_rate, method="higher"))
        return self

    def score_samples(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return −1 times the oddity of each row in nats, low for odd rows: [n_samples]."""
        check_is_fitted(self, "vae_")
        return -self.vae_.score_rows(X).oddity_nats

    def decision_function(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return by how much the score of each row is above the threshold, negative for odd rows: [n_samples]."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:  # noqa: N803
        """Return −1 for odd rows and 1 for others: [n_samples]."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def explain(self, X: Any) -> Any:  # noqa: N803
        """Return by how many nats each value of a row is odder than usual: see `VAE.explain`."""
        check_is_fitted(self, "vae_")
        return self.vae_.explain(X)
