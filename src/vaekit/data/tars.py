"""The samples of a tar file in WebDataset's manner: members that share a name up to its first dot are one sample.

The file is looked through once; then any sample is read where it lies.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vaekit.data.pictures import PICTURE_SUFFIXES
from vaekit.errors import SourceError

HELD = (*PICTURE_SUFFIXES, ".npy")


class Member(NamedTuple):
    """A file in a tar: the name of its sample, its suffix, and where it lies in bytes."""

    sample: str
    suffix: str
    offset: int
    size: int


class Index(NamedTuple):
    """Where the samples of a tar file lie, in bytes, and the suffix of all."""

    suffix: str
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]


def index_of(path: str) -> Index:
    """Return where the picture or the array of each sample lies.

    Parameters
    ----------
    path : str
        A tar file, not compressed: in another nothing can be read alone.

    Raises
    ------
    SourceError
        If a sample has several of them or none, or samples differ in what they have.
    """
    found = [_held(path, sample, list(members)) for sample, members in groupby(_members(path), lambda m: m.sample)]
    if not found:
        raise SourceError(f"{path} holds no samples; name another tar file.")
    first = found[0]
    for member in found:
        if (member.suffix == ".npy") != (first.suffix == ".npy"):
            raise SourceError(
                f"{path} holds '{first.sample}{first.suffix}' and '{member.sample}{member.suffix}'; "
                "write pictures alone, or arrays alone."
            )
    places = np.array([(member.offset, member.size) for member in found], np.int64)
    return Index(first.suffix, places[:, 0], places[:, 1])


def _members(path: str) -> Iterator[Member]:
    with tarfile.open(path, "r:") as tar:
        while (info := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # else it remembers all of them
            name = PurePosixPath(info.name)
            if info.isfile() and not name.name.startswith("."):
                stem, dot, suffixes = name.name.partition(".")
                sample, suffix = str(name.with_name(stem)), PurePosixPath(dot + suffixes).suffix or dot + suffixes
                yield Member(sample, suffix.lower(), info.offset_data, info.size)


def _held(path: str, sample: str, members: list[Member]) -> Member:
    held = [member for member in members if member.suffix in HELD]
    if len(held) != 1:
        raise SourceError(
            f"{path} has {len(held)} pictures or arrays in sample '{sample}' ({', '.join(m.suffix for m in members)}); "
            f"a sample is one file of {', '.join(HELD)}, beside others that are left out."
        )
    return held[0]


def is_compressed(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a gzipped, bzip2ed, xz'ed or zstd'ed one by its first bytes."""
    with open(path, "rb") as file:
        return file.read(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"))
