"""Rows by their latent cells: which cells to take, and these in bits, alone or with levels around what they say.

A unit's steps follow from what a step changes in a row: all units lose alike. Where the neighbour of a cell lowers
D + λR, squared error and bits, it is taken instead, as encoders of video do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec.around import Around
from vaekit.codec.bits_back import Payload
from vaekit.codec.entropy import Floats, Indices, Stacks
from vaekit.codec.lattice import Lattice
from vaekit.codec.model import IntegerModel

Array = NDArray[Any]

NEAR_EDGE = 0.5  # of the way to a joined cell's edge, from where on the neighbour beyond is tried
LEAST_CHANGE = 3e-5  # of a row, in levels: of units that change nothing
ROWS_AT_ONCE = 16  # whose levels are told together


@dataclass(frozen=True)
class Told:
    """What is told of rows.

    Parameters
    ----------
    z : ndarray of int of shape (n, d)
        Their latent cells.
    places : ndarray of int of shape (n, values) or None
        The cells of their levels, where the model tells these `Around` what z says.
    """

    z: Indices
    places: Indices | None = None


class Sensitivity:
    """By how much rows change as a unit of z goes a cell further, from which steps follow.

    Parameters
    ----------
    model : IntegerModel
    rows : ndarray of int of shape (n, values)
        Some, over which the change is averaged.
    """

    def __init__(self, model: IntegerModel, rows: Indices) -> None:
        z = model.posterior.middle(rows)
        self.change = np.sqrt([_squared_change(model, z, j) for j in range(z.shape[1])])  # in levels, [d]
        self.centre, self.n_cells = np.rint(z.mean(0)).astype(np.int64), model.n_cells

    def lattice(self, step: float) -> Lattice:
        """Return steps of the units of z, each of which changes a row by the square of `step` in all, in levels."""
        cells = np.clip(np.rint(step / np.maximum(self.change, LEAST_CHANGE)), 1, self.n_cells).astype(np.int64)
        return Lattice.around(self.centre, cells, self.n_cells)


def _squared_change(model: IntegerModel, z: Indices, unit: int) -> float:
    """Return by how much rows change, squared, as a unit of z goes a cell further; measured over many cells."""
    far = max(1, model.n_cells // 32)
    sides = [z.copy(), z.copy()]
    for side, by in zip(sides, (-far, far), strict=True):
        side[:, unit] = np.clip(side[:, unit] + by, 0, model.n_cells - 1)
    low, high = (_middles(model, side).astype(np.float64) for side in sides)
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
        difference = (_middles(self.on, z) - self.rows[chosen]).astype(np.float64)
        return np.einsum("ij,ij->i", difference, difference)


def _bits_by_index(index: Indices, n: int) -> Floats:
    """Return about how many bits each index takes, by how often it is there."""
    counts = np.bincount(index, minlength=n) + 0.5
    bits: Floats = np.log2(counts.sum() / counts)
    return bits


def told(on: IntegerModel, rows: Indices, worth: float) -> Told:
    """Return what to tell of rows of levels [n, values], a bit being worth some squared error."""
    z, likelihood = chosen_cells(on, rows, worth), on.likelihood
    if not isinstance(likelihood, Around):
        return Told(z)
    places = [likelihood.chosen(on.parameters(z[some]), rows[some], worth) for some in _parts(len(z))]
    return Told(z, np.concatenate(places))


def rows_of(on: IntegerModel, told: Told) -> Indices:
    """Return the levels [n, values] that rows come back as."""
    likelihood, z, places = on.likelihood, told.z, told.places
    if places is None or not isinstance(likelihood, Around):
        return _middles(on, z)
    return np.concatenate([likelihood.levels_of(on.parameters(z[some]), places[some]) for some in _parts(len(z))])


def _middles(model: IntegerModel, z: Indices) -> Indices:
    """Return the levels [n, values] that latent cells alone come back as."""
    return model.likelihood.middle(model.parameters(z))


def encode(on: IntegerModel, told: Told) -> Payload:
    """Return what is told of a block of rows in bits: their levels are pushed first, the last rows' before others."""
    stacks = Stacks([np.empty(0, np.uint32)])
    if told.places is not None:
        for some in reversed(_parts(len(told.z))):
            on.likelihood.push(stacks, on.parameters(told.z[some]), told.places[some], [len(told.z[some])])
    on.prior.push(stacks, told.z, [len(told.z)])
    return Payload(len(told.z), 0, stacks.words()[0])


def decode(on: IntegerModel, payloads: Sequence[Payload]) -> list[Indices]:
    """Return the rows of levels of blocks."""
    sizes = [payload.n_rows for payload in payloads]
    stacks = Stacks([payload.words for payload in payloads])
    blocks = np.split(on.prior.pop(stacks, sizes), np.cumsum(sizes)[:-1])
    return [rows_of(on, Told(z, _places(on, stacks.some(slice(i, i + 1)), z))) for i, z in enumerate(blocks)]


def _places(on: IntegerModel, stack: Stacks, z: Indices) -> Indices | None:
    """Return the cells of levels that are on a stack, where there are any."""
    if not isinstance(on.likelihood, Around):
        return None
    parts = [z[some] for some in _parts(len(z))]
    return np.concatenate([on.likelihood.pop(stack, on.parameters(part), [len(part)]) for part in parts])


def _parts(n: int) -> list[slice]:
    """Return the rows that are told together."""
    return [slice(i, min(i + ROWS_AT_ONCE, n)) for i in range(0, n, ROWS_AT_ONCE)]
