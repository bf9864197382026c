"""The likelihood of a table over whole numbers: each column by a density of its own, gaps and strangers included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    Sites,
    Stacks,
    Uniform,
    Weighted,
    n_bits,
    pop,
    push,
    relative_weights,
    shares,
)
from vaekit.codec.likelihoods import IntegerLikelihood, counts_of, fields_of
from vaekit.codec.reading import GAP

Array = NDArray[Any]

VALUE, MISSING, OTHER = range(3)  # kinds: in a density's cells, a gap, a whole number beyond them
ATOM_BITS = 8  # by which mass is finer than an atom's weight
WORDS = 4  # of 16 bits, that a whole number beyond the cells is written in


class Density:
    """P(cell | parameters) of one column."""

    def sites(self, parameters: Floats, n_cells: int) -> Sites:
        """Return the distribution of cells [n] given parameters [P, n]."""
        raise NotImplementedError


@dataclass(eq=False)
class Coin(Density):
    """P(1) = σ(l/32)."""

    def sites(self, parameters: Floats, n_cells: int) -> Sites:
        """Return the distribution of 0 and 1 given logits [1, n]."""
        table = tables.chances()
        one = table.take((parameters[0] + len(table) // 2).astype(np.intp), mode="clip")
        return Weighted(np.stack([(1 << PRECISION) - one, one]))


@dataclass(eq=False)
class Choice(Density):
    """P(k) ∝ exp(l_k/32)."""

    def sites(self, parameters: Floats, n_cells: int) -> Sites:
        """Return the distribution of categories given logits [K, n]."""
        return Weighted(relative_weights(parameters))


@dataclass(eq=False)
class Bell(Density):
    """A mixture of normals or logistics of M components: M locations, log-scales if predicted, logits if M > 1.

    Parameters
    ----------
    of : {"normal", "logistic"}
    n_components : int
    inverse : ndarray of int
        By log-scale, in steps of 1/32 from `lowest` on, or a single one for all: see `entropy.Located`.
    lowest : int
    """

    of: str
    n_components: int
    inverse: Array
    lowest: int

    def sites(self, parameters: Floats, n_cells: int) -> Sites:
        """Return the distribution of cells given parameters [P, n]."""
        m = self.n_components
        table = tables.normal_cdf() if self.of == "normal" else tables.logistic_cdf()
        scales = parameters[m : 2 * m] if len(self.inverse) > 1 else np.zeros((m, parameters.shape[1]))
        inverse = self.inverse.astype(np.float64).take((scales - self.lowest).astype(np.intp), mode="clip")
        weight = shares(parameters[-m:]) if m > 1 else None
        return Located(table, parameters[:m], inverse, weight, n_cells)


@dataclass(eq=False)
class Counted(Density):
    """Counts by a table: of the mass below the first count of each bucket, for each parameter.

    Up to 16 a bucket is one count; from there on there are eight to an octave, and mass is even within each.

    Parameters
    ----------
    below : ndarray of int of shape (G, B + 1)
        In units of 2^−24, by parameter from `lowest` on.
    lowest : int
    """

    below: Array
    lowest: int

    def sites(self, parameters: Floats, n_cells: int) -> Sites:
        """Return the distribution of counts given parameters [1, n]."""
        row = (parameters[0] - self.lowest).astype(np.intp)
        return _Buckets(self.below.astype(np.float64).take(row, axis=0, mode="clip"), n_cells)


class _Buckets:
    """Counts whose mass below buckets is known."""

    def __init__(self, masses: Floats, n_cells: int) -> None:
        self.masses, self.n_cells = masses, n_cells  # [n, B + 1]

    def below(self, index: Floats, part: slice = slice(None)) -> Floats:
        """Return the mass of some sites below indices [..., n], 0 < index < n_cells."""
        bucket, first, width = bucket_of(np.minimum(index, self.n_cells - 1.0))  # a walk may ask for more
        masses = self.masses[part]
        rows = np.arange(len(masses))
        low, high = masses[rows, bucket], masses[rows, bucket + 1]
        return low + np.floor((high - low) * (index - first) / width)  # a width is a power of two

    @property
    def whole(self) -> Any:
        """The mass of all cells, [n]."""
        return self.masses[:, int(bucket_of(np.array([self.n_cells - 1.0]))[0][0]) + 1]


def bucket_of(counts: Floats) -> tuple[Indices, Floats, Floats]:
    """Return the buckets that counts are in, with the first count and the number of counts of each.

    Examples
    --------
    >>> [part.tolist() for part in bucket_of(np.array([3.0, 15.0, 16.0, 17.0, 40.0]))]
    [[3, 15, 16, 16, 26], [3.0, 15.0, 16.0, 16.0, 40.0], [1.0, 1.0, 2.0, 2.0, 4.0]]
    """
    octave = np.maximum(np.frexp(counts)[1] - 4, 0)
    width = np.ldexp(1.0, octave)
    eighth = np.floor(counts / width)
    return (8 * octave + eighth).astype(np.int64), eighth * width, width


@dataclass(eq=False)
class Atoms(Density):
    """Whole numbers of which some have mass of their own beside that of a density: as `distributions.atoms`.

    Parameters
    ----------
    smooth : Density
        Of the first parameters; those behind it are the atoms' logits and its own.
    n_smooth : int
        How many its parameters are.
    width : int
        Whole numbers in each of its cells, among which mass is even.
    atoms : ndarray of int of shape (A,)
        Rising, from the first whole number on.
    """

    smooth: Density
    n_smooth: int
    width: int
    atoms: Array

    def sites(self, parameters: Floats, n_cells: int) -> Sites:
        """Return the distribution of whole numbers given parameters [P, n]."""
        smooth = self.smooth.sites(parameters[: self.n_smooth], n_cells // self.width)
        return Spiked(smooth, relative_weights(parameters[self.n_smooth :]), self.width, self.atoms)


class Spiked:
    """Whole numbers of which some have mass of their own: weights [A + 1, n], of the smooth part at the end."""

    def __init__(self, smooth: Sites, weights: Floats, width: int, atoms: Array) -> None:
        self.smooth, self.width, self.atoms, self.rest = smooth, width, atoms, weights[-1]
        self.n_cells = smooth.n_cells * width
        masses = weights[:-1] * (1 << ATOM_BITS)
        self.sums = np.concatenate([np.zeros((1, weights.shape[1])), np.cumsum(masses, axis=0)])
        self._columns = np.arange(weights.shape[1])

    def below(self, index: Floats, part: slice = slice(None)) -> Floats:
        """Return the mass of some sites below indices [..., n], 0 < index < n_cells."""
        n_below = np.searchsorted(self.atoms, index)
        atoms = self.sums.take(n_below * len(self._columns) + self._columns[part])
        return atoms + self._of_smooth(self._smooth_below(index, part), part)

    @property
    def whole(self) -> Any:
        """The mass of all cells, [n]: at most 2^28 for each atom."""
        return self.sums[-1] + self._of_smooth(self.smooth.whole)

    def _of_smooth(self, mass: Any, part: slice = slice(None)) -> Floats:
        return np.floor(mass * self.rest[part] / (1 << tables.CDF_BITS - ATOM_BITS))

    def _smooth_below(self, index: Floats, part: slice) -> Floats:
        cell, place = np.divmod(index, self.width)
        low = self._edge(cell, part)
        return low if self.width == 1 else low + np.floor((self._edge(cell + 1, part) - low) * place / self.width)

    def _edge(self, cell: Floats, part: slice) -> Floats:
        """Return the smooth mass below cells [..., n], 0 ≤ cell ≤ the number of cells."""
        last = self.smooth.n_cells - 1.0
        mass = self.smooth.below(np.clip(cell, 1.0, last), part)
        whole: Any = np.broadcast_to(self.smooth.whole, self.rest.shape)[part]
        return np.where(cell < 1, 0.0, np.where(cell > last, whole, mass))


@dataclass(eq=False)
class Column:
    """A column of a table: what it is, then which.

    Parameters
    ----------
    field : int
        Of the table.
    places : ndarray of int of shape (P,)
        Of its parameters among the decoder's numbers.
    low, n_cells, width : int
        The first whole number, the number of cells, and the number of whole numbers in a cell, all alike.
    kinds : ndarray of int of shape (3,)
        Weights of a value in the cells, a gap, another whole number.
    density : Density
    """

    field: int
    places: Array
    low: int
    n_cells: int
    width: int
    kinds: Array
    density: Density

    def push(self, stacks: Stacks, parameters: Floats, x: Indices, sizes: Sequence[int]) -> None:
        """Push whole numbers or gaps x [n] given the decoder's numbers [n, P]."""
        kinds = self._kinds_of(x)
        inside, other = kinds == VALUE, kinds == OTHER
        words = x[other].astype("<i8").view("<u2").reshape(-1, WORDS).astype(np.int64)
        push(stacks, Uniform(1 << 16), words.ravel(), [WORDS * n for n in counts_of(other, sizes)])
        cell, place = self._parted(x[inside] - self.low)
        push(stacks, Uniform(self._n_places), place, counts_of(inside, sizes))
        push(stacks, self._sites(parameters[inside]), cell, counts_of(inside, sizes))
        push(stacks, self._weights(len(x)), kinds, sizes)

    def pop(self, stacks: Stacks, parameters: Floats, sizes: Sequence[int]) -> Indices:
        """Return the whole numbers or gaps [n] that were pushed."""
        kinds = pop(stacks, self._weights(len(parameters)), sizes)
        inside, other = kinds == VALUE, kinds >= OTHER
        x = np.full(len(kinds), GAP)
        cell = pop(stacks, self._sites(parameters[inside]), counts_of(inside, sizes))
        place = pop(stacks, Uniform(self._n_places), counts_of(inside, sizes))
        x[inside] = self.low + self._whole(cell, place)
        words = pop(stacks, Uniform(1 << 16), [WORDS * n for n in counts_of(other, sizes)])
        x[other] = words.astype("<u2").view("<i8")
        return x

    def n_bits(self, parameters: Floats, x: Indices) -> Floats:
        """Return what coding takes, in bits: [n]."""
        kinds = self._kinds_of(x)
        inside, bits = kinds == VALUE, self.kind_bits(x)
        cell, _ = self._parted(x[inside] - self.low)
        bits[inside] += n_bits(self._sites(parameters[inside]), cell) + np.log2(self._n_places)
        return bits + 64 * (kinds == OTHER)

    def kind_bits(self, x: Indices) -> Floats:
        """Return what coding the kinds takes, in bits: [n]."""
        return n_bits(self._weights(len(x)), self._kinds_of(x))

    @property
    def _n_places(self) -> int:
        """How many whole numbers of a cell are told apart."""
        return self.width

    def _parted(self, x: Indices) -> tuple[Indices, Indices]:
        """Return cell and place of whole numbers from the first one on."""
        cell, place = np.divmod(x, self.width)
        return cell, place

    def _whole(self, cell: Indices, place: Indices) -> Indices:
        """Return the whole numbers, from the first one on, that cells and places stand for."""
        return self.width * cell + place

    def _kinds_of(self, x: Indices) -> Indices:
        inside = (x >= self.low) & (x < self.low + self.n_cells * self.width)
        return np.where(inside, VALUE, np.where(x == GAP, MISSING, OTHER))

    def _sites(self, parameters: Floats) -> Sites:
        return self.density.sites(parameters[:, self.places].T, self.n_cells)

    def _weights(self, n: int) -> Weighted:
        return Weighted(self.kinds.astype(np.float64)[:, None] + np.zeros(n))


