"""Arrays of columns: told as a table whose columns all have the array's dtype, where a model codes columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vaekit.codec import model_bytes
from vaekit.codec.columns import Columns
from vaekit.data.schema import Schema, from_channels_first, layout_of, to_channels_first

Array = NDArray[Any]

LIBRARY = "numpy"  # in the header, in place of a frame's


def as_table(rows: Array, model: bytes | None) -> pl.DataFrame | None:
    """Return an array's columns as a table; None where the model codes none, or the array would not come back.

    Parameters
    ----------
    rows : ndarray of shape (n, ...)
        Of vectors, H × W, or H × W × C.
    model : bytes or None
        An integer model.
    """
    if model is None or not 2 <= rows.ndim <= 4 or not len(rows) or rows.dtype.kind not in "iufb":
        return None
    integer = model_bytes.from_bytes(model)
    schema = Schema.from_json(integer.schema)
    if not isinstance(integer.likelihood, Columns) or schema.is_frame or rows[0].size != len(schema.fields):
        return None
    if rows.dtype == np.float16 or _has_odd_nans(rows):
        return None
    values = to_channels_first(rows, layout_of(rows.shape[1:])).reshape(len(rows), -1)
    return pl.DataFrame({name: values[:, j].astype(_native(rows.dtype)) for j, name in enumerate(schema.names)})


def told(rows: Array) -> dict[str, Any]:
    """Return what an archive's header tells of the array."""
    return {"dtype": rows.dtype.str, "row_shape": list(rows.shape[1:])}


def as_array(table: pl.DataFrame, dtype: np.dtype[Any], row_shape: tuple[int, ...]) -> Array:
    """Return the array that a table was made of.

    Examples
    --------
    >>> as_array(pl.DataFrame({"x0": [1, 2], "x1": [3, 4]}), np.dtype("<i8"), (2,)).tolist()
    [[1, 3], [2, 4]]
    """
    values = np.empty((table.height, table.width), dtype)
    for j, column in enumerate(table.get_columns()):
        values[:, j] = column.to_numpy()
    layout = layout_of(row_shape)
    inner = to_channels_first(np.empty((1, *row_shape)), layout).shape[1:]
    return np.ascontiguousarray(from_channels_first(values.reshape(-1, *inner), layout))


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("=")


def _has_odd_nans(rows: Array) -> bool:
    """Whether NaNs are there that a table would give back with other bits."""
    if rows.dtype.kind != "f":
        return False
    native = np.ascontiguousarray(rows, _native(rows.dtype))
    nans = native[np.isnan(native)]
    return nans.tobytes() != np.full_like(nans, np.nan).tobytes()
