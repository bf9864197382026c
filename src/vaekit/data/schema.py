"""The schema: what the data are, learned once, kept in the model, and the only judge of user data ever after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vaekit.data.fields import Array, Field, Real, field_from_json, is_missing
from vaekit.data.frames import columns_of, frame_of, is_frame
from vaekit.data.html import html_table
from vaekit.data.inference import infer_block, infer_column
from vaekit.data.temporal import in_units, is_temporal
from vaekit.errors import DataError, ParameterError

Kinds = Mapping[str, str]

HEAD = ("field", "kind", "values", "shape", "gaps")
ROWS_AT_ONCE = 256  # whose floats on the way to their own dtype fit a cache


@dataclass(frozen=True)
class Schema:
    """The fields of a data set and the container they came in.

    Parameters
    ----------
    fields : tuple of Field
        One field for an array whose values are all alike; else one for each column.
    container : str
        ``"array"``, or the frame's library (``"polars"``, ``"pandas"``, ...).
    layout : str
        How a row of the user's array lies in memory: ``"flat"``, ``"HW"``, ``"HWC"`` or ``"CHW"``.

    Examples
    --------
    >>> import numpy as np
    >>> pictures = np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype=np.uint8)
    >>> schema = Schema.infer(pictures)
    >>> print(schema)
    10 rows were looked at: pictures of 28 × 28
    field  kind    values                  shape         gaps
    x      levels  0 to 255 in 256 levels  (1, 28, 28)   no
    >>> codes = schema.encode(pictures)
    >>> codes.shape, codes.dtype, (schema.decode(codes) == pictures).all()
    ((10, 1, 28, 28), dtype('uint8'), np.True_)
    """

    fields: tuple[Field, ...]
    container: str = "array"
    layout: str = "flat"
    n_rows: int = 0

    # -- learn -----------------------------------------------------------------------------------------------------

    @classmethod
    def infer(cls, data: Any, kinds: Kinds | None = None, likelihood: str | None = None) -> Schema:
        """Return the schema of a data set.

        Parameters
        ----------
        data : ndarray, Tensor or frame of n_samples rows
        kinds : mapping of str to str, optional
            Kinds of columns by name, where the inferred ones are wrong.
        likelihood : str, optional
            A likelihood asked for by name; it decides the kind of an array (a Gaussian makes numbers real).

        Raises
        ------
        DataError
            When the data are empty, have one row only, or a column is constant.
        ParameterError
            When `kinds` names an unknown column or kind.
        """
        return (
            cls._of_frame(data, kinds or {})
            if is_frame(data)
            else cls._of_array(as_array(data), kinds or {}, likelihood)
        )

    @classmethod
    def _of_frame(cls, frame: Any, kinds: Kinds) -> Schema:
        columns, dtypes, library = columns_of(frame)
        n_rows = _enough_rows(len(next(iter(columns.values()), ())), n_features=len(columns))
        return cls(_infer_columns(columns, dtypes, kinds), container=library, n_rows=n_rows)

    @classmethod
    def _of_array(cls, raw: Array, kinds: Kinds, likelihood: str | None) -> Schema:
        n_rows = _enough_rows(len(raw), n_features=int(np.prod(raw.shape[1:])))
        _refuse_infinite(raw)
        layout = layout_of(raw.shape[1:])
        inner = to_channels_first(raw, layout)
        block = None if kinds or raw.dtype.kind == "O" else infer_block(inner, inner.shape[1:], likelihood)
        if block is not None:
            _refuse_one_value(raw)
            return cls((block,), layout=layout, n_rows=n_rows)
        if raw.ndim > 2:
            raise ParameterError(
                f"kinds names columns, but a row of the array has shape {raw.shape[1:]}. Use likelihood=."
            )
        columns = {f"x{j}": raw[:, j] for j in range(raw.shape[1])}
        return cls(_infer_columns(columns, dict.fromkeys(columns, str(raw.dtype)), kinds), n_rows=n_rows)

    # -- the gate --------------------------------------------------------------------------------------------------

    def encode(self, data: Any, first: int = 0) -> Array:
        """Return the codes of user data, checked against what was learned.

        Parameters
        ----------
        data : ndarray, Tensor or frame of n_samples rows
        first : int
            The number that messages give the first row.

        Returns
        -------
        ndarray of shape (n_samples, *event_shape)
            Compact codes of one field; float32 for a table, with NaN for gaps.

        Raises
        ------
        DataError
            When shape, columns or values are not those learned.
        """
        if is_frame(data):
            columns, dtypes, _ = columns_of(data)
            return self._encode_columns(self._in_own_units(columns, dtypes), first)
        raw = as_array(data)
        if len(raw) == 0:
            _enough_rows(0, n_features=1)
        self._check_shape(raw)
        if self.is_block:
            return self.fields[0].encode(to_channels_first(raw, self.layout), first)
        return self._encode_columns({f.name: raw[:, j] for j, f in enumerate(self.fields)}, first)

    def decode(self, codes: Array, *, drawn: bool = False) -> Any:
        """Return user data of codes, in the container and dtypes the schema was learned from.

        Parameters
        ----------
        codes : ndarray of shape (n_samples, *event_shape)
        drawn : bool
            Whether they are a model's draws, of which columns are to be like those seen: in their range, on their step.

        Returns
        -------
        ndarray or frame of n_samples rows
        """
        if self.is_block:
            starts = range(0, max(1, len(codes)), ROWS_AT_ONCE)
            pieces = [self.fields[0].decode(codes[i : i + ROWS_AT_ONCE]) for i in starts]
            return from_channels_first(np.concatenate(pieces), self.layout)
        columns = {f.name: f.decode(codes[:, j], drawn=drawn) for j, f in enumerate(self.fields)}
        if self.is_frame:
            return frame_of(columns, {f.name: f.dtype for f in self.fields}, self.container)
        return np.stack(list(columns.values()), axis=1)

    def decode_column(self, place: int, codes: Array) -> Array:
        """Return the user's values of codes [n] of one value of a row, in the field's dtype and like those seen: [n].

        Parameters
        ----------
        place : int
            The value's number in a row of codes.
        codes : ndarray of shape (n,)
        """
        if not self.is_block:
            return self.fields[place].decode(self.fields[place].nearest(codes), drawn=True)
        rows = np.zeros((len(codes), self.n_dims), np.float32)
        rows[:, place] = codes
        field = self.fields[0]
        return field.decode(field.nearest(rows.reshape(-1, *self.event_shape))).reshape(len(codes), -1)[:, place]

    def encode_value(self, place: int, value: Any) -> float:
        """Return the code of one value of a row, which may be a text that says it.

        Raises
        ------
        DataError
            When the field does not know the value.
        """
        field = self.fields[0 if self.is_block else place]
        known = field.of_value(value)
        if not self.is_block:
            return float(field.encode(np.array([known]))[0])
        row = field.decode(np.zeros((1, *self.event_shape), np.float32)).astype(np.float64).reshape(1, -1)
        row[0, place] = known
        return float(field.encode(row.reshape(1, *self.event_shape)).reshape(-1)[place])

    def as_columns(self) -> Schema:
        """Return the schema of rows of reals as that of a table, a column for each value; others as they are."""
        field = self.fields[0]
        if not self.is_block or type(field) is not Real:
            return self
        loc, scale = (np.broadcast_to(part, field.shape).ravel().tolist() for part in (field.loc, field.scale))
        parts = zip(self.names, loc, scale, strict=True)
        return replace(self, fields=tuple(replace(field, name=n, shape=(), loc=a, scale=b) for n, a, b in parts))

    def with_gaps(self) -> Schema:
        """Return the schema under which every value may be a gap."""
        return replace(self, fields=tuple(replace(field, missing=True) for field in self.fields))

    # -- facts -----------------------------------------------------------------------------------------------------

    @property
    def is_block(self) -> bool:
        """Whether one field is the whole array."""
        return len(self.fields) == 1 and self.fields[0].shape != ()

    @property
    def is_frame(self) -> bool:
        """Whether the data came as a frame."""
        return self.container != "array"

    @property
    def is_picture(self) -> bool:
        """Whether a row is a picture."""
        return self.layout != "flat"

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one row of codes: (C, H, W) for pictures, (n_features,) otherwise."""
        return self.fields[0].shape if self.is_block else (len(self.fields),)

    @property
    def n_dims(self) -> int:
        """The number of values in a row."""
        return int(np.prod(self.event_shape))

    @property
    def has_missing(self) -> bool:
        """Whether any field was learned with gaps."""
        return any(f.missing for f in self.fields)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [f"x{j}" for j in range(self.n_dims)] if self.is_block else [f.name for f in self.fields]

    def __str__(self) -> str:
        """Return the schema as a table."""
        head, rows = HEAD, self._told()
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
        ]
        return f"{self.n_rows:,} rows were looked at: {self.noun}\n" + "\n".join(lines)

    def _repr_html_(self) -> str:
        return html_table(HEAD, self._told(), f"{self.n_rows:,} rows were looked at: {self.noun}")

    def _told(self) -> list[tuple[str, ...]]:
        return [
            (f.name, f.kind, f.stated_range, _shape_text(f.shape), "yes" if f.missing else "no") for f in self.fields
        ]

    @property
    def noun(self) -> str:
        """What the data are, in words."""
        if self.is_picture:
            channels, height, width = self.event_shape
            return f"pictures of {height} × {width}" + (f" × {channels}" if self.layout != "HW" else "")
        return f"a table of {self.n_dims} columns" if not self.is_block else f"vectors of {self.n_dims} values"

    def to_json(self) -> dict[str, Any]:
        """Return the schema as plain JSON values."""
        return {
            "container": self.container,
            "layout": self.layout,
            "n_rows": self.n_rows,
            "fields": [f.to_json() for f in self.fields],
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Schema:
        """Return the schema that `to_json` described."""
        fields = tuple(field_from_json(f) for f in plain["fields"])
        return cls(fields, container=plain["container"], layout=plain["layout"], n_rows=plain["n_rows"])

    # -- inside ----------------------------------------------------------------------------------------------------

    def _in_own_units(self, columns: dict[str, Array], dtypes: dict[str, str]) -> dict[str, Array]:
        """Return columns whose dates and times count the units that their fields count; others as they are."""
        fields = {field.name: field for field in self.fields} if not self.is_block else {}
        there = {name: values for name, values in columns.items() if not is_missing(values).all()}
        own = {
            name: in_units(values, dtypes[name], fields[name].dtype, name)
            for name, values in there.items()
            if name in fields and (is_temporal(dtypes[name]) or is_temporal(fields[name].dtype))
        }
        return columns | own

    def _encode_columns(self, columns: dict[str, Array], first: int) -> Array:
        if self.is_block and len(columns) == self.n_dims and self.layout == "flat":
            return self.fields[0].encode(np.stack(list(columns.values()), axis=1), first)
        if self.is_picture:
            raise DataError(f"A table was given, but the model was fitted on {self.noun}. Give an array or pictures.")
        if self.is_block:
            raise DataError(
                f"The table has {len(columns)} columns, but the model was fitted on {self.noun}. "
                "Give rows like those it was fitted on."
            )
        lacking = [f.name for f in self.fields if f.name not in columns]
        if lacking:
            raise DataError(
                f"The table lacks {_listed(lacking)}; the model was fitted on {_listed(self.names)}. "
                "Give a table with the same columns."
            )
        _enough_rows(len(columns[self.fields[0].name]), n_features=len(columns), least=1)
        return np.stack([f.encode(columns[f.name], first).astype(np.float32) for f in self.fields], axis=1)

    def _check_shape(self, raw: Array) -> None:
        expected = self.raw_shape
        if self.is_frame:
            raise DataError(
                f"An array was given, but the model was fitted on a table with columns {_listed(self.names)}. "
                "Give a table with the same columns."
            )
        if raw.shape[1:] == expected:
            return
        if len(expected) == 1 and raw.ndim == 2:
            raise DataError(
                f"X has {raw.shape[1]} features, but vaekit is expecting {expected[0]} features as input. "
                "Give rows like those it was fitted on."
            )
        raise DataError(
            f"A row of the array has shape {raw.shape[1:]}, but the model was fitted on rows of shape {expected} "
            f"({self.noun}). Reshape or resize the data."
        )

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """The shape of one row of the user's array."""
        shape = self.event_shape
        return {"HW": shape[1:], "HWC": (*shape[1:], shape[0])}.get(self.layout, shape)


def as_array(data: Any) -> Array:
    """Return arrays, tensors and nested lists as a numeric array of rows; objects that are numbers become floats.

    Examples
    --------
    >>> as_array([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    raw = _to_numpy(data)
    if raw.dtype.kind == "O":
        raw = _numbers_of_objects(raw)
    if raw.dtype.kind == "c":
        raise DataError(
            "Complex data not supported: a likelihood is one of real numbers. Give real and imaginary parts."
        )
    if raw.dtype.kind not in "fiub":
        raise DataError(f"The array holds {raw.dtype} values, not numbers. Give numbers, or a table for texts.")
    if raw.ndim < 2:
        raise DataError(
            f"Expected 2D array (rows × values) or more, got an array of shape {raw.shape} instead. Reshape your data: "
            "array.reshape(-1, 1) if it has a single feature, array.reshape(1, -1) if it is a single row."
        )
    return raw.astype(np.float32 if raw.dtype == np.float16 else raw.dtype.newbyteorder("="), copy=False)


def _to_numpy(data: Any) -> Array:
    if hasattr(data, "toarray"):
        raise TypeError("Sparse data were passed, but dense data are required. Use '.toarray()' to convert them.")
    if hasattr(data, "detach"):
        data = data.detach().cpu().numpy()
    try:
        return np.asarray(data)
    except ValueError as error:
        raise DataError(f"The data cannot become an array: {error}. Give rows of equal length.") from error


def _numbers_of_objects(raw: Array) -> Array:
    try:
        return raw.astype(np.float64)
    except TypeError as error:
        raise TypeError(
            f"The array holds objects that are not numbers: argument must be a string or a number ({error})."
        ) from error
    except ValueError as error:
        raise DataError(f"The array holds texts: {error}. Give a frame, whose columns may hold texts.") from error


def _infer_columns(columns: dict[str, Array], dtypes: dict[str, str], kinds: Kinds) -> tuple[Field, ...]:
    unknown = [name for name in kinds if name not in columns]
    if unknown:
        raise ParameterError(f"kinds names {_listed(unknown)}, which the table lacks. It has {_listed(list(columns))}.")
    if all(kinds.get(name) == "constant" for name in columns):
        raise ParameterError("kinds declares every column constant, so there is nothing to learn. Leave one out.")
    return tuple(infer_column(name, raw, dtypes[name], kinds.get(name)) for name, raw in columns.items())


def layout_of(shape: tuple[int, ...]) -> str:
    """Return how a row of an array lies in memory.

    Examples
    --------
    >>> layout_of((28, 28)), layout_of((32, 32, 3)), layout_of((10,))
    ('HW', 'HWC', 'flat')
    """
    if len(shape) == 2:
        return "HW"
    if len(shape) == 3:
        return "CHW" if shape[0] <= 4 < shape[-1] else "HWC"
    if len(shape) == 1:
        return "flat"
    raise DataError(f"A row of the array has shape {shape}; rows are vectors, H × W or H × W × C. Reshape the data.")


def to_channels_first(raw: Array, layout: str) -> Array:
    """Return pictures as [n, C, H, W], other rows as they are."""
    return {"HW": lambda: raw[:, None], "HWC": lambda: np.moveaxis(raw, -1, 1)}.get(layout, lambda: raw)()


def from_channels_first(inner: Array, layout: str) -> Array:
    """Return pictures in the user's layout; the inverse of `to_channels_first`."""
    return {"HW": lambda: inner[:, 0], "HWC": lambda: np.moveaxis(inner, 1, -1)}.get(layout, lambda: inner)()


def _refuse_infinite(raw: Array) -> None:
    if raw.dtype.kind == "f" and np.isinf(raw).any():
        at = tuple(int(i) for i in np.argwhere(np.isinf(raw))[0])
        raise DataError(
            f"The array has value {raw[at]} in row {at[0]}, place {list(at[1:])}; values must be finite. "
            "Clean or remove these rows."
        )


def _refuse_one_value(raw: Array) -> None:
    if (raw == raw.reshape(-1)[0]).all():
        raise DataError(
            f"The array is constant: every value is {raw.reshape(-1)[0]}, so there is nothing to learn. "
            "Check the source."
        )


def _enough_rows(n_rows: int, n_features: int, least: int = 2) -> int:
    if n_features == 0:
        raise DataError(
            f"The data have 0 feature(s) (shape=({n_rows}, 0)) while a minimum of 1 is required. Check the source."
        )
    if n_rows == 0:
        raise DataError(
            "The data have 0 sample(s), no row at all, while a minimum of 1 is required. Check the source or --rows."
        )
    if n_rows < least:
        raise DataError(
            f"The data have n_samples = {n_rows}, a single row; a model needs at least {least}. Give more rows."
        )
    return n_rows


def _shape_text(shape: tuple[int, ...]) -> str:
    return str(shape) if shape else "column"


def _listed(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(f"'{n}'" for n in names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
