"""What one field of the data is: a picture, a vector or a column, and how its values become codes and back.

A *code* is what the networks and likelihoods see: 0/1, the index of a level, a count, a standardised real, the index
of a category. Discrete kinds go to codes and back exactly; reals to within float32's rounding of (x - loc) / scale.

================  ==========================================  =====================================
kind              raw values                                  codes
================  ==========================================  =====================================
binary            two values, 0 and 1 (or False, True)        0, 1
levels            equal steps between two ends                0, 1, ..., n_levels - 1
integer           any whole number                            (x - loc) / scale
count             0, 1, 2, ...                                the same
unit              real numbers in [0, 1]                      the same
real              real numbers                                (x - loc) / scale
heavy-tailed      real numbers, some far from most            the same, with bent tails
categorical       one of the categories                       its index
constant          one value                                   0
================  ==========================================  =====================================
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import repeat
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vaekit.data import power, temporal
from vaekit.data.temporal import is_temporal
from vaekit.errors import DataError

Array = NDArray[Any]

MOST_COUNT = np.iinfo(np.int32).max
ROUNDING = 1e-6  # of codes, at most
LARGEST = float(np.finfo(np.float32).max)


def is_integer(dtype: str) -> bool:
    """Whether a dtype's name, numpy's or a frame's, is one of whole numbers."""
    return dtype.lower().startswith(("int", "uint"))


def is_bool(dtype: str) -> bool:
    """Whether a dtype's name, numpy's or a frame's, is the Boolean one."""
    return dtype.lower().startswith("bool")


