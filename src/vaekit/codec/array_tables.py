"""Arrays of columns: told as a table whose columns all have the array's dtype, where a model codes columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vaekit.codec import model_bytes
from vaekit.codec.columns import Columns
from vaekit.data.schema import Schema

Array = NDArray[Any]

LIBRARY = "numpy"  # in the header, in place of a frame's


def as_table(rows: Array, model: bytes | None) -> pl.DataFrame | None:
    """Return an array's columns as a table; None where the model codes none, or the array would not come back.

    Parameters
    ----------
    rows : ndarray of shape (n, columns)
    model : bytes or None
        An integer model.
    """
    if model is None or rows.ndim != 2 or not len(rows) or rows.dtype.kind not in "iufb":
        return None
    integer = model_bytes.from_bytes(model)
    schema = Schema.from_json(integer.schema)
    if not isinstance(integer.likelihood, Columns) or schema.is_frame or rows.shape[1] != len(schema.fields):
        return None
    if rows.dtype == np.float16 or _has_odd_nans(rows):
        return None
    return pl.DataFrame({name: rows[:, j].astype(_native(rows.dtype)) for j, name in enumerate(schema.names)})


def as_array(table: pl.DataFrame, dtype: str) -> Array:
    """Return the array that a table was made of.

    Examples
    --------
    >>> as_array(pl.DataFrame({"x0": [1, 2], "x1": [3, 4]}), "<i8").tolist()
    [[1, 3], [2, 4]]
    """
    rows = np.empty((table.height, table.width), dtype)
    for j, column in enumerate(table.get_columns()):
        rows[:, j] = column.to_numpy()
    return rows


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("=")


def _has_odd_nans(rows: Array) -> bool:
    """Whether NaNs are there that a table would give back with other bits."""
    if rows.dtype.kind != "f":
        return False
    native = np.ascontiguousarray(rows, _native(rows.dtype))
    nans = native[np.isnan(native)]
    return nans.tobytes() != np.full_like(nans, np.nan).tobytes()
