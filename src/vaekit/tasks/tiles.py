"""Rows through a network in tiles of one size, so that an answer never depends on which rows were asked for together.

Matrix products round differently for different numbers of rows. Every tile here has the same number (the last is
filled up with copies of its first row), so a row alone and the same row among a million give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vaekit.data.progress import Tell

TILE = 512


@torch.no_grad()
def in_tiles(f: Callable[[Tensor], Tensor], rows: Tensor, size: int = TILE, tell: Tell | None = None) -> Tensor:
    """Return f of all rows, computed tile by tile, on the processor.

    Parameters
    ----------
    f : callable
        From [size, ...] to [size, ...], each row by itself.
    rows : Tensor of shape (n, ...)
    size : int
        Rows in a tile.
    tell : callable, optional
        Is told the share that is done, after each tile.

    Examples
    --------
    >>> in_tiles(lambda x: 2 * x, torch.arange(5.0), size=2)
    tensor([0., 2., 4., 6., 8.])
    """
    answers = torch.empty(0)
    for start in range(0, len(rows), size):
        tile = rows[start : start + size]
        fill = tile[:1].expand(size - len(tile), *tile.shape[1:])
        answer = f(torch.cat([tile, fill]) if len(fill) else tile)[: len(tile)]
        if start == 0:  # one tensor from the beginning: pieces and their whole would take twice the memory
            answers = torch.empty(len(rows), *answer.shape[1:], dtype=answer.dtype)
        answers[start : start + len(tile)] = answer
        if tell is not None:
            tell((start + len(tile)) / len(rows))
    return answers
