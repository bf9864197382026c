"""Frames of any library in and out, through narwhals: columns become numpy arrays and go back with their dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from vaekit.data.fields import Array, is_missing
from vaekit.data.temporal import dtype_name, frame_dtype, instants, is_temporal
from vaekit.errors import DataError, MissingExtraError


def is_frame(data: Any) -> bool:
    """Whether `data` is a frame that narwhals knows: pandas, polars, Arrow and their kin."""
    if isinstance(data, np.ndarray):
        return False
    import narwhals as nw

    return nw.dependencies.is_into_dataframe(data)


def columns_of(frame: Any) -> tuple[dict[str, Array], dict[str, str], str]:
    """Return a frame's columns as arrays, its dtypes by name, and the name of its library.

    Numbers come as numpy numbers with NaN for gaps, texts as objects with None for gaps, dates and times as numbers.

    Examples
    --------
    >>> import polars as pl
    >>> columns, dtypes, library = columns_of(pl.DataFrame({"age": [31, None], "sex": ["f", None]}))
    >>> columns["age"], columns["sex"], library
    (array([31., nan]), array(['f', None], dtype=object), 'polars')
    >>> dtypes
    {'age': 'Int64', 'sex': 'String'}
    """
    import narwhals as nw

    table = nw.from_native(frame, eager_only=True)
    names = [str(name) for name in table.columns]
    if len(set(names)) < len(names):
        raise DataError("Two columns of the table have the same name. Give each column a name of its own.")
    columns = {str(name): _values(table.get_column(name)) for name in table.columns}
    dtypes = {str(name): dtype_name(dtype) for name, dtype in table.schema.items()}
    return columns, dtypes, table.implementation.value


def frame_of(columns: dict[str, Array], dtypes: dict[str, str], library: str) -> Any:
    """Return a frame of `library` with the given columns, cast to the given dtypes; a gap becomes null.

    Examples
    --------
    >>> frame_of({"age": np.array([31.0, np.nan])}, {"age": "Int64"}, "polars")["age"].to_list()
    [31, None]
    """
    import narwhals as nw

    series = {name: _for_frame(values, dtypes[name]) for name, values in columns.items()}
    try:
        table = nw.from_dict(series, backend=library)  # type: ignore[arg-type]
    except ImportError as missing:
        raise MissingExtraError(library) from missing
    can_cast = {
        name: library != "pandas" or is_temporal(dtypes[name]) or not _is_gappy_number(values)
        for name, values in columns.items()
    }
    return table.with_columns(*[_cast(nw.col(name), dtypes[name]) for name in columns if can_cast[name]]).to_native()


def concatenated(parts: list[Any]) -> Any:
    """Return arrays, or frames of one library, one below the other.

    Examples
    --------
    >>> concatenated([np.zeros((1, 2)), np.ones((2, 2))]).shape
    (3, 2)
    """
    if not is_frame(parts[0]):
        return np.concatenate(parts)
    import narwhals as nw

    return nw.concat([nw.from_native(part, eager_only=True) for part in parts]).to_native()


def _cast(column: Any, dtype: str) -> Any:
    target = frame_dtype(dtype)
    return column if target is None else column.cast(target)


def _is_gappy_number(values: Array) -> bool:
    """Whether values are numbers or Booleans with gaps, which pandas' own whole numbers and Booleans cannot hold."""
    is_text = values.dtype.kind == "O" and any(isinstance(v, str) for v in values)
    return not is_text and bool(is_missing(values).any())


def _for_frame(values: Array, dtype: str) -> Any:
    """Return a column's values as a frame takes them: no library makes dates of numbers."""
    if dtype == "Date":
        return instants(values)
    if is_temporal(dtype) and values.dtype.kind == "f":
        return [None if v != v else int(v) for v in values.tolist()]
    return _plain_list(values)


def _plain_list(values: Array) -> list[Any]:
    if values.dtype.kind == "f":
        return [None if v != v else v for v in values.tolist()]
    return list(values.tolist())


def _values(series: Any) -> Array:
    """Return a column as numbers with NaN, or as objects with None."""
    dtype = dtype_name(series.dtype)
    if dtype in ("String", "Categorical", "Enum", "Object"):
        return np.asarray(_with_gaps(series, None), dtype=object)
    if dtype == "Unknown" and series.is_null().all():  # a column of nulls alone has no other dtype
        return np.full(len(series), np.nan)
    if is_temporal(dtype):
        return _of_temporal(series, dtype)
    if not (series.dtype.is_numeric() or dtype == "Boolean"):
        raise DataError(
            f"Column '{series.name}' holds {dtype} values, neither numbers, texts nor dates. "
            "Turn it into numbers or texts, or drop the column."
        )
    if not series.is_null().any():
        return np.asarray(series.to_numpy())
    found = np.asarray(series.to_numpy())  # floats, where the library knows no other way to say a gap
    return found.astype(np.float64) if found.dtype.kind == "f" else np.asarray(_with_gaps(series, np.nan), np.float64)


def _of_temporal(series: Any, dtype: str) -> Array:
    """Return dates and times as whole numbers of their unit, or as floats with NaN."""
    import narwhals as nw

    gaps = np.asarray(series.is_null().to_numpy())
    there = series.drop_nulls()
    found = np.asarray((there.cast(nw.Int64) if dtype == "Time" else there).to_numpy()).astype(np.int64)
    if not gaps.any():
        return found
    values = np.full(len(gaps), np.nan)
    values[~gaps] = found
    return values


def _with_gaps(series: Any, gap: Any) -> list[Any]:
    """Return a column's values, its library's own null, NaN or NA replaced by `gap`."""
    if not series.is_null().any():
        return list(series.to_list())
    is_null = series.is_null().to_list()
    return [gap if null else value for value, null in zip(series.to_list(), is_null, strict=True)]
