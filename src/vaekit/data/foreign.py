"""What others' decoders raise, as one sentence about the source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vaekit.errors import SourceError, VaekitError


@contextmanager
def foreign_errors(name: str) -> Iterator[None]:
    """Turn any error of the block into one sentence about `name`; our own pass as they are.

    Examples
    --------
    >>> with foreign_errors("a.npy"):
    ...     raise RuntimeError("bad magic")
    Traceback (most recent call last):
    vaekit.errors.SourceError: a.npy cannot be read: bad magic; check that it is whole and is what its name says.
    """
    try:
        yield
    except VaekitError:
        raise
    # Decoders of foreign bytes raise what they like: zipfile alone has seven kinds, one of them RuntimeError.
    except Exception as error:
        raise SourceError(f"{name} cannot be read: {_reason(error)}; {_next_step(error)}.") from error


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first_line = text.strip().partition("\n")[0].rstrip(".;:")
    return first_line or type(error).__name__


def _next_step(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "ask its owner for permission"
    if isinstance(error, MemoryError):
        return "read some of its rows, such as 0:1000"
    return "check that it is whole and is what its name says"
