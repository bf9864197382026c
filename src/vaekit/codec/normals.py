"""Densities of latent units over cells: normals by their statistics, and layers of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec import integer_network as network
from vaekit.codec import tables
from vaekit.codec.entropy import Floats, Indices, Located
from vaekit.codec.integer_network import Operation

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


def scaled(sizes: Sequence[int], width: int) -> list[int]:
    """Return numbers of rows as numbers of sites."""
    return [size * width for size in sizes]
