"""Bytes of requests to data, and results to bytes of answers: JSON, .npy, Arrow streams.

JSON knows neither dtypes nor dates: numbers of an array take the dtype that the model learned where nothing is lost,
and texts in a column of dates are read as ISO 8601. A gap is null. Numbers beyond all floats are told as null too.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.data.frames import frame_of, is_frame
from vaekit.data.readers import parse
from vaekit.data.schema import Schema
from vaekit.data.temporal import is_temporal, to_whole
from vaekit.errors import DataError, SourceError

JSON, NPY, ARROW = "application/json", "application/x-npy", "application/vnd.apache.arrow.stream"
OCTETS = "application/octet-stream"
SUFFIXES = {NPY: ".npy", ARROW: ".arrow"}


# -- in ----------------------------------------------------------------------------------------------------------------


def data_of(body: bytes, media_type: str, schema: Schema) -> Any:
    """Return the rows of a request, an array or a polars frame.

    Raises
    ------
    SourceError
        When the bytes are not of that type.
    DataError
        When they are no rows.
    """
    if media_type in SUFFIXES:
        return parse(body, SUFFIXES[media_type], "The body")
    rows = object_of(body).get("rows")
    if schema.is_frame or isinstance(rows, dict) or (isinstance(rows, list) and rows and isinstance(rows[0], dict)):
        return _table(rows, schema)
    return _array(rows, schema)


def object_of(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is.

    Raises
    ------
    SourceError
        When it is none.
    """
    try:
        found = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise SourceError(f'The body is no JSON: {error}. Send an object, as in {{"rows": [...]}}.') from error
    if not isinstance(found, dict):
        raise SourceError(f'The body is a JSON {type(found).__name__}, not an object. Send {{"rows": [...]}}.')
    return found


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not in its grammar, a gap is null")


def _array(rows: Any, schema: Schema) -> NDArray[Any]:
    if not isinstance(rows, list):
        raise DataError(f"'rows' must be a list of rows; got {_kind(rows)}. Send {{\"rows\": [[...], ...]}}.")
    try:
        raw = np.array(rows)
        raw = raw.astype(np.float64) if raw.dtype.kind == "O" else raw
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"'rows' are not numbers in rows of one length: {error}. Send numbers, null for gaps."
        ) from None
    own = np.dtype(schema.fields[0].dtype) if not schema.is_frame and schema.is_block else raw.dtype
    if raw.dtype.kind not in "biuf":
        return raw
    with np.errstate(all="ignore"):
        cast = raw.astype(own)
    return cast if np.array_equal(cast.astype(raw.dtype), raw) else raw


def _table(rows: Any, schema: Schema) -> Any:
    import polars as pl

    columns = _columns(rows)
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        raise DataError("The columns of 'rows' have different lengths. Send as many cells in each, null for gaps.")
    dtypes = {} if schema.is_block else {f.name: f.dtype for f in schema.fields}
    return pl.DataFrame([_series(name, cells, dtypes.get(name, "")) for name, cells in columns.items()])


def _columns(rows: Any) -> dict[str, list[Any]]:
    if isinstance(rows, dict) and all(isinstance(cells, list) for cells in rows.values()):
        return rows
    if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}
    raise DataError(
        f"'rows' must be a list of objects or an object of columns for a table; got {_kind(rows)}. "
        'Send {"rows": [{"name": value, ...}, ...]}.'
    )


def _series(name: str, cells: list[Any], dtype: str) -> Any:
    import polars as pl

    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds != {int, float} and len(kinds) > 1 or not kinds <= {bool, int, float, str}:
        raise DataError(
            f"Column '{name}' holds {' and '.join(sorted(_kind(cell) for cell in _one_each(cells)))}. "
            "Send numbers, texts or true and false alone, null for gaps."
        )
    try:
        if kinds == {str} and is_temporal(dtype):
            numbers = [None if cell is None else to_whole(cell, dtype) for cell in cells]
            return pl.Series(name, numbers, pl.Int64).cast(_polars_dtype(dtype))
        if float in kinds or (kinds == {int} and dtype.startswith("Float")):
            return pl.Series(name, [None if cell is None else float(cell) for cell in cells])
        return pl.Series(name, cells)
    except (DataError, OverflowError) as error:
        raise DataError(f"Column '{name}' cannot be read as {dtype or 'numbers'}: {error}") from None


def _polars_dtype(name: str) -> Any:
    return frame_of({"x": np.empty(0)}, {"x": name}, "polars").schema["x"]


def _one_each(cells: Sequence[Any]) -> list[Any]:
    return list({type(cell): cell for cell in cells if cell is not None}.values())


def _kind(value: Any) -> str:
    names = {type(None): "nothing", dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return names.get(type(value), "a number")


# -- out ---------------------------------------------------------------------------------------------------------------


def body_of(result: Any, media_type: str, names: Sequence[str]) -> bytes:
    """Return the bytes that tell rows.

    Parameters
    ----------
    result : array or frame
    media_type : str
    names : sequence of str
        Of the columns of an array in an Arrow stream.

    Raises
    ------
    DataError
        When there are texts among what is to be an array.
    """
    return {JSON: _json, NPY: _npy, ARROW: _arrow}[media_type](result, names)


def json_bytes(plain: Mapping[str, Any]) -> bytes:
    """Return a JSON object as bytes."""
    return json.dumps(plain, allow_nan=False, default=_plain, separators=(",", ":")).encode()


def _json(result: Any, names: Sequence[str]) -> bytes:
    if is_frame(result):
        table = _polars(result)
        return json_bytes({"rows": [{k: _finite(v) for k, v in row.items()} for row in table.to_dicts()]})
    cells = result
    if result.dtype.kind == "f" and not np.isfinite(result).all():
        cells = np.where(np.isfinite(result), result.astype(object), None)
    return json_bytes({"rows": cells.tolist()})


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _npy(result: Any, names: Sequence[str]) -> bytes:
    import polars as pl

    table = _polars(result) if is_frame(result) else None
    if table is not None and not all(dtype.is_numeric() or dtype == pl.Boolean for dtype in table.dtypes):
        raise DataError("The answer holds texts or dates, which .npy cannot. Accept application/json or Arrow.")
    array = result if table is None else table.to_numpy()
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=False)
    return file.getvalue()


def _arrow(result: Any, names: Sequence[str]) -> bytes:
    import polars as pl

    flat = result if is_frame(result) else result.reshape(len(result), -1)
    table = _polars(flat) if is_frame(flat) else pl.DataFrame({k: flat[:, j] for j, k in enumerate(names)})
    file = io.BytesIO()
    table.write_ipc_stream(file)
    return file.getvalue()


def _polars(frame: Any) -> Any:
    import narwhals as nw

    return nw.from_native(frame, eager_only=True).to_polars()
