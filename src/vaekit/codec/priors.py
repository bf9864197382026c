"""Priors over cells: of units by themselves, unit by unit, or layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec import integer_network as network
from vaekit.codec import tables
from vaekit.codec.entropy import Floats, Indices, Located, Sites, Stacks, n_bits, pop, push, shares
from vaekit.codec.integer_network import Product
from vaekit.codec.lattice import Lattice
from vaekit.codec.normals import Layers, Normals, centred, scaled

Array = NDArray[Any]

FARTHEST = 1 << 13  # of a distance: sixteen standard deviations


class Prior:
    """p(z) over cells [n, d], or over the coarser ones of a lattice, each told as its middle."""

    lattice: Lattice | None = None

    def on(self, lattice: Lattice) -> Prior:
        """Return the prior of the cells of a lattice."""
        found = copy(self)
        found.lattice = lattice
        return found

    def push(self, stacks: Stacks, z: Indices, sizes: Sequence[int]) -> None:
        """Push the cells [n, d] of codes."""
        raise NotImplementedError

    def pop(self, stacks: Stacks, sizes: Sequence[int]) -> Indices:
        """Return the cells [n, d] that were pushed; sizes are numbers of rows."""
        raise NotImplementedError

    def n_bits(self, z: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        raise NotImplementedError

    def told(self, z: Indices) -> list[Floats]:
        """Return what networks of the prior say of cells [n, d]."""
        return []

    def check(self) -> None:
        """Raise where a sum would not be exact."""

    @property
    def n_units(self) -> int:
        """The number of units of z."""
        raise NotImplementedError

    def _push(
        self, stacks: Stacks, sites: Located, cells: Indices, sizes: Sequence[int], units: Any, lots: int = 1
    ) -> None:
        """Push cells [sites], each of a unit, in lots of the same sizes."""
        push(stacks, self._coded(sites, units), self._index(cells, units), sizes, lots)

    def _pop(self, stacks: Stacks, sites: Located, sizes: Sequence[int], units: Any) -> Indices:
        """Return the cells [sites] that were pushed."""
        index = pop(stacks, self._coded(sites, units), sizes)
        return index if self.lattice is None else self.lattice.cells(index, units)

    def _n_bits(self, sites: Located, cells: Indices, units: Any) -> Floats:
        """Return what coding cells takes, in bits: [sites]."""
        return n_bits(self._coded(sites, units), self._index(cells, units))

    def _coded(self, sites: Located, units: Any) -> Sites:
        return sites if self.lattice is None else self.lattice.joined(sites, units)

    def _index(self, cells: Indices, units: Any) -> Indices:
        return cells if self.lattice is None else self.lattice.index(cells, units)


@dataclass(eq=False)
class FixedPrior(Prior):
    """The same distribution for every row: of each unit by itself.

    Parameters
    ----------
    loc, inverse : ndarray of int of shape (d,)
        See `Located`.
    n_cells : int
    """

    loc: Array
    inverse: Array
    n_cells: int

    def push(self, stacks: Stacks, z: Indices, sizes: Sequence[int]) -> None:
        """Push the cells [n, d] of codes."""
        self._push(stacks, self._sites(len(z)), z.ravel(), scaled(sizes, self.n_units), self._units(len(z)))

    def pop(self, stacks: Stacks, sizes: Sequence[int]) -> Indices:
        """Return the cells [n, d] that were pushed; sizes are numbers of rows."""
        n, d = sum(sizes), self.n_units
        return self._pop(stacks, self._sites(n), scaled(sizes, d), self._units(n)).reshape(-1, d)

    def n_bits(self, z: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        return self._n_bits(self._sites(len(z)), z.ravel(), self._units(len(z))).reshape(z.shape).sum(1)

    @property
    def n_units(self) -> int:
        """The number of units of z."""
        return len(self.loc)

    def _units(self, n: int) -> Indices:
        return np.tile(np.arange(self.n_units), n)

    def _sites(self, n: int) -> Located:
        loc, inverse = (np.tile(part.astype(np.float64), n)[None] for part in (self.loc, self.inverse))
        return Located(tables.normal_cdf(), loc, inverse, None, self.n_cells)


@dataclass(eq=False)
class MixturePrior(Prior):
    """Σ_k w_k N(z; m_k, L_k L_kᵀ), unit by unit: given the units before, a mixture of normals with weights of its own.

    With e_ki the i-th unit's distance from its place in component k, in steps of 1/512 of its standard deviation, unit
    j stands in component k at loc_kj + Σ_i lower_kji e_ki / 2^12, and the component's logit falls by Σ_i e_ki² / 2^14:
    sums over the units i before j.

    Parameters
    ----------
    logits : ndarray of int of shape (K, d)
        Of the components as each unit is reached but for the falling part, in steps of 1/32.
    loc, inverse : ndarray of int of shape (K, d)
        See `Located`.
    lower : ndarray of int of shape (K, d, d) or (0,)
        Sixteenths of a cell to 1/512 of a standard deviation, in units of 2^−12; none where units are independent.
    n_cells : int
    """

    logits: Array
    loc: Array
    inverse: Array
    lower: Array
    n_cells: int

    def push(self, stacks: Stacks, z: Indices, sizes: Sequence[int]) -> None:
        """Push the cells [n, d] of codes, the last unit first."""
        sites = Located.side_by_side([sites for sites, _ in self._units(z)])
        self._push(stacks, sites, z.T.ravel(), sizes, np.repeat(np.arange(self.n_units), len(z)), self.n_units)

    def pop(self, stacks: Stacks, sizes: Sequence[int]) -> Indices:
        """Return the cells [n, d] that were pushed; sizes are numbers of rows."""
        z = np.zeros((sum(sizes), self.n_units), dtype=np.int64)
        distances = self._no_distances(len(z))
        for j in range(self.n_units):
            sites = self._sites(distances, j)
            z[:, j] = self._pop(stacks, sites, sizes, j)
            distances[:, j] = self._distance(sites, z[:, j])
        return z

    def n_bits(self, z: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        units = (self._n_bits(sites, cells, j) for j, (sites, cells) in enumerate(self._units(z)))
        return sum(units, np.zeros(len(z)))

    def told(self, z: Indices) -> list[Floats]:
        """Return the places and the weights of all units of cells [n, d]."""
        return [part for sites, _ in self._units(z) for part in (sites.loc, sites.weight) if part is not None]

    def check(self) -> None:
        """Raise where a sum would not be exact."""
        largest = [int(np.abs(part.astype(np.int64)).max(initial=0)) for part in (self.logits, self.loc, self.inverse)]
        reach = largest[1] + (int(np.abs(self.lower.astype(np.int64)).max(initial=0)) * FARTHEST * self.n_units >> 12)
        network.assert_exact((reach + 32 * self.n_cells) * largest[2], 16)
        network.assert_exact(largest[0] + FARTHEST**2 * self.n_units, 14)

    @property
    def n_units(self) -> int:
        """The number of units of z."""
        return int(self.loc.shape[1])

    def _units(self, z: Indices) -> list[tuple[Located, Indices]]:
        """Return the distribution and the cells of each unit."""
        distances, found = self._no_distances(len(z)), []
        for j in range(self.n_units):
            found.append((self._sites(distances, j), z[:, j]))
            distances[:, j] = self._distance(*found[-1])
        return found

    def _no_distances(self, n: int) -> Floats:
        return np.zeros((len(self.loc), self.n_units, n))  # [K, d, n]

    def _sites(self, distances: Floats, j: int) -> Located:
        """Return unit j's mixtures [n], given the distances [K, d, n] of the units before."""
        before = distances[:, :j]
        logits = self.logits[:, j, None] - np.floor((before**2).sum(1) / (1 << 14))
        place = self.loc[:, j, None] + np.zeros_like(logits)
        if self.lower.size:
            moved = (self.lower[:, j, :j, None] * before).sum(1)
            place += np.floor((moved + (1 << 11)) / (1 << 12))
        inverse = self.inverse[:, j, None] + np.zeros_like(logits)
        return Located(tables.normal_cdf(), place, inverse, shares(logits), self.n_cells)

    @staticmethod
    def _distance(sites: Located, cells: Indices) -> Floats:
        """Return how far cells [n] are from each component's place, in steps of 1/512 of a deviation: [K, n]."""
        steps = np.floor(((16 * cells + 8 - sites.loc) * sites.inverse + (1 << 15)) / (1 << 16))
        return np.clip(steps, -FARTHEST, FARTHEST)


