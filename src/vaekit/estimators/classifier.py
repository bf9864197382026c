"""`Classifier`: classes from few labels and many rows without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, column_or_1d

from vaekit.data.labels import labels_apart
from vaekit.errors import DataError
from vaekit.estimators.base import check_parameters, loaded
from vaekit.estimators.job import Job
from vaekit.estimators.vae import VAE
from vaekit.tasks.classify import classes_of
from vaekit.tasks.linear_classes import learn_classes


class Classifier(ClassifierMixin, Job):
    """Tells classes of rows, of which few need a label.

    With "semi-supervised", a VAE whose prior is a mixture by class and a classifier that is consistent around each row
    are trained together, on rows with and without labels. With "linear", a VAE is fitted without labels, and a
    logistic regression on the codes of those rows that have one.

    Parameters
    ----------
    method : {"semi-supervised", "linear"}, default="semi-supervised"
        What learns from the labels.
    preset : {"fast", "balanced", "best"}, default="balanced"
        How much to spend where nothing else is said.
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
        The fitted model, which does all other jobs too; `vae_.sample(n, given={"label": c})` draws rows of a class.
    classes_ : ndarray of shape (n_classes,)
        The classes.

    References
    ----------
    Kingma, Rezende, Mohamed and Welling (2014), Semi-supervised learning with deep generative models, arXiv:1406.5298.
    Miyato, Maeda, Koyama and Ishii (2018), Virtual adversarial training, arXiv:1704.03976.

    Examples
    --------
    >>> import vaekit
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> y[::2] = -1  # not known
    >>> classifier = vaekit.Classifier(epochs=20).fit(X, y)
    >>> classifier.predict_proba(X).shape, classifier.classes_.tolist()
    ((150, 3), [0, 1, 2])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: VAE._parameter_constraints[name] for name in ("preset", "kinds", "epochs", "time")},
        **{name: VAE._parameter_constraints[name] for name in ("random_state", "verbose")},
        "method": [StrOptions({"semi-supervised", "linear"})],
    }

    _purpose = "any"

    def __init__(
        self,
        method: str = "semi-supervised",
        *,
        preset: str = "balanced",
        kinds: Mapping[str, str] | None = None,
        epochs: int | None = None,
        time: str | float | None = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        super().__init__(kinds=kinds, epochs=epochs, time=time, random_state=random_state, verbose=verbose)
        self.method = method
        self.preset = preset

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Fit the model.

        Parameters
        ----------
        X : array, tensor, frame or path of n_samples rows
        y : array, series or path of n_samples labels, or the name of a column of X
            Whole numbers, texts or truth values; −1 among numbers, or a gap, where a class is not known.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            When a setting is outside its rule.
        DataError
            When the data or the labels are not fit to be learned from.
        """
        check_parameters(self)
        if y is None:
            raise DataError("Classifier requires y to be passed, but the target y is None. Give a label a row, or −1.")
        rows, labels = labels_apart(loaded(X), y)
        if isinstance(labels, np.ndarray):
            labels = column_or_1d(labels, warn=True)
        if self.method == "linear":
            learn_classes(self._fit(rows).vae_.fitted_, rows, labels)
        else:
            self._fit(rows, labels)
        self.classes_ = classes_of(self.vae_.fitted_)
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the likeliest class of each row: [n_samples]."""
        check_is_fitted(self, "vae_")
        return self.vae_.classify(X)

    def predict_proba(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the probability of each class, in the order of `classes_`: [n_samples, n_classes]."""
        check_is_fitted(self, "vae_")
        return self.vae_.class_probabilities(X)