def is_missing(raw: Array) -> NDArray[np.bool_]:
    """Return where `raw` has gaps: NaN in numbers, None in texts."""
    if raw.dtype.kind == "f":
        return np.isnan(raw)
    if raw.dtype.kind == "O":
        return np.equal(raw, None).astype(bool)  # type: ignore[call-overload]
    return np.zeros(raw.shape, dtype=bool)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field: its name, the shape of one row of it, the user's dtype, and whether it may have gaps.

    Parameters
    ----------
    name : str
        A column's name, or ``"x"`` for an array that is one field.
    shape : tuple of int
        The shape of one row: ``()`` for a column, ``(C, H, W)`` for a picture, ``(d,)`` for a vector.
    dtype : str
        The dtype that answers are given in, numpy's name or the frame's.
    missing : bool
        Whether gaps were seen when the field was learned.
    """

    kind: ClassVar[str]
    name: str
    shape: tuple[int, ...] = ()
    dtype: str = "float64"
    missing: bool = False

    # -- the gate --------------------------------------------------------------------------------------------------

    def encode(self, raw: Array, first: int = 0) -> Array:
        """Return the codes of raw values.

        Parameters
        ----------
        raw : ndarray of shape (n_samples, *shape)
            Numbers, or an object array of texts; a gap is NaN or None.
        first : int
            The number that messages give the first row.

        Returns
        -------
        ndarray of shape (n_samples, *shape)
            Codes in the field's compact dtype; a gap is NaN.

        Raises
        ------
        DataError
            On ±inf, on a gap where none was learned, and on a value that the kind does not know.
        """
        raw = self._comparable(raw, first)
        gaps = is_missing(raw)
        self._refuse(self._infinite(raw), raw, "Clean or remove these rows.", first)
        if not self.missing:
            again = "Fill the gaps, or re-fit with rows that have such gaps."
            self._refuse(gaps, raw, again, first, what="a missing value", rule="learned without gaps")
        self._refuse(self._unknown(raw, gaps), raw, self._advice(), first)
        codes = self._encode(raw)
        if not gaps.any():
            return codes.astype(self.code_dtype, copy=False)
        return np.where(gaps, np.nan, codes).astype(np.float32)

    def decode(self, codes: Array, *, drawn: bool = False) -> Array:
        """Return raw values of codes, in the field's dtype; means between two codes are rounded for whole numbers only.

        Parameters
        ----------
        codes : ndarray of shape (n_samples, *shape)
        drawn : bool
            Whether they are a model's draws, which become values like those seen: in their range, on their step.

        Returns
        -------
        ndarray of shape (n_samples, *shape)
        """
        gaps = is_missing(codes)
        if gaps.any():
            codes = np.where(gaps, 0.0, codes)
        values = self._decode(codes)
        return self._restore(self._as_seen(values) if drawn else values, gaps)

    def of_value(self, value: Any) -> Any:
        """Return one value as columns hold it: what a text says, the whole number of a date."""
        if isinstance(value, str):
            return self.of_text(value)
        return temporal.to_whole(value, self.dtype) if is_temporal(self.dtype) else value

    def of_text(self, text: str) -> Any:
        """Return the value that a text says."""
        if is_bool(self.dtype) and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if is_temporal(self.dtype):
            return temporal.to_whole(text, self.dtype)
        try:
            return float(text)
        except ValueError:
            raise DataError(f"{self.subject} has value {text}; it was learned as {self.stated}.") from None

    def nearest(self, codes: Array) -> Array:
        """Return the codes of values that the kind knows, next to means of codes, [n_samples, *shape]."""
        return np.rint(codes)

    @property
    def code_dtype(self) -> type[np.generic]:
        """The smallest dtype that holds every code."""
        return np.float32

    @property
    def stated_range(self) -> str:
        """The values the field may take, as people read them."""
        return "any"

    def _comparable(self, raw: Array, first: int) -> Array:
        """Return raw values as numbers; a text among them is refused."""
        if raw.dtype.kind != "O":
            return raw
        self._refuse(np.vectorize(_is_no_number, otypes=[bool])(raw), raw, "Clean the value.", first)
        return raw.astype(np.float64)

    # -- for the kinds ---------------------------------------------------------------------------------------------

    def _unknown(self, raw: Array, gaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.zeros(raw.shape, dtype=bool)

    def _advice(self) -> str:
        return f"Re-fit with kinds={{'{self.name}': 'real'}}, or clean the value."

    def _encode(self, raw: Array) -> Array:
        return raw

    def _decode(self, codes: Array) -> Array:
        return codes

    def _as_seen(self, values: Array) -> Array:
        return values

    def _restore(self, values: Array, gaps: NDArray[np.bool_]) -> Array:
        if is_bool(self.dtype):
            return _with_nones(values > 0.5, gaps) if gaps.any() else values > 0.5
        if is_integer(self.dtype) or is_temporal(self.dtype):
            whole = np.rint(values.astype(np.float64)).clip(*self._bounds)
            return np.where(gaps, np.nan, whole) if gaps.any() else whole.astype(self._whole_dtype)
        filled = np.where(gaps, np.nan, values) if gaps.any() else values
        return filled.astype(self.dtype.lower(), copy=False)

    @property
    def _whole_dtype(self) -> str:
        return "int64" if is_temporal(self.dtype) else self.dtype.lower()

    @property
    def _bounds(self) -> tuple[int, int]:
        """The least and the largest whole number that the dtype holds."""
        if is_temporal(self.dtype):
            return temporal.bounds(self.dtype)
        found = np.iinfo(self._whole_dtype)
        return int(found.min), int(np.nextafter(float(found.max), 0) if found.bits == 64 else found.max)

    def _infinite(self, raw: Array) -> NDArray[np.bool_]:
        return np.isinf(raw) if raw.dtype.kind == "f" else np.zeros(raw.shape, dtype=bool)

    def _refuse(
        self, bad: NDArray[np.bool_], raw: Array, advice: str, first: int, *, what: str = "", rule: str = ""
    ) -> None:
        if not bad.any():
            return
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        got = what or f"value {raw[at]!s}"
        place = f"row {first + at[0]}" + (f", place {list(at[1:])}" if at[1:] else "")
        raise DataError(f"{self.subject} has {got} in {place}; it was {rule or 'learned as ' + self.stated}. {advice}")

    @property
    def subject(self) -> str:
        """The field as an error's first words call it."""
        return "The array" if self.name == "x" and self.shape else f"Column '{self.name}'"

    @property
    def stated(self) -> str:
        """The kind and range as an error or a table states them."""
        return f"{self.kind} ({self.stated_range})"

    def to_json(self) -> dict[str, Any]:
        """Return the field as plain JSON values."""
        return {"kind": self.kind, **{k: _plain(v) for k, v in asdict(self).items()}}


