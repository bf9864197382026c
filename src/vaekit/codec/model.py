"""The integer model: posterior, prior and likelihood as distributions over whole numbers, without any rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec import integer_network as network
from vaekit.codec import tables
from vaekit.codec.entropy import Floats, Indices, Located, Stacks, n_bits, pop, push, shares
from vaekit.codec.integer_network import Operation, Product
from vaekit.codec.likelihoods import IntegerLikelihood

Array = NDArray[Any]
Steps = list[Operation]


@dataclass(eq=False)
class Normals:
    """From statistics of whole numbers to normals cut into cells.

    Parameters
    ----------
    inverse : ndarray of int
        By log-scale, in steps of 1/32 from `lowest` on: see `Located`.
    lowest : int
    """

    inverse: Array
    lowest: int

    def sites(self, loc: Floats, log_scale: Floats, weight: Floats | None, n_cells: int) -> Located:
        """Return mixtures [n] of components [M, n]: locations in sixteenths of a cell, log-scales, weights."""
        place = np.clip(log_scale - self.lowest, 0, len(self.inverse) - 1).astype(np.intp)
        inverse = self.inverse.astype(np.float64)[place]
        return Located(tables.normal_cdf(), loc, inverse, weight, n_cells)

    def of_statistics(self, statistics: Floats, n_cells: int) -> Located:
        """Return single normals, n · d sites, of locations and log-scales [n, 2 d]."""
        loc, log_scale = (part.reshape(1, -1) for part in np.split(statistics, 2, axis=1))
        return self.sites(loc, log_scale, None, n_cells)


class Prior:
    """p(z) over cells [n, d]."""

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
        push(stacks, self._sites(len(z)), z.ravel(), [s * len(self.loc) for s in sizes])

    def pop(self, stacks: Stacks, sizes: Sequence[int]) -> Indices:
        """Return the cells [n, d] that were pushed; sizes are numbers of rows."""
        d = len(self.loc)
        return pop(stacks, self._sites(sum(sizes)), [s * d for s in sizes]).reshape(-1, d)

    def n_bits(self, z: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        return n_bits(self._sites(len(z)), z.ravel()).reshape(z.shape).sum(1)

    @property
    def n_units(self) -> int:
        """The number of units of z."""
        return len(self.loc)

    def _sites(self, n: int) -> Located:
        loc, inverse = (np.tile(part.astype(np.float64), n)[None] for part in (self.loc, self.inverse))
        return Located(tables.normal_cdf(), loc, inverse, None, self.n_cells)


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
        parameters = self._parameters(z)
        for j in reversed(range(z.shape[1])):
            push(stacks, self._sites(parameters[..., j]), z[:, j], sizes)

    def pop(self, stacks: Stacks, sizes: Sequence[int]) -> Indices:
        """Return the cells [n, d] that were pushed; sizes are numbers of rows."""
        n, d = sum(sizes), self.hidden.weight.shape[1]
        z, seen = np.zeros((n, d), dtype=np.int64), np.zeros((n, self.out.weight.shape[1]))
        for j, (rows, hidden, out) in enumerate(self._parts):
            if len(rows):
                seen[:, rows] = self.gate(hidden(centred(z[:, :j], self.n_cells)))
            z[:, j] = pop(stacks, self._sites(out(seen).reshape(n, 3, -1)), sizes)
        return z

    def n_bits(self, z: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        parameters = self._parameters(z)
        units = (n_bits(self._sites(parameters[..., j]), z[:, j]) for j in range(z.shape[1]))
        return sum(units, np.zeros(len(z)))

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

    def _sites(self, parameters: Floats) -> Located:
        """Return the mixtures [n] of one unit's parameters [n, 3, M]."""
        logits, loc, log_scale = parameters.transpose(1, 2, 0)  # each [M, n]
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


def centred(z: Indices, n_cells: int) -> Floats:
    """Return cells as odd numbers around 0, as networks read them."""
    return (2 * z + (1 - n_cells)).astype(np.float64)


@dataclass(eq=False)
class Layers:
    """Normals of several stochastic layers, each given the layers above it and features of its own.

    Parameters
    ----------
    networks : list of list of Operation
        From features and the cells above, side by side, to statistics [n, 2 d_l]; the top layer's first.
    sizes : list of int
        d_l.
    normals : Normals
    n_cells : int
    """

    networks: list[Steps]
    sizes: list[int]
    normals: Normals
    n_cells: int

    def sites(self, layer: int, features: Floats, above: Indices) -> Located:
        """Return a layer's distribution, n · d_l sites, given features [n, width] and cells above [n, …]."""
        read = np.concatenate([features, centred(above, self.n_cells)], axis=1)
        return self.normals.of_statistics(network.run(self.networks[layer], read), self.n_cells)

    def check(self, reach: int) -> None:
        """Raise where a sum would not be exact, for features of a magnitude."""
        for steps in self.networks:
            network.check(steps, max(reach, self.n_cells))


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

    def push(self, stacks: Stacks, z: Indices, sizes: Sequence[int]) -> None:
        """Push the cells [n, d] of codes, the lowest layer first."""
        for sites, cells in reversed(self._layers(z)):
            push(stacks, sites, cells.ravel(), _scaled(sizes, cells.shape[1]))
        self.top.push(stacks, z[:, : self._first], sizes)

    def pop(self, stacks: Stacks, sizes: Sequence[int]) -> Indices:
        """Return the cells [n, d] that were pushed; sizes are numbers of rows."""
        z = self.top.pop(stacks, sizes)
        for layer, width in enumerate(self.below.sizes):
            sites = self.below.sites(layer, np.empty((len(z), 0)), z)
            found = pop(stacks, sites, _scaled(sizes, width))
            z = np.concatenate([z, found.reshape(len(z), width)], axis=1)
        return z

    def n_bits(self, z: Indices) -> Floats:
        """Return what coding each row takes, in bits: [n]."""
        below = (n_bits(sites, cells.ravel()).reshape(cells.shape).sum(1) for sites, cells in self._layers(z))
        return self.top.n_bits(z[:, : self._first]) + sum(below, np.zeros(len(z)))

    def told(self, z: Indices) -> list[Floats]:
        """Return what networks of the prior say of cells [n, d]."""
        below = [part for sites, _ in self._layers(z) for part in (sites.loc, sites.inverse)]
        return [*self.top.told(z[:, : self._first]), *below]

    def check(self) -> None:
        """Raise where a sum would not be exact."""
        self.top.check()
        self.below.check(0)

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


