"""Columns of data as whole numbers, and back to the very values."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec.reading import GAP
from vaekit.data.fields import Binary, Categorical, Count, Field, HeavyTailed, Integer, Levels, Real, is_missing
from vaekit.data.schema import Schema
from vaekit.errors import DataError

Array = NDArray[Any]
Whole = NDArray[np.int64]

MOST = 1 << 52  # which a double holds, and its neighbours


def to_whole(field: Field, raw: Array) -> Whole | None:
    """Return a column's values as whole numbers, gaps as `GAP`; None where its kind has no such form.

    A stray value that is none may become any: who needs the very values compares.

    Examples
    --------
    >>> to_whole(Real(name="price", dtype="Float64", step=(1, 100)), np.array([1.25, np.nan, 2.0])) == [125, GAP, 200]
    array([ True,  True,  True])
    """
    gaps = is_missing(raw)
    known = np.where(gaps, np.full(1, raw[~gaps][0] if (~gaps).any() else 0, raw.dtype), raw)
    found = _whole(field, known)
    if found is None:
        return None
    return np.where(gaps, GAP, np.where(np.abs(found) <= MOST, found, 0).astype(np.int64))


@singledispatch
def _whole(field: Field, raw: Array) -> Array | None:
    """Return values without gaps as about whole numbers."""
    return None


@_whole.register(Binary)
@_whole.register(Count)
@_whole.register(Integer)
def _(field: Field, raw: Array) -> Array | None:
    return np.rint(raw.astype(np.float64))


@_whole.register
def _(field: Levels, raw: Array) -> Array | None:
    return np.rint(field.encode(raw).astype(np.float64))


@_whole.register
def _(field: Real, raw: Array) -> Array | None:
    if field.step is None:
        return None
    numerator, denominator = field.step
    return np.rint(np.where(np.abs(raw) < MOST, raw, 0.0).astype(np.float64) * denominator / numerator)


@_whole.register
def _(field: HeavyTailed, raw: Array) -> Array | None:
    return None


@_whole.register
def _(field: Categorical, raw: Array) -> Array | None:
    return field._encode(raw)


def of_whole(field: Field, whole: Whole) -> Array:
    """Return the values of whole numbers without gaps."""
    if isinstance(field, Categorical):
        return np.asarray(field.categories, dtype=object)[whole]
    if isinstance(field, Levels):
        return field._decode(whole)
    if isinstance(field, Integer) or not isinstance(field, Real):
        return whole
    numerator, denominator = field.step or (1, 1)
    return whole * numerator if denominator == 1 else whole * float(numerator) / float(denominator)


def of_codes(field: Field, codes: Array) -> Whole:
    """Return about the whole numbers of codes, as networks read them; gaps as `GAP`."""
    gaps = np.isnan(codes)
    values = np.where(gaps, 0.0, codes.astype(np.float64))
    if isinstance(field, Real):
        numerator, denominator = step_of(field) or (1, 1)
        values = (values * field.scale + field.loc) * denominator / numerator
    return np.where(gaps, GAP, np.rint(values).astype(np.int64))


def step_of(field: Real) -> tuple[int, int] | None:
    """Return what values of a field are multiples of, as a fraction; None where there is no such step."""
    return (1, 1) if isinstance(field, Integer) else None if isinstance(field, HeavyTailed) else field.step


def array_to_codes(schema: Schema, rows: Array) -> Whole | None:
    """Return the whole numbers [n, values] of an array of rows, or None where it has none."""
    try:
        if schema.is_block:
            codes = schema.encode(rows).reshape(len(rows), -1)
            found = codes.astype(np.int64)
            return found if (found == codes).all() else None
        if schema.is_frame or rows.shape[1:] != (len(schema.fields),):
            return None
        columns = [to_whole(field, column) for field, column in zip(schema.fields, rows.T, strict=True)]
    except DataError:
        return None
    return None if any(c is None for c in columns) else np.stack(columns, axis=1)  # type: ignore[arg-type]


def codes_to_array(schema: Schema, codes: Whole) -> Array:
    """Return the array of rows of whole numbers [n, values]."""
    if schema.is_block:
        return np.asarray(schema.decode(codes.reshape(-1, *schema.event_shape)))
    gaps = codes == GAP
    pairs = zip(schema.fields, np.where(gaps, 0, codes).T, strict=True)
    values = np.stack([of_whole(field, column) for field, column in pairs], axis=1)
    return np.where(gaps, np.nan, values) if gaps.any() else values
