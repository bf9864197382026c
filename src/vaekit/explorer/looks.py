"""Rows as a page shows them: pictures as bytes, all else as texts; and back."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.data.fields import Binary, Categorical, Levels, Real
from vaekit.data.frames import columns_of, frame_of, is_frame
from vaekit.data.schema import Schema, from_channels_first, to_channels_first
from vaekit.data.temporal import is_temporal, stated
from vaekit.errors import DataError

Plain = dict[str, Any]


def look(schema: Schema, rows: Any) -> Plain:
    """Return rows as plain values: `pixels` (bytes [n, H, W, channels] as base64) of pictures, else `cells`, texts."""
    if schema.is_picture:
        return {"pixels": packed(levels(schema, rows))}
    return {"cells": cells(schema, rows)}


def packed(array: NDArray[Any]) -> str:
    """Return an array's bytes as base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def levels(schema: Schema, rows: Any) -> NDArray[np.uint8]:
    """Return pictures as bytes, [n, H, W, 1 or 3 or 4]: the least value is black, the largest white."""
    low, high = _ends(schema)
    inner = to_channels_first(np.asarray(rows, dtype=np.float64), schema.layout)
    scaled = np.nan_to_num((inner - low) * (255 / (high - low)))
    found: NDArray[np.uint8] = np.rint(np.moveaxis(scaled, 1, -1).clip(0, 255)).astype(np.uint8)
    return found


def of_levels(schema: Schema, pixels: NDArray[np.uint8]) -> NDArray[Any]:
    """Return pictures as the user has them, of values that the schema knows, of bytes [n, H, W, channels]."""
    field, share, (low, high) = schema.fields[0], np.moveaxis(pixels, -1, 1) / 255, _ends(schema)
    if isinstance(field, Levels | Binary):
        most = field.n_levels - 1 if isinstance(field, Levels) else 1
        return np.asarray(schema.decode(np.rint(share * most)))
    return from_channels_first(low + share * (high - low), schema.layout).astype(field.dtype)


def _ends(schema: Schema) -> tuple[float, float]:
    """Return the values of a picture that are shown black and white."""
    field = schema.fields[0]
    if isinstance(field, Levels):
        return field.first * field.numerator / field.denominator, field.high
    if isinstance(field, Real):  # without ends
        loc, spread = np.asarray(field.loc), 2 * np.asarray(field.scale)
        return float((loc - spread).min()), float((loc + spread).max())
    return 0.0, 1.0


def cells(schema: Schema, rows: Any) -> list[list[str]]:
    """Return the texts of rows; of a gap none."""
    if not is_frame(rows):
        return [[said(v) for v in row] for row in np.asarray(rows).reshape(len(rows), -1).tolist()]
    columns, dtypes, _ = columns_of(rows)
    texts = [_texts(columns[name], dtypes[name]) for name in schema.names]
    return [list(row) for row in zip(*texts, strict=True)]


def _texts(values: NDArray[Any], dtype: str) -> list[str]:
    if is_temporal(dtype):
        return ["" if v != v else stated(v, dtype) for v in values.tolist()]
    return [said(v) for v in values.tolist()]


def said(value: Any) -> str:
    """Return a value as a text that says it: numbers with five digits, a gap with none.

    Examples
    --------
    >>> said(0.1234567), said(3.0), said(None), said("north"), said(True)
    ('0.12346', '3', '', 'north', 'true')
    """
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def of_cells(schema: Schema, texts: list[list[str]]) -> Any:
    """Return rows of the texts of cells, in the container of the data; of no text a gap.

    Raises
    ------
    DataError
        When a column does not know a value, or a row has another number of cells.
    """
    if any(len(row) != schema.n_dims for row in texts):
        raise DataError(f"A row has {schema.n_dims} cells; got {len(texts[0])}. Give one for each column.")
    fields = schema.fields * schema.n_dims if schema.is_block else schema.fields
    columns = {
        name: _column([row[j] for row in texts], field)
        for j, (name, field) in enumerate(zip(schema.names, fields, strict=True))
    }
    if schema.is_frame:
        return frame_of(columns, {f.name: f.dtype for f in schema.fields}, schema.container)
    return np.stack([column.astype(np.float64) for column in columns.values()], axis=1)


def _column(texts: list[str], field: Any) -> NDArray[Any]:
    values = [None if text == "" else field.of_value(text) for text in texts]
    if isinstance(field, Categorical) or any(isinstance(v, str) for v in values):
        return np.array(values, dtype=object)
    if any(v is None for v in values):
        return np.array([np.nan if v is None else float(v) for v in values])
    return np.array(values)