def _is_no_number(value: Any) -> bool:
    try:
        return value is not None and not isinstance(float(value), float)
    except (TypeError, ValueError):
        return True


def _with_nones(values: Array, gaps: NDArray[np.bool_]) -> Array:
    objects = values.astype(object)
    objects[gaps] = None
    return objects


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, kw_only=True)
class Binary(Field):
    """Zeros and ones."""

    kind: ClassVar[str] = "binary"

    @property
    def code_dtype(self) -> type[np.generic]:
        """The smallest dtype that holds every code."""
        return np.uint8

    @property
    def stated_range(self) -> str:
        """The values the field may take, as people read them."""
        return "0 or 1"

    def _unknown(self, raw: Array, gaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return (raw != 0) & (raw != 1) & ~gaps


@dataclass(frozen=True, kw_only=True)
class Levels(Field):
    """Equally spaced values between two ends: (first + code) · numerator / denominator.

    8-bit pictures, k/255 or ratings.
    The step is a fraction of whole numbers, so that k/255 and 0.3 come back as the very floats people wrote.
    """

    kind: ClassVar[str] = "levels"
    first: int = 0
    numerator: int = 1
    denominator: int = 1
    n_levels: int = 256

    @property
    def code_dtype(self) -> type[np.generic]:
        """The smallest dtype that holds every code."""
        return np.uint8 if self.n_levels <= 256 else np.int32

    @property
    def stated_range(self) -> str:
        """The values the field may take, as people read them."""
        low = self._value(np.asarray(0))
        return f"{low:g} to {self.high:g} in {self.n_levels} levels"

    @property
    def high(self) -> float:
        """The largest raw value."""
        return float(self._value(np.asarray(self.n_levels - 1)))

    def _unknown(self, raw: Array, gaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if raw.dtype.kind in "ub" and self._is_identity:
            all_known = raw.max(initial=0) < self.n_levels  # a tenth of the time of the comparison one by one
            return np.zeros(raw.shape, dtype=bool) if all_known else raw > self.n_levels - 1
        index = self._index(raw)
        may_be_off = raw.dtype.kind == "f" or self.numerator > 1
        off_grid = np.abs(index - np.rint(index)) > 1e-3 if may_be_off else False
        return (off_grid | (index < -0.5) | (index > self.n_levels - 0.5)) & ~gaps

    def _encode(self, raw: Array) -> Array:
        return raw if raw.dtype.kind in "ub" and self._is_identity else np.rint(self._index(raw))

    def _decode(self, codes: Array) -> Array:
        return codes if self._is_identity else self._value(codes)

    def _advice(self) -> str:
        return "Scale the data as the model's training data were, or re-fit on data that hold such values."

    def _index(self, raw: Array) -> Array:
        return raw.astype(np.float64) * self.denominator / self.numerator - self.first

    def _value(self, codes: Array) -> Array:
        return (codes.astype(np.float64) + self.first) * self.numerator / self.denominator

    @property
    def _is_identity(self) -> bool:
        return (self.first, self.numerator, self.denominator) == (0, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Count(Field):
    """Whole numbers from zero on, without an upper end."""

    kind: ClassVar[str] = "count"
    atoms: tuple[int, ...] = ()  # values that many rows of a column share
    ends: tuple[float, float] | None = None  # about the least and the largest value seen of a column

    @property
    def code_dtype(self) -> type[np.generic]:
        """The smallest dtype that holds every code."""
        return np.int32

    @property
    def stated_range(self) -> str:
        """The values the field may take, as people read them."""
        return "0, 1, 2, ..."

    def _unknown(self, raw: Array, gaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return ((raw < 0) | (raw != np.rint(raw)) | (raw > MOST_COUNT)) & ~gaps

    def _as_seen(self, values: Array) -> Array:
        return values if self.ends is None else values.clip(*self.ends)


@dataclass(frozen=True, kw_only=True)
class Unit(Field):
    """Real numbers between zero and one."""

    kind: ClassVar[str] = "unit"

    def nearest(self, codes: Array) -> Array:
        """Return the codes themselves: all are of numbers."""
        return codes

    @property
    def stated_range(self) -> str:
        """The values the field may take, as people read them."""
        return "0 to 1"

    def _unknown(self, raw: Array, gaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return ((raw < 0) | (raw > 1)) & ~gaps

    def _advice(self) -> str:
        return "Scale the values to [0, 1] as the model's training data were."


@dataclass(frozen=True, kw_only=True)
class Real(Field):
    """Real numbers, standardised inside and answered in the user's units."""

    kind: ClassVar[str] = "real"
    loc: Any = 0.0  # float, or ndarray of shape `shape`
    scale: Any = 1.0  # float, or ndarray of shape `shape`
    step: tuple[int, int] | None = None  # a fraction that all of a column's values are multiples of, as 1/100
    ends: tuple[float, float] | None = None  # about the least and the largest value seen of a column
    atoms: tuple[float, ...] = ()  # values that many rows of a column share

    @property
    def stated_range(self) -> str:
        """The values the field may take, as people read them."""
        if np.ndim(self.loc):
            return "standardised value by value"
        if is_temporal(self.dtype):
            spread = temporal.stated_span(self.scale, self.dtype)
            return f"about {temporal.stated(self.loc, self.dtype)} ± {spread}"
        return f"about {self.loc:.4g} ± {self.scale:.4g}"

    def nearest(self, codes: Array) -> Array:
        """Return the codes themselves: all are of numbers."""
        return codes

    def _encode(self, raw: Array) -> Array:
        codes = (raw.astype(np.float64) - np.asarray(self.loc)) / np.asarray(self.scale)
        return codes.clip(-LARGEST, LARGEST)  # what is farther is as odd

    def _decode(self, codes: Array) -> Array:
        return codes.astype(np.float64) * np.asarray(self.scale) + np.asarray(self.loc)

    def _as_seen(self, values: Array) -> Array:
        return self._on_atoms(self._on_step(values))

    def _on_step(self, values: Array) -> Array:
        within = values if self.ends is None else values.clip(*self.ends)
        if self.step is None:
            return within
        numerator, denominator = self.step
        return np.rint(within * denominator / numerator) * numerator / denominator

    def _on_atoms(self, values: Array) -> Array:
        """Return values, of which those are an atom's very own that are one to within the rounding of codes."""
        if not self.atoms:
            return values
        atoms = np.array(self.atoms)
        near = atoms[np.searchsorted((atoms[1:] + atoms[:-1]) / 2, values)]
        return np.where(np.abs(near - values) < ROUNDING * (self.scale + np.abs(values - self.loc)), near, values)


@dataclass(frozen=True, kw_only=True)
class HeavyTailed(Real):
    """Real numbers of which some are far from most: their tails are bent towards the middle inside."""

    kind: ClassVar[str] = "heavy-tailed"
    powers: tuple[float, float] = power.STRAIGHT  # of the tails below and above loc

    def _encode(self, raw: Array) -> Array:
        return power.bent(super()._encode(raw), self.powers)

    def _decode(self, codes: Array) -> Array:
        return super()._decode(power.unbent(codes.astype(np.float64), self.powers))


@dataclass(frozen=True, kw_only=True)
class Integer(Real):
    """Whole numbers without ends, each carrying the mass of its cell (x - 1/2, x + 1/2)."""

    kind: ClassVar[str] = "integer"

    def nearest(self, codes: Array) -> Array:
        """Return the codes of the next whole numbers."""
        return self._encode(np.rint(super()._decode(codes)))

    def _unknown(self, raw: Array, gaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return (raw != np.rint(raw)) & ~gaps if raw.dtype.kind == "f" else np.zeros(raw.shape, dtype=bool)

    def _decode(self, codes: Array) -> Array:
        raw = super()._decode(codes)
        rounding = 2.0**-23 * np.abs(codes) * np.asarray(self.scale)  # of a float32 code
        near = np.abs(raw - np.rint(raw)) < 1e-2 + rounding  # a code of a whole number answers that very number
        return np.where(near, np.rint(raw), raw)


@dataclass(frozen=True, kw_only=True)
class Categorical(Field):
    """One of a list of categories."""

    kind: ClassVar[str] = "categorical"
    categories: tuple[Any, ...] = ()

    @property
    def code_dtype(self) -> type[np.generic]:
        """The smallest dtype that holds every code."""
        return np.uint8 if len(self.categories) <= 256 else np.int32

    @property
    def stated_range(self) -> str:
        """The values the field may take, as people read them."""
        shown = ", ".join(str(c) for c in self.categories[:4])
        if len(shown) > 40:
            shown = shown[:39] + "…"
        return shown + (f", {len(self.categories)} in all" if len(self.categories) > 4 else "")

    def of_text(self, text: str) -> Any:
        """Return the category that a text says; the text itself where there is none."""
        return next((category for category in self.categories if str(category) == text), text)

    def _comparable(self, raw: Array, first: int) -> Array:
        return raw

    def _unknown(self, raw: Array, gaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return (self._encode(raw) < 0) & ~gaps

    def _advice(self) -> str:
        return "Re-fit on data that hold this category, or replace the value."

    def _encode(self, raw: Array) -> Array:
        index = {c: i for i, c in enumerate(self.categories)}
        if raw.dtype.kind == "O":  # texts and None hash where they do not sort
            return np.fromiter(map(index.get, raw.ravel(), repeat(-1)), np.int64, raw.size).reshape(raw.shape)
        uniques, inverse = np.unique(raw, return_inverse=True)
        return np.asarray([index.get(u, -1) for u in uniques.tolist()], dtype=np.int64)[inverse].reshape(raw.shape)

    def _decode(self, codes: Array) -> Array:
        index = np.clip(np.rint(codes), 0, len(self.categories) - 1).astype(np.int64)
        return np.asarray(self.categories, dtype=object)[index]

    def _restore(self, values: Array, gaps: NDArray[np.bool_]) -> Array:
        if not (is_bool(self.dtype) or is_integer(self.dtype) or self.dtype.lower().startswith("float")):
            return _with_nones(values, gaps) if gaps.any() else values
        if gaps.any():
            return super()._restore(values.astype(np.float64), gaps)
        return values.astype(bool if is_bool(self.dtype) else self.dtype.lower())


@dataclass(frozen=True, kw_only=True)
class Constant(Field):
    """A column that always holds one value: kept, answered exactly, and not modelled."""

    kind: ClassVar[str] = "constant"
    value: Any = 0

    @property
    def code_dtype(self) -> type[np.generic]:
        """The smallest dtype that holds every code."""
        return np.uint8

    @property
    def stated_range(self) -> str:
        """The values the field may take, as people read them."""
        return str(self.value)

    def _comparable(self, raw: Array, first: int) -> Array:
        return raw

    def _unknown(self, raw: Array, gaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return (raw != self.value) & ~gaps

    def _encode(self, raw: Array) -> Array:
        return np.zeros(raw.shape)

    def _decode(self, codes: Array) -> Array:
        return np.full(codes.shape, self.value)

    def _restore(self, values: Array, gaps: NDArray[np.bool_]) -> Array:
        return values if isinstance(self.value, str) else super()._restore(values, gaps)


FIELDS: dict[str, type[Field]] = {
    cls.kind: cls for cls in (Binary, Levels, Integer, Count, Unit, Real, HeavyTailed, Categorical, Constant)
}


def field_from_json(plain: dict[str, Any]) -> Field:
    """Return the field that `Field.to_json` described."""
    kind, settings = plain["kind"], {k: v for k, v in plain.items() if k != "kind"}
    for name in ("shape", "categories", "step", "atoms", "ends", "powers"):
        if settings.get(name) is not None:
            settings[name] = tuple(settings[name])
    for name in ("loc", "scale"):
        if isinstance(settings.get(name), list):
            settings[name] = np.asarray(settings[name])
    return FIELDS[kind](**settings)
