"""Files, folders and streams, read as arrays or tables.

A reader is a function from a `Source` to data; `READERS` finds it by suffix, `MAGIC` by the first bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import os
import re
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vaekit.data import builtin
from vaekit.data.foreign import foreign_errors
from vaekit.data.npy import npy_header, refuse_objects
from vaekit.data.parts import PARTS, Data
from vaekit.data.pictures import PICTURE_SUFFIXES, common_look, pictures_in, stacked
from vaekit.data.progress import Tell
from vaekit.data.streams import Sampled, is_sharded, sampled, sharded, stream_of
from vaekit.data.windows import bounds_of, parse_rows
from vaekit.errors import SourceError

if TYPE_CHECKING:
    import polars as pl

NULLS = ["", "NA", "NaN", "nan", "null", "None"]

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

LONGEST_LAST_LINE = 2**20  # bytes that are looked at for the end of a text table


@dataclass(frozen=True)
class Source:
    """An open file and what messages call it.

    Parameters
    ----------
    name : str
        The path, or "standard input".
    file : binary file
        At its beginning, and able to seek.
    member : str
        The array asked for, where a file holds several; "" when none was named.
    """

    name: str
    file: IO[bytes]
    member: str = ""


def read(source: str | os.PathLike[str], rows: str | None = None) -> Data:
    """Return what a path, a built-in name or standard input holds.

    Parameters
    ----------
    source : str or path
        `.npy`, `.npz` (`file.npz::x_train` names the array), `.csv`, `.tsv`, `.parquet`, `.arrow`,
        `.feather`, IDX, a picture, each of them gzipped if you like (`.gz`), a folder of pictures of one
        size, `builtin:digits` (its classes are `builtin:digits::labels`), `builtin:sprites`,
        `builtin:sprites-sample`, or `-` for standard input; also a tar file of samples, and a folder or a pattern
        (`part-*.parquet`) of files of one kind, one after the other by name: Parquet, Arrow, `.npy`, tar. The
        first line of a text table names its columns, unless it holds only numbers, some of them repeated, negative
        or with a fraction: then it is a row, and the columns are called x0, x1, ...
    rows : str, optional
        The rows wanted, "A:B" as Python slices: "0:1000", "-100:", ":500". All by default.

    Returns
    -------
    ndarray of shape (n_samples, ...) or polars.DataFrame
        Pictures are uint8: [n, H, W] if all are grey, [n, H, W, 4] if all are RGBA, else [n, H, W, 3].

    Raises
    ------
    SourceError
        If there is nothing at the path or it cannot be read as data.
    ParameterError
        If `rows` is not "A:B".
    DataError
        If `rows` selects nothing.

    Examples
    --------
    >>> read("builtin:digits", rows="-100:").shape
    (100, 8, 8)
    """
    window = parse_rows(rows)
    name = os.fspath(source)
    with foreign_errors(name):
        if is_sharded(name):
            return sharded(name)[window or slice(None)].read()
        data = _load(name)
        _refuse_single_value(data, name)
        if window is None:
            return _owned(data[:])
        start, stop = bounds_of(window, len(data), f"Rows {rows} of {name}")
        return _owned(data[start:stop])


def opened(source: str | os.PathLike[str], rows: str | None = None, tell: Tell | None = None) -> Data | Sampled:
    """Return what a source holds, or where it is larger than memory a stream of its rows.

    Parameters
    ----------
    source : str or path
        As `read` takes it.
    rows : str, optional
        The rows wanted, "A:B".
    tell : callable, optional
        Is told the share that is done of finding the rows, then of looking at some.

    Returns
    -------
    ndarray, polars.DataFrame or Sampled
        A stream where the rows would take more memory than `vaekit.data.memory.resident_bytes` gives.
    """
    window, name = parse_rows(rows), os.fspath(source)
    with foreign_errors(name):
        stream = stream_of(name, tell)
        if stream is not None and (wanted := stream[window or slice(None)]).is_large:
            return sampled(wanted, tell)
    return read(source, rows)


def rows_on_disk(source: str | os.PathLike[str], rows: str | None = None) -> range | None:
    """Return the numbers of the rows wanted of a `.npy` file, which are read without the others; None of all else.

    Raises
    ------
    SourceError, ParameterError, DataError
        As `read` does.
    """
    name, window = os.fspath(source), parse_rows(rows)
    if not (name.lower().endswith(".npy") and os.path.isfile(name)):
        return None
    with foreign_errors(name):
        data = _load(name)
        _refuse_single_value(data, name)
        n_rows = len(data)
        return range(n_rows) if window is None else range(*bounds_of(window, n_rows, f"Rows {rows} of {name}"))


def parse(content: bytes, suffix: str, name: str) -> Data:
    """Return what bytes of a known format hold.

    Parameters
    ----------
    content : bytes
    suffix : str
        That files of the format have, as ".npy".
    name : str
        What messages call it.

    Raises
    ------
    SourceError
        If it is not of that format.
    """
    with foreign_errors(name):
        source = _stream(name, content, "")
        _refuse_empty(source)
        data = READERS[suffix](source)
        _refuse_single_value(data, name)
        return _owned(data)


def _load(name: str) -> Data:
    if name.startswith("builtin:"):
        known, _, member = name.removeprefix("builtin:").partition("::")
        if member not in ("", "labels"):
            raise SourceError(f"builtin:{known} holds no '{member}'; give builtin:{known} or builtin:{known}::labels.")
        return builtin.labels(known) if member else builtin.rows(known)
    path, member = _split_member(name)
    if path == "-":
        return _sniff(_stream("standard input", sys.stdin.buffer.read(), member))
    if not os.path.exists(path):
        raise SourceError(f"{path} does not exist; check the path, which starts from {Path.cwd()}.")
    if os.path.isdir(path):
        return _read_folder(path)
    with open(path, "rb") as file:
        if not os.path.isfile(path):
            return _sniff(_stream(path, file.read(), member))
        return _read_file(Source(path, file, member))


def _split_member(name: str) -> tuple[str, str]:
    named = re.fullmatch(r"(.+\.npz|-)::(.+)", name, re.IGNORECASE)
    return (named[1], named[2]) if named and not os.path.exists(name) else (name, "")


def _stream(name: str, content: bytes, member: str) -> Source:
    return Source(name, io.BytesIO(content), member)


def _read_file(source: Source) -> Data:
    _refuse_empty(source)
    suffix = PurePath(source.name).suffix.lower()
    if suffix in READERS:
        return READERS[suffix](source)
    if _is_idx(_head(source)):
        return _read_idx(source)
    raise SourceError(
        f"{source.name} has the suffix '{suffix}', which is not read; give one of {', '.join(READERS)}, "
        "an IDX file, a folder of pictures, builtin:NAME, or - for standard input."
    )


def _sniff(source: Source) -> Data:
    _refuse_empty(source)
    head = _head(source)
    if _is_idx(head):
        return _read_idx(source)
    return next((reader for magic, reader in MAGIC.items() if head.startswith(magic)), _read_csv)(source)


def _head(source: Source) -> bytes:
    head = source.file.read(8)
    source.file.seek(0)
    return head


def _refuse_empty(source: Source) -> None:
    if not _head(source):
        raise SourceError(f"{source.name} is empty; write the data again or name another source.")


def _refuse_single_value(data: Data, name: str) -> None:
    if isinstance(data, np.ndarray) and data.ndim == 0:
        raise SourceError(f"{name} holds a single value, not rows; save an array of shape [n, ...].")


def _owned(data: Data) -> Data:
    """Let go of the file behind a memory map, and of a foreign byte order, which torch does not take."""
    if isinstance(data, np.ndarray):
        owned: NDArray[Any] = np.require(data, data.dtype.newbyteorder("="), ["C", "O", "W", "E"])
        return owned
    return data


# Arrays


def _read_npy(source: Source) -> NDArray[Any]:
    shape, fortran, dtype = npy_header(source.file)
    refuse_objects(dtype, source.name)
    if isinstance(source.file, io.BufferedReader):
        return np.memmap(source.file, dtype, "r", source.file.tell(), shape, "F" if fortran else "C")
    begin, end = source.file.tell(), source.file.seek(0, io.SEEK_END)
    if math.prod(shape) * dtype.itemsize > end - begin:  # else so much memory is asked for first
        raise SourceError(f"{source.name} breaks off: an array {list(shape)} of {dtype} is longer; take another copy.")
    source.file.seek(0)
    return np.lib.format.read_array(source.file, allow_pickle=False)


def _read_npz(source: Source) -> NDArray[Any]:
    with zipfile.ZipFile(source.file) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        chosen = source.member or (next(iter(members)) if len(members) == 1 else "")
        if chosen not in members:
            raise SourceError(_ask_for_member(source, archive, members))
        with archive.open(members[chosen]) as file:
            refuse_objects(npy_header(file)[2], f"{source.name}::{chosen}")
            file.seek(0)
            array = np.lib.format.read_array(file, allow_pickle=False)
            file.read()  # a member's checksum is compared only at its end
    return array


def _ask_for_member(source: Source, archive: zipfile.ZipFile, members: Mapping[str, str]) -> str:
    if not members:
        return f"{source.name} holds no arrays; save it with numpy.savez."
    missing = f", none called '{source.member}'" if source.member else ""
    address = "-" if source.name == "standard input" else source.name
    choices = ", ".join(f"{address}::{name} {_shape_in(archive, member)}" for name, member in members.items())
    count = "1 array" if len(members) == 1 else f"{len(members)} arrays"
    return f"{source.name} holds {count}{missing}; name one: {choices}."


def _shape_in(archive: zipfile.ZipFile, member: str) -> list[int]:
    with archive.open(member) as file:
        return list(npy_header(file)[0])


def _is_idx(head: bytes) -> bool:
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in IDX_TYPES and head[3] > 0


def _read_idx(source: Source) -> NDArray[Any]:
    """Read the IDX format: 0, 0, type, rank, then the sizes as big-endian uint32, then the values."""
    content = source.file.read()
    if not _is_idx(content[:4]):
        raise SourceError(f"{source.name} does not begin as an IDX file; check that it is one.")
    rank = content[3]
    shape = np.frombuffer(content, ">u4", count=rank, offset=4).tolist()
    return np.frombuffer(content, IDX_TYPES[content[2]], offset=4 + 4 * rank).reshape(shape)


def _read_gzip(source: Source) -> Data:
    with gzip.GzipFile(fileobj=source.file) as file:
        inner = _stream(source.name, file.read(), source.member)
    _refuse_empty(inner)
    suffix = PurePath(source.name).with_suffix("").suffix.lower()
    return READERS.get(suffix, _sniff)(inner)


# Tables


def _read_csv(source: Source, separator: str = ",") -> pl.DataFrame:
    import polars as pl

    columns = _unnamed_columns(source, separator)
    frame = _frame(
        pl.read_csv,
        source,
        separator=separator,
        null_values=NULLS,
        infer_schema_length=None,
        try_parse_dates=True,
        has_header=not columns,
        new_columns=columns or None,
    )
    _refuse_half_row(source, separator, frame.width)
    return frame


def _refuse_half_row(source: Source, separator: str, width: int) -> None:
    """Refuse a table that breaks off within a row: its last line has no end and too few cells."""
    size = source.file.seek(0, io.SEEK_END)
    source.file.seek(max(0, size - LONGEST_LAST_LINE))
    *before, last = source.file.read().split(b"\n")
    cells = last.count(separator.encode()) + 1
    if before and last and b'"' not in last and cells < width:
        raise SourceError(
            f"{source.name} breaks off within a row: its last line has {cells} of {width} cells and no end; "
            "take another copy of it, or end that line."
        )


def _unnamed_columns(source: Source, separator: str) -> list[str]:
    """Name the columns if the first line is a row: numbers are names only where they could count columns."""
    line = source.file.readline().decode("utf-8-sig", errors="replace")
    source.file.seek(0)
    cells = next(csv.reader([line], delimiter=separator))
    values = [cell.strip() for cell in cells if cell not in NULLS]
    distinct_integers = len(set(values)) == len(values) and all(map(str.isdecimal, values))
    if distinct_integers or not all(map(_is_number, values)):
        return []
    return [f"x{i}" for i in range(len(cells))]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_parquet(source: Source) -> pl.DataFrame:
    import polars as pl

    return _frame(pl.read_parquet, source)


def _read_arrow(source: Source) -> pl.DataFrame:
    import polars as pl

    return _frame(pl.read_ipc if _head(source).startswith(b"ARROW1") else pl.read_ipc_stream, source)


def _frame(reader: Callable[..., pl.DataFrame], source: Source, **options: Any) -> pl.DataFrame:
    import polars as pl

    # polars reads on from where the descriptor stands, which is beyond what Python's buffer has handed out.
    file = source.file.raw if isinstance(source.file, io.BufferedReader) else source.file
    file.seek(0)
    try:
        return reader(file, **options)
    # A panic of polars is no Exception, so nothing else would catch it.
    except pl.exceptions.PanicException as error:
        raise ValueError(str(error)) from error


# Pictures


def picture_names(source: str | os.PathLike[str], rows: str | None = None) -> list[str] | None:
    """Return the names of a folder's pictures in the order they are read, relative to it; None of any other source."""
    if not os.path.isdir(source) or is_sharded(source):
        return None
    names = [path.relative_to(source).as_posix() for path in pictures_in(os.fspath(source))]
    return names[parse_rows(rows) or slice(None)]


def _read_folder(folder: str) -> NDArray[np.uint8]:
    paths = pictures_in(folder)
    if not paths:
        suffixes, others = ", ".join(PICTURE_SUFFIXES), ", ".join(PARTS)
        raise SourceError(
            f"{folder} is a folder without pictures ({suffixes}) or data files ({others}); name another source."
        )
    return _all_pictures({str(path): path for path in paths})


def _read_picture(source: Source) -> NDArray[np.uint8]:
    return _all_pictures({source.name: source.file})


def _all_pictures(files: Mapping[str, Path | IO[bytes]]) -> NDArray[np.uint8]:
    return stacked(files, common_look(files))


READERS: dict[str, Callable[[Source], Data]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".tsv": partial(_read_csv, separator="\t"),
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".idx": _read_idx,
    ".gz": _read_gzip,
    **dict.fromkeys(PICTURE_SUFFIXES, _read_picture),
}

MAGIC: dict[bytes, Callable[[Source], Data]] = {
    b"\x93NUMPY": _read_npy,
    b"PK": _read_npz,
    b"PAR1": _read_parquet,
    b"ARROW1": _read_arrow,
    b"\xff\xff\xff\xff": _read_arrow,
    b"\x1f\x8b": _read_gzip,
}
