"""What estimators of one job share: a VAE that is fitted for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from vaekit.estimators.vae import VAE


class Job(BaseEstimator):
    """An estimator that fits a VAE, `vae_`, for a purpose."""

    _purpose: ClassVar[str]

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
        """Fit the model.

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
        return self._fit(X)

    def _fit(self, X: Any, labels: Any = None) -> Self:  # noqa: N803
        """Fit a VAE for the purpose, with the parameters that it shares with this estimator."""
        own = {k: v for k, v in self.get_params(deep=False).items() if k in VAE._parameter_constraints}
        self.vae_ = VAE(purpose=self._purpose, **own).fit(X, labels=labels)
        self.n_features_in_ = self.vae_.n_features_in_
        if hasattr(self.vae_, "feature_names_in_"):
            self.feature_names_in_ = self.vae_.feature_names_in_
        return self

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model file and return its path."""
        check_is_fitted(self, "vae_")
        return self.vae_.save(path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = False
        return tags
