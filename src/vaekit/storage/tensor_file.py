"""A file of named tensors and a JSON header, guarded by one digest over every byte of it.

It is a safetensors file whose metadata hold one text, ``vaekit``: JSON with the ``header`` and with ``sha256``, the
digest of the whole file with those 64 characters read as zeros. So a file cut anywhere, or with one byte changed
anywhere, is refused, and equal content is equal bytes (of several texts, safetensors would write any one first).
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaekit.data.files import atomic_write
from vaekit.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

ZEROS = "0" * 64


def write_tensors(path: str | os.PathLike[str], tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write tensors and a header, atomically.

    Parameters
    ----------
    path : str or Path
    tensors : dict of str to Tensor
    header : dict
        Plain JSON values.

    Raises
    ------
    OutputError
        When the file cannot be written; an older file is then untouched.
    """
    import safetensors.torch

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(plain, {"vaekit": json.dumps({"sha256": ZEROS, "header": header})})
    at = data.index(ZEROS.encode())
    digest = hashlib.sha256(data).hexdigest().encode()
    atomic_write(path, data[:at] + digest + data[at + 64 :])


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the header of a file, every byte of it checked.

    Raises
    ------
    ModelFileError
        When there is no such file, or it is damaged or of another kind.
    """
    import safetensors.torch

    data, header = read_checked(path)
    return safetensors.torch.load(data), header


def read_checked(path: str | os.PathLike[str]) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes and the header of a file, every byte of it checked, without torch.

    Raises
    ------
    ModelFileError
        When there is no such file, or it is damaged or of another kind.
    """
    data = read_bytes(path)
    return data, checked(data, path)


def checked(data: bytes, name: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the header of a file's bytes, every one of them checked.

    Raises
    ------
    ModelFileError
        When they are damaged or of another kind; the sentence calls them by `name`.
    """
    seal = _seal(data, name)
    digest = seal["sha256"].encode()
    if len(digest) != 64 or hashlib.sha256(data.replace(digest, ZEROS.encode(), 1)).hexdigest().encode() != digest:
        raise ModelFileError(f"{name} is damaged: its SHA-256 does not match its content. Take another copy of it.")
    header: dict[str, Any] = seal["header"]
    return header


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return a file's bytes; a file that cannot be read is told in a sentence."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ModelFileError(
            f"There is no file {path}. Check the path, or fit a model with: vaekit fit DATA -o {path}"
        ) from error
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}. Give the path of a .vae file.") from error


def _seal(data: bytes, name: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what the file's one text holds: the header and the digest."""
    try:
        (length,) = struct.unpack("<Q", data[:8])
        seal: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["vaekit"])
        if isinstance(seal["sha256"], str) and isinstance(seal["header"], dict):
            return seal
    except (struct.error, ValueError, KeyError, TypeError, MemoryError, OverflowError):
        pass
    raise ModelFileError(f"{name} is no vaekit model, or a damaged one. Give a file that `vaekit fit` wrote.")
