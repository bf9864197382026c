"""Windows of rows, A:B as people write them."""

from __future__ import annotations

import re

from vaekit.errors import DataError, ParameterError


def parse_rows(rows: str | None) -> slice | None:
    """Return the slice that "A:B" says, or None where nothing was said.

    Raises
    ------
    ParameterError
        If it says something else.

    Examples
    --------
    >>> parse_rows("-100:")
    slice(-100, None, None)
    """
    if rows is None:
        return None
    bounds = re.fullmatch(r"(-?\d{1,18})?:(-?\d{1,18})?", rows)
    if bounds is None:
        raise ParameterError(f"rows must be A:B, such as 0:1000, :500 or -100:; got '{rows}'.")
    start, stop = (None if bound is None else int(bound) for bound in bounds.groups())
    return slice(start, stop)


def bounds_of(window: slice, n_rows: int, subject: str) -> tuple[int, int]:
    """Return the first row of a window and the one after its last.

    Raises
    ------
    DataError
        If there is none between them.

    Examples
    --------
    >>> bounds_of(slice(-100, None), 1000, "Rows -100: of a.npy")
    (900, 1000)
    """
    start, stop, _ = window.indices(n_rows)
    if start >= stop:
        raise DataError(f"{subject} hold nothing; there are {n_rows} rows, so slice within 0:{n_rows}.")
    return start, stop
