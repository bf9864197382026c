"""Logistics cut into levels that are told from the values before: popped front by front across the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec import tables
from vaekit.codec.entropy import Floats, Indices, Joined, Located, Stacks, n_bits, pop, push
from vaekit.codec.integer_network import assert_exact
from vaekit.codec.likelihoods import IntegerLikelihood
from vaekit.codec.normals import scaled

Array = NDArray[Any]

KERNEL_BITS = 12  # of a weight's fraction
FARTHEST = 1 << 15  # of a value from its location, and
REACH = 1 << 18  # of locations: in sixteenths of a level


@dataclass(eq=False)
class ContextLevels(IntegerLikelihood):
    """P(x) = Π_i logistic(x_i; l_i + ⌊Σ_j w_ij (16 x_j + 8 − l_j) / 2^12 + 1/2⌋, s_i), j the values near i before it.

    All values with the same column + (reach + 1) · row are coded together, channel by channel: those near them and
    before them lie on earlier fronts.

    Parameters
    ----------
    n_levels : int
    shape : list of int
        (C, H, W) of a row.
    kernel : ndarray of int of shape (C, C, reach + 1, 2 reach + 1)
        w in units of 2^−12: of a channel, that is read, rows up to its own, columns around its own.
    inverse : ndarray of int
        By log-scale, in steps of 1/32 from `lowest` on: see `entropy.Located`.
    lowest : int
    """

    n_levels: int
    shape: list[int]
    kernel: Array
    inverse: Array
    lowest: int
    n_parameters = 2

    def __post_init__(self) -> None:
        sums = np.abs(self.kernel.astype(np.int64)).sum((1, 2, 3)).tolist()
        assert_exact(max(sums) * FARTHEST, KERNEL_BITS)

    def push(self, stacks: Stacks, parameters: Floats, codes: Indices, sizes: Sequence[int]) -> None:
        """Push rows of codes; sizes are numbers of rows."""
        for sites, x, front in reversed(list(self._known(parameters, codes))):
            push(stacks, sites, x, scaled(sizes, len(front[1])))

    def pop(self, stacks: Stacks, parameters: Floats, sizes: Sequence[int]) -> Indices:
        """Return the rows of codes that were pushed with the same parameters."""
        loc, inverse = self._pictures(parameters)
        x, differences = np.zeros(loc.shape), self._no_differences(len(parameters))
        for front in self._fronts:
            found = pop(stacks, self._sites(loc, inverse, differences, front), scaled(sizes, len(front[1])))
            x[front] = self._level(found).reshape(-1, len(front[1])).T
            self._learn(differences, front, x, loc)
        return x.reshape(-1, len(parameters)).T.astype(np.int64)

    def n_bits(self, parameters: Floats, codes: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        bits = (n_bits(sites, x).reshape(len(codes), -1).sum(1) for sites, x, _ in self._known(parameters, codes))
        return sum(bits, np.zeros(len(codes)))

    def can_code(self, codes: Indices) -> NDArray[np.bool_]:
        """Return which rows [n] have levels only."""
        known: NDArray[np.bool_] = np.all((codes >= 0) & (codes < self.n_levels), axis=1)
        return known

    def middle(self, parameters: Floats) -> Indices:
        """Return the levels that the locations are in, [n, values]."""
        return np.floor(np.clip(parameters[:, 0] / 16, 0, self.n_levels - 1)).astype(np.int64)

    # -- what is coded of levels: themselves, but for kinds that say otherwise ---------------------------------------

    def _index(self, levels: Indices) -> Indices:
        """Return what is coded for levels."""
        return levels

    def _level(self, index: Indices) -> Indices:
        """Return the levels of what was coded."""
        return index

    def _joined(self, sites: Located) -> Located | Joined:
        """Return the distribution of what is coded."""
        return sites

    # -- pictures are [C, H, W, n]: neighbours of all rows lie side by side --------------------------------------------

    def _known(self, parameters: Floats, codes: Indices) -> Iterator[tuple[Located | Joined, Indices, Front]]:
        """Yield the distribution and the values of each front of rows of codes."""
        loc, inverse = self._pictures(parameters)
        x, differences = codes.T.reshape(loc.shape), self._no_differences(len(codes))
        for front in self._fronts:
            self._learn(differences, front, x, loc)
        for front in self._fronts:
            yield self._sites(loc, inverse, differences, front), self._index(x[front].T.ravel()), front

    def _pictures(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return locations and steps of the table to a sixteenth of a level, of parameters [n, 2, values]."""
        loc, log_scale = np.moveaxis(parameters, 0, -1).reshape(2, *self.shape, -1)
        place = (log_scale - self.lowest).astype(np.intp)
        return loc, self.inverse.astype(np.float64).take(place, mode="clip")

    def _no_differences(self, n: int) -> Floats:
        channels, height, width = self.shape
        return np.zeros((channels, height + self._reach, width + 2 * self._reach, n))

    def _learn(self, differences: Floats, front: Front, x: Array, loc: Floats) -> None:
        """Write down how far the values of a front are from their locations."""
        channel, row, column = front
        difference = np.clip(16 * x[front] + 8 - loc[front], -FARTHEST, FARTHEST)
        differences[channel, row + self._reach, column + self._reach] = difference

    def _sites(self, loc: Floats, inverse: Floats, differences: Floats, front: Front) -> Located | Joined:
        """Return the distributions [n · values] of a front, its differences being known where they are read."""
        channel, row, column = front
        read, up, left = self._taps[channel]
        near = differences[read, row[:, None] + up, column[:, None] + left]  # [values, taps, n]
        moved = self.kernel[channel, read, up, left].astype(np.float64) @ near  # [values, n]
        place = loc[front] + np.floor((moved + (1 << (KERNEL_BITS - 1))) / (1 << KERNEL_BITS))
        places, scales = (part.T.reshape(1, -1) for part in (np.clip(place, -REACH, REACH), inverse[front]))
        return self._joined(Located(tables.logistic_cdf(), places, scales, None, self.n_levels))

    @property
    def _reach(self) -> int:
        return int(self.kernel.shape[2]) - 1

    @cached_property
    def _taps(self) -> list[tuple[Array, Array, Array]]:
        """Where each channel's kernel is not 0: channels, rows, columns."""
        return [np.nonzero(weights) for weights in self.kernel]  # type: ignore[misc]

    @cached_property
    def _fronts(self) -> list[Front]:
        """The fronts in their order: a channel, rows, columns."""
        channels, height, width = self.shape
        slope = self._reach + 1
        rows = np.arange(height)
        found = []
        for t in range(width + slope * (height - 1)):
            column = t - slope * rows
            inside = (column >= 0) & (column < width)
            found += [(c, rows[inside], column[inside]) for c in range(channels) if inside.any()]
        return found


Front = tuple[int, Array, Array]
