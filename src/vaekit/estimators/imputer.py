"""`Imputer`: gaps filled by a VAE that is fitted for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from vaekit.estimators.vae import VAE


class Imputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fills gaps, NaN or null, with what is expected there given the rest of the row.

    Parameters
    ----------
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

    References
    ----------
    Mattei and Frellsen (2019), MIWAE: deep generative modelling and imputation of incomplete data sets,
    arXiv:1812.02633.

    Examples
    --------
    >>> import numpy as np, vaekit
    >>> x = np.random.default_rng(0).normal(size=(100, 1)) * [1.0, 2.0] + [0.0, 5.0]
    >>> x[:10, 1] = np.nan
    >>> filled = vaekit.Imputer(epochs=5).fit_transform(x)
    >>> filled.shape, bool(np.isnan(filled).any()), bool((filled[10:] == x[10:]).all())
    ((100, 2), False, True)
    """

    def __init__(
        self,
        *,
        kinds: Mapping[str, str] | None = None,
        epochs: int | None = None,
        time: str | float | None = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.kinds = kinds
        self.epochs = epochs
        self.time = time
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Fit the model on rows with gaps.

        Parameters
        ----------
        X : array, tensor, frame or path of n_samples rows
        y : ignored

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
        self.vae_ = VAE(purpose="imputation", **self.get_params(deep=False)).fit(X)
        self.n_features_in_ = self.vae_.n_features_in_
        if hasattr(self.vae_, "feature_names_in_"):
            self.feature_names_in_ = self.vae_.feature_names_in_
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803
        """Return X with its gaps filled by means, or the likeliest categories; nothing else changes."""
        check_is_fitted(self, "vae_")
        return self.vae_.impute(X)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model file and return its path."""
        check_is_fitted(self, "vae_")
        return self.vae_.save(path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = False
        return tags
