"""Levels told in cells around what is expected.

Given z, a value is in the cell that its mean is the middle of, or so many cells above it or below. Where a decoder is
sure, nearly all values are in the middle one, which then takes few bits. What comes back is the mean of p(x | z) within
the cell, nearer than the cell's middle. Of the cells near a value that one is told with the least (x − x̂)² + λ bits, as
encoders of video do (Sullivan and Wiegand, 1998, doi:10.1109/79.733497).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec.entropy import Floats, Indices, Located, Stacks, Stepped, masses_below, n_bits, pop, push
from vaekit.codec.likelihoods import IntegerLikelihood, Levels, WithEnds

Array = NDArray[Any]

PARTS = 16  # of a cell, whose levels count as their middle
MOST_LEVELS = 1 << 15  # with which sums of masses times levels are exact
STEPS = (-1, 1)  # to other cells that are tried


class Around(IntegerLikelihood):
    """Levels in cells of a width around their mean; what is coded is which.

    Parameters
    ----------
    levels : Levels
    width : int
        Odd: how many levels a cell has.
    """

    def __init__(self, levels: Levels, width: int) -> None:
        self.levels, self.width, self.n_parameters = levels, width, levels.n_parameters

    def middle(self, parameters: Floats) -> Indices:
        """Return about the mean of p(x | parameters), [n, values]."""
        return self.levels.middle(parameters)

    def can_code(self, codes: Indices) -> NDArray[np.bool_]:
        """Return which rows [n] have levels only."""
        return self.levels.can_code(codes)

    def push(self, stacks: Stacks, parameters: Floats, codes: Indices, sizes: Sequence[int]) -> None:
        """Push which cells [n, values] values are in; sizes are numbers of rows."""
        push(stacks, self._cells(parameters).sites, codes.ravel(), [size * codes.shape[1] for size in sizes])

    def pop(self, stacks: Stacks, parameters: Floats, sizes: Sequence[int]) -> Indices:
        """Return the cells [n, values] that were pushed with the same parameters."""
        n_values = parameters.shape[2]
        found = pop(stacks, self._cells(parameters).sites, [size * n_values for size in sizes])
        return found.reshape(-1, n_values)

    def n_bits(self, parameters: Floats, codes: Indices) -> Floats:
        """Return what telling the cells of each row takes, in bits: [n]."""
        return n_bits(self._cells(parameters).sites, codes.ravel()).reshape(codes.shape).sum(1)

    def levels_of(self, parameters: Floats, codes: Indices) -> Indices:
        """Return the levels [n, values] that cells come back as."""
        return self._cells(parameters).means(codes.ravel()).reshape(codes.shape)

    def chosen(self, parameters: Floats, rows: Indices, worth: float) -> Indices:
        """Return the cells [n, values] that rows of levels are told in, a bit being worth some squared error."""
        cells, x = self._cells(parameters), rows.ravel()
        best = cells.index(x)
        least = _cost(cells, best, x, worth)
        for step in STEPS:
            near = np.flatnonzero(cells.are_there(tried := best + step))
            cost = _cost(cells.some(near), tried[near], x[near], worth)
            better = cost < least[near]
            best[near[better]], least[near[better]] = tried[near[better]], cost[better]
        return best.reshape(rows.shape)

    def _cells(self, parameters: Floats) -> _Cells:
        return _Cells(self.levels.all_levels(parameters), self.levels.middle(parameters).ravel(), self.width)


def _cost(cells: _Cells, index: Indices, x: Indices, worth: float) -> Floats:
    """Return (x − x̂)² + λ bits of telling values [n] in cells."""
    found: Floats = (cells.means(index) - x).astype(np.float64) ** 2 + worth * n_bits(cells.sites, index)
    return found


class _Cells:
    """Cells of levels around a middle [n], those before the first level and after the last being empty."""

    def __init__(self, levels: Located | WithEnds, middle: Indices, width: int) -> None:
        self.levels, self.middle, self.width = levels, middle, width
        self.before = -(-(levels.n_cells - 1) // width)  # cells that there may be below the middle one, and above it
        self.first = middle - width // 2 - self.before * width
        self.sites = Stepped(levels, width, self.first, 2 * self.before + 1)

    def index(self, x: Indices) -> Indices:
        """Return the cells that levels [n] are in."""
        found: Indices = (x - self.first) // self.width
        return found

    def are_there(self, index: Indices) -> NDArray[np.bool_]:
        """Return which cells [n] have levels."""
        begin = self.first + index * self.width
        there: NDArray[np.bool_] = (begin < self.levels.n_cells) & (begin + self.width > 0)
        return there

    def some(self, chosen: Indices) -> _Cells:
        """Return the cells of chosen values."""
        return _Cells(self.levels.take(chosen), self.middle[chosen], self.width)

    def means(self, index: Indices) -> Indices:
        """Return the mean levels of cells [n], rounded, by the masses of their parts; the middle where there is none.

        The first level and the last, which may have mass of their own, are parts of their own.
        """
        last = self.levels.n_cells - 1
        begin = self.first + index * self.width
        edges = begin + np.arange(PARTS + 1)[:, None] * self.width // PARTS  # [PARTS + 1, n]
        edges = np.clip(edges, 1, last).astype(np.float64)
        below = masses_below(self.levels, edges)
        at_first = np.where(begin < 1, below[0], 0.0)
        at_last = np.where(begin + self.width > last, self.levels.whole - below[-1], 0.0)
        mass = below[-1] - below[0] + at_first + at_last
        twice = (np.diff(below, axis=0) * (edges[1:] + edges[:-1] - 1)).sum(0) + 2 * last * at_last
        mean = np.floor((twice + mass) / np.maximum(2 * mass, 1.0))
        middle = np.clip(begin + self.width // 2, 0, last)
        return np.where(mass > 0, mean, middle).astype(np.int64)
