"""The gate before bytes that somebody may have forged: their checksums are right, and yet they may be nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from vaekit.errors import CodecError


@contextmanager
def refused_as(subject: str) -> Iterator[None]:
    """Refuse bytes with which anything at all goes wrong.

    Checksums find damage. What is left is what no writer wrote: an honest list of all its failures cannot be made.

    Parameters
    ----------
    subject : str
        What is read, as the subject of the sentence.

    Raises
    ------
    CodecError

    Examples
    --------
    >>> with refused_as("The header"):
    ...     {}["rows"]
    Traceback (most recent call last):
        ...
    vaekit.errors.CodecError: The header cannot be read (KeyError: 'rows'). Take another copy of it.
    """
    try:
        with np.errstate(all="ignore"):
            yield
    except CodecError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise CodecError(f"{subject} cannot be read ({why[:80]}). Take another copy of it.") from error
