"""`Imputer`: gaps filled by a VAE that is fitted for it."""

from __future__ import annotations

from typing import Any

from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from vaekit.estimators.job import Job


class Imputer(OneToOneFeatureMixin, TransformerMixin, Job):
    """Fills gaps, NaN or null, with what is expected there given the rest of the row.

    Where the rows tell that whether a number is missing depends on the number, that is learned and counted with.

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
    Ipsen, Mattei and Frellsen (2021), not-MIWAE: deep generative modelling with missing not at random data,
    arXiv:2006.12871.

    Examples
    --------
    >>> import numpy as np, vaekit
    >>> x = np.random.default_rng(0).normal(size=(100, 1)) * [1.0, 2.0] + [0.0, 5.0]
    >>> x[:10, 1] = np.nan
    >>> filled = vaekit.Imputer(epochs=5).fit_transform(x)
    >>> filled.shape, bool(np.isnan(filled).any()), bool((filled[10:] == x[10:]).all())
    ((100, 2), False, True)
    """

    _purpose = "imputation"

    def transform(self, X: Any) -> Any:  # noqa: N803
        """Return X with its gaps filled by means, or the likeliest categories; nothing else changes."""
        check_is_fitted(self, "vae_")
        return self.vae_.impute(X)
