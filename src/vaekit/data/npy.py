"""The format .npy: its header, and arrays on disk without Python objects."""

from __future__ import annotations

from typing import IO, Any

import numpy as np

from vaekit.errors import SourceError


def npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether columns lie together (Fortran's order), and the dtype; the file stands at the values.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> np.save(file, np.zeros((2, 3), np.uint8))
    >>> npy_header(io.BytesIO(file.getvalue()))
    ((2, 3), False, dtype('uint8'))
    """
    layout = np.lib.format
    first = layout.read_magic(file) == (1, 0)
    return (layout.read_array_header_1_0 if first else layout.read_array_header_2_0)(file)


def refuse_objects(dtype: np.dtype[Any], name: str) -> None:
    """Refuse an array of Python objects.

    Raises
    ------
    SourceError
    """
    if dtype.hasobject:
        raise SourceError(f"{name} holds Python objects, which are never unpickled; save it as numbers.")
