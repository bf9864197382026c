"""A model file's header: its format's version, and what can be told of a model without its weights."""

from __future__ import annotations

import json
import os
import struct
from importlib.metadata import version
from typing import Any

from vaekit.errors import ModelFileError
from vaekit.storage.tensor_file import read_checked

FORMAT = 1
INTEGER_MODEL = "integer_model"  # the name its bytes have among the tensors


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a model file's header, after checking the whole file.

    Raises
    ------
    ModelFileError
        When the file is missing, damaged, of another kind or of a newer format.
    """
    _, header = read_checked(path)
    check_format(header, path)
    return header


def read_integer_model(path: str | os.PathLike[str]) -> bytes | None:
    """Return the bytes of a model file's integer model, None where it has none, after checking the whole file.

    Raises
    ------
    ModelFileError
        When the file is missing, damaged, of another kind or of a newer format.
    """
    data, header = read_checked(path)
    check_format(header, path)
    (length,) = struct.unpack("<Q", data[:8])
    place = json.loads(data[8 : 8 + length]).get(INTEGER_MODEL)
    if place is None:
        return None
    start, stop = place["data_offsets"]
    return data[8 + length + start : 8 + length + stop]


def check_format(header: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Refuse the header of a file that is no model, or a model of a newer format."""
    found = header.get("format")
    if not isinstance(found, int):
        raise ModelFileError(f"{path} is no vaekit model (a checkpoint?). Give a file that `vaekit fit` wrote.")
    if found > FORMAT:
        raise ModelFileError(
            f"{path} has format {found}; this vaekit {version('vaekit')} reads up to {FORMAT}. "
            "Update with: pip install --upgrade vaekit"
        )
