"""Noise of rows that are a part of a batch: the whole batch's is drawn, and the part's own kept.

Several processes that train one model draw from generators in one state. So a row's noise is the same however many
processes share the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Size, Tensor

from vaekit.data.batches import Part

_PART: ContextVar[Part | None] = ContextVar("part", default=None)


@contextmanager
def rows_of(part: Part) -> Iterator[None]:
    """Let the rows in the block be this part of a batch."""
    before = _PART.set(part)
    try:
        yield
    finally:
        _PART.reset(before)


def drawn(draw: Callable[[Size], Tensor], shape: Sequence[int], dim: int = 0) -> Tensor:
    """Return what `draw` gives for a shape whose dimension `dim` counts rows.

    Parameters
    ----------
    draw : callable
        From a shape to random numbers of it.
    shape : sequence of int
    dim : int
        Where the shape has as many rows as the part, those are drawn for the whole batch.

    Examples
    --------
    >>> import torch
    >>> numbers = lambda: drawn(torch.rand, (2, 3), 0)
    >>> with rows_of(Part(first=1, n_rows=2, total=4)):
    ...     _, some = torch.manual_seed(0), numbers()
    >>> _, whole = torch.manual_seed(0), torch.rand(4, 3)
    >>> bool((some == whole[1:3]).all())
    True
    """
    part = _PART.get()
    if part is None or shape[dim] != part.n_rows:
        return draw(Size(shape))
    whole = Size((*shape[:dim], part.total, *shape[dim + 1 :]))
    return draw(whole).narrow(dim, part.first, part.n_rows)
