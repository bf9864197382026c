"""Gaps filled, and nothing else changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.data.fields import Array, is_missing
from vaekit.data.frames import columns_of, frame_of, is_frame
from vaekit.data.schema import Schema, as_array

UNTOLD = "Unknown"  # the dtype of a column of nulls alone


def filled(data: Any, schema: Schema, rows: NDArray[np.int64], codes: Array) -> Any:
    """Return a copy of data whose gaps, in some rows, hold the values that codes stand for.

    Parameters
    ----------
    data : array or frame of n_samples rows
    schema : Schema
    rows : ndarray of int of shape (m,)
        Numbers of the rows with gaps.
    codes : ndarray of shape (m, *event_shape)

    Returns
    -------
    array or frame of n_samples rows

    Examples
    --------
    >>> x = np.array([[1.25, 2.0], [np.nan, 5.0], [2.25, 6.5]])
    >>> schema = Schema.infer(x)
    >>> filled(x, schema, np.array([1]), np.zeros((1, 2), np.float32)).tolist()
    [[1.25, 2.0], [1.75, 5.0], [2.25, 6.5]]
    """
    if is_frame(data):
        return _filled_frame(data, schema, rows, codes) if len(rows) else data
    raw = as_array(data).copy()
    if len(rows):
        raw[rows] = np.where(np.isnan(raw[rows]), _rows(schema, codes), raw[rows])
    return raw


def _rows(schema: Schema, codes: Array) -> Array:
    """Return rows of an array, in which each value is one that its field knows."""
    if schema.is_block:
        return np.asarray(schema.decode(schema.fields[0].nearest(codes)))
    return np.stack([schema.decode_column(j, codes[:, j]) for j in range(schema.n_dims)], axis=1)


def _filled_frame(frame: Any, schema: Schema, rows: NDArray[np.int64], codes: Array) -> Any:
    """Return the frame with those of its columns replaced that had gaps."""
    import narwhals as nw

    columns, dtypes, library = columns_of(frame)
    flat = codes.reshape(len(codes), -1)
    table, made = nw.from_native(frame, eager_only=True), {}
    for j, name in enumerate(schema.names):
        gaps = is_missing(columns[name][rows])
        if gaps.any():
            values = columns[name].astype(object if dtypes[name] == UNTOLD else columns[name].dtype)
            values[rows[gaps]] = schema.decode_column(j, flat[gaps, j])
            made[name] = values
    learned = {f.name: f.dtype for f in schema.fields}
    dtypes = {name: learned[name] if dtypes[name] == UNTOLD else dtypes[name] for name in made}
    native = nw.from_native(frame_of(made, dtypes, library), eager_only=True)
    return table.with_columns(*[_like(table.get_column(name), native.get_column(name)) for name in made]).to_native()


def _like(given: Any, made: Any) -> Any:
    """Return the filled column in the very dtype of the given one: an Enum with its categories, whole numbers exact."""
    if given.dtype.is_integer() or given.dtype.is_temporal():  # which floats with NaN, as it was filled, may not hold
        return given.zip_with(~given.is_null(), made.cast(given.dtype))
    return made.cast(given.dtype) if str(given.dtype).startswith("Enum") else made


def with_values(data: Any, schema: Schema, given: Mapping[str, Any]) -> Any:
    """Return rows that a model made, some of their columns holding a given value throughout.

    Parameters
    ----------
    data : array or frame of n_samples rows
    schema : Schema
    given : mapping of str to value
        Values by column; a text may say a number or a category.

    Returns
    -------
    array or frame of n_samples rows
    """
    fields = {name: schema.fields[0 if schema.is_block else j] for j, name in enumerate(schema.names)}
    values = {k: fields[k].of_value(v) for k, v in given.items()}
    if not schema.is_frame:
        for name, value in values.items():
            data[:, schema.names.index(name)] = value
        return data
    import narwhals as nw

    columns = {name: np.array([value] * len(data)) for name, value in values.items()}
    made = nw.from_native(frame_of(columns, {k: fields[k].dtype for k in columns}, schema.container), eager_only=True)
    return nw.from_native(data, eager_only=True).with_columns(*[made.get_column(name) for name in columns]).to_native()
