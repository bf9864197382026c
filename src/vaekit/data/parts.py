"""Parts of data on disk: rows of one file, or of one folder of pictures, of which any may be read alone."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vaekit.data.foreign import foreign_errors
from vaekit.data.npy import npy_header, refuse_objects
from vaekit.data.pictures import Files, common_look, stacked
from vaekit.data.tars import index_of, is_compressed
from vaekit.errors import SourceError

if TYPE_CHECKING:
    import polars as pl

Data: TypeAlias = "NDArray[Any] | pl.DataFrame"

SOME_PICTURES = 100  # whose size and colours are those of all
CODE_BYTES = 4  # of a column of a table


class Part(Protocol):
    """Rows of one source.

    Attributes
    ----------
    name : str
        What messages call it.
    n_rows : int
    row : str
        What a row is, in words.
    row_bytes : int
        About so many a row takes in memory.
    least_rows : int
        Fewer at once cost about as much to read as these.
    """

    name: str
    n_rows: int
    row: str
    row_bytes: int
    least_rows: int

    def read(self, start: int, stop: int) -> Data:
        """Return rows start to stop - 1, in memory of their own."""


class NpyPart:
    """The rows of a `.npy` file.

    Each reading maps the file anew: pages of a map that stays would count as this process's memory.
    """

    least_rows = 1

    def __init__(self, path: str) -> None:
        self.name = path
        with open(path, "rb") as file:
            self.shape, self.fortran, self.dtype = npy_header(file)
            self.offset = file.tell()
        refuse_objects(self.dtype, path)
        if not self.shape:
            raise SourceError(f"{path} holds a single value, not rows; save an array of shape [n, ...].")
        self.n_rows, *rest = self.shape
        self.row, self.row_bytes = f"shape {tuple(rest)}", math.prod(rest) * self.dtype.itemsize

    def read(self, start: int, stop: int) -> Data:
        """Return rows start to stop - 1, in memory of their own."""
        order = "F" if self.fortran else "C"
        with foreign_errors(self.name):
            mapped = np.memmap(self.name, self.dtype, "r", self.offset, self.shape, order)  # type: ignore[call-overload]
            return np.array(mapped[start:stop], self.dtype.newbyteorder("="), order="C", subok=False)


class TablePart:
    """The rows of a Parquet or an Arrow file."""

    least_rows = 16_384  # a slice is cut from a row group, which is unpacked for it

    def __init__(self, path: str) -> None:
        import polars as pl

        self.name = path
        with foreign_errors(path):
            names = self._scan().collect_schema().names()
            self.n_rows = int(_collected(self._scan().select(pl.len())).item())
        self.row, self.row_bytes = f"the columns {', '.join(sorted(names))}", CODE_BYTES * len(names)

    def read(self, start: int, stop: int) -> Data:
        """Return rows start to stop - 1."""
        with foreign_errors(self.name):
            return _collected(self._scan().slice(start, stop - start))

    def _scan(self) -> pl.LazyFrame:
        import polars as pl

        if PurePath(self.name).suffix.lower() == ".parquet":
            return pl.scan_parquet(self.name, glob=False, hive_partitioning=False)
        return pl.scan_ipc(self.name, glob=False, hive_partitioning=False)


class PicturePart:
    """The pictures of a folder, which look like some of them."""

    least_rows = 1

    def __init__(self, folder: str, paths: Sequence[Path]) -> None:
        self.name, self.paths = folder, paths
        self.n_rows = len(paths)
        self.look = common_look(self._files(range(0, self.n_rows, -(-self.n_rows // SOME_PICTURES))))
        self.row, self.row_bytes = f"shape {self.look.shape}", math.prod(self.look.shape)

    def read(self, start: int, stop: int) -> Data:
        """Return rows start to stop - 1."""
        return stacked(self._files(range(start, stop)), self.look)

    def _files(self, rows: range) -> Files:
        return {str(self.paths[i]): self.paths[i] for i in rows}


class TarPart:
    """The samples of a tar file: pictures that look like some of them, or arrays of one shape."""

    least_rows = 1

    def __init__(self, path: str) -> None:
        self.name = path
        if is_compressed(path):
            raise SourceError(f"{path} is compressed, so that no sample can be read alone; unpack it.")
        with foreign_errors(path):
            self.suffix, self.offsets, self.sizes = index_of(path)
        self.n_rows = len(self.offsets)
        self.look = None if self.suffix == ".npy" else common_look(self._some())
        first = self.read(0, 1)
        self.row, self.row_bytes = f"shape {first.shape[1:]}", first.nbytes

    def read(self, start: int, stop: int) -> Any:
        """Return rows start to stop - 1."""
        files = self._files(range(start, stop))
        return _stacked_arrays(files) if self.look is None else stacked(files, self.look)

    def _some(self) -> Files:
        return self._files(range(0, self.n_rows, -(-self.n_rows // SOME_PICTURES)))

    def _files(self, rows: range) -> dict[str, io.BytesIO]:
        with foreign_errors(self.name), open(self.name, "rb") as file:
            return {f"{self.name}, sample {i}": io.BytesIO(self._bytes(file, i)) for i in rows}

    def _bytes(self, file: io.BufferedReader, row: int) -> bytes:
        file.seek(self.offsets[row])
        return file.read(int(self.sizes[row]))


def _collected(lazy: pl.LazyFrame) -> pl.DataFrame:
    import polars as pl

    try:
        return lazy.collect()
    # A panic of polars is no Exception, so nothing else would catch it.
    except pl.exceptions.PanicException as error:
        raise ValueError(str(error)) from error


def _stacked_arrays(files: dict[str, io.BytesIO]) -> NDArray[Any]:
    arrays = []
    for name, file in files.items():
        with foreign_errors(name):
            arrays.append(np.lib.format.read_array(file, allow_pickle=False))
        if arrays[-1].shape != arrays[0].shape:
            raise SourceError(
                f"{name} has shape {arrays[-1].shape}, but one before it {arrays[0].shape}; rows have one shape."
            )
    return np.stack(arrays)


PARTS: dict[str, Callable[[str], Part]] = {
    ".npy": NpyPart,
    ".parquet": TablePart,
    ".arrow": TablePart,
    ".feather": TablePart,
    ".tar": TarPart,
}


def part_of(path: str | os.PathLike[str]) -> Part:
    """Return the rows of a file whose suffix is one of `PARTS`.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    name = os.fspath(path)
    with foreign_errors(name):
        return PARTS[PurePath(name).suffix.lower()](name)
