"""What is told of long work: the share that is done."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[float], None]


def within(tell: Tell | None, begin: float, end: float) -> Tell | None:
    """Return what tells the share of a part of the work as that of all.

    Examples
    --------
    >>> told = []
    >>> within(told.append, 0.5, 1.0)(0.5)
    >>> told
    [0.75]
    """
    return None if tell is None else lambda share: tell(begin + (end - begin) * share)
