"""Files that are either wholly written or not touched at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vaekit.errors import OutputError, VaekitError

PathLike = str | os.PathLike[str]

TEMPORARY = ".vaekit-"  # how the names of files that are not whole yet begin

_NEXT_STEPS = {
    errno.ENOSPC: "free some space or choose another disk",
    errno.EDQUOT: "free some space or choose another disk",
    errno.EACCES: "choose a folder you may write to",
    errno.EPERM: "choose a folder you may write to",
    errno.EROFS: "choose a folder you may write to",
}


def atomic_write(path: PathLike, data: bytes) -> None:
    """Write `data` to `path`, all of it or nothing.

    Parameters
    ----------
    path : str or path
        The file to write; an older one is replaced at the last moment.
    data : bytes
        The whole content.

    Raises
    ------
    OutputError
        If the file cannot be written; an older one then keeps its content.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     atomic_write(f"{folder}/note.txt", b"all or nothing")
    ...     pathlib.Path(folder, "note.txt").read_bytes()
    b'all or nothing'
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Lend a temporary file beside `path` that takes its place once the block has succeeded.

    The temporary file exists, is empty and has the suffix of `path`. If the block raises, it is removed and
    an older file at `path` keeps its content. A device or a pipe receives the finished bytes instead of being
    replaced.

    Parameters
    ----------
    path : str or path
        The file to write.

    Yields
    ------
    Path
        Where the block writes.

    Raises
    ------
    OutputError
        If the file cannot be written, also when the block itself meets an OSError.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = pathlib.Path(folder, "note.txt")
    ...     with atomic_path(target) as temporary:
    ...         _ = temporary.write_text("half")
    ...         target.exists()
    ...     target.read_text()
    False
    'half'
    """
    with output_errors(os.fspath(path)):
        target = _checked_target(path)
        temporary = _reserve(target)
        try:
            yield temporary
            _deliver(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def check_writable(path: PathLike) -> None:
    """Raise now what writing `path` would raise after hours of work.

    Parameters
    ----------
    path : str or path
        The file to be written later; it is neither created nor changed.

    Raises
    ------
    OutputError
        If `path` is a folder, lies in no folder, is read-only, or its folder takes no new file.

    Examples
    --------
    >>> check_writable("no/such/folder/model.vae")
    Traceback (most recent call last):
    vaekit.errors.OutputError: no/such/folder does not exist; create it first: mkdir -p no/such/folder
    """
    with output_errors(os.fspath(path)):
        _reserve(_checked_target(path)).unlink()


@contextmanager
def output_errors(subject: str) -> Iterator[None]:
    """Turn an OSError of the block into one sentence about `subject`; a closed pipe passes as it is.

    Examples
    --------
    >>> with output_errors("z"):
    ...     raise OSError(13, "Permission denied")
    Traceback (most recent call last):
    vaekit.errors.OutputError: z cannot be written: Permission denied; choose a folder you may write to.
    """
    try:
        yield
    except (VaekitError, BrokenPipeError):
        raise
    except OSError as error:
        step = _NEXT_STEPS.get(error.errno or 0, "choose another path")
        raise OutputError(f"{subject} cannot be written: {error.strerror or error}; {step}.") from error


def _checked_target(path: PathLike) -> Path:
    # A link keeps pointing where it points: the file behind it is the one replaced.
    target = Path(path) if _is_stream(Path(path)) else Path(os.path.realpath(path))
    if target.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it.")
    if not target.parent.is_dir():
        folder = Path(path).parent
        raise OutputError(f"{folder} does not exist; create it first: mkdir -p {folder}")
    if target.exists() and not os.access(target, os.W_OK):
        raise OutputError(f"{path} is read-only; choose another path or make it writable: chmod u+w {path}")
    return target


def _is_stream(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _reserve(target: Path) -> Path:
    # The name does not grow from the target's: a name of the longest allowed length must not become too long.
    folder = tempfile.gettempdir() if _is_stream(target) else target.parent
    temporary = Path(folder, f"{TEMPORARY}{secrets.token_hex(6)}{target.suffix}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return temporary


def _deliver(temporary: Path, target: Path) -> None:
    if _is_stream(target):
        with open(temporary, "rb") as finished, open(target, "wb") as stream:
            shutil.copyfileobj(finished, stream)
        return
    if target.exists():
        with suppress(PermissionError):  # some file systems keep no modes
            shutil.copymode(target, temporary)
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, target)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    # The file is in place by now; some systems cannot open or sync a folder, which loses nothing but haste.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
