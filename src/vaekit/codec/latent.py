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


def chosen_cells(on: IntegerModel, lattice: Lattice, rows: Indices, worth: float) -> Indices:
    """Return the cells [n, d] of rows of levels: the posterior's middle, or its other neighbour where that is better.

    Parameters
    ----------
    on : IntegerModel
        On the lattice.
    lattice : Lattice
    rows : ndarray of int of shape (n, values)
    worth : float
        The squared error that a bit is worth.
    """
    middle = on.posterior.middle(rows)
    z = lattice(middle)
    error = _squared_error(on, rows, z)
    for unit in range(z.shape[1]):
        near = np.flatnonzero(2 * np.abs(middle[:, unit] - z[:, unit]) >= NEAR_EDGE * lattice.step[unit])
        if len(near):
            beyond = np.where(middle[near, unit] > z[near, unit], 1, -1)
            _move(on, lattice, rows, z, error, worth, unit, near, beyond)
    return z


def _move(
    on: IntegerModel,
    lattice: Lattice,
    rows: Indices,
    z: Indices,
    error: Floats,
    worth: float,
    unit: int,
    near: Indices,
    beyond: Indices,
) -> None:
    """Move a unit of some rows by one, up or down, where that is better, in place."""
    bits = _bits_by_index(lattice.index(z[:, unit], unit), lattice.n_joined)
    index, tried = lattice.index(z[near, unit], unit), z[near]
    tried[:, unit] = lattice.cells(index + beyond, unit)
    of_tried = _squared_error(on, rows[near], tried)
    dearer = bits[lattice.index(tried[:, unit], unit)] - bits[index]
    better = of_tried + worth * dearer < error[near]
    z[near[better]], error[near[better]] = tried[better], of_tried[better]


def _squared_error(on: IntegerModel, rows: Indices, z: Indices) -> Floats:
    """Return the squared error of each row, [n]."""
    difference = (rows_of(on, z) - rows).astype(np.float64)
    return np.einsum("ij,ij->i", difference, difference)


def _bits_by_index(index: Indices, n: int) -> Floats:
    """Return about how many bits each index takes, by how often it is there."""
    counts = np.bincount(index, minlength=n) + 0.5
    bits: Floats = np.log2(counts.sum() / counts)
    return bits


def rows_of(model: IntegerModel, z: Indices) -> Indices:
    """Return the levels [n, values] that cells come back as."""
    return model.likelihood.middle(model.parameters(z))


def encode(on: IntegerModel, blocks: Sequence[Indices]) -> list[Payload]:
    """Return blocks of cells in bits."""
    stacks = Stacks([np.empty(0, np.uint32)] * len(blocks))
    on.prior.push(stacks, np.concatenate(blocks), [len(z) for z in blocks])
    return [Payload(len(z), 0, words) for z, words in zip(blocks, stacks.words(), strict=True)]


def decode(on: IntegerModel, payloads: Sequence[Payload]) -> list[Indices]:
    """Return the rows of levels of blocks of cells."""
    sizes = [payload.n_rows for payload in payloads]
    z = on.prior.pop(Stacks([payload.words for payload in payloads]), sizes)
    return [rows_of(on, part) for part in np.split(z, np.cumsum(sizes)[:-1])]
