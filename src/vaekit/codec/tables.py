"""The functions the codec needs, as tables of whole numbers that are the same on every machine.

Each is made by a recurrence in Python's whole numbers, which have no last bit to lose: multiply by a constant, cut off
the lower 128 bits. The constants are part of the format. Tables are given as floats that hold whole numbers, for that
is what the codec computes with.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ONE = 1 << 128
EXP_32 = 329812979126047300897653247035862915816  # floor(2^128 exp(−1/32))
EXP_128 = 337634268532609249517744113622081347951  # floor(2^128 exp(−1/128))
EXP_512 = 339618401537809365075354109784799900813  # floor(2^128 exp(−1/512))
EXP_SQUARE = 340281068849199706686796915841848278311  # floor(2^128 exp(−1/512²))
EXP_EIGHTH_SQUARE = 340282204661700319870089970029119685700  # floor(2^128 exp(−1/512²/8))

CDF_STEPS = 512  # of a distribution function, to a standard unit
CDF_BITS = 24  # a distribution function ends at 2^24
NORMAL_REACH, LOGISTIC_REACH = 8, 16  # standard units to either side of zero
WEIGHT_STEPS, WEIGHT_BITS, WEIGHT_REACH = 32, 20, 14
CHANCE_STEPS, CHANCE_BITS, CHANCE_REACH = 32, 24, 16
GATE_STEPS, GATE_BITS, GATE_REACH = 128, 12, 10


@cache
def weights() -> Floats:
    """Return exp(−i/32) in units of 2^−20, i = 0 … 448.

    Examples
    --------
    >>> weights()[[0, 32]] / 2**20
    array([1.        , 0.36787891])
    """
    return _table([p >> (128 - WEIGHT_BITS) for p in _powers(EXP_32, WEIGHT_REACH * WEIGHT_STEPS)])


@cache
def gates() -> Floats:
    """Return σ(i/128) in units of 2^−12, i = −1280 … 1280."""
    return _table(_sigmoid(EXP_128, GATE_REACH * GATE_STEPS, GATE_BITS))


@cache
def elu() -> Floats:
    """Return exp(−i/128) − 1 in units of 2^−12, i = 0 … 1280."""
    return _table([(p >> (128 - GATE_BITS)) - (1 << GATE_BITS) for p in _powers(EXP_128, GATE_REACH * GATE_STEPS)])


@cache
def chances() -> Floats:
    """Return σ(i/32) in units of 2^−24, i = −512 … 512, at least 1 and at most 2^24 − 1: chances of a Bernoulli."""
    return _table(_sigmoid(EXP_32, CHANCE_REACH * CHANCE_STEPS, CHANCE_BITS))


@cache
def logistic_cdf() -> Floats:
    """Return σ(x) in units of 2^−24, x = −16 … 16 in steps of 1/512; the first is 0 and the last 2^24."""
    inner = _sigmoid(EXP_512, LOGISTIC_REACH * CDF_STEPS, CDF_BITS)
    return _table([0, *inner[1:-1], 1 << CDF_BITS])


@cache
def normal_cdf() -> Floats:
    """Return Φ(x) in units of 2^−24, x = −8 … 8 in steps of 1/512: sums of the density between; from 0 to 2^24."""
    n = NORMAL_REACH * CDF_STEPS
    ratios = _powers(EXP_SQUARE, n)[1:]  # of exp(−x²/2) at x = (i + 1/2)/512 to the one before, i = 1 … n
    density = accumulate(ratios[:-1], lambda value, ratio: value * ratio >> 128, initial=EXP_EIGHTH_SQUARE)
    sums = [0, *accumulate(density)]
    half = 1 << (CDF_BITS - 1)
    rise = [half * s // sums[-1] for s in sums]
    return _table([half - r for r in reversed(rise[1:])] + [half + r for r in rise])


def _powers(ratio: int, n: int) -> list[int]:
    """Return n + 1 numbers 2^128 (ratio / 2^128)^i, i = 0 … n, each product cut off."""
    return list(accumulate(range(n), lambda power, _: power * ratio >> 128, initial=ONE))


def _sigmoid(ratio: int, n: int, bits: int) -> list[int]:
    """Return σ(−log(ratio / 2^128) i) in units of 2^−bits, i = −n … n; the two of i and −i sum to 2^bits."""
    below = [(p << bits) // (ONE + p) for p in _powers(ratio, n)]
    return below[:0:-1] + [(1 << bits) - b for b in below]


def _table(values: list[int]) -> Floats:
    table = np.asarray(values, dtype=np.float64)
    table.flags.writeable = False
    return table
