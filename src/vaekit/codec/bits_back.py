"""Bits back: rows to a stack of bits and back, a code for x that costs −log p(x, z) + log q(z | x).

A code z is *popped* from what the stack holds, with q(z | x): this takes bits off. Then x is pushed with p(x | z) and z
with p(z). Decoding does the reverse, and pushing z with q(z | x) gives the very bits back that were taken. The first
row of a block finds an empty stack; it takes the middle of q(z | x) for its z and gets nothing back. Then rows are
coded in batches, each as large as the stack can pay for.

References
----------
Townsend, Bird and Barber (2019), Practical lossless compression with latent variables using bits back coding,
arXiv:1901.04866.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec.entropy import Stacks, Words
from vaekit.codec.model import IntegerModel
from vaekit.errors import CodecError

Array = NDArray[Any]

MOST_ROWS = 256  # in a batch
NUMBERS_AT_ONCE = 1 << 20  # parameters of values
MOST_ROWS_IN_BLOCK = 4096  # of those that are read
SAMPLED_ROWS = 32  # of each block, for how fast its batches may grow
SAFE_GROWTH = 0.9  # of the rows that a stack can pay for
LEAST_GROWTH, MOST_GROWTH = 16, 65535  # below, networks on a row at a time are slower than the bits are worth


@dataclass(frozen=True)
class Payload:
    """A block of rows in bits.

    Parameters
    ----------
    n_rows : int
    growth : int
        How many rows the stack can pay for with what one row has left on it, in 256ths.
    words : ndarray of uint32
        What the stack held in the end.
    """

    n_rows: int
    growth: int
    words: Words

    def to_bytes(self) -> bytes:
        """Return the growth (2 bytes) and the words (4 bytes each), little-endian."""
        return int(self.growth).to_bytes(2, "little") + self.words.astype("<u4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, n_rows: int) -> Payload:
        """Return what `to_bytes` made.

        Raises
        ------
        CodecError
            When the bytes are not such.
        """
        words = np.frombuffer(data, "<u4", offset=2).astype(np.uint32) if len(data) % 4 == 2 else None
        if words is None or 0 in words[-1:] or n_rows > MOST_ROWS_IN_BLOCK:
            raise CodecError("A block of the archive is damaged: it holds no stack of rows. Take another copy of it.")
        return cls(n_rows, int.from_bytes(data[:2], "little"), words)


def batch_sizes(n_rows: int, growth: int) -> list[int]:
    """Return how many rows are coded at a time: one, then as many as those before pay for.

    Examples
    --------
    >>> batch_sizes(30, 128)
    [1, 1, 1, 1, 2, 3, 4, 6, 9, 2]
    """
    sizes, done = [], 0
    while done < n_rows:
        sizes.append(min(max(1, done * growth // 256), MOST_ROWS, n_rows - done))
        done += sizes[-1]
    return sizes


def encode(model: IntegerModel, blocks: Sequence[Array]) -> list[Payload]:
    """Return blocks of rows of codes, each [n, ...], in bits; all rows must be such that the likelihood can code them.

    Blocks side by side take hardly longer than one, for the arrays of a few rows are short.
    """
    stacks = Stacks([np.empty(0, np.uint32)] * len(blocks))
    growths = _growths(model, blocks)
    batches = [batch_sizes(len(block), growth) for block, growth in zip(blocks, growths, strict=True)]
    done = [0] * len(blocks)
    for i, sizes in enumerate(_rounds(batches)):
        rows = np.concatenate([block[d : d + n] for block, d, n in zip(blocks, done, sizes, strict=True)])
        _push_rows(model, stacks, rows, sizes, first=i == 0)
        done = [d + n for d, n in zip(done, sizes, strict=True)]
    return [Payload(sum(b), growth, words) for b, growth, words in zip(batches, growths, stacks.words(), strict=True)]


def _growths(model: IntegerModel, blocks: Sequence[Array]) -> list[int]:
    """Return how many rows, in 256ths, a row of each block leaves the bits for that their codes take off first."""
    rows = np.concatenate([block[:SAMPLED_ROWS] for block in blocks])
    z, codes = model.posterior.middle(rows), rows.reshape(len(rows), -1).astype(np.int64)
    taken = model.posterior.n_bits(rows, z)
    left = model.likelihood.n_bits(model.parameters(z), codes) + model.prior.n_bits(z) - taken
    drawn = taken + z.shape[1] / (2 * np.log(2))  # a draw is not as likely as the middle
    ends = np.cumsum([len(block[:SAMPLED_ROWS]) for block in blocks])[:-1]
    pairs = zip(np.split(left, ends), np.split(drawn, ends), strict=True)
    ratios = (256 * SAFE_GROWTH * float(a.sum() / b.sum()) for a, b in pairs)
    return [int(np.clip(ratio, LEAST_GROWTH, MOST_GROWTH)) for ratio in ratios]


def decode(model: IntegerModel, payloads: Sequence[Payload]) -> list[Array]:
    """Return the blocks of rows of codes, [n, values] each, that were encoded."""
    stacks = Stacks([payload.words for payload in payloads])
    rounds = list(_rounds([batch_sizes(payload.n_rows, payload.growth) for payload in payloads]))
    pieces: list[list[Array]] = [[] for _ in payloads]
    for i, sizes in reversed(list(enumerate(rounds))):
        rows = _pop_rows(model, stacks, sizes, first=i == 0)
        for found, piece in zip(pieces, np.split(rows, np.cumsum(sizes)[:-1]), strict=True):
            found.insert(0, piece)
    return [np.concatenate(found) for found in pieces]


def _rounds(batches: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the sizes of all blocks' first batches, of their second ones, and so on; 0 where a block has no more."""
    return (list(sizes) for sizes in zip_longest(*batches, fillvalue=0))


def _push_rows(model: IntegerModel, stacks: Stacks, rows: Array, sizes: Sequence[int], *, first: bool) -> None:
    z = model.posterior.middle(rows) if first else model.posterior.pop(stacks, rows, sizes)
    codes = rows.reshape(len(rows), -1).astype(np.int64)
    for some, part, n in _portions(model, stacks, sizes):
        model.likelihood.push(some, model.parameters(z[part]), codes[part], n)
    model.prior.push(stacks, z, sizes)


def _pop_rows(model: IntegerModel, stacks: Stacks, sizes: Sequence[int], *, first: bool) -> Array:
    z = model.prior.pop(stacks, sizes)
    portions = _portions(model, stacks, sizes)
    rows = np.concatenate([model.likelihood.pop(some, model.parameters(z[part]), n) for some, part, n in portions])
    if not first:
        model.posterior.push(stacks, rows, z, sizes)
    return rows


def _portions(
    model: IntegerModel, stacks: Stacks, sizes: Sequence[int]
) -> Iterator[tuple[Stacks, slice, Sequence[int]]]:
    """Yield some stacks after the other, with their rows and sizes: few enough for their parameters to stay near."""
    of_row = model.likelihood.n_parameters * model.n_values
    at_once = max(1, NUMBERS_AT_ONCE // (of_row * max(sizes)))
    ends = [0, *accumulate(sizes)]
    for i in range(0, len(sizes), at_once):
        n = sizes[i : i + at_once]
        if not any(n):
            continue
        yield stacks.some(slice(i, i + at_once)), slice(ends[i], ends[i + len(n)]), n
