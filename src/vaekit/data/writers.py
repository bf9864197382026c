"""Arrays, tables and pictures, written where the path says and as its suffix says.

A writer is a function from an `Output` and an open file; `WRITERS` finds it by suffix.
"""

from __future__ import annotations

import io
import math
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vaekit.data.files import PathLike, atomic_path, check_writable, output_errors
from vaekit.errors import OutputError, ParameterError

if TYPE_CHECKING:
    import polars as pl

Result: TypeAlias = "NDArray[Any] | pl.DataFrame | Mapping[str, NDArray[Any]]"

GAP = 2  # pixels between the pictures of a grid
GAP_LEVEL = 128  # visible beside black and beside white


@dataclass(frozen=True)
class Output:
    """A result, and what is said about it.

    Parameters
    ----------
    result : ndarray, polars.DataFrame or mapping of names to arrays
        What is written.
    target : str
        What messages call the place it goes to.
    names : sequence of str, optional
        The columns of an array written as a table.
    maximum : float, optional
        The value shown as white.
    columns : int, optional
        Pictures side by side in a grid.
    """

    result: Result
    target: str
    names: Sequence[str] | None = None
    maximum: float | None = None
    columns: int | None = None


def write(
    result: Result,
    path: PathLike | None,
    names: Sequence[str] | None = None,
    *,
    maximum: float | None = None,
    columns: int | None = None,
) -> None:
    r"""Write `result` to `path`, in the format its suffix names, all of it or nothing.

    Parameters
    ----------
    result : ndarray, polars.DataFrame or mapping of names to arrays
        A mapping goes to `.npz` only.
    path : str, path or None
        `.npy`, `.npz` (an array is called "x"), `.csv`, `.tsv`, `.parquet`, `.arrow`, or `.png` (pictures as
        a grid, see `picture_grid`). A path that ends with "/" is a folder: one file per picture, 00000.png,
        00001.png, ...; other files in it stay. None or "-" is standard output: `.npy` for an array, `.npz`
        for a mapping, CSV for a table and for anything shown on a terminal.
    names : sequence of str, optional
        The columns of an array written as a table; x0, x1, ... by default.
    maximum : float, optional
        The value pictures show as white; 1 for floats and booleans, 255 for integers by default.
    columns : int, optional
        Pictures side by side in a grid; near-square by default.

    Raises
    ------
    OutputError
        If the format cannot hold the result, or the file cannot be written.
    ParameterError
        If `names` does not name each column once, or `maximum` is not positive.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(np.array([[1.5, 2.0]]), f"{folder}/codes.csv", names=["a", "b"])
    ...     pathlib.Path(folder, "codes.csv").read_text()
    'a,b\n1.5,2.0\n'
    """
    target = "-" if path is None else os.fspath(path)
    if target == "-":
        _write_stdout(Output(result, "standard output", names))
    elif _is_file(target):
        _write_file(Output(result, target, names, maximum, columns))
    else:
        _write_folder(Output(result, target, maximum=maximum))


def check_target(path: PathLike) -> None:
    """Raise now what `write` would raise, whatever the result, after hours of work.

    Parameters
    ----------
    path : str or path
        The file to be written later; it is neither created nor changed.

    Raises
    ------
    OutputError
        If the suffix names no format, or the path cannot be written.

    Examples
    --------
    >>> check_target("codes.doc")
    Traceback (most recent call last):
    vaekit.errors.OutputError: codes.doc has the suffix '.doc', which cannot be written; choose one of ...
    """
    if _is_file(target := os.fspath(path)):
        _writer_of(target)
        check_writable(target)


def picture_grid(
    pictures: NDArray[Any], *, maximum: float | None = None, columns: int | None = None
) -> NDArray[np.uint8]:
    """Return pictures side by side as one picture, near-square, with a grey gap of two pixels between them.

    Parameters
    ----------
    pictures : ndarray of shape (n, H, W) or (n, H, W, 1 or 3 or 4)
        NaN is shown black; what lies outside 0..maximum is shown as the nearest of the two.
    maximum : float, optional
        The value shown as white; 1 for floats and booleans, 255 for integers by default.
    columns : int, optional
        Pictures side by side; the least whole number whose square is at least n by default.

    Returns
    -------
    ndarray of shape (rows * (H + 2) - 2, columns * (W + 2) - 2) or the same with 3 or 4 channels
        uint8.

    Raises
    ------
    OutputError
        If these are no pictures, or integers outside 0..255 come without a `maximum`.
    ParameterError
        If `maximum` is not positive.

    Examples
    --------
    >>> picture_grid(np.ones((2, 1, 1)))
    array([[255, 128, 128, 255]], dtype=uint8)
    """
    levels = _levels(_as_pictures(pictures), maximum)
    n, height, width, *channels = levels.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    shape = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, *channels)
    grid = np.full(shape, GAP_LEVEL, np.uint8)
    for i, picture in enumerate(levels):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        grid[top : top + height, left : left + width] = picture
    return grid


