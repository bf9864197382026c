"""From a table's whole numbers to what an encoder of whole numbers reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec.integer_network import Floats, Operation, assert_exact, refuse_shifts, shifted

Array = NDArray[Any]

GAP = -(1 << 63)  # in a row of whole numbers
NUMBER, COUNT, CATEGORY, MISSING = range(4)
FARTHEST = 1 << 31  # from a number's centre
MOST_COUNTED = 1 << 40
OCTAVE = 1024  # of logarithms of counts, in steps


@dataclass(eq=False)
class Read(Operation):
    """Numbers scaled, counts by their logarithm, categories and gaps one-hot; a gap is 0 in all other places.

    Parameters
    ----------
    column, kind : ndarray of int of shape (F,)
        Which column an input reads, and how: 0 a number, 1 a count, 2 a category, 3 whether it is a gap.
    centre : ndarray of int of shape (F,)
        What is subtracted from a number, or the category.
    multiplier, shift : ndarray of int of shape (F,)
        Of numbers, and of the logarithms of counts.
    high : int
        The largest magnitude of inputs, and what a category or a gap that is there is read as.
    """

    column: Array
    kind: Array
    centre: Array
    multiplier: Array
    shift: Array
    high: int

    def __call__(self, h: Floats) -> Floats:
        """Return inputs [n, F] of rows [n, columns]."""
        x = h[:, self.column]  # [n, F]
        gaps = x == GAP
        total = np.clip(x - self.centre, -FARTHEST, FARTHEST)
        counts = self.kind == COUNT
        total[:, counts] = logarithm(x[:, counts])
        read = shifted(total * self.multiplier, self.shift, -self.high, self.high)
        one_hot = np.where(self.kind == MISSING, gaps, x == self.centre)
        return np.where(self.kind >= CATEGORY, self.high * one_hot, np.where(gaps, 0.0, read))

    def reach(self, inputs: int) -> int:
        """Return the largest magnitude of outputs, after checking that all is exact."""
        refuse_shifts(self.shift)
        assert_exact(
            FARTHEST * int(np.abs(self.multiplier.astype(np.int64)).max(initial=0)), int(self.shift.max(initial=0))
        )
        return self.high


def logarithm(counts: Floats) -> Floats:
    """Return log2(1 + counts) in steps of 1/1024, between the thirty-seconds of an octave rounded downwards.

    Examples
    --------
    >>> logarithm(np.array([0.0, 1.0, 3.0, 4.0])).tolist()
    [0.0, 1024.0, 2048.0, 2377.0]
    """
    mantissa, octave = np.frexp(1 + np.clip(counts, 0, MOST_COUNTED))
    place = np.floor(64 * mantissa - 32).astype(np.intp)
    return OCTAVE * (octave - 1.0) + _octave()[place]


@cache
def _octave() -> Floats:
    """Return ⌊1024 log2(1 + i/32)⌋, i = 0 … 31, without a logarithm."""
    return np.array([((32 + i) ** OCTAVE).bit_length() - 1 - 5 * OCTAVE for i in range(32)], dtype=np.float64)
