"""Data larger than memory: rows of files and folders, read a chunk at a time.

A stream knows how many rows it has and where each lies, and reads any of them alone. Its schema is inferred from a
bounded sample of rows spread over all of it, and every chunk that is read is checked against that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from glob import glob, has_magic
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vaekit.data.memory import resident_bytes
from vaekit.data.parts import PARTS, Data, Part, PicturePart, part_of
from vaekit.data.pictures import PICTURE_SUFFIXES, pictures_in
from vaekit.data.progress import Tell
from vaekit.data.windows import bounds_of
from vaekit.errors import DataError, SourceError

if TYPE_CHECKING:
    from vaekit.data.schema import Schema

MOST_SAMPLED, SAMPLED_BYTES = 131_072, 1 << 25  # rows that are looked at first, and their bytes
RUNS = 256  # of neighbouring rows that these are taken in
LEAST_CHUNK, MOST_CHUNK = 1 << 16, 1 << 22  # bytes
CHUNKS = 512  # of small data


@dataclass(frozen=True)
class Stream:
    """Rows on disk.

    Parameters
    ----------
    name : str
        What messages call all of them.
    parts : sequence of Part
        Where they are, in order.
    start, stop : int
        The window of all rows of the parts that the stream has.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.arange(20).reshape(10, 2))
    ...     stream = stream_of(f"{folder}/a.npy")
    ...     print(stream.n_rows, stream[-2:].read().tolist())
    10 [[16, 17], [18, 19]]
    """

    name: str
    parts: Sequence[Part]
    start: int
    stop: int

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self.stop - self.start

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes in memory."""
        return max(1, *(part.row_bytes for part in self.parts[:1]))

    @property
    def is_large(self) -> bool:
        """Whether it would take more of this machine's memory than data may."""
        return self.n_rows * self.row_bytes > resident_bytes()

    def __getitem__(self, window: slice) -> Stream:
        start, stop = bounds_of(window, self.n_rows, f"Rows {_said(window)} of {self.name}")
        return replace(self, start=self.start + start, stop=self.start + stop)

    def read(self, start: int = 0, stop: int | None = None) -> Data:
        """Return rows start to stop - 1; all by default."""
        stop = self.n_rows if stop is None else stop
        rows = _joined([part.read(first, last) for part, first, last in self._within(start, stop)])
        return rows if isinstance(rows, np.ndarray) else rows.select(self._columns)

    def encode(self, schema: Schema, start: int, stop: int) -> NDArray[Any]:
        """Return the codes of rows start to stop - 1.

        Raises
        ------
        DataError
            When a value is not what the schema knows; it names the file and the row in it.
        """
        return np.concatenate([_encoded(schema, *within) for within in self._within(start, stop)])

    @cached_property
    def chunks(self) -> NDArray[np.int64]:
        """The first row of each chunk, and the number of rows: neighbours that are read together, all of one part."""
        size = min(max(self.n_rows * self.row_bytes // CHUNKS, LEAST_CHUNK), MOST_CHUNK) // self.row_bytes
        bounds = [0]
        for part, first, last in self._within(0, self.n_rows):
            n_chunks = -(-(last - first) // max(1, part.least_rows, size))
            bounds += (bounds[-1] + (last - first) * np.arange(1, n_chunks + 1) // n_chunks).tolist()
        return np.array(bounds, np.int64)

    @cached_property
    def _columns(self) -> list[str]:
        """The names of columns in the order of the first part's."""
        return list(self.parts[0].read(0, 0).columns)  # type: ignore[union-attr]

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum([part.n_rows for part in self.parts])

    def _within(self, start: int, stop: int) -> Iterator[tuple[Part, int, int]]:
        """Yield the parts that rows lie in, and which of its own rows they are."""
        start, stop = self.start + start, self.start + stop
        while start < stop:
            place = int(np.searchsorted(self._ends, start, side="right"))
            part, end = self.parts[place], int(self._ends[place])
            first, last = start - (end - part.n_rows), min(stop, end) - (end - part.n_rows)
            yield part, first, last
            start += last - first


@dataclass(frozen=True)
class Sampled:
    """A stream, and rows spread over it that were read once.

    Parameters
    ----------
    stream : Stream
    rows : ndarray of shape (n_sampled,)
        Their numbers, in order.
    data : array or frame of n_sampled rows
    """

    stream: Stream
    rows: NDArray[np.int64]
    data: Data


def sampled(stream: Stream, tell: Tell | None = None) -> Sampled:
    """Return a stream and a bounded sample of its rows, the same at every call: short runs, as far apart from another.

    Parameters
    ----------
    stream : Stream
    tell : callable, optional
        Is told the share that is done.
    """
    most = min(MOST_SAMPLED, max(RUNS, SAMPLED_BYTES // stream.row_bytes))
    if stream.n_rows <= most:
        return Sampled(stream, np.arange(stream.n_rows), stream.read())
    strata = np.linspace(0, stream.n_rows, RUNS + 1).astype(np.int64)
    length = most // RUNS
    starts = np.random.default_rng(0).integers(strata[:-1], strata[1:] - length + 1)
    runs: list[Data] = []
    for start in starts:
        runs.append(stream.read(start, start + length))
        if tell is not None:
            tell(len(runs) / RUNS)
    return Sampled(stream, (starts[:, None] + np.arange(length)).ravel(), _joined(runs))


def is_sharded(source: str | os.PathLike[str]) -> bool:
    """Whether a path is that of a tar file, or of several files whose rows are one data set: a folder or a pattern."""
    return bool(_shards(os.fspath(source)))


def sharded(name: str, tell: Tell | None = None) -> Stream:
    """Return the rows of a tar file, or of all files of a folder or a pattern in the order of their names.

    Raises
    ------
    SourceError
        If one cannot be read, or has other columns or another shape than the first.
    """
    paths = _shards(name)
    kinds = {PurePath(path).suffix.lower() for path in paths}
    if len({PARTS[kind] for kind in kinds}) > 1:
        raise SourceError(f"{name} holds files of several kinds ({', '.join(sorted(kinds))}); keep one kind.")
    parts: list[Part] = []
    for path in paths:
        parts.append(_checked(part_of(path), parts[:1]))
        if tell is not None:
            tell(len(parts) / len(paths))
    if not (filled := [part for part in parts if part.n_rows]):
        raise SourceError(f"{name} holds no rows; name another source.")
    return _of_parts(name, filled)


def stream_of(name: str, tell: Tell | None = None) -> Stream | None:
    """Return the rows at a path, of which any can be read alone, or None where there is no such way.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    if is_sharded(name):
        return sharded(name, tell)
    if _has_bytes(name) and PurePath(name).suffix.lower() in PARTS and not _is_arrow_stream(name):
        return _of_parts(name, [part]) if (part := part_of(name)).n_rows else None
    if os.path.isdir(name) and (pictures := pictures_in(name)):
        return _of_parts(name, [PicturePart(name, pictures)])
    return None


def _has_bytes(name: str) -> bool:
    """Whether a file is there that is not empty, which readers say."""
    return os.path.isfile(name) and os.path.getsize(name) > 0


def _of_parts(name: str, parts: Sequence[Part]) -> Stream:
    return Stream(name, parts, 0, sum(part.n_rows for part in parts))


def _shards(name: str) -> list[str]:
    """Return the files that a tar file, a folder without pictures or a pattern stands for; none for all else."""
    if os.path.isfile(name):
        return [name] if name.lower().endswith(".tar") else []
    if os.path.isdir(name):
        return _in_folder(name)
    return sorted(path for path in glob(name, recursive=True) if _is_shard(Path(path))) if has_magic(name) else []


def _in_folder(folder: str) -> list[str]:
    found = []
    for path in Path(folder).rglob("*"):
        if any(word.startswith((".", "_")) for word in path.relative_to(folder).parts):
            continue  # other programs' notes: _SUCCESS, ._part-0.parquet
        if path.suffix.lower() in PICTURE_SUFFIXES:
            return []
        if _is_shard(path):
            found.append(str(path))
    return sorted(found)


def _is_shard(path: Path) -> bool:
    return path.suffix.lower() in PARTS and path.is_file()


def _is_arrow_stream(name: str) -> bool:
    with open(name, "rb") as file:
        return PurePath(name).suffix.lower() in (".arrow", ".feather") and file.read(6) != b"ARROW1"


def _checked(part: Part, first: Sequence[Part]) -> Part:
    """Return a part whose rows are like those of the first."""
    if first and part.row != first[0].row:
        raise SourceError(
            f"{part.name} holds rows of {_short(part.row)}, but {first[0].name} of {_short(first[0].row)}; "
            "give files whose rows are alike."
        )
    return part


def _short(words: str) -> str:
    return words if len(words) < 200 else words[:200] + "…"


def _joined(pieces: list[Data]) -> Data:
    """Return rows one below the other; columns have the order of the first."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    if isinstance(first, np.ndarray):
        return np.concatenate(pieces)
    import polars as pl

    return pl.concat([piece.select(first.columns) for piece in pieces], how="vertical_relaxed")  # type: ignore[union-attr]


def _encoded(schema: Schema, part: Part, first: int, last: int) -> NDArray[Any]:
    data = part.read(first, last)
    try:
        return schema.encode(data, first)
    except DataError as error:
        raise DataError(f"{part.name}: {error}") from None


def _said(window: slice) -> str:
    start, stop = ("" if bound is None else bound for bound in (window.start, window.stop))
    return f"{start}:{stop}"
