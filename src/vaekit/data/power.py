"""Heavy tails bent towards their middle, and back: a power transform for each side.

On the one side of the middle v ↦ ((v + 1)^λ − 1) / λ, and log(v + 1) for λ = 0, as Yeo and Johnson (2000,
doi:10.1093/biomet/87.4.954) have it for positive v; on the other its mirror image with a λ of its own, so that a
heavy tail to either side is bent, or both are. λ is from 0 to 1, so that no tail is cut off and every value comes back.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Powers = tuple[float, float]

STRAIGHT: Powers = (1.0, 1.0)
TRIED = (0.0, 0.25, 0.5, 0.75, 1.0)
SOME_VALUES = 10_000
FAR = 10.0  # spreads, within which no tail is heavy
QUARTILES = 1.349  # standard deviations between those of a normal
LONGEST = 700.0  # whose exponential a double holds


def bent(v: Array, powers: Powers) -> Array:
    """Return values around 0 with both tails bent.

    Examples
    --------
    >>> bent(np.array([-1000.0, 0.0, 1000.0]), (1.0, 0.0)).round(2)
    array([-1000.  ,     0.  ,     6.91])
    """
    below, above = (_bent(np.abs(v), power) for power in powers)
    return np.where(v < 0, -below, above)


def unbent(codes: Array, powers: Powers) -> Array:
    """Return the values that `bent` was given."""
    below, above = (_unbent(np.abs(codes), power) for power in powers)
    return np.where(codes < 0, -below, above)


def _bent(size: Array, power: float) -> Array:
    return np.log1p(size) if power == 0 else np.expm1(power * np.log1p(size)) / power


def _unbent(size: Array, power: float) -> Array:
    log = size if power == 0 else np.log1p(power * size) / power
    return np.expm1(np.minimum(log, LONGEST))


def middle_and_spread(values: Array) -> tuple[float, float]:
    """Return median and spread of finite values, the latter that of a normal with their quartiles.

    Where half of the values are one, the spread is the median distance of all others from it.
    """
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    spread = float(high - low) / QUARTILES or float(np.median(np.abs(values - middle)[values != middle]))
    return float(middle), spread


def best_powers(values: Array) -> tuple[Powers, float]:
    """Return the powers under which values are likeliest normal, and what these gain over a plain normal.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite, and not all the same.

    Returns
    -------
    powers : tuple of float
        Of the tails below and above the median.
    gain : float
        In nats a value.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return STRAIGHT, 0.0
    each = max(1, len(values) // SOME_VALUES)
    some = np.append(values[::each], [low, high] if each > 1 else []).astype(np.float64)
    middle, spread = middle_and_spread(some)
    v = (some - middle) / spread
    if np.abs(v).max() < FAR:
        return STRAIGHT, 0.0
    with np.errstate(over="ignore"):  # of squares, which then count as too many nats
        nats = {powers: _normal_nats(v, powers) for powers in product(TRIED, TRIED)}
    best = max(nats, key=lambda powers: nats[powers])
    return best, nats[best] - nats[STRAIGHT]


def _normal_nats(v: Array, powers: Powers) -> float:
    """Return the mean log-density of values under the best normal of what they are bent to, but for a constant."""
    power = np.where(v < 0, *powers)
    return float(((power - 1) * np.log1p(np.abs(v))).mean() - np.log(bent(v, powers).std()))
