"""Data sets that come with an installation and need no download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.errors import SourceError


def load(name: str) -> NDArray[Any]:
    """Return the examples of a built-in data set.

    Parameters
    ----------
    name : str
        One of `BUILTINS`, such as "digits".

    Returns
    -------
    ndarray of shape (n_samples, ...)
        For "digits": uint8 pictures [1797, 8, 8] with levels 0..16.

    Raises
    ------
    SourceError
        If there is no such data set.

    References
    ----------
    E. Alpaydin, C. Kaynak (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning Repository,
    doi:10.24432/C50P49.

    Examples
    --------
    >>> load("digits").shape
    (1797, 8, 8)
    """
    return _find(name)()[0]


def labels(name: str) -> NDArray[np.int64]:
    """Return the class of each example of a built-in data set.

    Parameters
    ----------
    name : str
        One of `BUILTINS`, such as "digits".

    Returns
    -------
    ndarray of shape (n_samples,)
        In the order of `load(name)`.

    Raises
    ------
    SourceError
        If there is no such data set.

    Examples
    --------
    >>> labels("digits")[:4].tolist()
    [0, 1, 2, 3]
    """
    return _find(name)()[1]


def _digits() -> tuple[NDArray[Any], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images.astype(np.uint8), digits.target.astype(np.int64)


BUILTINS: dict[str, Callable[[], tuple[NDArray[Any], NDArray[np.int64]]]] = {"digits": _digits}


def _find(name: str) -> Callable[[], tuple[NDArray[Any], NDArray[np.int64]]]:
    if name not in BUILTINS:
        known = ", ".join(f"builtin:{known}" for known in BUILTINS)
        raise SourceError(f"builtin:{name} is no built-in data set; choose one of: {known}.")
    return BUILTINS[name]