@dataclass(eq=False)
class AutoregressivePrior(Prior):
    """Π_j of mixtures of normals given the units before: a masked hidden layer and a masked layer of parameters.

    Parameters
    ----------
    hidden : Product
        From z as odd numbers around 0 to values and gates.
    gate : Gate
    out : Product
        To parameters (logits, locations, log-scales) of M components of d units, in this order.
    normals : Normals
    n_components : int
        M.
    n_cells : int
    """

    hidden: Product
    gate: network.Gate
    out: Product
    normals: Normals
    n_components: int
    n_cells: int

    def push(self, stacks: Stacks, z: Indices, sizes: Sequence[int]) -> None:
        """Push the cells [n, d] of codes, the last unit first."""
        self._push(stacks, self._all_sites(z), z.T.ravel(), sizes, self._units(z), z.shape[1])

    def pop(self, stacks: Stacks, sizes: Sequence[int]) -> Indices:
        """Return the cells [n, d] that were pushed; sizes are numbers of rows."""
        n, d = sum(sizes), self.hidden.weight.shape[1]
        z, seen = np.zeros((n, d), dtype=np.int64), np.zeros((n, self.out.weight.shape[1]))
        for j, (rows, hidden, out) in enumerate(self._parts):
            if len(rows):
                seen[:, rows] = self.gate(hidden(centred(z[:, :j], self.n_cells)))
            z[:, j] = self._pop(stacks, self._sites(out(seen).reshape(n, 3, -1)), sizes, j)
        return z

    def n_bits(self, z: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        return self._n_bits(self._all_sites(z), z.T.ravel(), self._units(z)).reshape(z.shape[::-1]).sum(0)

    def told(self, z: Indices) -> list[Floats]:
        """Return what networks of the prior say of cells [n, d]."""
        return [self._parameters(z)]

    def check(self) -> None:
        """Raise where a sum would not be exact."""
        network.check([self.out], network.check([self.hidden, self.gate], self.n_cells))

    @property
    def n_units(self) -> int:
        """The number of units of z."""
        return int(self.hidden.weight.shape[1])

    def _parameters(self, z: Indices) -> Floats:
        """Return the parameters [n, 3, M, d] of all conditionals at once."""
        h = self.out(self.gate(self.hidden(centred(z, self.n_cells))))
        return h.reshape(len(z), 3, self.n_components, -1)

    def _all_sites(self, z: Indices) -> Located:
        """Return the mixtures [d · n] of all units, the first one's for all rows first."""
        by_unit = self._parameters(z).transpose(3, 0, 1, 2)  # [d, n, 3, M]
        return self._sites(by_unit.reshape(-1, *by_unit.shape[2:]))

    @staticmethod
    def _units(z: Indices) -> Indices:
        return np.repeat(np.arange(z.shape[1]), len(z))

    def _sites(self, parameters: Floats) -> Located:
        """Return the mixtures [n] of parameters [n, 3, M]."""
        logits, loc, log_scale = np.ascontiguousarray(parameters.transpose(1, 2, 0))  # each [M, n]
        return self.normals.sites(loc, log_scale, shares(logits), self.n_cells)

    @cached_property
    def _parts(self) -> list[tuple[Array, Product, Product]]:
        """Return for each unit which hidden values it is the first to need, and the products that give its own."""
        d, n_hidden = self.hidden.weight.shape[1], self.out.weight.shape[1]
        reads = (self.hidden.weight != 0).reshape(2, n_hidden, d).any(0)  # [n_hidden, d]
        needs = np.where(reads.any(1), d - reads[:, ::-1].argmax(1), 0)  # how many units must be known
        parts = []
        for j in range(d):
            rows = np.flatnonzero(needs == j)
            hidden = self.hidden.part(np.concatenate([rows, n_hidden + rows]), slice(0, j))
            parts.append((rows, hidden, self.out.part(np.arange(j, len(self.out.weight), d), slice(None))))
        return parts


@dataclass(eq=False)
class TopDownPrior(Prior):
    """p(z_0) Π_l p(z_l | z_<l), the layers one after the other from the top.

    Parameters
    ----------
    top : Prior
    below : Layers
    """

    top: Prior
    below: Layers

    def on(self, lattice: Lattice) -> Prior:
        """Return the prior of the cells of a lattice."""
        found = replace(self, top=self.top.on(lattice.of_units(slice(self._first))))
        found.lattice = lattice
        return found

    def push(self, stacks: Stacks, z: Indices, sizes: Sequence[int]) -> None:
        """Push the cells [n, d] of codes, the lowest layer first."""
        for layer, (sites, cells) in reversed(list(enumerate(self._layers(z)))):
            self._push(stacks, sites, cells.ravel(), scaled(sizes, cells.shape[1]), self._units_of(layer, len(z)))
        self.top.push(stacks, z[:, : self._first], sizes)

    def pop(self, stacks: Stacks, sizes: Sequence[int]) -> Indices:
        """Return the cells [n, d] that were pushed; sizes are numbers of rows."""
        z = self.top.pop(stacks, sizes)
        for layer, width in enumerate(self.below.sizes):
            sites = self.below.sites(layer, np.empty((len(z), 0)), z)
            found = self._pop(stacks, sites, scaled(sizes, width), self._units_of(layer, len(z)))
            z = np.concatenate([z, found.reshape(len(z), width)], axis=1)
        return z

    def n_bits(self, z: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        below = (
            self._n_bits(sites, cells.ravel(), self._units_of(layer, len(z))).reshape(cells.shape).sum(1)
            for layer, (sites, cells) in enumerate(self._layers(z))
        )
        return self.top.n_bits(z[:, : self._first]) + sum(below, np.zeros(len(z)))

    def told(self, z: Indices) -> list[Floats]:
        """Return what networks of the prior say of cells [n, d]."""
        below = [part for sites, _ in self._layers(z) for part in (sites.loc, sites.inverse)]
        return [*self.top.told(z[:, : self._first]), *below]

    def check(self) -> None:
        """Raise where a sum would not be exact."""
        self.top.check()
        self.below.check(0)

    def _units_of(self, layer: int, n: int) -> Indices:
        """Return the unit of each site of a layer below the top."""
        start = self._first + sum(self.below.sizes[:layer])
        return np.tile(np.arange(start, start + self.below.sizes[layer]), n)

    @property
    def _first(self) -> int:
        return self.n_units - sum(self.below.sizes)

    @property
    def n_units(self) -> int:
        """The number of units of z."""
        return self.top.n_units + sum(self.below.sizes)

    def _layers(self, z: Indices) -> list[tuple[Located, Indices]]:
        """Return the distribution and the cells of each layer below the top."""
        ends = np.cumsum([self._first, *self.below.sizes])
        pairs = enumerate(zip(ends[:-1], ends[1:], strict=True))
        return [(self.below.sites(i, np.empty((len(z), 0)), z[:, :a]), z[:, a:b]) for i, (a, b) in pairs]
