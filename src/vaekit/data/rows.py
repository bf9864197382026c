"""Rows of anything people bring: how many there are, and some of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from vaekit.data.frames import is_frame
from vaekit.data.schema import as_array


def n_rows(data: Any) -> int:
    """Return the number of rows of an array or frame.

    Examples
    --------
    >>> n_rows(np.zeros((3, 2)))
    3
    """
    return int(data.shape[0]) if is_frame(data) else len(as_array(data))


def take_rows(data: Any, index: list[int]) -> Any:
    """Return some rows of an array or frame, in the given order.

    Examples
    --------
    >>> take_rows(np.arange(6).reshape(3, 2), [2, 0])
    array([[4, 5],
           [0, 1]])
    """
    if not is_frame(data):
        return as_array(data)[np.asarray(index)]
    import narwhals as nw

    return nw.from_native(data, eager_only=True)[index].to_native()
