"""Which kind of field raw values are, by a look at all of them."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from vaekit.data import power
from vaekit.data.fields import FIELDS, Array, Field, Levels, Real, is_missing
from vaekit.data.frames import columns_of, is_frame
from vaekit.data.temporal import is_temporal
from vaekit.errors import DataError, ParameterError

MAX_LEVELS = 65_536
MAX_CATEGORIES = 1_000
MOST_DIGITS = 6  # behind the point
MOST_MULTIPLE, MOST_WHOLE = 2**50, 2**62
MAX_INTEGER_SPAN = 2**22  # a standardised float32 still tells neighbours apart
HEAVY_NATS = 1.0  # that bent tails gain
LOST_NATS = 8.0  # the same, where without them all values but a few are about one
ATOM_SHARE, ATOM_ROWS = 0.005, 10  # of a column's values and in number, that make one of them an atom


def infer_column(name: str, raw: Array, dtype: str, kind: str | None = None) -> Field:
    """Return the field of one column, its kind inferred or as declared.

    Parameters
    ----------
    name : str
        The column's name.
    raw : ndarray of shape (n_samples,)
        Numbers, or an object array of texts; gaps are NaN or None.
    dtype : str
        The user's dtype.
    kind : str or None
        One of `FIELDS`, or None to infer it.

    Raises
    ------
    DataError
        When the column is empty or constant, or does not fit the declared kind.

    Examples
    --------
    >>> infer_column("age", np.array([31, 45, 62]), "int64").stated  # loc ± scale
    'integer (about 46 ± 12.68)'
    >>> infer_column("sold", np.array([0, 0, 1, 9]), "int64").stated
    'count (0, 1, 2, ...)'
    >>> infer_column("sex", np.array(["f", "m", "f"], dtype=object), "String").stated
    'categorical (f, m)'
    """
    gaps = is_missing(raw)
    present = raw[~gaps]
    if kind is not None and kind not in FIELDS:
        raise ParameterError(f"Column '{name}' cannot be of kind '{kind}'. Choose one of: {', '.join(FIELDS)}.")
    if not present.size:
        raise DataError(f"Column '{name}' holds no value in any of {len(raw)} rows. Drop the column.")
    if kind not in ("constant", "real") and (present == present[0]).all():
        raise DataError(
            f"Column '{name}' is constant: it holds {present[0]} in every row, so there is nothing to learn from it. "
            f"Drop the column, or keep it as it is with kinds={{'{name}': 'constant'}}."
        )
    field = make_field(kind or column_kind(name, present, dtype), name=name, shape=(), dtype=dtype, present=present)
    return replace(field, missing=bool(gaps.any()))


def column_kind(name: str, present: Array, dtype: str) -> str:
    """Return the kind of a column from its values that are there."""
    if is_temporal(dtype):
        return "integer" if present.max() - present.min() < MAX_INTEGER_SPAN else "real"
    if present.dtype.kind == "O":
        return "categorical" if _are_texts(name, present) else "real"
    if is_zero_one(present):
        return "binary"
    if not np.isfinite(present).all() or (present != np.rint(present)).any():
        return "heavy-tailed" if is_heavy_tailed(present) else "real"
    low, high = float(present.min()), float(present.max())
    if low == 0 and high > 1 and present.var() > present.mean():
        return "count"
    if high - low < MAX_INTEGER_SPAN:
        return "integer"
    return "heavy-tailed" if is_heavy_tailed(present) else "real"


def is_heavy_tailed(values: Array, least_nats: float = HEAVY_NATS) -> bool:
    """Whether a power transform makes a column's values likelier to be normal by so many nats each, or more.

    Examples
    --------
    >>> normal = np.random.default_rng(0).normal(size=1000)
    >>> is_heavy_tailed(normal), is_heavy_tailed(np.exp(2 * normal)), is_heavy_tailed(np.append(normal, 1e12))
    (False, True, True)
    """
    finite = values[np.isfinite(values)]
    return bool(finite.size) and power.best_powers(finite)[1] >= least_nats


def constant_kinds(raw: Any) -> dict[str, str]:
    """Return the kind "constant" for each column that holds one value, so that it is kept and not refused.

    Examples
    --------
    >>> constant_kinds(np.array([[1.0, 3.0], [2.0, 3.0]]))
    {'x1': 'constant'}
    """
    return {name: "constant" for name, values in _columns(raw).items() if _is_constant(values)}


def kinds_of_numbers(raw: Any) -> dict[str, str]:
    """Return kinds under which a column of numbers may later hold any number, also where it holds one value now.

    Where single values are so far off that the others are about one, these are heavy tails.

    Examples
    --------
    >>> import polars as pl
    >>> kinds = kinds_of_numbers(pl.DataFrame({"sold": [0, 3, 9], "sex": ["f", "m", "f"], "year": [2024] * 3}))
    >>> sorted(kinds.items())
    [('sold', 'real'), ('year', 'real')]
    """
    constant, lost = constant_kinds(raw), heavy_tailed_kinds(raw, LOST_NATS)
    if not (is_frame(raw) or constant or lost):
        return {}  # an array that one likelihood makes real
    numbers = {name: "real" for name, values in _columns(raw).items() if values.dtype.kind in "fiu"}
    return constant | numbers | lost


def heavy_tailed_kinds(raw: Any, least_nats: float = HEAVY_NATS) -> dict[str, str]:
    """Return the kind "heavy-tailed" for each column of numbers that bent tails gain so many nats a value.

    Examples
    --------
    >>> heavy_tailed_kinds(np.stack([np.linspace(0, 1, 999), np.exp(np.linspace(0, 20, 999))], 1))
    {'x1': 'heavy-tailed'}
    """
    columns = {name: values for name, values in _columns(raw).items() if values.dtype.kind in "fiu"}
    return {name: "heavy-tailed" for name, values in columns.items() if is_heavy_tailed(values, least_nats)}


def _columns(raw: Any) -> dict[str, Array]:
    """Return the columns of a frame or an array; none of pictures, which have no columns."""
    if is_frame(raw):
        return columns_of(raw)[0]
    table = np.asarray(raw)
    return {f"x{j}": table[:, j] for j in range(table.shape[1])} if table.ndim == 2 else {}


def _is_constant(values: Array) -> bool:
    present = values[~is_missing(values)]
    return bool(present.size) and bool((present == present[0]).all())


def infer_block(raw: Array, shape: tuple[int, ...], likelihood: str | None = None) -> Field | None:
    """Return the one field that a whole array is, or None where its columns differ and each needs its own.

    Parameters
    ----------
    raw : ndarray of shape (n_samples, *shape)
        Numbers; more than one dimension of a row means a picture or a signal.
    shape : tuple of int
        The shape of one row.
    likelihood : str or None
        A likelihood asked for by name; a Gaussian or Student's t makes any numbers real.
    """
    kind = _declared_by(likelihood, raw) or block_kind(raw, pictures=len(shape) > 1)
    if kind is None:
        return None
    gaps = is_missing(raw)
    present = raw[~gaps] if gaps.any() else raw
    field = make_field(kind, name="x", shape=shape, dtype=str(raw.dtype), present=present)
    if type(field) is Real and len(shape) == 1:
        field = _standardised_by_column(field, raw)
    return replace(field, missing=bool(gaps.any()))


def block_kind(raw: Array, *, pictures: bool) -> str | None:
    """Return the one kind of all values of an array, or None where the columns must be looked at one by one."""
    gaps = is_missing(raw)
    sample = _sample(raw[~gaps] if gaps.any() else raw)
    if not sample.size:
        raise DataError(f"The array holds no value in any of {len(raw)} rows. Check the source.")
    if is_zero_one(raw):
        return "binary"
    if raw.dtype == np.uint8 or _has_shared_ends(raw, pictures=pictures) and grid_of(sample, raw) is not None:
        return "levels"
    whole = bool((sample == np.rint(sample)).all()) and bool((sample >= 0).all())
    if whole and _is_count_matrix(raw, pictures=pictures):
        return "count"
    if pictures:
        return "unit" if np.nanmin(raw) >= 0 and np.nanmax(raw) <= 1 else "real"
    return None if _some_column_is_whole(raw) or _some_column_is_heavy_tailed(raw) else "real"


def make_field(kind: str, *, name: str, shape: tuple[int, ...], dtype: str, present: Array) -> Field:
    """Return a field of a given kind whose range and units are learned from the values that are there."""
    learned = _learned(kind, name, present)
    if shape == () and kind in ("real", "heavy-tailed", "integer", "count"):
        learned |= _habits(kind, present, learned.get("loc", 0.0), learned.get("scale", 1.0))
    return FIELDS[kind](name=name, shape=shape, dtype=dtype, **learned)


def is_zero_one(values: Array) -> bool:
    """Whether all values are 0 or 1 (NaN aside)."""
    if values.dtype.kind == "b":
        return True
    return bool(((values == 0) | (values == 1) | is_missing(values)).all())


def grid_of(sample: Array, raw: Array | None = None) -> Levels | None:
    """Return the grid of equal steps that values lie on, or None where there is none of at most 65,536 levels.

    Examples
    --------
    >>> grid_of(np.array([0, 16, 3]) / 16).stated
    'levels (0 to 1 in 17 levels)'
    >>> grid_of(np.sqrt(np.arange(5))) is None
    True
    """
    values = np.unique(sample[~is_missing(sample)]).astype(np.float64)
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    for step in _candidate_steps(values):
        grid = _grid(values, step)
        if grid is not None and (raw is None or not grid._unknown(raw, is_missing(raw)).any()):
            return grid
    return None


# -- what each kind learns ---------------------------------------------------------------------------------------------


def _learned(kind: str, name: str, present: Array) -> dict[str, Any]:
    if kind in ("real", "integer", "heavy-tailed"):
        return _units(kind, name, present)
    if kind == "levels":
        return _grid_settings(name, present)
    if kind == "categorical":
        return {"categories": _categories(name, present)}
    return (
        {"value": present.ravel()[0].item() if present.dtype.kind != "O" else present[0]} if kind == "constant" else {}
    )


def _units(kind: str, name: str, present: Array) -> dict[str, Any]:
    if present.dtype.kind not in "fiub":
        raise DataError(f"Column '{name}' holds texts, so it cannot be {kind}. Use kinds={{'{name}': 'categorical'}}.")
    finite = present[np.isfinite(present)].astype(np.float64)
    if finite.size and finite.min() == finite.max():
        return {"loc": float(finite[0]), "scale": abs(float(finite[0])) or 1.0}
    if kind == "heavy-tailed":
        loc, scale = power.middle_and_spread(finite)
        return {"loc": loc, "scale": scale, "powers": power.best_powers(finite)[0]}
    loc = float(np.rint(finite.mean())) if kind == "integer" else float(finite.mean())
    return {"loc": loc, "scale": float(finite.std()) or 1.0}


def _habits(kind: str, present: Array, loc: float, scale: float) -> dict[str, Any]:
    """Return what is known of a column of numbers: its ends, those that many rows share, and of reals their step."""
    finite = present[np.isfinite(present)]
    atoms = atoms_of(finite)
    ends = [inward(float(end), loc, scale) for end in (finite.min(), finite.max())] if finite.size else []
    held = sorted([*ends, *atoms])
    step = {} if kind in ("integer", "count") else {"step": decimal_step(present)}
    return {"ends": (held[0], held[-1]) if held else None, "atoms": atoms} | step


def inward(value: float, loc: float, scale: float) -> float:
    """Return a value moved towards loc, to three digits of their distance: no file is to hold the farthest row's own.

    Examples
    --------
    >>> inward(123.456789, 0.0, 1.0), inward(-0.5, 0.0, 1.0)
    (123.0, -0.5)
    """
    distance = (value - loc) / scale
    if distance == 0:
        return value
    digit = 10.0 ** (math.floor(math.log10(abs(distance))) - 2)
    return loc + scale * math.trunc(distance / digit) * digit


def atoms_of(values: Array) -> tuple[float, ...]:
    """Return the numbers that many of a column's values are.

    Examples
    --------
    >>> atoms_of(np.array([40] * 30 + list(range(1000, 1100))))
    (40,)
    """
    found, counts = np.unique(values, return_counts=True)
    return tuple(value.item() for value in found[counts >= max(ATOM_ROWS, ATOM_SHARE * len(values))])


def decimal_step(values: Array) -> tuple[int, int] | None:
    """Return what all values are the nearest floats to multiples of: a whole number, one over a power of ten, or None.

    Examples
    --------
    >>> decimal_step(np.array([1.25, 0.3, 7.0])), decimal_step(np.array([6000, 4500])), decimal_step(np.array([1 / 3]))
    ((1, 100), (1500, 1), None)
    """
    if (values == np.rint(values)).all() and (np.abs(values.astype(np.float64)) < MOST_WHOLE).all():
        return max(1, int(np.gcd.reduce(values.astype(np.int64)))), 1
    for denominator in (10**digits for digits in range(MOST_DIGITS + 1)):
        multiples = np.rint(values.astype(np.float64) * denominator)
        if (np.abs(multiples) < MOST_MULTIPLE).all() and (
            (multiples / denominator).astype(values.dtype) == values
        ).all():
            return 1, denominator
    return None


def _grid_settings(name: str, present: Array) -> dict[str, Any]:
    if present.dtype == np.uint8:
        top = int(present.max())
        if ((present == 0) | (present == 255)).all():  # black and white
            return {"numerator": 255, "n_levels": 2}
        return {"n_levels": top + 1 if top < 64 else 256}
    grid = grid_of(_sample(present), present)
    if grid is None:
        raise DataError(f"'{name}' does not lie on a grid of equal steps, so it cannot be levels. Use the kind 'real'.")
    return {k: getattr(grid, k) for k in ("first", "numerator", "denominator", "n_levels")}


def _categories(name: str, present: Array) -> tuple[Any, ...]:
    found = sorted(
        {v.item() if isinstance(v, np.generic) else v for v in present.ravel()},
        key=lambda v: (str(type(v)), v),
    )
    if len(found) > MAX_CATEGORIES or len(found) > 20 and len(found) > 0.5 * len(present):
        raise DataError(
            f"Column '{name}' has {len(found)} different values in {len(present)} rows, too many for categories. "
            "Drop the column, group its values, or turn dates into numbers."
        )
    return tuple(found)


def _standardised_by_column(field: Real, raw: Array) -> Real:
    with np.errstate(invalid="ignore"):
        finite = np.where(np.isfinite(raw), raw, np.nan).astype(np.float64)
    empty = np.isnan(finite).all(axis=0)
    if empty.any():
        raise DataError(f"Column 'x{int(empty.argmax())}' holds no value in any of {len(raw)} rows. Drop the column.")
    loc, scale = np.nanmean(finite, axis=0), np.nanstd(finite, axis=0)
    flat = np.nanmax(finite, axis=0) == np.nanmin(finite, axis=0)
    if flat.any():
        column = int(flat.argmax())
        raise DataError(
            f"Column 'x{column}' is constant: it holds {finite[0, column]:g} in every row, so there is nothing to "
            f"learn from it. Drop the column, or keep it as it is with kinds={{'x{column}': 'constant'}}."
        )
    return replace(field, loc=loc, scale=scale)


# -- what an array looks like ------------------------------------------------------------------------------------------


def _declared_by(likelihood: str | None, raw: Array) -> str | None:
    if likelihood is None or likelihood == "auto":
        return None
    if likelihood.startswith(("gaussian", "student")):
        return "real"
    if likelihood.startswith(("negative-binomial", "zero-inflated")):
        return "count"
    if likelihood.startswith("discretized"):
        return "levels"
    if likelihood == "categorical":
        raise ParameterError(
            "The likelihood 'categorical' is for tables. Declare columns with kinds={'name': 'categorical'}."
        )
    if is_zero_one(raw):
        return "binary"
    return "levels" if raw.dtype == np.uint8 or grid_of(_sample(raw), raw) is not None else "unit"


def _sample(raw: Array, size: int = 200_000) -> Array:
    """Return up to `size` values spread evenly over an array."""
    flat = raw.reshape(-1)
    return flat[:: max(1, flat.size // size)]


def _has_shared_ends(raw: Array, *, pictures: bool) -> bool:
    """Whether several places reach the same largest value: ratings and pictures do, measurements do not."""
    if pictures:
        return True
    tops = np.nanmax(np.where(np.isfinite(raw), raw, np.nan), axis=0)
    share = np.mean(tops == tops.max()) if raw.shape[1] > 1 else 0.0
    return bool(share >= max(0.1, 2 / raw.shape[1]))


def _is_count_matrix(raw: Array, *, pictures: bool) -> bool:
    if raw.dtype.kind == "f" and ((raw != np.rint(raw)) & ~is_missing(raw)).any():
        return False
    return pictures or (raw.shape[1] >= 20 and float(np.mean(raw == 0)) > 0.5)


def _some_column_is_whole(raw: Array) -> bool:
    if raw.dtype.kind != "f":
        return True
    return bool(((raw == np.rint(raw)) | np.isnan(raw)).all(axis=0).any())


def _some_column_is_heavy_tailed(raw: Array) -> bool:
    return any(is_heavy_tailed(column) for column in raw.T)


def _candidate_steps(values: Array) -> list[Fraction]:
    steps = [Fraction(1, 255)] if values[0] >= 0 and values[-1] <= 1 else []
    if (values == np.rint(values)).all():
        steps.append(Fraction(1))
    elif len(values) <= 256:
        steps.append(_common_step(values))
    return steps


def _common_step(values: Array) -> Fraction:
    """Return the largest step whose multiples are all differences of the values: their greatest common divisor."""
    gaps = [Fraction(float(gap)).limit_denominator(10_000) for gap in np.diff(values)]
    common = math.lcm(*(gap.denominator for gap in gaps))
    return Fraction(math.gcd(*(int(gap * common) for gap in gaps)), common)


def _grid(values: Array, step: Fraction) -> Levels | None:
    if float(step) <= 0:  # also a fraction too small for a float
        return None
    is_bytes = step == Fraction(1, 255) and values[0] >= 0 and values[-1] <= 1  # of which a few are seen at times
    span = 255 if is_bytes else round((values[-1] - values[0]) / float(step))
    first = 0 if is_bytes else round(values[0] / float(step))
    if not 1 <= span < MAX_LEVELS or (step != 1 and span > 255):
        return None
    return _checked(
        Levels(name="x", first=first, numerator=step.numerator, denominator=step.denominator, n_levels=span + 1),
        values,
    )


def _checked(grid: Levels, values: Array) -> Levels | None:
    return None if grid._unknown(values, is_missing(values)).any() else grid


def _are_texts(name: str, present: Array) -> bool:
    kinds = {type(v) for v in present.ravel()[:1000]}
    if kinds <= {str, bool}:
        return True
    raise DataError(
        f"Column '{name}' holds {', '.join(sorted(k.__name__ for k in kinds))}, neither numbers nor texts. "
        "Turn it into numbers (days, seconds) or texts, or drop the column."
    )
