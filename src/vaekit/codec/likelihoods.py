"""Likelihoods over whole numbers: a row of codes is pushed and popped given the parameters that a decoder made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec import tables
from vaekit.codec.entropy import (
    PRECISION,
    Floats,
    Indices,
    Joined,
    Located,
    Stacks,
    Weighted,
    masses_below,
    n_bits,
    pop,
    push,
    relative_weights,
    shares,
)

Array = NDArray[Any]

END_BITS = 16  # of a mixture's mass beside the masses of its ends


class IntegerLikelihood:
    """P(x | parameters) of rows of codes [n, values] given parameters [n, P, values]."""

    n_parameters: int

    def push(self, stacks: Stacks, parameters: Floats, codes: Indices, sizes: Sequence[int]) -> None:
        """Push rows of codes; sizes are numbers of rows."""
        raise NotImplementedError

    def pop(self, stacks: Stacks, parameters: Floats, sizes: Sequence[int]) -> Indices:
        """Return the rows of codes that were pushed with the same parameters."""
        raise NotImplementedError

    def n_bits(self, parameters: Floats, codes: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        raise NotImplementedError

    def can_code(self, codes: Indices) -> NDArray[np.bool_]:
        """Return which rows [n] have no other values than those that have a code."""
        raise NotImplementedError

    def middle(self, parameters: Floats) -> Indices:
        """Return about the mean of p(x | parameters), [n, values], as codes."""
        raise NotImplementedError


@dataclass(eq=False)
class Bernoulli(IntegerLikelihood):
    """P(x = top) = σ(l/32), else 0.

    Parameters
    ----------
    top : int
        The code that means 1.
    """

    top: int
    n_parameters = 1

    def push(self, stacks: Stacks, parameters: Floats, codes: Indices, sizes: Sequence[int]) -> None:
        """Push rows of codes; sizes are numbers of rows."""
        frequencies = self._frequencies(parameters)
        stacks.push(codes.reshape(1, -1) // self.top, frequencies[None], _values(sizes, codes.shape[1]))

    def pop(self, stacks: Stacks, parameters: Floats, sizes: Sequence[int]) -> Indices:
        """Return the rows of codes that were pushed with the same parameters."""
        n_values = parameters.shape[2]
        found = stacks.pop(self._frequencies(parameters), _values(sizes, n_values))
        return self.top * found.reshape(-1, n_values)

    def n_bits(self, parameters: Floats, codes: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        chosen = np.take_along_axis(self._frequencies(parameters), codes.reshape(-1, 1) // self.top, 1)
        return (PRECISION - np.log2(chosen)).reshape(codes.shape).sum(1)

    def can_code(self, codes: Indices) -> NDArray[np.bool_]:
        """Return which rows [n] have no other values than 0 and top."""
        return ((codes == 0) | (codes == self.top)).all(1)

    def middle(self, parameters: Floats) -> Indices:
        """Return top times the chance of top, rounded: [n, values]."""
        one = self._chances(parameters[:, 0])
        return np.floor((self.top * one + (1 << (PRECISION - 1))) / (1 << PRECISION)).astype(np.int64)

    def _frequencies(self, parameters: Floats) -> Floats:
        one = self._chances(parameters[:, 0].ravel())
        return np.stack([(1 << PRECISION) - one, one], 1)

    @staticmethod
    def _chances(logits: Floats) -> Floats:
        table = tables.chances()
        return table.take((logits + len(table) // 2).astype(np.intp), mode="clip")


@dataclass(eq=False)
class Levels(IntegerLikelihood):
    """Mixtures of logistics cut into levels, whose first and last may have mass of their own.

    Parameters
    ----------
    n_levels, n_components : int
    ends : bool
    inverse : ndarray of int
        By log-scale, in steps of 1/32 from `lowest` on: see `entropy.Located`.
    lowest : int
    """

    n_levels: int
    n_components: int
    ends: bool
    inverse: Array
    lowest: int

    @property
    def n_parameters(self) -> int:  # type: ignore[override]
        """Locations in sixteenths of a level, log-scales; logits where there are several; logits of the ends."""
        m = self.n_components
        return (3 * m if m > 1 else 2) + 3 * self.ends

    def push(self, stacks: Stacks, parameters: Floats, codes: Indices, sizes: Sequence[int]) -> None:
        """Push rows of codes; sizes are numbers of rows."""
        x, values = codes.ravel(), _values(sizes, codes.shape[1])
        sites = self._sites(parameters)
        if not self.ends:
            push(stacks, sites, x, values)
            return
        between = (x > 0) & (x < self.n_levels - 1)
        inner = _Inner(sites.take(between))
        push(stacks, inner, x[between] - 1, counts_of(between, values))
        push(stacks, self._kinds(parameters, sites), np.where(between, 1, 2 * (x > 0)), values)

    def pop(self, stacks: Stacks, parameters: Floats, sizes: Sequence[int]) -> Indices:
        """Return the rows of codes that were pushed with the same parameters."""
        values = _values(sizes, parameters.shape[2])
        sites = self._sites(parameters)
        if not self.ends:
            return pop(stacks, sites, values).reshape(-1, parameters.shape[2])
        kinds = pop(stacks, self._kinds(parameters, sites), values)
        x, between = np.where(kinds > 1, self.n_levels - 1, 0), kinds == 1
        x[between] = 1 + pop(stacks, _Inner(sites.take(between)), counts_of(between, values))
        return x.reshape(-1, parameters.shape[2])

    def n_bits(self, parameters: Floats, codes: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        x, sites = codes.ravel(), self._sites(parameters)
        if not self.ends:
            return n_bits(sites, x).reshape(codes.shape).sum(1)
        between = (x > 0) & (x < self.n_levels - 1)
        bits = n_bits(self._kinds(parameters, sites), np.where(between, 1, 2 * (x > 0)))
        bits[between] += n_bits(_Inner(sites.take(between)), x[between] - 1)
        return bits.reshape(codes.shape).sum(1)

    def can_code(self, codes: Indices) -> NDArray[np.bool_]:
        """Return which rows [n] have levels only."""
        known: NDArray[np.bool_] = np.all((codes >= 0) & (codes < self.n_levels), axis=1)
        return known

    def middle(self, parameters: Floats) -> Indices:
        """Return the mean of the components' places, cut to the levels, and of the ends: [n, values]."""
        m, p = self.n_components, parameters.transpose(1, 0, 2)  # [P, n, values]
        places = np.clip(p[:m], 0, 16 * self.n_levels - 1)
        weight = shares(p[2 * m : 3 * m]) if m > 1 else np.ones((1, *p.shape[1:]))
        between = np.floor((weight * places).sum(0) / weight.sum(0))
        if not self.ends:
            return np.floor(between / 16).astype(np.int64)
        low, middle, high = _end_weights(p)
        total = 16 * (low + middle + high)
        return np.floor((middle * (between - 8) + 16 * (self.n_levels - 1) * high + total / 2) / total).astype(np.int64)

    def all_levels(self, parameters: Floats) -> Located | WithEnds:
        """Return the distribution of each value over all levels, [n · values] sites."""
        sites = self._sites(parameters)
        assert isinstance(sites, Located)
        return WithEnds(sites, _end_weights(parameters.transpose(1, 0, 2)).reshape(3, -1)) if self.ends else sites

    def _sites(self, parameters: Floats) -> Located | Joined:
        m = self.n_components
        p = parameters.transpose(1, 0, 2).reshape(self.n_parameters, -1)  # [P, n · values]
        place = np.clip(p[m : 2 * m] - self.lowest, 0, len(self.inverse) - 1).astype(np.intp)
        weight = shares(p[2 * m : 3 * m]) if m > 1 else None
        return Located(tables.logistic_cdf(), p[:m], self.inverse.astype(np.float64)[place], weight, self.n_levels)

    def _kinds(self, parameters: Floats, sites: Located | Joined) -> Weighted:
        """Return the distribution of first level, those between, last level; each end has its part of the mixture."""
        low, middle, high = _end_weights(parameters.transpose(1, 0, 2)).reshape(3, -1)
        edges = np.array([[1.0], [self.n_levels - 1.0]]) + np.zeros(len(low))
        first, last, whole = (_cut(mass, sites) for mass in (*masses_below(sites, edges), sites.whole))
        one = 1 << END_BITS
        return Weighted(
            np.stack([low * one + middle * first, middle * (last - first), high * one + middle * (whole - last)])
        )


