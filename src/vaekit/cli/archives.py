"""What the verbs of archives share: names as zstd gives them, and bytes in and out."""

from __future__ import annotations

import lzma
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from vaekit.errors import OutputError, ParameterError, SourceError

SUFFIX = ".vaez"
ROWS_OF_PROCESS = 4000  # fewer are coded sooner than another process starts

ArchivePath = Annotated[str, typer.Argument(metavar="ARCHIVE", help="A .vaez file, or - for standard input.")]
Force = Annotated[bool, typer.Option("-f", "--force", help="Write over what is there.")]
Threads = Annotated[
    int | None, typer.Option("--threads", metavar="N", help="Processes that work on blocks; all cores by default.")
]
Needed = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help="The model file, for an archive that does not hold its model."),
]


def archive_name(data: str) -> str | None:
    """Return the name of the archive beside data; None, a stream, for a stream.

    Examples
    --------
    >>> archive_name("x.npy"), archive_name("pictures/"), archive_name("d/x.npz::test"), archive_name("-")
    ('x.npy.vaez', 'pictures.vaez', 'd/x-test.npy.vaez', None)
    """
    if data == "-":
        return None
    if data.startswith("builtin:"):
        return data.removeprefix("builtin:").replace("::", "-") + ".npy" + SUFFIX
    file, _, member = data.partition("::")
    return f"{os.path.splitext(file)[0]}-{member}.npy{SUFFIX}" if member else file.rstrip("/") + SUFFIX


def data_name(archive: str, *, named: bool) -> str | None:
    """Return the name of the data in an archive; None, a stream, for a stream.

    Examples
    --------
    >>> data_name("x.csv.vaez", named=False), data_name("pictures.vaez", named=True), data_name("x.vaez", named=False)
    ('x.csv', 'pictures/', 'x.npy')
    """
    if archive == "-":
        return None
    archive = archive.rstrip("/")
    name = archive.removesuffix(SUFFIX)
    if named:
        return name + "/"
    known = {".npy", ".csv", ".tsv", ".parquet", ".arrow"}
    return name if Path(name).suffix in known and name != archive else name + ".npy"


def target(asked: str | None, usual: str | None, *, force: bool) -> str | None:
    """Return where to write, None for standard output, refusing what is there already.

    Raises
    ------
    OutputError
        When something is there and may not be replaced, or bytes would go to a terminal.
    """
    from vaekit.data.files import check_writable

    path = None if asked == "-" else asked or usual
    if path is None:
        if sys.stdout.isatty():
            raise OutputError("An archive is no text for a terminal. Name a file with -o, or pipe it on.")
        return None
    if os.path.exists(path) and not force:
        raise OutputError(f"{path} exists already. Write over it with -f, or name another file with -o.")
    check_writable(path.rstrip("/")) if not path.endswith("/") else None
    return path


def opened(path: str | os.PathLike[str]) -> bytes | mmap:
    """Return an archive's bytes, those of a file as they are asked for.

    Raises
    ------
    SourceError
        When it cannot be read.
    """
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_READ) if os.fstat(file.fileno()).st_size else file.read()
    except FileNotFoundError:
        raise SourceError(f"There is no file {path}. Check the path of the archive.") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}. Give the path of a .vaez file.") from None


def files_of(path: str) -> list[str | os.PathLike[str]]:
    """Return an archive's file, or those of a folder of parts.

    Raises
    ------
    SourceError
        When parts are missing.
    """
    if not os.path.isdir(path):
        return [path]
    from vaekit.tasks.bulk import parts_in

    return [*parts_in(path)]


@contextmanager
def delivered(path: str | None) -> Iterator[Path]:
    """Lend a file that is at a path once the block has succeeded, or goes to standard output."""
    from vaekit.data.files import atomic_path, output_errors

    if path is not None:
        with atomic_path(path) as temporary:
            yield temporary
        return
    with TemporaryDirectory() as folder:
        yield (temporary := Path(folder, "archive"))
        with output_errors("standard output"), open(temporary, "rb") as archive:
            shutil.copyfileobj(archive, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def processes(asked: int | None, n_rows: int) -> int:
    """Return how many processes are worth starting.

    Raises
    ------
    ParameterError
        When fewer than one was asked for.
    """
    if asked is not None and asked < 1:
        raise ParameterError(f"threads must be at least 1; got {asked}.")
    return max(1, min(asked or os.cpu_count() or 1, n_rows // ROWS_OF_PROCESS))


def n_values(data: Any) -> int:
    """Return how many values an array or a frame has."""
    n_rows, *shape = data.shape
    for n in shape:
        n_rows *= n
    return int(n_rows)


def others(data: Any) -> dict[str, int]:
    """Return how many bytes others need for the bytes of an array, or of a frame as CSV."""
    import zstandard

    raw = data.write_csv().encode() if hasattr(data, "write_csv") else data.tobytes()
    return {"zstd -19": len(zstandard.compress(raw, 19)), "xz -9": len(lzma.compress(raw, preset=9))}
