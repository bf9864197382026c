"""Whole numbers to bits and back: stacks of an asymmetric numeral system, and the distributions they code with.

A *site* is one whole number to be coded. Distributions are given by how much mass lies below an index, in floats that
hold whole numbers; an index is coded as digits of radix 4, the coarsest decoded first, each with frequencies that sum
to 2^16. So nothing depends on how a processor rounds.

References
----------
Duda (2013), Asymmetric numeral systems, arXiv:1311.2540. Bamler (2022), constriction, arXiv:2201.01741.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import constriction
import numpy as np
from numpy.typing import NDArray

from vaekit.codec import tables

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Words = NDArray[np.uint32]

RADIX = 4
PRECISION = 24  # bits of a coder's frequencies
DIGIT_BITS = 16  # of a digit's
SHARE_BITS = 12  # of the weights of a mixture
SITES_AT_ONCE = 2048  # whose arrays fit a cache

_INNER = np.arange(1.0, RADIX)[:, None]
_INNER_AND_ENDS = np.array([*range(RADIX), 1 << DIGIT_BITS], dtype=np.float64)[:, None]

_MODEL = constriction.stream.model.Categorical(perfect=False)


class Stacks:
    """Some stacks side by side, one for each block of an archive; what is pushed last is popped first.

    Parameters
    ----------
    words : sequence of ndarray of uint32
        What each stack begins with, as `words` gave it.
    """

    def __init__(self, words: Sequence[Words]) -> None:
        self.coders = [constriction.stream.stack.AnsCoder(np.asarray(w, dtype=np.uint32)) for w in words]

    def push(self, symbols: Indices, frequencies: Floats, sizes: Sequence[int]) -> None:
        """Push symbols [times, n] with frequencies [times, n, K] that sum to 2^24, those of the first time last.

        The first sizes[0] sites are the first stack's.
        """
        for coder, part in zip(self.coders, _slices(sizes), strict=True):
            if part.stop > part.start:
                weights = frequencies[:, part].reshape(-1, frequencies.shape[-1]) - 1
                coder.encode_reverse(symbols[:, part].astype(np.int32).ravel(), _MODEL, weights)

    def pop(self, frequencies: Floats, sizes: Sequence[int]) -> Indices:
        """Return the symbols [n] that were pushed with the same frequencies [n, K]."""
        found = np.empty(len(frequencies), dtype=np.int64)
        for coder, part in zip(self.coders, _slices(sizes), strict=True):
            if part.stop > part.start:
                found[part] = coder.decode(_MODEL, frequencies[part] - 1)
        return found

    def some(self, chosen: slice) -> Stacks:
        """Return some of the stacks themselves: what is done to them is done to these."""
        found = Stacks([])
        found.coders = self.coders[chosen]
        return found

    def n_bits(self) -> list[int]:
        """Return how many bits each stack holds."""
        return [32 * coder.num_words() for coder in self.coders]

    def words(self) -> list[Words]:
        """Return the content of each stack."""
        return [coder.get_compressed() for coder in self.coders]


def _slices(sizes: Sequence[int]) -> Iterator[slice]:
    stop = 0
    for size in sizes:
        start, stop = stop, stop + size
        yield slice(start, stop)


class Sites(Protocol):
    """A distribution over 0 … n_cells − 1 for each of n sites."""

    n_cells: int

    def below(self, index: Floats, part: slice = slice(None)) -> Floats:
        """Return the mass of some sites below indices [..., n], 0 < index < n_cells: whole numbers that do not fall."""

    @property
    def whole(self) -> Any:
        """The mass of all cells, [n] or one for all: at most 2^36."""


def masses_below(sites: Sites, index: Floats) -> Floats:
    """Return the masses below indices [..., n] of all sites, some of them at a time: their arrays fit a cache."""
    found = np.empty_like(index)
    for i in range(0, index.shape[-1], SITES_AT_ONCE):
        part = slice(i, i + SITES_AT_ONCE)
        found[..., part] = sites.below(index[..., part], part)
    return found


def push(stacks: Stacks, sites: Sites, indices: Indices, sizes: Sequence[int], lots: int = 1) -> None:
    """Push indices [lots · n], each below n_cells; every lot is pushed with the same sizes, the first one last."""
    symbols, frequencies = zip(*_digits(sites, indices), strict=True)
    stacks.push(_in_turn(symbols, lots), _in_turn(frequencies, lots), sizes)


def _in_turn(digits: Sequence[Any], lots: int) -> Any:
    """Return digits [lots · n, …], the coarsest first, as they are popped: [lots · digits, n, …]."""
    by_lot = np.stack(digits).reshape(len(digits), lots, -1, *digits[0].shape[1:]).swapaxes(0, 1)
    return by_lot.reshape(len(digits) * lots, *by_lot.shape[2:])


def pop(stacks: Stacks, sites: Sites, sizes: Sequence[int]) -> Indices:
    """Return the indices [n] that were pushed with the same sites."""
    walk = _Walk(sites, sum(sizes))
    while walk.width:
        walk.descend(stacks.pop(walk.frequencies(), sizes))
    return walk.low.astype(np.int64)


def n_bits(sites: Sites, indices: Indices) -> Floats:
    """Return what coding each index takes, in bits: [n]."""
    chances = [np.take_along_axis(f, s[:, None], 1)[:, 0] for s, f in _digits(sites, indices)]
    return PRECISION * len(chances) - sum((np.log2(chance) for chance in chances), np.zeros(len(indices)))


def _digits(sites: Sites, indices: Indices) -> Iterator[tuple[Indices, Floats]]:
    """Yield the digits [n] of indices, the coarsest first, with their frequencies [n, RADIX]."""
    walk = _Walk(sites, len(indices))
    while walk.width:
        symbols = ((indices - walk.low) // walk.width).astype(np.int64)
        yield symbols, walk.frequencies()
        walk.descend(symbols)


class _Walk:
    """The way down from all cells to one, digit by digit."""

    def __init__(self, sites: Sites, n: int) -> None:
        self.sites, self.n = sites, n
        self.width = 1  # of a digit's cell
        while self.width * RADIX < sites.n_cells:
            self.width *= RADIX
        self.overshoots = self.width * RADIX > sites.n_cells
        self.low, self.columns = np.zeros(n), np.arange(n)
        self.masses = np.zeros((RADIX + 1, n))  # below the cells of the next digit, and below their end
        self.masses[-1] = sites.whole

    def frequencies(self) -> Floats:
        """Return those of the digit that comes next, [n, RADIX], which sum to 2^24 and are never 0."""
        self._look_below()
        first, last = self.masses[0], self.masses[-1]
        bounds = np.zeros((RADIX + 1, self.n))
        bounds[1:-1] = self.masses[1:-1] - first
        bounds[1:-1] *= (1 << DIGIT_BITS) - RADIX
        bounds[1:-1] /= np.maximum(last - first, 1.0)
        np.floor(bounds, out=bounds)
        bounds += _INNER_AND_ENDS
        bounds *= 1 << (PRECISION - DIGIT_BITS)
        found = np.empty((self.n, RADIX))
        np.subtract(bounds[1:], bounds[:-1], out=found.T)
        return found

    def _look_below(self) -> None:
        """Find the masses between the cells of the next digit."""
        index = self.low + _INNER * self.width
        if self.overshoots:
            np.minimum(index, self.sites.n_cells, out=index)
        self.masses[1:-1] = masses_below(self.sites, index)
        if self.overshoots:
            self.masses[1:-1] = np.where(index < self.sites.n_cells, self.masses[1:-1], self.sites.whole)

    def descend(self, symbols: Indices) -> None:
        """Go on with the cells of these digits."""
        at = symbols * self.n + self.columns
        self.masses[0], self.masses[-1] = self.masses.take(at), self.masses.take(at + self.n)
        self.low += symbols * self.width
        self.width //= RADIX


class Located:
    """Mixtures of a distribution that is shifted and stretched: of normals or logistics, cut into cells.

    Parameters
    ----------
    table : ndarray
        The distribution function in units of 2^−24, at steps of 1/512 around its middle.
    loc : ndarray of shape (M, n)
        Where the components are, in sixteenths of a cell.
    inverse : ndarray of shape (M, n)
        2^13 · 512 / 2 over the scale in cells: steps of the table to 1/16 of a cell, in units of 2^−16.
    weight : ndarray of shape (M, n) or None
        Of the components, in units of 2^−12; they sum to at most 2^12. None for a single one.
    n_cells : int
        The first takes what lies below, the last what lies above.
    """

    def __init__(self, table: Floats, loc: Floats, inverse: Floats, weight: Floats | None, n_cells: int) -> None:
        self.table, self.loc, self.inverse, self.weight, self.n_cells = table, loc, inverse, weight, n_cells
        # ((16 k − l) v + 2^15) / 2^16 + middle, of cell k: all dyadic fractions, and so exact
        self._rise = inverse / (1 << 12)
        self._start = len(table) // 2 + 0.5 - loc * inverse / (1 << 16)

    def below(self, index: Floats, part: slice = slice(None)) -> Floats:
        """Return the mass of some sites below indices [..., n], 0 < index < n_cells."""
        step = index[..., None, :] * self._rise[:, part]  # [..., M, n]
        step += self._start[:, part]
        mass = self.table.take(step.astype(np.intp), mode="clip")  # what rounds upwards below 0 is clipped to it
        if self.weight is None:
            return mass[..., 0, :]
        mass *= self.weight[:, part]
        return mass.sum(-2)

    @property
    def whole(self) -> Any:
        """The mass of all cells, about 2^mass_bits."""
        return self.table[-1] if self.weight is None else self.table[-1] * self.weight.sum(0)

    @property
    def n_sites(self) -> int:
        """How many there are."""
        return int(self.loc.shape[1])

    @property
    def mass_bits(self) -> int:
        """What the mass of all cells is a power of two of, about."""
        return tables.CDF_BITS + (0 if self.weight is None else SHARE_BITS)

    def take(self, chosen: Any) -> Located:
        """Return the same of chosen sites."""
        weight = None if self.weight is None else self.weight[:, chosen]
        return Located(self.table, self.loc[:, chosen], self.inverse[:, chosen], weight, self.n_cells)

    @classmethod
    def side_by_side(cls, lots: Sequence[Located]) -> Located:
        """Return the sites of several lots, alike but for their places, scales and weights."""
        loc, inverse = (np.concatenate([getattr(lot, name) for lot in lots], 1) for name in ("loc", "inverse"))
        weights = [lot.weight for lot in lots if lot.weight is not None]
        return cls(lots[0].table, loc, inverse, np.concatenate(weights, 1) if weights else None, lots[0].n_cells)


class Joined:
    """Sites some of whose cells are joined: those from edges[k] to before edges[k + 1] are cell k.

    Parameters
    ----------
    sites : Located, or others whose cells are only pushed and popped
    edges : ndarray of shape (K + 1,)
        Rising, from 0 to the number of cells.
    """

    def __init__(self, sites: Any, edges: Floats) -> None:
        self.sites, self.edges, self.n_cells = sites, edges, len(edges) - 1

    def below(self, index: Floats, part: slice = slice(None)) -> Floats:
        """Return the mass of some sites below indices [..., n], 0 < index < n_cells."""
        return self.sites.below(self.edges.take(index.astype(np.intp)), part)

    @property
    def whole(self) -> Any:
        """The mass of all cells."""
        return self.sites.whole

    @property
    def n_sites(self) -> int:
        """How many there are."""
        return self.sites.n_sites

    @property
    def mass_bits(self) -> int:
        """What the mass of all cells is a power of two of, about."""
        return self.sites.mass_bits

    def take(self, chosen: Any) -> Joined:
        """Return the same of chosen sites."""
        return Joined(self.sites.take(chosen), self.edges)


class Stepped:
    """Sites whose cells are joined by a number and from a place of each site's own.

    Parameters
    ----------
    sites : Located, or others that know their number
    step, first : ndarray of shape (n,) or number
        Cell k of a site is made of those from first + k step to before first + (k + 1) step that are there.
    n_cells : int
    """

    def __init__(self, sites: Any, step: Any, first: Any, n_cells: int) -> None:
        self.sites, self.n_cells = sites, n_cells
        self.step, self.first = (np.broadcast_to(np.float64(x), sites.n_sites) for x in (step, first))

    def below(self, index: Floats, part: slice = slice(None)) -> Floats:
        """Return the mass of some sites below indices [..., n], 0 < index < n_cells."""
        edge = self.first[part] + index * self.step[part]
        whole: Any = np.broadcast_to(self.sites.whole, self.step.shape)[part]
        mass = self.sites.below(np.clip(edge, 1, self.sites.n_cells - 1), part)
        return np.where(edge < 1, 0.0, np.where(edge < self.sites.n_cells, mass, whole))

    @property
    def whole(self) -> Any:
        """The mass of all cells."""
        return self.sites.whole


class Weighted:
    """Categories by their weights.

    Parameters
    ----------
    weight : ndarray of shape (n_cells, n)
        Whole numbers.
    """

    def __init__(self, weight: Floats) -> None:
        self.weight, self.n_cells = weight, len(weight)
        self.sums = np.concatenate([np.zeros((1, weight.shape[1])), np.cumsum(weight, axis=0)])
        self._columns = np.arange(weight.shape[1])

    def below(self, index: Floats, part: slice = slice(None)) -> Floats:
        """Return the mass of some sites below indices [..., n]."""
        return self.sums.take(index.astype(np.intp) * len(self._columns) + self._columns[part])

    @property
    def whole(self) -> Any:
        """The mass of all cells, [n]."""
        return self.sums[-1]


class Uniform:
    """Every index alike.

    Parameters
    ----------
    n_cells : int
    """

    def __init__(self, n_cells: int) -> None:
        self.n_cells = n_cells

    def below(self, index: Floats, part: slice = slice(None)) -> Floats:
        """Return the mass of some sites below indices [..., n]."""
        return index

    @property
    def whole(self) -> Any:
        """The mass of all cells."""
        return float(self.n_cells)


def shares(logits: Floats) -> Floats:
    """Return weights [M, n] in units of 2^−12 of logits [M, n] in steps of 1/32; their sum is at most 2^12.

    Examples
    --------
    >>> shares(np.array([[0.0], [0.0], [-32.0]]))[:, 0]
    array([1729., 1729.,  636.])
    """
    weight = relative_weights(logits)
    return np.floor(weight * (1 << SHARE_BITS) / weight.sum(0))


def relative_weights(logits: Floats) -> Floats:
    """Return weights [M, n] in units of 2^−20 of the largest, of logits [M, n] in steps of 1/32."""
    table = tables.weights()
    distance = np.minimum(logits.max(0) - logits, len(table) - 1)
    return table[distance.astype(np.intp)]
