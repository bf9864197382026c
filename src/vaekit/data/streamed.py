"""Seeded, resumable batches of rows that are read as they are needed."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vaekit.data.ahead import Ahead
from vaekit.data.batches import Part, part_of
from vaekit.data.fields import Array
from vaekit.data.lanes import Epoch, Lanes
from vaekit.data.schema import Schema
from vaekit.data.streams import Stream
from vaekit.errors import ParameterError

if TYPE_CHECKING:
    import torch

MOST_LANES = 64
BUFFER_BYTES = 1 << 28  # of the chunks that all lanes are in
AHEAD_BYTES, MOST_AHEAD = 1 << 25, 64  # of batches that are ready before they are asked for, and their number


class StreamedBatches:
    """All rows of a stream in a new order every epoch, cut into batches of nearly equal size: see `Lanes`.

    The order of an epoch follows from the seed and the epoch's number alone, so a run can go on from any step of any
    epoch; what came before is not read.

    Parameters
    ----------
    stream : Stream
    schema : Schema
        Every chunk that is read is checked against it.
    rows : ndarray of shape (n_resident, *event_shape)
        Codes of some rows, which stay in memory.
    batch_size : int
        The largest batch.
    seed : int
    device : str
    left_out : ndarray of int
        The numbers of rows that are in no batch.
    share : (int, int)
        This process and how many there are: a process reads its own lanes and yields its own part of each batch. The
        batches of all processes together do not depend on how many there are.

    Raises
    ------
    ParameterError
        When there are more processes than lanes.
    """

    def __init__(
        self,
        stream: Stream,
        schema: Schema,
        rows: Array,
        batch_size: int,
        seed: int,
        device: str = "cpu",
        left_out: Array | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        import torch

        self.rows: torch.Tensor = torch.from_numpy(np.ascontiguousarray(rows)).to(device)
        self.batch_size, self.seed, self.device = batch_size, seed, device
        self._reader = _Reader(stream, schema, rows, np.sort(np.asarray([] if left_out is None else left_out, int)))
        self.n_lanes = lanes_of(stream, batch_size)
        self._lanes = Lanes(self._reader.sizes, self.n_lanes, batch_size, seed)
        self.share = share
        self._last: tuple[tuple[int, int], torch.Tensor] | None = None
        self._ahead: Ahead[tuple[tuple[int, int], Array]] | None = None
        self._next = (-1, 0)
        _check_share(share, self.n_lanes)

    @property
    def n_rows(self) -> int:
        """The number of rows in an epoch, of all processes."""
        return self._lanes.n_rows

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self._lanes)

    def __str__(self) -> str:
        stream, lanes = self._reader.stream, f"{self.n_lanes} lanes" if self.n_lanes > 1 else "one lane"
        return f"{stream.n_rows:,} rows of {stream.name} are read as they are needed, in {lanes}"

    def part(self, step: int) -> Part:
        """Return which rows of an epoch's batch number `step` this share has."""
        rows, lanes = self._lanes.rows_by_lane(step), self._own_lanes
        return Part(int(rows[: lanes.start].sum()), int(rows[lanes.start : lanes.stop].sum()), int(rows.sum()))

    @property
    def _own_lanes(self) -> range:
        first, n_lanes, _ = part_of(self.n_lanes, *self.share)
        return range(first, first + n_lanes)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[torch.Tensor]:
        """Yield this process's part of each batch of an epoch, from batch `start` on.

        What is read ahead stays for the next call, which goes on where this one was left.

        Raises
        ------
        DataError
            When a row that is read is not what the schema knows.
        """
        for step in range(start, len(self)):
            yield self._batch(epoch, step)

    def _batch(self, epoch: int, step: int) -> torch.Tensor:
        import torch

        asked = (epoch, step)
        if self._last is None or self._last[0] != asked:
            if self._ahead is None or self._next != asked:
                self._start(epoch, step)
            assert self._ahead is not None
            place, codes = next(self._ahead)
            assert place == asked
            self._next = (epoch, step + 1) if step + 1 < len(self) else (epoch + 1, 0)
            self._last = (asked, torch.from_numpy(codes).to(self.device))
        return self._last[1]

    def _start(self, epoch: int, step: int) -> None:
        if self._ahead is not None:
            self._ahead.close()
        batches = self._reader.batches(self._lanes, self._own_lanes, epoch, step)
        a_batch = max(1, self.batch_size * self.rows[:1].nbytes)
        self._ahead = Ahead(batches, most=max(1, min(MOST_AHEAD, AHEAD_BYTES // a_batch)))
        self._next = (epoch, step)
        weakref.finalize(self, self._ahead.close)  # the thread knows the reader alone, so it keeps nobody alive


class _Reader:
    """Rows of a stream as codes, chunk by chunk, without those left out."""

    def __init__(self, stream: Stream, schema: Schema, like: Array, left_out: Array) -> None:
        self.stream, self.schema, self.like, self.left_out = stream, schema, like[:0], left_out
        self.bounds = stream.chunks
        self.sizes = np.diff(self.bounds) - np.diff(np.searchsorted(left_out, self.bounds))

    def batches(self, lanes: Lanes, served: range, epoch: int, step: int) -> Iterator[tuple[tuple[int, int], Array]]:
        """Yield (epoch, step) and batches without end."""
        while True:
            order = lanes.epoch(epoch)
            chunks: dict[int, tuple[int, Array]] = {}  # of each lane the chunk that it is in
            for place in range(step, len(lanes)):
                pieces = [self._piece(order, chunks, *piece) for piece in order.pieces(place, served)]
                yield (epoch, place), np.concatenate(pieces or [self.like])
            epoch, step = epoch + 1, 0

    def _piece(
        self, order: Epoch, chunks: dict[int, tuple[int, Array]], lane: int, chunk: int, start: int, stop: int
    ) -> Array:
        if lane not in chunks or chunks[lane][0] != chunk:
            chunks.pop(lane, None)
            chunks[lane] = chunk, self._codes(chunk)[order.within(chunk)]
        return chunks[lane][1][start:stop]

    def _codes(self, chunk: int) -> NDArray[np.generic]:
        start, stop = (int(bound) for bound in self.bounds[chunk : chunk + 2])
        codes = self.stream.encode(self.schema, start, stop).astype(self.like.dtype, copy=False)
        first, last = np.searchsorted(self.left_out, (start, stop))
        return np.delete(codes, self.left_out[first:last] - start, axis=0) if last > first else codes


def lanes_of(stream: Stream, batch_size: int) -> int:
    """Return how many lanes a stream is read in: each has a chunk in memory, and a row in every batch."""
    chunks = np.diff(stream.chunks)
    in_buffer = BUFFER_BYTES // int(chunks.max() * stream.row_bytes)
    return max(1, min(MOST_LANES, batch_size, in_buffer, len(chunks) // 4))


def _check_share(share: tuple[int, int], n_lanes: int) -> None:
    if share[1] > n_lanes:
        raise ParameterError(
            f"{share[1]} processes cannot share data that are read in {n_lanes} lanes; use at most {n_lanes}."
        )
