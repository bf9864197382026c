"""Rows by their latent cells alone: which cells to take, and these in bits.

A unit's steps follow from what a step changes in a row: all units lose alike. Where the neighbour of a cell lowers
D + λR, squared error and bits, it is taken instead, as encoders of video do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec.bits_back import Payload
from vaekit.codec.entropy import Floats, Indices, Stacks
from vaekit.codec.lattice import Lattice
from vaekit.codec.model import IntegerModel

Array = NDArray[Any]

NEAR_EDGE = 0.5  # of the way to a joined cell's edge, from where on the neighbour beyond is tried


def lattice_of(model: IntegerModel, rows: Indices, step: float) -> Lattice:
    """Return steps of the units of z, each of which changes a row by the square of `step` in all, in levels."""
    z = model.posterior.middle(rows)
    change = np.array([_change(model, z, j) for j in range(z.shape[1])])  # squared, for one cell
    cells = np.clip(np.rint(step / np.sqrt(np.maximum(change, 1e-9))), 1, model.n_cells).astype(np.int64)
    return Lattice.around(np.rint(z.mean(0)).astype(np.int64), cells, model.n_cells)


def _change(model: IntegerModel, z: Indices, unit: int) -> float:
    """Return by how much rows change, squared, as a unit of z goes a cell further; measured over many cells."""
    far = max(1, model.n_cells // 32)
    sides = [z.copy(), z.copy()]
    for side, by in zip(sides, (-far, far), strict=True):
        side[:, unit] = np.clip(side[:, unit] + by, 0, model.n_cells - 1)
    low, high = (rows_of(model, side).astype(np.float64) for side in sides)
    moved = np.maximum(sides[1][:, unit] - sides[0][:, unit], 1)
    return float((((high - low) ** 2).sum(1) / moved**2).mean())


def chosen_cells(on: IntegerModel, rows: Indices, worth: float) -> Indices:
    """Return the cells [n, d] of rows of levels: the posterior's middle, or its other neighbour where that is better.

    Parameters
    ----------
    on : IntegerModel
        Its prior is on a lattice.
    rows : ndarray of int of shape (n, values)
    worth : float
        The squared error that a bit is worth.
    """
    search = _Search(on, rows, worth)
    for unit in range(search.z.shape[1]):
        search.move(unit)
    return search.z


class _Search:
    """Cells z [n, d] of rows on their way to what costs less, with the squared error [n] that they stand for."""

    def __init__(self, on: IntegerModel, rows: Indices, worth: float) -> None:
        assert on.prior.lattice is not None
        self.on, self.lattice, self.rows, self.worth = on, on.prior.lattice, rows, worth
        self.middle = on.posterior.middle(rows)
        self.z = self.lattice(self.middle)
        self.error = self._error(np.arange(len(rows)), self.z)

    def move(self, unit: int) -> None:
        """Move a unit to the neighbour that the posterior's middle is on the side of, where that is better."""
        z, middle, lattice = self.z[:, unit], self.middle[:, unit], self.lattice
        near = np.flatnonzero(2 * np.abs(middle - z) >= NEAR_EDGE * lattice.step[unit])
        if not len(near):
            return
        index, tried = lattice.index(z, unit), self.z[near]
        tried[:, unit] = lattice.cells(index[near] + np.where(middle > z, 1, -1)[near], unit)
        bits = _bits_by_index(index, lattice.n_joined)
        dearer = bits[lattice.index(tried[:, unit], unit)] - bits[index[near]]
        error = self._error(near, tried)
        better = error + self.worth * dearer < self.error[near]
        self.z[near[better]], self.error[near[better]] = tried[better], error[better]

    def _error(self, chosen: Indices, z: Indices) -> Floats:
        """Return the squared error of some rows with cells [n, d]."""
        difference = (rows_of(self.on, z) - self.rows[chosen]).astype(np.float64)
        return np.einsum("ij,ij->i", difference, difference)


def _bits_by_index(index: Indices, n: int) -> Floats:
    """Return about how many bits each index takes, by how often it is there."""
    counts = np.bincount(index, minlength=n) + 0.5
    bits: Floats = np.log2(counts.sum() / counts)
    return bits


def rows_of(model: IntegerModel, z: Indices) -> Indices:
    """Return the levels [n, values] that cells come back as."""
    return model.likelihood.middle(model.parameters(z))


def encode(on: IntegerModel, z: Indices) -> Payload:
    """Return a block of cells in bits."""
    stacks = Stacks([np.empty(0, np.uint32)])
    on.prior.push(stacks, z, [len(z)])
    return Payload(len(z), 0, stacks.words()[0])


def decode(on: IntegerModel, payloads: Sequence[Payload]) -> list[Indices]:
    """Return the rows of levels of blocks of cells."""
    sizes = [payload.n_rows for payload in payloads]
    z = on.prior.pop(Stacks([payload.words for payload in payloads]), sizes)
    return [rows_of(on, part) for part in np.split(z, np.cumsum(sizes)[:-1])]
