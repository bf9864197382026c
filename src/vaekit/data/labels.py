"""Classes of rows as a user gives them: any values, some of them not known."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaekit.data.fields import Array
from vaekit.data.frames import columns_of, is_frame
from vaekit.data.readers import read
from vaekit.data.streams import Sampled
from vaekit.errors import DataError, ParameterError, SourceError

NAME = "label"  # of classes that come without one
MOST = 1000


@dataclass(frozen=True)
class Labels:
    """The classes of rows.

    Parameters
    ----------
    values : ndarray of shape (n_classes,)
        The classes, sorted.
    index : ndarray of int, of shape (n_samples,)
        Of each row's class among them; −1 where it is not known.
    name : str
    """

    values: Array
    index: Array
    name: str = NAME

    @classmethod
    def of(cls, labels: Any, n_rows: int) -> Labels:
        """Return the classes of n_rows rows.

        Parameters
        ----------
        labels : array, series, list or frame of one column
            −1 among whole numbers, or a gap, stands where a class is not known.
        n_rows : int

        Raises
        ------
        DataError
            When there is not one label a row, there are no two classes, or the labels are measurements.

        Examples
        --------
        >>> labels = Labels.of(["b", None, "a"], 3)
        >>> labels.values.tolist(), labels.index.tolist()
        (['a', 'b'], [1, -1, 0])
        """
        name, values = _column(labels)
        if values.shape != (n_rows,):
            raise DataError(f"The labels have shape {values.shape}, for {n_rows} rows. Give one label a row.")
        known = _known(values)
        classes, index = np.unique(_plain(values[known]), return_inverse=True)
        _check(classes, int(known.sum()))
        whole = np.full(n_rows, -1)
        whole[known] = index
        return cls(classes, whole, name)

    def __str__(self) -> str:
        return f"{len(self.values)} classes of {self.name!r}, known of {(self.index >= 0).sum():,} rows"

    def to_json(self) -> dict[str, Any]:
        """Return the name and the classes as plain JSON values."""
        return {"name": self.name, "values": self.values.tolist()}


def labels_apart(data: Any, labels: Any, rows: str | None = None, keep: Collection[str] = ()) -> tuple[Any, Any]:
    """Return data without the column that labels name, and its values; labels of a path are read, others stay.

    Parameters
    ----------
    data : array or frame
    labels : str, path, or labels themselves
        The name of a column of a frame, else where labels are.
    rows : str, optional
        "A:B", of labels that are read.
    keep : names of columns
        Those that a fitted model reads, which stay in the data, too.

    Raises
    ------
    SourceError
        When there is neither such a column nor such a file.
    ParameterError
        When the data are streamed.

    Examples
    --------
    >>> import polars as pl
    >>> frame, labels = labels_apart(pl.DataFrame({"x": [1, 2], "y": ["a", "b"]}), "y")
    >>> frame.columns, labels.to_list()
    (['x'], ['a', 'b'])
    """
    if isinstance(data, Sampled) and labels is not None:
        raise ParameterError(
            f"labels are learned with all rows in memory, for which {data.stream.name} is too large. "
            "Take some of its rows (--rows A:B), or leave the labels."
        )
    if not isinstance(labels, str | os.PathLike):
        return data, labels
    if not is_frame(data):
        return data, read(labels, rows)
    import narwhals as nw

    table, name = nw.from_native(data, eager_only=True), os.fspath(labels)
    if name in table.columns:
        return (data if name in keep else table.drop(name).to_native()), table.get_column(name).to_native()
    try:
        return data, read(labels, rows)
    except SourceError as error:
        raise SourceError(f"{error} Nor is it a column: these are {', '.join(table.columns)}.") from None


def _column(labels: Any) -> tuple[str, Array]:
    """Return the name and the values of the only column of labels."""
    if is_frame(labels):
        columns, _, _ = columns_of(labels)
        if len(columns) != 1:
            raise DataError(f"The labels have {len(columns)} columns. Give one, of a label a row.")
        return next(iter(columns.items()))
    values = np.asarray(labels)
    name = getattr(labels, "name", None)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    return str(name) if name is not None else NAME, values


def _known(values: Array) -> Array:
    """Return which labels are known: no gaps, and among numbers not −1."""
    if values.dtype.kind in "iuf":
        return (values == values) & (values != -1)
    return np.array([v is not None and v == v for v in values.tolist()], dtype=bool)


def _plain(values: Array) -> Array:
    """Return labels in their own type, numbers that came as objects or floats as what they are."""
    if values.dtype == object:
        values = np.array(values.tolist()) if len(values) else values
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == values.round()).all():
        values = values.astype(np.int64)
    return values


def _check(classes: Array, n_known: int) -> None:
    if classes.dtype.kind not in "iubU":
        raise DataError(
            f"Unknown label type: labels are whole numbers, texts or truth values; got {classes.dtype}, which is "
            "continuous. Give classes."
        )
    if len(classes) < 2:
        raise DataError(f"{n_known} rows have a label, of one class or none. Label rows of two classes or more.")
    if len(classes) > MOST:
        raise DataError(f"The labels have {len(classes)} classes, more than {MOST}. Give classes, not measurements.")
