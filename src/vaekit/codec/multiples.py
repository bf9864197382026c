"""Columns of reals as whole multiples of a step, where a bound on the error allows it: for packers of bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from vaekit.codec.lossy import rounded_within

Told = dict[str, list[Any]]  # by column: the step, and the dtype that its multiples come back in

ROOM = 1 - 1e-6  # of a step, for the rounding of floats
MOST = 1 << 31


def as_multiples(table: pl.DataFrame, bounds: Mapping[str, float]) -> tuple[pl.DataFrame, Told]:
    """Return a frame whose columns of reals are whole numbers, and what these stand for.

    A column with values that no whole number gives back within its bound is rounded as floats.

    Parameters
    ----------
    table : polars.DataFrame
    bounds : mapping of str to float
        By how much values of some columns may be off.

    Examples
    --------
    >>> whole, told = as_multiples(pl.DataFrame({"x": [0.1, 0.74, None]}), {"x": 0.25})
    >>> whole["x"].to_list(), of_multiples(whole, told)["x"].round(3).to_list()
    ([0, 1, None], [0.0, 0.5, None])
    """
    told: Told = {}
    for name, most_off in bounds.items():
        found = _whole(table[name], 2 * most_off * ROOM, most_off)
        if found is not None:
            told[name] = [2 * most_off * ROOM, str(table.schema[name])]
        table = table.with_columns(_rounded(table[name], most_off) if found is None else found)
    return table, told


def of_multiples(table: pl.DataFrame, told: Told) -> pl.DataFrame:
    """Return the frame of reals that `as_multiples` was given, each within its bound."""
    return table.with_columns(_reals(table[name], float(step), dtype) for name, (step, dtype) in told.items())


def _whole(column: pl.Series, step: float, most_off: float) -> pl.Series | None:
    """Return a column's multiples of a step in the smallest dtype, or None where they do not give it back."""
    multiples = (column.cast(pl.Float64) / step).round() if step > 0 else column
    if step <= 0 or not bool((multiples.is_finite() & (multiples.abs() < MOST)).fill_null(value=True).all()):
        return None
    whole = multiples.cast(pl.Int64).shrink_dtype()
    off = (_reals(whole, step, str(column.dtype)).cast(pl.Float64) - column.cast(pl.Float64)).abs()
    return whole if bool((off <= most_off).fill_null(value=True).all()) else None


def _reals(whole: pl.Series, step: float, dtype: str) -> pl.Series:
    return (whole.cast(pl.Float64) * step).cast({"Float32": pl.Float32, "Float64": pl.Float64}[dtype])


def _rounded(column: pl.Series, most_off: float) -> pl.Series:
    near = pl.Series(column.name, rounded_within(column.fill_null(0.0).to_numpy(), most_off))
    return near.set(column.is_null(), None)
