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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vaekit.data import builtin
from vaekit.errors import DataError, ParameterError, SourceError, VaekitError

if TYPE_CHECKING:
    import polars as pl

Data: TypeAlias = "NDArray[Any] | pl.DataFrame"

NULLS = ["", "NA", "NaN", "nan", "null", "None"]

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

# Named, because Pillow would run Ghostscript on a PostScript file that calls itself a picture.
PICTURE_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")

LONGEST_LAST_LINE = 2**20  # bytes that are looked at for the end of a text table

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")


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
        `builtin:sprites-sample`, or `-` for standard input. The first line of a text table names its columns,
        unless it holds only numbers, some of them repeated, negative or with a fraction: then it is a row,
        and the columns are called x0, x1, ...
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
    window = _parse_rows(rows)
    name = os.fspath(source)
    with _foreign_errors(name):
        data = _load(name)
        _refuse_single_value(data, name)
        return _owned(data[:] if window is None else _select(data, window, f"Rows {rows} of {name}"))


def rows_on_disk(source: str | os.PathLike[str], rows: str | None = None) -> range | None:
    """Return the numbers of the rows wanted of a `.npy` file, which are read without the others; None of all else.

    Raises
    ------
    SourceError, ParameterError, DataError
        As `read` does.
    """
    name = os.fspath(source)
    if not (name.lower().endswith(".npy") and os.path.isfile(name)):
        return None
    window = _parse_rows(rows)
    with _foreign_errors(name):
        data = _load(name)
        _refuse_single_value(data, name)
        return range(len(data)) if window is None else _window(data, window, f"Rows {rows} of {name}")


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
    with _foreign_errors(name):
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


@contextmanager
def _foreign_errors(name: str) -> Iterator[None]:
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


# Rows


def _parse_rows(rows: str | None) -> slice | None:
    if rows is None:
        return None
    bounds = re.fullmatch(r"(-?\d{1,18})?:(-?\d{1,18})?", rows)
    if bounds is None:
        raise ParameterError(f"rows must be A:B, such as 0:1000, :500 or -100:; got '{rows}'.")
    start, stop = (None if bound is None else int(bound) for bound in bounds.groups())
    return slice(start, stop)


def _select(data: Data, window: slice, subject: str) -> Data:
    chosen = _window(data, window, subject)
    return data[chosen.start : chosen.stop]


def _window(data: Data, window: slice, subject: str) -> range:
    start, stop, _ = window.indices(len(data))
    if start >= stop:
        raise DataError(f"{subject} hold nothing; there are {len(data)} rows, so slice within 0:{len(data)}.")
    return range(start, stop)


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
    shape, fortran, dtype = _npy_header(source.file)
    _refuse_objects(dtype, source.name)
    if isinstance(source.file, io.BufferedReader):
        return np.memmap(source.file, dtype, "r", source.file.tell(), shape, "F" if fortran else "C")
    begin, end = source.file.tell(), source.file.seek(0, io.SEEK_END)
    if math.prod(shape) * dtype.itemsize > end - begin:  # else so much memory is asked for first
        raise SourceError(f"{source.name} breaks off: an array {list(shape)} of {dtype} is longer; take another copy.")
    source.file.seek(0)
    return np.lib.format.read_array(source.file, allow_pickle=False)


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    layout = np.lib.format
    first = layout.read_magic(file) == (1, 0)
    return (layout.read_array_header_1_0 if first else layout.read_array_header_2_0)(file)


def _refuse_objects(dtype: np.dtype[Any], name: str) -> None:
    if dtype.hasobject:
        raise SourceError(f"{name} holds Python objects, which are never unpickled; save it as numbers.")


def _read_npz(source: Source) -> NDArray[Any]:
    with zipfile.ZipFile(source.file) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        chosen = source.member or (next(iter(members)) if len(members) == 1 else "")
        if chosen not in members:
            raise SourceError(_ask_for_member(source, archive, members))
        with archive.open(members[chosen]) as file:
            _refuse_objects(_npy_header(file)[2], f"{source.name}::{chosen}")
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
        return list(_npy_header(file)[0])


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
    if not os.path.isdir(source):
        return None
    names = [path.relative_to(source).as_posix() for path in _pictures_in(os.fspath(source))]
    return names[_parse_rows(rows) or slice(None)]


def _read_folder(folder: str) -> NDArray[np.uint8]:
    return _stack({str(path): path for path in _pictures_in(folder)})


def _pictures_in(folder: str) -> list[Path]:
    paths = sorted(path for path in Path(folder).rglob("*") if _is_picture(path.relative_to(folder)))
    if not paths:
        suffixes = ", ".join(PICTURE_SUFFIXES)
        raise SourceError(f"{folder} is a folder without pictures ({suffixes}); name another source.")
    return paths


def _is_picture(path: Path) -> bool:
    # Hidden files are other programs' notes: ._a.png, .thumbnails/a.png.
    return path.suffix.lower() in PICTURE_SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _read_picture(source: Source) -> NDArray[np.uint8]:
    return _stack({source.name: source.file})


def _stack(files: Mapping[str, Path | IO[bytes]]) -> NDArray[np.uint8]:
    looks = {name: _look(name, file) for name, file in files.items()}
    width, height = _common_size({name: size for name, (size, _) in looks.items()})
    mode = _common_mode([mode for _, mode in looks.values()])
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pictures = np.empty((len(files), height, width, *channels), np.uint8)
    for i, (name, file) in enumerate(files.items()):
        pictures[i] = _pixels(name, file, mode)
    return pictures


def _look(name: str, file: Path | IO[bytes]) -> tuple[tuple[int, int], str]:
    from PIL import Image

    with _foreign_errors(name), Image.open(file, formats=PICTURE_FORMATS) as picture:
        if picture.mode.startswith(("I", "F")):
            raise SourceError(
                f"{name} has more than 256 levels (mode {picture.mode}), which pictures are cut down to; "
                "convert it to 8 bits, or save its values as .npy."
            )
        return picture.size, picture.mode


def _common_size(sizes: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    first, (width, height) = next(iter(sizes.items()))
    for name, (other_width, other_height) in sizes.items():
        if (other_width, other_height) != (width, height):
            raise SourceError(
                f"Pictures must have one size, but {first} is {width} x {height} and {name} is "
                f"{other_width} x {other_height}; resize them, say: mogrify -resize '{width}x{height}!' FILES"
            )
    return width, height


def _common_mode(modes: Sequence[str]) -> str:
    if set(modes) <= {"1", "L"}:
        return "L"
    return "RGBA" if set(modes) == {"RGBA"} else "RGB"


def _pixels(name: str, file: Path | IO[bytes], mode: str) -> NDArray[np.uint8]:
    from PIL import Image

    with _foreign_errors(name), Image.open(file, formats=PICTURE_FORMATS) as picture:
        return np.asarray(picture.convert(mode))


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
