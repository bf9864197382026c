"""The integer model: posterior, prior and likelihood as distributions over whole numbers, without any rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec import integer_network as network
from vaekit.codec.entropy import Floats, Indices, Located, Stacks, n_bits, pop, push
from vaekit.codec.likelihoods import IntegerLikelihood
from vaekit.codec.normals import Layers, Steps, centred, scaled
from vaekit.codec.priors import Prior

Array = NDArray[Any]


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
            push(stacks, sites, cells.ravel(), scaled(sizes, cells.shape[1]))

    def pop(self, stacks: Stacks, rows: Array, sizes: Sequence[int]) -> Indices:
        """Return cells [n, d] for rows of codes [n, …], drawn by what the stacks hold; sizes are numbers of rows."""
        return self._drawn(rows, lambda sites, width: pop(stacks, sites, scaled(sizes, width)))

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
