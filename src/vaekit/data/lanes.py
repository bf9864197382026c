"""The order of an epoch's rows that cannot all be in memory: several lanes, each of which goes from chunk to chunk.

Chunks of neighbouring rows are put in a new order every epoch, and the rows within each chunk, too. This order is cut
into lanes of equal length that are walked side by side: a batch has rows of all lanes, so of as many chunks from all
over the data. All follows from the seed and the epoch's number, and any step can be found without those before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vaekit.data.batches import seed_of

Whole = NDArray[np.int64]


class Piece(NamedTuple):
    """Some of a chunk's rows in their new order: those from start to stop - 1, for one lane."""

    lane: int
    chunk: int
    start: int
    stop: int


@dataclass(frozen=True)
class Lanes:
    """How the rows of an epoch follow each other.

    Row k of an epoch is row k // n_lanes of lane k % n_lanes.

    Parameters
    ----------
    sizes : ndarray of shape (n_chunks,)
        The number of rows in each chunk.
    n_lanes : int
    batch_size : int
        The largest batch.
    seed : int

    Examples
    --------
    >>> lanes = Lanes(np.array([3, 2, 3]), n_lanes=2, batch_size=4, seed=0)
    >>> len(lanes), sum(piece.stop - piece.start for step in range(2) for piece in lanes.epoch(0).pieces(step, [0, 1]))
    (2, 8)
    """

    sizes: Whole
    n_lanes: int
    batch_size: int
    seed: int

    @cached_property
    def n_rows(self) -> int:
        """The number of rows."""
        return int(self.sizes.sum())

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-self.n_rows // self.batch_size)

    def epoch(self, epoch: int) -> Epoch:
        """Return the order of an epoch."""
        order = np.random.default_rng(seed_of(self.seed, epoch)).permutation(len(self.sizes))
        return Epoch(self, epoch, order, np.cumsum(self.sizes[order]))

    def rows_by_lane(self, step: int) -> Whole:
        """Return how many rows of a batch each lane has, [n_lanes]."""
        first, last = _share(self.n_rows, len(self), step)
        lanes = np.arange(self.n_lanes)
        return (lanes - first) // self.n_lanes - (lanes - last) // self.n_lanes

    @cached_property
    def begins(self) -> Whole:
        """Where each lane begins in an epoch's order."""
        return np.array([_share(self.n_rows, self.n_lanes, lane)[0] for lane in range(self.n_lanes)])


class Epoch(NamedTuple):
    """The order of one epoch: its chunks, and where in it each ends."""

    lanes: Lanes
    number: int
    order: Whole
    ends: Whole

    def pieces(self, step: int, served: Sequence[int]) -> Iterator[Piece]:
        """Yield what a batch has of some lanes."""
        first, last = _share(self.lanes.n_rows, len(self.lanes), step)
        numbers, n_lanes = np.asarray(served), self.lanes.n_lanes
        starts, stops = (self.lanes.begins[numbers] - (numbers - bound) // n_lanes for bound in (first, last))
        places = np.searchsorted(self.ends, starts, side="right")
        for lane, *asked in zip(served, starts.tolist(), stops.tolist(), places.tolist(), strict=True):
            yield from self._between(lane, *asked)

    def _between(self, lane: int, start: int, stop: int, place: int) -> Iterator[Piece]:
        """Yield what a lane has from one place of the order to another, the first being in the chunk at `place`."""
        while start < stop:
            chunk, end = self.order.item(place), self.ends.item(place)
            begin, last = end - self.lanes.sizes.item(chunk), min(stop, end)
            if start < last:
                yield Piece(lane, chunk, start - begin, last - begin)
            start, place = max(start, last), place + 1

    def within(self, chunk: int) -> Whole:
        """Return the order of a chunk's rows."""
        seed = seed_of(self.lanes.seed, self.number, chunk)
        return np.random.default_rng(seed).permutation(int(self.lanes.sizes[chunk]))


def _share(n: int, parts: int, index: int) -> tuple[int, int]:
    """Return where a part of n begins and ends, of parts of nearly equal size, as torch's `tensor_split` has them.

    Examples
    --------
    >>> [_share(8, 3, i) for i in range(3)]
    [(0, 3), (3, 6), (6, 8)]
    """
    size, more = divmod(n, parts)
    begin = index * size + min(index, more)
    return begin, begin + size + (index < more)
