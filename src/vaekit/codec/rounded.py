"""Levels rounded to fewer values, and the likelihoods of these: each has the mass of all that became it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec.context import ContextLevels
from vaekit.codec.entropy import Floats, Indices, Joined, Located, Stacks
from vaekit.codec.likelihoods import IntegerLikelihood, Levels, fields_of
from vaekit.errors import CodecError

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Rounding:
    """Levels from edges[k] to before edges[k + 1] become values[k].

    Parameters
    ----------
    edges : ndarray of int of shape (K + 1,)
        Rising, from 0 to the number of levels.
    values : ndarray of int of shape (K,)
        Each within its edges.

    Examples
    --------
    >>> coarse = Rounding.even(256, 51)
    >>> coarse.values.tolist(), coarse(np.array([0, 25, 26, 255])).tolist()
    ([0, 51, 102, 153, 204, 255], [0, 0, 51, 255])
    """

    edges: Array
    values: Array

    @classmethod
    def even(cls, n_levels: int, width: int) -> Rounding:
        """Return the rounding to multiples of an odd width: none becomes another by more than half of it."""
        edges = np.concatenate([[0], np.arange((width + 1) // 2, n_levels, width), [n_levels]])
        return cls(edges, np.minimum(width * np.arange(len(edges) - 1), n_levels - 1))

    def centred(self, counts: Array) -> Rounding:
        """Return the same edges with the mean of the levels between them, counts being how often each is there."""
        below = (
            np.concatenate([[0], np.cumsum(part)])[self.edges] for part in (counts, counts * np.arange(len(counts)))
        )
        n, total = (np.diff(part) for part in below)
        return Rounding(self.edges, np.where(n > 0, np.rint(total / np.maximum(n, 1)), self.values).astype(np.int64))

    def index(self, codes: Indices) -> Indices:
        """Return which of the values levels become."""
        lookup = np.repeat(np.arange(len(self.values)), np.diff(self.edges))
        return lookup[codes]

    def __call__(self, codes: Indices) -> Indices:
        """Return what levels become."""
        found: Indices = self.values[self.index(codes)]
        return found

    def keeps(self, codes: Indices) -> NDArray[np.bool_]:
        """Return which rows [n] hold values alone."""
        known: NDArray[np.bool_] = np.all(self(codes) == codes, axis=1)
        return known

    def to_json(self) -> dict[str, list[int]]:
        """Return it as plain JSON values."""
        return {"edges": self.edges.tolist(), "values": self.values.tolist()}

    @classmethod
    def from_json(cls, plain: dict[str, list[int]], n_levels: int) -> Rounding:
        """Return what `to_json` described.

        Raises
        ------
        CodecError
            When it is no rounding of so many levels.
        """
        edges, values = (np.array(plain[name], dtype=np.int64) for name in ("edges", "values"))
        ends_well = len(edges) == len(values) + 1 >= 3 and edges[0] == 0 and edges[-1] == n_levels
        if not (ends_well and ((edges[:-1] <= values) & (values < edges[1:])).all()):
            raise CodecError("The archive's header tells levels that cannot be. Take another copy of it.")
        return cls(edges, values)


@singledispatch
def rounded(likelihood: IntegerLikelihood, rounding: Rounding) -> IntegerLikelihood:
    """Return the likelihood of rounded levels.

    Raises
    ------
    CodecError
        When a likelihood is of no levels.
    """
    raise CodecError("The archive's header tells of levels, but its model has none. Take another copy of it.")


@rounded.register
def _(likelihood: Levels, rounding: Rounding) -> IntegerLikelihood:
    return _RoundedLevels(likelihood, rounding)


@rounded.register
def _(likelihood: ContextLevels, rounding: Rounding) -> IntegerLikelihood:
    return _RoundedContext(likelihood, rounding)


class _RoundedLevels(Levels):
    """Rows hold rounded levels; what is coded is which."""

    def __init__(self, all_levels: Levels, rounding: Rounding) -> None:
        super().__init__(**fields_of(all_levels))
        self.n_levels, self.rounding = len(rounding.values), rounding
        self.edges = rounding.edges.astype(np.float64)

    def push(self, stacks: Stacks, parameters: Floats, codes: Indices, sizes: Sequence[int]) -> None:
        super().push(stacks, parameters, self.rounding.index(codes), sizes)

    def pop(self, stacks: Stacks, parameters: Floats, sizes: Sequence[int]) -> Indices:
        found: Indices = self.rounding.values[super().pop(stacks, parameters, sizes)]
        return found

    def n_bits(self, parameters: Floats, codes: Indices) -> Floats:
        return super().n_bits(parameters, self.rounding.index(codes))

    def can_code(self, codes: Indices) -> NDArray[np.bool_]:
        return self.rounding.keeps(codes)

    def _sites(self, parameters: Floats) -> Joined:
        sites = super()._sites(parameters)
        assert isinstance(sites, Located)
        return Joined(sites, self.edges)


class _RoundedContext(ContextLevels):
    """Rows hold rounded levels, which the values after them are told from; what is coded is which."""

    def __init__(self, all_levels: ContextLevels, rounding: Rounding) -> None:
        super().__init__(**fields_of(all_levels))
        self.rounding, self.edges = rounding, rounding.edges.astype(np.float64)

    def can_code(self, codes: Indices) -> NDArray[np.bool_]:
        return self.rounding.keeps(codes)

    def _index(self, levels: Indices) -> Indices:
        return self.rounding.index(levels)

    def _level(self, index: Indices) -> Indices:
        found: Indices = self.rounding.values[index]
        return found

    def _joined(self, sites: Located) -> Joined:
        return Joined(sites, self.edges)
