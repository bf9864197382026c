"""How far an exported network's answers are from the model's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.data.schema import Schema
from vaekit.errors import OutputError
from vaekit.tasks.portable import Decoding, Whole, drawn_rows

Array = NDArray[np.floating]
Runs = Callable[[Array], Sequence[Array]]

DRAWN = 64  # rows to compare, and one of them alone


@torch.no_grad()
def largest_difference(
    halves: tuple[Whole, Decoding], runs: tuple[Runs, Runs], schema: Schema, given: Tensor | None = None
) -> float:
    """Return the largest difference of two exported halves from the model, relative to the largest of such numbers.

    They are compared on rows and codes drawn from the model, one of them alone too, and on rows that are given.

    Parameters
    ----------
    halves : (Whole, Decoding)
    runs : (callable, callable)
        The exported ones: from rows to codes and rows, and from codes to rows.
    schema : Schema
    given : Tensor of shape (n_samples, *raw_shape), optional
        Rows of the user's.
    """
    whole, decoding = halves
    z, rows = drawn_rows(whole, schema, DRAWN)
    pairs = []
    for some in (rows, rows[:1]) if given is None else (rows, rows[:1], given):
        pairs.append(_difference(runs[0](some.numpy()), whole(some), schema))
    for some in (z, z[:1]):
        pairs.append(_difference(runs[1](some.numpy()), (decoding(some),), schema))
    return max(pairs)


def _difference(found: Sequence[Array], own: Sequence[Tensor], schema: Schema) -> float:
    return max(_relative(a, b.numpy(), schema) for a, b in zip(found, own, strict=True))


def _relative(found: Array, own: Array, schema: Schema) -> float:
    """Return max |a − b| / max |b|, of a table column by column, since their units differ."""
    assert found.shape == own.shape
    by_column = not schema.is_block and own.shape[1:] == schema.raw_shape
    apart, size = (np.abs(x.astype(np.float64)).max(0 if by_column else None) for x in (found - own, own))
    return float(np.max(apart / np.maximum(size, 1e-30)))


def refuse_apart(difference: float, most: float, path: object) -> None:
    """Raise when the difference is larger than promised: no such file is left behind."""
    if not difference <= most:
        raise OutputError(
            f"{path} was not written: its answers would differ from the model's by {difference:.1e}, more than "
            f"{most:.0e} of their size. Report it, with the model."
        )
