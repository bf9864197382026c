"""Seeded, resumable batches of rows that stay resident in their own dtype."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vaekit.data.fields import Array
from vaekit.errors import DataError

if TYPE_CHECKING:
    import torch


def seed_of(*words: int) -> int:
    """Return one 63-bit seed for a tuple of whole numbers, such as (seed, epoch, step).

    Examples
    --------
    >>> seed_of(0, 1, 2) == seed_of(0, 1, 2), seed_of(0, 1, 2) == seed_of(0, 2, 1)
    (True, False)
    """
    return int(np.random.SeedSequence([abs(w) for w in words]).generate_state(1, np.uint64)[0] >> np.uint64(1))


class Part(NamedTuple):
    """Rows of a batch: `n_rows` of its `total`, from row `first` on."""

    first: int
    n_rows: int
    total: int

    def of(self, rows: torch.Tensor) -> torch.Tensor:
        """Return these of all rows [total, ...] of the batch."""
        return rows[self.first : self.first + self.n_rows]

    def cut(self, pieces: int) -> list[Part]:
        """Return these rows in so many parts, as even as can be; some are empty where there are fewer rows.

        Examples
        --------
        >>> Part(first=2, n_rows=3, total=8).cut(2)
        [Part(first=2, n_rows=2, total=8), Part(first=4, n_rows=1, total=8)]
        """
        inner = [part_of(self.n_rows, i, pieces) for i in range(pieces)]
        return [Part(self.first + first, n_rows, self.total) for first, n_rows, _ in inner]

    def or_one(self) -> Part:
        """Return these rows, or where there are none a row beside them.

        Examples
        --------
        >>> Part(first=4, n_rows=0, total=4).or_one()
        Part(first=3, n_rows=1, total=4)
        """
        return self if self.n_rows else Part(min(self.first, self.total - 1), 1, self.total)


def part_of(total: int, rank: int, size: int) -> Part:
    """Return the part of a batch of `total` rows that one of `size` processes has: as even as can be, in order.

    Examples
    --------
    >>> [part_of(5, rank, 3) for rank in range(3)]
    [Part(first=0, n_rows=2, total=5), Part(first=2, n_rows=2, total=5), Part(first=4, n_rows=1, total=5)]
    """
    least, more = divmod(total, size)
    return Part(rank * least + min(rank, more), least + (rank < more), total)


class Batches:
    """All rows in a new order every epoch, cut into batches of nearly equal size.

    The order of an epoch follows from the seed and the epoch's number alone, so a run can go on from any step of any
    epoch.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, *event_shape)
    batch_size : int
        The largest batch.
    seed : int
    device : str
    share : (int, int)
        (r, n): of each batch its r-th of n parts, from 0; one may be empty. Batches are the same whatever n.

    Examples
    --------
    >>> batches = Batches(np.arange(5)[:, None], batch_size=2, seed=0)
    >>> len(batches), sorted(int(x) for batch in batches.epoch(0) for x in batch)
    (3, [0, 1, 2, 3, 4])
    """

    def __init__(
        self, codes: Array, batch_size: int, seed: int, device: str = "cpu", share: tuple[int, int] = (0, 1)
    ) -> None:
        import torch

        self.rows: torch.Tensor = torch.from_numpy(np.ascontiguousarray(codes)).to(device)
        self.batch_size, self.seed, self.share = batch_size, seed, share

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.rows)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self.rows) // self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[torch.Tensor]:
        """Yield this share of the batches of an epoch, from batch `start` on."""
        import torch

        generator = torch.Generator().manual_seed(seed_of(self.seed, epoch))
        order = torch.randperm(len(self.rows), generator=generator).to(self.rows.device)
        for step, index in enumerate(order.tensor_split(len(self))[start:], start):
            yield self.rows[self.part(step).of(index)]

    def part(self, step: int) -> Part:
        """Return which rows of an epoch's batch number `step` this share has."""
        return part_of(part_of(len(self.rows), step, len(self)).n_rows, *self.share)


def split(n_rows: int, valid: float, seed: int, precious: Array | None = None) -> tuple[Array, Array]:
    """Return the indices of the rows to train on and of those held out; under 20 rows all do both.

    Parameters
    ----------
    n_rows : int
    valid : float
        The share held out.
    seed : int
    precious : ndarray of bool, of shape (n_rows,), optional
        Rows of which none is held out while half of the others are enough.

    Examples
    --------
    >>> train, held_out = split(100, 0.1, seed=0)
    >>> len(train), len(held_out), len(set(train) & set(held_out))
    (90, 10, 0)
    """
    if n_rows < 20 or valid <= 0:
        return np.arange(n_rows), np.arange(n_rows)
    order = np.random.default_rng(seed_of(seed, 1)).permutation(n_rows)
    n_valid = max(2, round(valid * n_rows))
    if precious is not None and (~precious).sum() >= 2 * n_valid:
        order = order[np.argsort(precious[order], kind="stable")]  # the others first
    if n_rows - n_valid < 2:
        raise DataError(f"valid={valid:g} of {n_rows} rows leaves fewer than 2 to train on. Hold out a smaller share.")
    return np.sort(order[n_valid:]), np.sort(order[:n_valid])


def spread(n_rows: int, most: int) -> Array:
    """Return up to `most` row numbers spread evenly over all rows: data often come sorted.

    Examples
    --------
    >>> spread(100, 3).tolist()
    [0, 49, 99]
    """
    return np.linspace(0, n_rows - 1, min(n_rows, most)).astype(np.int64)
