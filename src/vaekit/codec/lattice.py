"""Coarser cells of latent units: those that a lossy code tells apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec.entropy import Indices, Located, Stepped
from vaekit.errors import CodecError

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Lattice:
    """Cells of each unit joined by a number of its own; all of them are told as the middle one.

    Parameters
    ----------
    step : ndarray of int of shape (d,)
        How many cells are joined.
    first : ndarray of int of shape (d,)
        Where the first joined ones begin, −step < first ≤ 0.
    n_cells : int

    Examples
    --------
    >>> Lattice(np.array([4]), np.array([-1]), 64)(np.array([[0], [2], [3], [63]])).ravel().tolist()
    [1, 1, 5, 63]
    """

    step: Array
    first: Array
    n_cells: int

    @classmethod
    def around(cls, centre: Array, step: Array, n_cells: int) -> Lattice:
        """Return the lattice of steps at which each unit's centre [d] is a middle."""
        return cls(step, -((step // 2 - centre) % step), n_cells)

    def index(self, cells: Indices, units: Any = slice(None)) -> Indices:
        """Return which joined cells the cells [..., units] are in."""
        found: Indices = (cells - self.first[units]) // self.step[units]
        return found

    def cells(self, index: Indices, units: Any = slice(None)) -> Indices:
        """Return the cells that joined cells [..., units] are told as."""
        there = np.clip(index, 0, self.counts[units] - 1)
        middle = self.first[units] + there * self.step[units] + self.step[units] // 2
        found: Indices = np.clip(middle, 0, self.n_cells - 1)
        return found

    def __call__(self, cells: Indices) -> Indices:
        """Return what cells [n, d] are told as."""
        return self.cells(self.index(cells))

    def joined(self, sites: Located, units: Any) -> Stepped:
        """Return the distribution of joined cells of sites of some units."""
        return Stepped(sites, self.step[units], self.first[units], self.n_joined)

    def of_units(self, units: slice) -> Lattice:
        """Return the lattice of some units."""
        return Lattice(self.step[units], self.first[units], self.n_cells)

    @cached_property
    def n_joined(self) -> int:
        """The most joined cells that a unit has."""
        return max(2, int(self.counts.max()))

    @cached_property
    def counts(self) -> Array:
        """How many joined cells each unit has, [d]."""
        found: Array = -((self.first - self.n_cells) // self.step)
        return found

    def to_json(self) -> dict[str, list[int]]:
        """Return it as plain JSON values."""
        return {"step": self.step.tolist(), "first": self.first.tolist()}

    @classmethod
    def from_json(cls, plain: dict[str, list[int]], n_units: int, n_cells: int) -> Lattice:
        """Return what `to_json` described.

        Raises
        ------
        CodecError
            When it is no lattice of so many units and cells.
        """
        step, first = (np.array(plain[name], dtype=np.int64) for name in ("step", "first"))
        if not (
            len(step) == len(first) == n_units
            and ((step > 0) & (step <= n_cells) & (-step < first) & (first <= 0)).all()
        ):
            raise CodecError("The archive's header tells steps that cannot be. Take another copy of it.")
        return cls(step, first, n_cells)