@dataclass(eq=False)
class Posterior:
    """q(z | x) = Π_l q(z_l | z_<l, x), a single layer or several.

    Parameters
    ----------
    encoder : list of Operation
        From codes of rows to the features of the lowest layer.
    climbs : list of list of Operation
        From a layer's features to those of the layer above it.
    layers : Layers
    """

    encoder: Steps
    climbs: list[Steps]
    layers: Layers

    def push(self, stacks: Stacks, rows: Array, z: Indices, sizes: Sequence[int]) -> None:
        """Push the cells [n, d] of rows of codes [n, …], the lowest layer first."""
        for sites, cells in reversed(self._layers(rows, z)):
            push(stacks, sites, cells.ravel(), _scaled(sizes, cells.shape[1]))

    def pop(self, stacks: Stacks, rows: Array, sizes: Sequence[int]) -> Indices:
        """Return cells [n, d] for rows of codes [n, …], drawn by what the stacks hold; sizes are numbers of rows."""
        return self._drawn(rows, lambda sites, width: pop(stacks, sites, _scaled(sizes, width)))

    def middle(self, rows: Array) -> Indices:
        """Return the cells [n, d] that the means are in, each layer's given those above."""
        highest = self.layers.n_cells - 1
        return self._drawn(rows, lambda sites, _: np.clip(np.floor(sites.loc[0] / 16), 0, highest).astype(np.int64))

    def n_bits(self, rows: Array, z: Indices) -> Floats:
        """Return −log2 q(z | x), [n]."""
        layers = self._layers(rows, z)
        bits = (n_bits(sites, cells.ravel()).reshape(cells.shape).sum(1) for sites, cells in layers)
        return sum(bits, np.zeros(len(rows)))

    def told(self, rows: Array, z: Indices) -> list[Floats]:
        """Return what the networks say of rows and cells."""
        return [part for sites, _ in self._layers(rows, z) for part in (sites.loc, sites.inverse)]

    def check(self, top: int) -> None:
        """Raise where a sum would not be exact, for codes up to `top`."""
        reach = network.check(self.encoder, top)
        for steps in self.climbs:
            reach = max(reach, network.check(steps, reach))
        self.layers.check(reach)

    def _drawn(self, rows: Array, draw: Callable[[Located, int], Indices]) -> Indices:
        z = np.empty((len(rows), 0), dtype=np.int64)
        for layer, (features, width) in enumerate(zip(self._features(rows), self.layers.sizes, strict=True)):
            found = draw(self.layers.sites(layer, features, z), width)
            z = np.concatenate([z, found.reshape(len(rows), width)], axis=1)
        return z

    def _layers(self, rows: Array, z: Indices) -> list[tuple[Located, Indices]]:
        """Return the distribution and the cells of each layer."""
        ends, features = np.cumsum([0, *self.layers.sizes]), self._features(rows)
        pairs = enumerate(zip(ends[:-1], ends[1:], strict=True))
        return [(self.layers.sites(i, features[i], z[:, :a]), z[:, a:b]) for i, (a, b) in pairs]

    def _features(self, rows: Array) -> list[Floats]:
        """Return the features [n, width] of each layer, the top one's first."""
        found = [network.run(self.encoder, rows.astype(np.float64)).reshape(len(rows), -1)]
        for steps in self.climbs:
            found.append(network.run(steps, found[-1]))
        return found[::-1]


def _scaled(sizes: Sequence[int], width: int) -> list[int]:
    return [size * width for size in sizes]


@dataclass(eq=False)
class IntegerModel:
    """p(z), p(x | z) and q(z | x) over whole numbers; the same on every machine.

    Parameters
    ----------
    posterior : Posterior
    prior : Prior
    decoder : list of Operation
        From cells of z to the likelihood's parameters.
    likelihood : IntegerLikelihood
    n_cells : int
        Of each unit of z.
    n_values, top : int
        How many codes a row has, and the largest of them.
    growth : int
        How many rows a stack can pay for with what one row has left on it, in 256ths.
    schema : dict
        From rows of data to codes and back, as `Schema.to_json` gives it.
    facts : dict
        What people may want to know: bits per dimension in whole and in real numbers.
    """

    posterior: Posterior
    prior: Prior
    decoder: Steps
    likelihood: IntegerLikelihood
    n_cells: int
    n_values: int
    top: int
    growth: int = 128
    schema: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.posterior.check(self.top)
        self.prior.check()
        network.check(self.decoder, self.n_cells)

    def parameters(self, z: Indices) -> Floats:
        """Return the likelihood's parameters [n, P, values] of cells [n, d]."""
        h = network.run(self.decoder, centred(z, self.n_cells))
        return h.reshape(len(z), self.likelihood.n_parameters, -1)
