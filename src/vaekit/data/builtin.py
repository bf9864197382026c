"""Data sets that come with an installation and need no download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.data.sprites import Sprites
from vaekit.errors import SourceError

MOST_SPRITES = 100_000  # at once: 410 MB
SAMPLED_SPRITES = 50_000


def load(name: str) -> NDArray[Any]:
    """Return the examples of a built-in data set.

    Parameters
    ----------
    name : str
        One of `BUILTINS`, such as "digits".

    Returns
    -------
    ndarray of shape (n_samples, ...)
        For "digits": uint8 pictures [1797, 8, 8] with levels 0..16. For "sprites-sample": 50,000 different pictures of
        `vaekit.data.sprites.Sprites` drawn at random, always the same, uint8 [50000, 64, 64] of zeros and ones.

    Raises
    ------
    SourceError
        If there is no such data set, or it is "sprites", all 737,280 pictures in order: take rows of it.

    References
    ----------
    E. Alpaydin, C. Kaynak (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning Repository,
    doi:10.24432/C50P49.

    Examples
    --------
    >>> load("digits").shape
    (1797, 8, 8)
    """
    return np.asarray(rows(name)[:])


def rows(name: str) -> Any:
    """Return the examples of a built-in data set for slicing: an array, or what makes one of each slice."""
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
        In the order of the rows; of sprites the shape: square, ellipse, heart.

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


Examples = tuple[Any, NDArray[np.int64]]  # rows for slicing, and the class of each


def _digits() -> Examples:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images.astype(np.uint8), digits.target.astype(np.int64)


class _FewAtOnce(Sprites):
    def __getitem__(self, item: Any) -> NDArray[np.uint8]:
        asked = self._indices[item].size
        if asked > MOST_SPRITES:
            raise SourceError(
                f"builtin:sprites makes at most {MOST_SPRITES:,} pictures at once, of 4 kB each; {asked:,} were asked "
                "for. Take some with --rows A:B, or builtin:sprites-sample, which are drawn from all of them at random."
            )
        return super().__getitem__(item)


def _sprites() -> Examples:
    sprites = _FewAtOnce()
    return sprites, sprites.factors(range(len(sprites)))[:, 0]


def _sprites_sample() -> Examples:
    pictures, factors = Sprites().sample(SAMPLED_SPRITES, seed=0)
    return pictures, factors[:, 0]


BUILTINS: dict[str, Callable[[], Examples]] = {
    "digits": _digits,
    "sprites": _sprites,
    "sprites-sample": _sprites_sample,
}


def _find(name: str) -> Callable[[], Examples]:
    if name not in BUILTINS:
        known = ", ".join(f"builtin:{known}" for known in BUILTINS)
        raise SourceError(f"builtin:{name} is no built-in data set; choose one of: {known}.")
    return BUILTINS[name]
