"""How far what comes back of a lossy archive is from what went in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.data.frames import columns_of, is_frame

Array = NDArray[Any]


def lost(data: Any, found: Any) -> list[str]:
    """Return what was lost of an array, or of each column of a table that lost anything, in words.

    Examples
    --------
    >>> lost(np.array([[0, 255]]), np.array([[0, 251]]))
    ['largest error 4, root mean square 2.828, PSNR 39.1 dB']
    """
    if not is_frame(data):
        return [_words(np.asarray(data), np.asarray(found))]
    before, after = columns_of(data)[0], columns_of(found)[0]
    changed = [name for name in before if before[name].dtype.kind in "iuf" and _off(before[name], after[name]).any()]
    return [f"{name}: {_words(before[name], after[name])}" for name in changed] or ["nothing was lost"]


def _words(data: Array, found: Array) -> str:
    off = _off(data, found)
    if not off.any():
        return "nothing was lost"
    root, known = math.sqrt(float((off**2).mean())), data[np.isfinite(data)].astype(np.float64)
    decibels = 20 * math.log10(float(known.max() - known.min()) / root)
    return f"largest error {off.max():.4g}, root mean square {root:.4g}, PSNR {decibels:.1f} dB"


def _off(data: Array, found: Array) -> Array:
    """Return by how much values are off, 0 for those that are not finite."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.abs(found.astype(np.float64) - data.astype(np.float64)), posinf=0.0)
