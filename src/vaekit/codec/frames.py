"""Frames in archives: which columns a model codes as whole numbers, and the frame they come back in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from vaekit.codec.columns import Atoms, Bell, Columns, RoundedColumn
from vaekit.codec.reading import GAP
from vaekit.codec.whole import Whole, of_whole, to_whole
from vaekit.data.fields import Field, Real
from vaekit.data.frames import columns_of
from vaekit.data.schema import Schema
from vaekit.errors import DataError

MOST_OFF = 1 << 50  # whole numbers that a value may be told apart from itself
MOST_COME_BACK = 0.9  # of a column's values, for it to be coded


@dataclass(frozen=True)
class Leeway:
    """What a column may lose.

    Parameters
    ----------
    column : RoundedColumn
    most_off : float
        By how much a value may be off.
    """

    column: RoundedColumn
    most_off: float


@dataclass(frozen=True)
class Parts:
    """A frame in two parts.

    Parameters
    ----------
    rows : ndarray of int of shape (n, fields)
        Whole numbers of the columns in `coded`; all others are gaps.
    coded : list of str
        Columns that whole numbers give back, but for stray values.
    nan : list of str
        Those among them whose gaps are NaN, not null.
    kept : polars.DataFrame
        The frame, its coded columns emptied but for stray values.
    """

    rows: Whole
    coded: list[str]
    nan: list[str]
    kept: pl.DataFrame


def split(
    schema: Schema, fields: Sequence[int], table: pl.DataFrame, leeway: Mapping[int, Leeway] | None = None
) -> Parts:
    """Return a table in two parts: the fields that come back from whole numbers, and the others.

    Parameters
    ----------
    schema : Schema
    fields : sequence of int
        That whole numbers may give back.
    table : polars.DataFrame
    leeway : mapping of int to Leeway, optional
        Of fields that may come back as values near by.
    """
    leeway = leeway or {}
    rows, coded, nan, kept = np.full((len(table), len(schema.fields)), GAP), [], [], table
    for j in fields:
        field = schema.fields[j]
        found = _coded(field, table[field.name], leeway.get(j)) if field.name in table.columns else None
        if found is not None:
            rows[:, j], is_nan, comes_back = found
            coded.append(field.name)
            nan += [field.name] * is_nan
            kept = kept.with_columns(_emptied(table[field.name], ~comes_back))
    return Parts(rows, coded, nan, kept)


def _emptied(column: pl.Series, but: pl.Series) -> pl.Series:
    """Return a column of nulls but for some of its values; what lies in memory under a null is 0, and packs well."""
    places = but.arg_true()
    empty = pl.Series(column.name, [None] * len(column), dtype=column.dtype)
    return empty.scatter(places, column.gather(places)) if len(places) else empty


def leeways(schema: Schema, columns: Columns, bounds: Mapping[str, float]) -> dict[int, Leeway]:
    """Return what real columns may lose, by their place, where a bound leaves room for more than a whole number."""
    found = {}
    for column in columns.columns:
        field = schema.fields[column.field]
        if type(field) is Real and field.step is not None and field.name in bounds:
            numerator, denominator = field.step
            most = min(bounds[field.name] * denominator / numerator - 0.5, MOST_OFF)
            if most >= 1 and isinstance(column.density, Bell | Atoms):
                found[column.field] = Leeway(RoundedColumn(column, 2 * int(most) + 1), bounds[field.name])
    return found


def _coded(field: Field, column: pl.Series, leeway: Leeway | None) -> tuple[Whole, bool, pl.Series] | None:
    """Return a column's whole numbers, whether its gaps are NaN, and which values come back; None if not nearly all."""
    try:
        found = to_whole(field, columns_of(column.to_frame())[0][field.name])
    except DataError:
        return None
    if found is None:
        return None
    is_nan = bool((found == GAP).any()) and column.dtype.is_float() and column.null_count() == 0
    found = found if leeway is None else leeway.column.told(found)
    back = restored(field, found, column.dtype, is_nan=is_nan)
    comes_back = _same(column, back) if leeway is None else near(column, back, leeway.most_off)
    return (found, is_nan, comes_back) if comes_back.mean() >= MOST_COME_BACK else None  # type: ignore[operator]


def joined(schema: Schema, coded: Sequence[str], nan: Sequence[str], rows: Whole, kept: pl.DataFrame) -> pl.DataFrame:
    """Return the table of two parts."""
    places = {field.name: j for j, field in enumerate(schema.fields)}
    columns = (
        restored(schema.fields[places[name]], rows[:, places[name]], kept.schema[name], is_nan=name in nan)
        for name in coded
    )
    return kept.with_columns(pl.coalesce(pl.col(column.name), column) for column in columns)


def restored(field: Field, whole: Whole, dtype: pl.DataType, *, is_nan: bool) -> pl.Series:
    """Return the column of whole numbers in its dtype."""
    gaps = whole == GAP
    values = of_whole(field, np.where(gaps, 0, whole))
    if is_nan:
        return pl.Series(field.name, np.where(gaps, np.nan, values)).cast(dtype)
    series = pl.Series(field.name, values.tolist() if values.dtype == object else values)
    return series.scatter(np.flatnonzero(gaps), None).cast(dtype)


def near(a: pl.Series, b: pl.Series, most_off: float) -> pl.Series:
    """Return where two columns of floats are gaps both, or no further apart than that."""
    off = (a.cast(pl.Float64) - b.cast(pl.Float64)).abs()
    return ((off <= most_off) & off.is_not_nan()).fill_null(value=False) | a.eq_missing(b)


def _same(a: pl.Series, b: pl.Series) -> pl.Series:
    """Return where two columns hold the same values, to the sign of a zero."""
    same = a.eq_missing(b)
    return same & (_signs(a) == _signs(b)) if a.dtype.is_float() else same


def _signs(column: pl.Series) -> pl.Series:
    signs: Any = np.signbit(column.fill_null(0.0).fill_nan(0.0).to_numpy())
    return pl.Series(signs)
