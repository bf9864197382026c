"""Dates, instants, spans and times of day as whole numbers: of days, or of the unit that their column counts in.

A column's dtype is named ``"Date"``, ``"Datetime[us]"``, ``"Datetime[us, Europe/Berlin]"``, ``"Duration[ms]"`` or
``"Time"``. Dates count days and instants units from 1970 on, in Coordinated Universal Time; times of day count
nanoseconds from midnight on.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from vaekit.errors import DataError

FIRST, LAST = np.datetime64("0001-01-01"), np.datetime64("9999-12-31")  # that every library can write
MOST = 2**63 - 2**10  # units, that floats hold, too
DAY_NS = 86_400 * 10**9


def is_temporal(dtype: str) -> bool:
    """Whether a dtype's name is one of dates, instants, spans or times of day.

    Examples
    --------
    >>> is_temporal("Datetime[us, UTC]"), is_temporal("Int64")
    (True, False)
    """
    return dtype.split("[")[0] in ("Date", "Datetime", "Duration", "Time")


def dtype_name(dtype: Any) -> str:
    """Return the name of a frame's dtype, with unit and zone where it has them, and without categories."""
    name = str(dtype).split("(")[0]
    if name not in ("Datetime", "Duration"):
        return name
    zone = getattr(dtype, "time_zone", None)
    return f"{name}[{dtype.time_unit}" + (f", {zone}]" if zone else "]")


def frame_dtype(name: str) -> Any:
    """Return the frame's dtype of a name, or None where there is none."""
    import narwhals as nw

    kind, *settings = name.rstrip("]").replace("[", ", ").split(", ")
    return getattr(nw, kind)(*settings) if settings else getattr(nw, "Categorical" if name == "Enum" else name, None)


def unit_of(dtype: str) -> Any:
    """Return the unit that a column's whole numbers count, in numpy's words."""
    kind = dtype.split("[")[0]
    return {"Date": "D", "Time": "ns"}.get(kind) or dtype.rstrip("]").split("[")[1].split(",")[0]


def bounds(dtype: str) -> tuple[int, int]:
    """Return the least and the largest whole number of a dtype's values: of the years 1 to 9999 where they fit.

    Examples
    --------
    >>> bounds("Date")
    (-719162, 2932896)
    """
    unit = unit_of(dtype)
    if dtype == "Time":
        return 0, DAY_NS - 1
    if unit == "ns" or dtype.startswith("Duration"):
        return -MOST, MOST
    first, last = (int(day.astype(f"datetime64[{unit}]").astype(np.int64)) for day in (FIRST, LAST))
    return first, last


def to_whole(value: Any, dtype: str) -> Any:
    """Return the whole number of a date, instant, span or time of day, or of a text that says one; numbers stay.

    Examples
    --------
    >>> to_whole("2024-02-29", "Date"), to_whole("01:00", "Time")
    (19782, 3600000000000)
    """
    if isinstance(value, int | float | np.number):
        return value
    try:
        return _whole(value, dtype)
    except (TypeError, ValueError):
        raise DataError(
            f"'{value}' is no {dtype.split('[')[0].lower()}. Write it as in 2024-02-29, 2024-02-29T12:30 or 12:30:00."
        ) from None


def _whole(value: Any, dtype: str) -> int:
    unit = unit_of(dtype)
    if dtype == "Time":
        return int(np.datetime64(f"1970-01-01T{value}", "ns").astype(np.int64))
    if dtype.startswith("Duration"):
        return int(np.timedelta64(int(value) if isinstance(value, str) else value, unit).astype(np.int64))
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    if dtype.startswith("Datetime") and isinstance(instant, datetime):
        instant = _in_utc(instant, dtype)
    return int(np.datetime64(instant, unit).astype(np.int64))


def _in_utc(instant: datetime, dtype: str) -> datetime:
    """Return an instant in Coordinated Universal Time; without a zone of its own it is in that of the column."""
    zone = dtype.rstrip("]").partition(", ")[2]
    if instant.tzinfo is None and zone:
        instant = instant.replace(tzinfo=ZoneInfo(zone))
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def in_units(numbers: NDArray[Any], dtype: str, wanted: str, name: str) -> NDArray[Any]:
    """Return a column's whole numbers in the units of the dtype it was learned with.

    Examples
    --------
    >>> in_units(np.array([1500]), "Duration[ms]", "Duration[us]", "took")
    array([1500000])

    Raises
    ------
    DataError
        When one is of another sort than the other: dates are no instants, and numbers neither.
    """
    if dtype == wanted:
        return numbers
    if not (is_temporal(dtype) and is_temporal(wanted) and dtype.split("[")[0] == wanted.split("[")[0]):
        raise DataError(f"Column '{name}' holds {dtype} values; it was learned as {wanted}. Cast it to that.")
    old, new = (np.timedelta64(1, unit_of(which)) for which in (dtype, wanted))
    return numbers * int(old / new) if old >= new else numbers / int(new / old)


def stated(number: float, dtype: str) -> str:
    """Return a whole number of a dtype as people read it.

    Examples
    --------
    >>> stated(19782, "Date"), stated(86_400_000_000, "Duration[us]")
    ('2024-02-29', '1 days')
    """
    unit, whole = unit_of(dtype), int(np.clip(round(number), *bounds(dtype)))
    if dtype.startswith("Duration"):
        return stated_span(whole, dtype)
    instant = np.datetime64(whole, unit)
    return str(instant).split("T")[1][:8] if dtype == "Time" else str(np.datetime_as_string(instant))[:19]


def stated_span(number: float, dtype: str) -> str:
    """Return a number of units as a span in days, or seconds where it is shorter than one."""
    seconds = number * float(np.timedelta64(1, unit_of(dtype)) / np.timedelta64(1, "s"))
    return f"{seconds / 86_400:.4g} days" if abs(seconds) >= 86_400 else f"{seconds:.4g} s"


def instants(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return days from 1970 on as numpy's dates; NaN is none."""
    gaps = np.isnan(numbers.astype(np.float64))
    days = np.where(gaps, 0, numbers).astype(np.int64).astype("datetime64[D]")
    return np.where(gaps, np.datetime64("NaT"), days)