class WithEnds:
    """A mixture's levels, of which the first and the last have mass of their own beside it.

    Parameters
    ----------
    sites : Located
    weights : ndarray of shape (3, n)
        Of the first level, of the mixture, and of the last level.
    """

    def __init__(self, sites: Located, weights: Floats) -> None:
        self.sites, self.weights, self.n_cells, self.n_sites = sites, weights, sites.n_cells, sites.n_sites

    def below(self, index: Floats, part: slice = slice(None)) -> Floats:
        """Return the mass of some sites below indices [..., n], 0 < index < n_cells."""
        low, middle, _ = self.weights[:, part]
        return low * (1 << END_BITS) + middle * _cut(self.sites.below(index, part), self.sites)

    @property
    def whole(self) -> Any:
        """The mass of all levels, [n]."""
        low, middle, high = self.weights
        return (low + high) * (1 << END_BITS) + middle * _cut(self.sites.whole, self.sites)

    def take(self, chosen: Any) -> WithEnds:
        """Return the same of chosen sites."""
        return WithEnds(self.sites.take(chosen), self.weights[:, chosen])


def _end_weights(parameters: Floats) -> Floats:
    """Return the weights of first level, mixture and last level of parameters [P, ...]: [3, ...]."""
    weights: Floats = np.floor(relative_weights(parameters[-3:]) / 4)
    return weights


def _cut(mass: Any, sites: Located | Joined) -> Any:
    """Return a mass of a mixture's sites in units of 2^−16 of all of it, about."""
    return np.floor(mass * 2.0 ** (END_BITS - sites.mass_bits))


class _Inner:
    """Sites without their first and last cell."""

    def __init__(self, sites: Located | Joined) -> None:
        self.sites, self.n_cells = sites, sites.n_cells - 2
        self.first = masses_below(sites, np.ones(sites.n_sites))

    def below(self, index: Floats, part: slice = slice(None)) -> Floats:
        """Return the mass of some sites below indices [..., n], 0 < index < n_cells."""
        return self.sites.below(index + 1, part) - self.first[part]

    @property
    def whole(self) -> Any:
        """The mass of all cells, [n]."""
        return masses_below(self.sites, np.full(len(self.first), self.n_cells + 1.0)) - self.first


def fields_of(part: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, from which another of its kind is made."""
    return {field.name: getattr(part, field.name) for field in fields(part)}


def _values(sizes: Sequence[int], n_values: int) -> list[int]:
    return [size * n_values for size in sizes]


def counts_of(chosen: NDArray[np.bool_], sizes: Sequence[int]) -> list[int]:
    """Return how many of each stack's sites are chosen."""
    ends = np.cumsum([0, *sizes])
    sums = np.concatenate([[0], np.cumsum(chosen)])
    return [int(n) for n in np.diff(sums[ends])]