def _is_file(target: str) -> bool:
    return target != "-" and not target.endswith(("/", os.sep))


def _writer_of(target: str) -> Callable[[Output, IO[bytes]], None]:
    suffix = Path(target).suffix.lower()
    if suffix not in WRITERS:
        raise OutputError(
            f"{target} has the suffix '{suffix}', which cannot be written; choose one of "
            f"{', '.join(WRITERS)}, a folder of pictures ending in /, or - for standard output."
        )
    return WRITERS[suffix]


def _write_file(output: Output) -> None:
    writer = _writer_of(output.target)
    with _atomic_file(output.target) as file:
        writer(output, file)


def _write_folder(output: Output) -> None:
    pictures = _levels(_as_pictures(_picture_array(output)), output.maximum)
    with output_errors(output.target):
        Path(output.target).mkdir(parents=True, exist_ok=True)
    width = max(5, len(str(len(pictures) - 1)))  # so that sorting by name keeps the order
    for i, picture in enumerate(pictures):
        with _atomic_file(Path(output.target, f"{i:0{width}}.png")) as file:
            _save_picture(picture, file)


def write_pictures(pictures: NDArray[Any], folder: PathLike, names: Sequence[str]) -> None:
    """Write pictures of 8 bits into a folder under their names, as PNG whatever suffix these have.

    Parameters
    ----------
    pictures : ndarray of uint8 of shape (n, H, W) or (n, H, W, channels)
    folder : path
        Is made where it is not there.
    names : sequence of str
        With "/" between folders; one that leads out of the folder is refused.

    Raises
    ------
    OutputError
        When a name leads elsewhere, or a file cannot be written.
    """
    with output_errors(os.fspath(folder)):
        for picture, name in zip(pictures, names, strict=True):
            path = PurePosixPath(name).with_suffix(".png")
            if path.is_absolute() or ".." in path.parts:
                raise OutputError(f"The name {name} leads out of {folder}. Take another copy of the archive.")
            Path(folder, path.parent).mkdir(parents=True, exist_ok=True)
            with _atomic_file(Path(folder, path)) as file:
                _save_picture(picture, file)