class RoundedColumn(Column):
    """A column in which up to `span` neighbouring whole numbers are told as the middle one.

    Where a cell holds no more than span of them, whole cells are joined, else a cell is cut into runs of span.

    Parameters
    ----------
    column : Column
    span : int
    """

    def __init__(self, column: Column, span: int) -> None:
        super().__init__(**fields_of(column))
        self.span, self.joined = span, max(1, span // self.width)

    def told(self, x: Indices) -> Indices:
        """Return what whole numbers are told as; gaps and those outside of the cells stay."""
        inside = self._kinds_of(x) == VALUE
        return np.where(inside, self.low + self._whole(*self._parted(np.where(inside, x - self.low, 0))), x)

    @property
    def _n_places(self) -> int:
        return -(-self.width // self.span)

    def _parted(self, x: Indices) -> tuple[Indices, Indices]:
        cell, place = super()._parted(x)
        return cell // self.joined, place // self.span

    def _whole(self, cell: Indices, place: Indices) -> Indices:
        size = self.joined * self.width
        if self._n_places == 1:
            last = self.n_cells * self.width - 1
            return np.minimum(size * cell + size // 2, last)
        return size * cell + np.minimum(self.span * place + self.span // 2, self.width - 1)

    def _sites(self, parameters: Floats) -> Sites:
        sites = super()._sites(parameters)
        if self.joined == 1:
            return sites
        assert isinstance(sites, Located | Spiked)
        edges = np.arange(0, self.n_cells, self.joined, dtype=np.float64)
        return Joined(sites, np.append(edges, self.n_cells))


@dataclass(eq=False)
class Columns(IntegerLikelihood):
    """Π over columns, in their order; what is no column here is a gap.

    Parameters
    ----------
    columns : list of Column
    n_fields, n_parameters : int
        Of the table, and numbers that the decoder makes for a row.
    """

    columns: list[Column]
    n_fields: int
    n_parameters: int

    def only(self, chosen: Sequence[int]) -> Columns:
        """Return the same of some fields alone."""
        return replace(self, columns=[column for column in self.columns if column.field in chosen])

    def rounded(self, spans: Mapping[int, int]) -> Columns:
        """Return the same, of some fields so many neighbouring whole numbers being told as one."""
        found = [RoundedColumn(c, spans[c.field]) if c.field in spans else c for c in self.columns]
        return replace(self, columns=found)

    def push(self, stacks: Stacks, parameters: Floats, codes: Indices, sizes: Sequence[int]) -> None:
        """Push rows of whole numbers [n, fields] given parameters [n, P, 1]."""
        for column in reversed(self.columns):
            column.push(stacks, parameters[..., 0], codes[:, column.field], sizes)

    def pop(self, stacks: Stacks, parameters: Floats, sizes: Sequence[int]) -> Indices:
        """Return the rows that were pushed with the same parameters."""
        codes = np.full((len(parameters), self.n_fields), GAP)
        for column in self.columns:
            codes[:, column.field] = column.pop(stacks, parameters[..., 0], sizes)
        return codes

    def n_bits(self, parameters: Floats, codes: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        bits = (column.n_bits(parameters[..., 0], codes[:, column.field]) for column in self.columns)
        return sum(bits, np.zeros(len(codes)))

    def can_code(self, codes: Indices) -> NDArray[np.bool_]:
        """Return which rows [n] have no values but gaps where there is no column."""
        others = np.setdiff1d(np.arange(self.n_fields), [column.field for column in self.columns])
        known: NDArray[np.bool_] = (codes[:, others] == GAP).all(1)
        return known