def write_rows(path: PathLike, dtype: np.dtype[Any], shape: tuple[int, ...], pieces: Iterable[bytes]) -> None:
    """Write an array, the bytes of whose rows come in pieces, as `.npy`: all of it or nothing, a piece in memory.

    Parameters
    ----------
    path : str or path
    dtype : dtype
    shape : tuple of int
    pieces : iterable of bytes
        In C order.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    told = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with _atomic_file(path) as file:
        np.lib.format.write_array_header_1_0(file, told)
        file.writelines(pieces)


@contextmanager
def _atomic_file(path: PathLike) -> Iterator[IO[bytes]]:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        yield file


def _write_stdout(output: Output) -> None:
    # Rendered first: numpy asks a file for its position, which a pipe does not have.
    rendered = io.BytesIO()
    if sys.stdout.isatty():
        _write_csv(_flat(output), rendered)
    else:
        _stream_writer(output)(output, rendered)
    with output_errors(output.target):
        sys.stdout.flush()
        sys.stdout.buffer.write(rendered.getbuffer())
        sys.stdout.buffer.flush()


def _stream_writer(output: Output) -> Callable[[Output, IO[bytes]], None]:
    if isinstance(output.result, np.ndarray):
        return _write_npy
    return _write_npz if isinstance(output.result, Mapping) else _write_csv


def _flat(output: Output) -> Output:
    if isinstance(output.result, np.ndarray) and output.result.ndim > 2:
        n, *rest = output.result.shape
        return replace(output, result=output.result.reshape(n, math.prod(rest)))
    return output


# What a format takes


def _as_array(output: Output) -> NDArray[Any]:
    if isinstance(output.result, Mapping):
        raise OutputError(f"{output.target} takes one array; got {len(output.result)}; write .npz instead.")
    if isinstance(output.result, np.ndarray):
        return _without_objects(output.result, output.target)
    return _numbers_of(output.result, output.target)


def _numbers_of(frame: pl.DataFrame, target: str) -> NDArray[Any]:
    import polars as pl

    for name, dtype in frame.schema.items():
        if not (dtype.is_float() or dtype.is_integer() or dtype == pl.Boolean):
            raise OutputError(f"{target} takes numbers; column '{name}' is {dtype}; write .parquet instead.")
    return frame.to_numpy()


def _as_arrays(output: Output) -> Mapping[str, NDArray[Any]]:
    if isinstance(output.result, Mapping):
        return {name: _without_objects(array, output.target) for name, array in output.result.items()}
    return {"x": _as_array(output)}


def _without_objects(array: NDArray[Any], target: str) -> NDArray[Any]:
    if array.dtype.hasobject:
        raise OutputError(f"{target} takes numbers; got Python objects; convert them with astype(float).")
    return array


def _as_frame(output: Output) -> pl.DataFrame:
    import polars as pl

    if isinstance(output.result, pl.DataFrame):
        return output.result
    array = _as_array(output)
    if array.ndim > 2 or array.dtype.kind not in "biufU":
        raise OutputError(
            f"{output.target} takes a table of plain values; got {array.dtype} {list(array.shape)}; write .npy instead."
        )
    columns = array if array.ndim == 2 else array.reshape(-1, 1)
    return pl.from_numpy(columns, schema=_column_names(output.names, columns.shape[1]), orient="row")


def _column_names(names: Sequence[str] | None, count: int) -> list[str]:
    if names is None:
        return [f"x{i}" for i in range(count)]
    if len(set(names)) != len(names) or len(names) != count:
        raise ParameterError(f"names must name each of {count} columns once; got {list(names)}.")
    return list(names)


def _picture_array(output: Output) -> NDArray[Any]:
    if isinstance(output.result, np.ndarray):
        return output.result
    several = isinstance(output.result, Mapping)
    got, suffix = ("several arrays", ".npz") if several else ("a table", ".csv")
    raise OutputError(f"{output.target} takes pictures; got {got}; write {suffix} instead.")


def _as_pictures(array: NDArray[Any]) -> NDArray[Any]:
    pictures = array[..., 0] if array.ndim == 4 and array.shape[-1] == 1 else array
    if array.size and (pictures.ndim == 3 or (pictures.ndim == 4 and pictures.shape[-1] in (3, 4))):
        return pictures
    raise OutputError(
        f"Pictures have shape [n, H, W] or [n, H, W, 1, 3 or 4]; got {list(array.shape)}; write .npy instead."
    )


def _levels(pictures: NDArray[Any], maximum: float | None) -> NDArray[np.uint8]:
    white = _natural_maximum(pictures) if maximum is None else maximum
    if not white > 0:
        raise ParameterError(f"maximum must be a positive number; got {maximum}.")
    if pictures.dtype == np.uint8 and white == 255:
        return pictures
    scaled = np.nan_to_num(pictures.astype(np.float64) * (255 / white))
    levels: NDArray[np.uint8] = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return levels


def _natural_maximum(pictures: NDArray[Any]) -> int:
    if pictures.dtype.kind in "bf":
        return 1
    if pictures.dtype.kind in "iu" and pictures.min() >= 0 and pictures.max() <= 255:
        return 255
    raise OutputError(
        f"Pictures hold floats in 0..1 or integers in 0..255; got {pictures.dtype} up to {pictures.max()}; "
        "give maximum=, the value shown as white."
    )


# One writer per format


def _write_npy(output: Output, file: IO[bytes]) -> None:
    np.lib.format.write_array(file, _as_array(output), allow_pickle=False)


def _write_npz(output: Output, file: IO[bytes]) -> None:
    # numpy.savez takes the names as keywords, and so no array called "file".
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in _as_arrays(output).items():
            # The size is not known yet, and may turn out beyond two gigabytes.
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _write_table(output: Output, file: IO[bytes], method: str, **options: Any) -> None:
    import polars as pl

    try:
        getattr(_as_frame(output), method)(file, **options)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        step = "choose .parquet for such values, or another disk"
        raise OutputError(f"{output.target} cannot be written: {reason}; {step}.") from error


_write_csv = partial(_write_table, method="write_csv")


def _write_png(output: Output, file: IO[bytes]) -> None:
    pictures = _enlarged(_picture_array(output))
    _save_picture(picture_grid(pictures, maximum=output.maximum, columns=output.columns), file)


def _enlarged(pictures: NDArray[Any], side: int = 32) -> NDArray[Any]:
    """Return several small pictures a whole number of times larger, so that people see something of them."""
    if pictures.ndim < 3 or len(pictures) < 2:
        return pictures
    times = max(1, side // max(pictures.shape[1:3]))
    return pictures.repeat(times, axis=1).repeat(times, axis=2)


def _save_picture(picture: NDArray[np.uint8], file: IO[bytes]) -> None:
    from PIL import Image

    Image.fromarray(picture).save(file, "png")


WRITERS: dict[str, Callable[[Output, IO[bytes]], None]] = {
    ".npy": _write_npy,
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".tsv": partial(_write_table, method="write_csv", separator="\t"),
    ".parquet": partial(_write_table, method="write_parquet"),
    ".arrow": partial(_write_table, method="write_ipc"),
    ".png": _write_png,
}
