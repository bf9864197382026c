"""Less than all: how rows are told in fewer bits for a quality, a bound on the error or a number of bits.

Rows are coded in one of three ways. *Latent*: the cells of z alone are coded, each unit's in steps of its own, and rows
come back as the middle of p(x | z). *Refined*: after them the cells of levels around that middle, and rows come back as
the means of these. *Rounded*: levels are rounded, and what is left is coded without loss, bits back. This holds a bound
for every value. All are whole numbers throughout: the reconstruction is the same on any machine.

With squared errors D and bits R a row, that way is taken whose D + λR is least; for uniform steps s and high rates
dD/dR = −2 ln 2 · s²/12, which ties λ to s (Gish and Pierce, 1968, doi:10.1109/TIT.1968.1054193).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec import bits_back, latent, model_bytes
from vaekit.codec.around import MOST_LEVELS, Around
from vaekit.codec.dial import LEVELS, Dial, slope, step_of
from vaekit.codec.entropy import Indices
from vaekit.codec.lattice import Lattice
from vaekit.codec.likelihoods import Bernoulli
from vaekit.codec.likelihoods import Levels as IntegerLevels
from vaekit.codec.loss import Loss
from vaekit.codec.model import IntegerModel
from vaekit.codec.rounded import Rounding, rounded
from vaekit.codec.whole import array_to_codes, codes_to_array
from vaekit.data.fields import Levels, Real
from vaekit.data.frames import is_frame
from vaekit.data.progress import Tell
from vaekit.data.schema import Schema
from vaekit.errors import CodecError, DataError, ParameterError

Array = NDArray[Any]
SAMPLED_ROWS = 256
PROBED_ROWS = 64  # of those, for what latent cells cost
FINER = (1, 2, 4)  # cells that are tried for a quality
WIDTHS = (1.0, 1.5, 2.0)  # of levels' cells, to the step of a quality, that are tried
LEAST_WIDTH, WIDEST = 3, 1 << 20
HALVINGS = 7  # of the qualities between which one gives the bits asked for


@dataclass(frozen=True, eq=False)
class Refined:
    """Latent cells on a lattice, then levels in cells of an odd width around what these say."""

    lattice: Lattice
    width: int


Way = Rounding | Lattice | Refined
Kind = Callable[[float], "Point"]  # from a quality to what a kind of way costs


@dataclass(frozen=True)
class Plan:
    """What is to be written: rows, and how archives tell of them.

    Parameters
    ----------
    rows : ndarray
        As they come back, where that is known before they are coded.
    told : dict
        For the archive's header: "rounding", "lattice", or "lattice" and "width"; nothing where nothing is lost.
    worth : float
        The squared error, in levels, that a bit is worth.
    """

    rows: Array
    told: dict[str, Any]
    worth: float = 0.0


@dataclass(frozen=True)
class Point:
    """A way to code rows, and what it costs a row; a way of None loses nothing.

    Parameters
    ----------
    way : Rounding, Lattice, Refined or None
    bits, squared_error : float
        The latter in levels.
    worth : float
        The squared error that a bit is worth.
    """

    way: Way | None
    bits: float
    squared_error: float
    worth: float


def planned(rows: Array, model: bytes | None, dial: Dial, tell: Tell | None = None) -> Plan:
    """Return what to write of an array of rows.

    Parameters
    ----------
    rows : ndarray
    model : bytes or None
        An integer model.
    dial : Dial
    tell : callable, optional
        Is told the share of the search that is done.

    Raises
    ------
    DataError
        When the values are no real numbers.
    ParameterError
        When even the lowest quality takes more bits than were asked for.
    """
    if rows.dtype.kind not in "iufb":
        raise DataError(f"What is lost of {rows.dtype} is nothing one can measure. Compress numbers, or all of it.")
    integer, codes = _coded(model, rows)
    if dial.max_error is not None or codes is None or integer is None:
        return _within(rows, codes, integer, dial.most_off(rows.ravel()))
    found = chosen(codes, integer, dial, tell)
    if dial.target_bits is not None and found.bits > dial.target_bits:
        raise ParameterError(
            f"target_bits must leave these rows about {found.bits:.4g} bits each, beside what their archive tells of "
            f"all; it leaves {dial.target_bits:.4g}. Ask for more bits."
        )
    if isinstance(found.way, Lattice):
        return Plan(rows, {"lattice": found.way.to_json()}, found.worth)
    if isinstance(found.way, Refined):
        return Plan(rows, {"lattice": found.way.lattice.to_json(), "width": found.way.width}, found.worth)
    return Plan(rows, {}) if found.way is None else _rounded(rows, codes, integer, found.way)


def by_bound(data: Any, model: bytes | None) -> bool:
    """Whether the rows are others than the levels that a model codes: what is lost of them is a bound on the error."""
    return is_frame(data) or _coded(model, np.asarray(data))[1] is None


def _coded(model: bytes | None, rows: Array) -> tuple[IntegerModel | None, Indices | None]:
    """Return the model, and the levels of rows, or None where it does not code such."""
    integer = None if model is None else model_bytes.from_bytes(model)
    return integer, None if integer is None else _levels(integer, rows)


def _levels(integer: IntegerModel, rows: Array) -> Indices | None:
    """Return rows as levels [n, values], or None where the model does not code such."""
    schema = Schema.from_json(integer.schema)
    codes = array_to_codes(schema, rows) if schema.is_block and isinstance(schema.fields[0], Levels) else None
    if codes is None or not np.array_equal(_array(codes, integer, rows), rows):
        return None
    return codes


def _array(codes: Indices, integer: IntegerModel, like: Array) -> Array:
    found = codes_to_array(Schema.from_json(integer.schema), codes)
    return np.ascontiguousarray(found, like.dtype).reshape(like.shape)


def _rounded(rows: Array, codes: Indices, integer: IntegerModel, way: Rounding) -> Plan:
    return Plan(_array(way(codes), integer, rows), {"rounding": way.to_json()})


def _within(rows: Array, codes: Indices | None, integer: IntegerModel | None, max_error: float) -> Plan:
    """Return rows none of whose values is off by more than max_error."""
    if codes is None or integer is None or isinstance(integer.likelihood, Bernoulli):
        return Plan(rounded_within(rows, max_error), {})
    field = Schema.from_json(integer.schema).fields[0]
    assert isinstance(field, Levels)
    for most in range(int(max_error * field.denominator / field.numerator * (1 + 1e-9)), 0, -1):
        width = min(2 * most + 1, 2 * integer.top - 1)
        found = _rounded(rows, codes, integer, Rounding.even(integer.top + 1, width)) if width > 1 else Plan(rows, {})
        if Loss.between(rows, found.rows).largest_error <= max_error:
            return found
    return Plan(rows, {})


def rounded_within(rows: Array, max_error: float) -> Array:
    """Return rows rounded to multiples of a step, none off by more than max_error; whole numbers stay whole.

    Examples
    --------
    >>> rounded_within(np.array([0.12, 0.26, 3.0]), 0.1).tolist()
    [0.2, 0.2, 3.0]
    >>> rounded_within(np.array([1, 5, 250], dtype=np.uint8), 1.5).tolist()
    [0, 6, 249]
    """
    if rows.dtype.kind == "b" or max_error == 0:
        return rows
    return _floats_within(rows, max_error) if rows.dtype.kind == "f" else _whole_within(rows, max_error)


def _floats_within(rows: Array, max_error: float) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        near = (2 * max_error * np.rint(rows.astype(np.float64) / (2 * max_error))).astype(rows.dtype)
        far = ~(np.abs(near.astype(np.float64) - rows.astype(np.float64)) <= max_error)  # by rounding; NaN too
    return np.where(far, rows, near)


def _whole_within(rows: Array, max_error: float) -> Array:
    half = int(min(max_error, (np.iinfo(rows.dtype).max - 1) // 2))
    step = rows.dtype.type(2 * half + 1)
    above = rows % step
    is_up = above > half
    with np.errstate(over="ignore"):
        near = np.where(is_up, rows + (step - above), rows - above)
    return np.where((near >= rows) == (is_up | (above == 0)), near, rows)  # past the dtype's end: as they are


def bounds_of(table: Any, schema: Schema | None, dial: Dial) -> dict[str, float]:
    """Return by how much values of each column of reals may be off; all other columns stay exact.

    Parameters
    ----------
    table : polars.DataFrame
    schema : Schema or None
        Columns that it knows as whole numbers or levels stay exact, in whatever dtype they come.
    dial : Dial
    """
    exact = {field.name for field in schema.fields if type(field) is not Real} if schema is not None else set()
    reals = [name for name, dtype in table.schema.items() if dtype.is_float() and name not in exact]
    return {name: dial.most_off(table[name].drop_nulls().to_numpy()) for name in reals}


# -- quality and bits --------------------------------------------------------------------------------------------------


def chosen(codes: Indices, model: IntegerModel, dial: Dial, tell: Tell | None = None) -> Point:
    """Return how to code rows of levels [n, values] by quality or by bits, in the fewest where those are too few."""
    sample = codes[:: max(1, len(codes) // SAMPLED_ROWS)][:SAMPLED_ROWS]
    probed = sample[:PROBED_ROWS]
    lattice_of = latent.Sensitivity(model, probed).lattice
    kinds: list[Kind] = [partial(_latent, probed, model, lattice_of)]
    if not isinstance(model.likelihood, Bernoulli):
        counts = np.bincount(codes.ravel(), minlength=model.top + 1)
        kinds.append(partial(_rounding, sample, counts, model))
    if isinstance(model.likelihood, IntegerLevels) and model.top < MOST_LEVELS:
        kinds.append(partial(_refined, probed, model, lattice_of))
    if tell is not None:
        kinds = _telling(kinds, len(kinds) * (1 if dial.target_bits is None else HALVINGS + 1), tell)
    if dial.quality is not None:
        quality = dial.quality
        return min((kind(quality) for kind in kinds), key=_cost)
    most = dial.target_bits
    assert most is not None
    points = [measured(p.way, sample, model, p.worth) for p in (_within_bits(kind, most) for kind in kinds)]
    return min(points, key=lambda p: (max(0.0, p.bits - most), p.squared_error))


def _cost(point: Point) -> float:
    return point.squared_error + point.worth * point.bits


def _telling(kinds: Sequence[Kind], n_calls: int, tell: Tell) -> list[Kind]:
    """Return kinds that tell, at each call, the share of all calls that are done."""
    done = count(1)

    def told(kind: Kind, quality: float) -> Point:
        point = kind(quality)
        tell(next(done) / n_calls)
        return point

    return [partial(told, kind) for kind in kinds]


def _within_bits(kind: Kind, bits: float) -> Point:
    """Return the way of a kind that loses least in so many bits, or if there is none, the one of fewest bits."""
    low, high = 0.0, 100.0
    found = kind(low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        tried = kind(middle)
        low, high = (low, middle) if tried.bits > bits else (middle, high)
        if tried.bits <= bits and tried.squared_error < found.squared_error:
            found = tried  # more bits need not lose less, as where latent cells are finer than what they tell
    return found


def _latent(sample: Indices, model: IntegerModel, lattice_of: Callable[[float], Lattice], quality: float) -> Point:
    """Return the best latent way for a quality, measured on some rows.

    Where cells are wide the prior tells them badly, and finer ones than the quality asks for may take fewer bits.
    """
    step = step_of(quality) * model.top / LEVELS
    tried = (measured(lattice_of(step / k), sample, model, slope(step)) for k in FINER)
    return min(tried, key=_cost)


def _refined(sample: Indices, model: IntegerModel, lattice_of: Callable[[float], Lattice], quality: float) -> Point:
    """Return the best refined way for a quality, measured on some rows."""
    step = step_of(quality) * model.top / LEVELS
    lattice = lattice_of(step)
    widths = sorted({max(LEAST_WIDTH, 2 * int(times * step / 2) + 1) for times in WIDTHS})
    tried = (measured(Refined(lattice, width), sample, model, slope(step)) for width in widths)
    return min(tried, key=_cost)


def _rounding(sample: Indices, counts: Array, model: IntegerModel, quality: float) -> Point:
    """Return the rounded way for a quality, measured on some rows; counts are of the levels of all rows."""
    step = step_of(quality) * model.top / LEVELS
    width = min(2 * int(step / 2) + 1, 2 * model.top - 1)
    way = None if width == 1 else Rounding.even(model.top + 1, width).centred(counts)
    return measured(way, sample, model, slope(step))


def measured(way: Way | None, sample: Indices, model: IntegerModel, worth: float) -> Point:
    """Return what a way costs on some rows."""
    as_coded = on_the_way(model, way)
    if isinstance(way, Lattice | Refined):
        told = latent.told(as_coded, sample, worth)
        payload, back = latent.encode(as_coded, told), latent.rows_of(as_coded, told)
    else:
        back = sample if way is None else way(sample)
        (payload,) = bits_back.encode(as_coded, [back])
    error = float(((back - sample).astype(np.float64) ** 2).sum(1).mean())
    return Point(way, 8 * len(payload.to_bytes()) / len(sample), error, worth)


def on_the_way(model: IntegerModel, way: Way | None) -> IntegerModel:
    """Return the model of rows that are coded in a way."""
    if way is None:
        return model
    if isinstance(way, Lattice):
        return replace(model, prior=model.prior.on(way))
    if isinstance(way, Refined):
        assert isinstance(model.likelihood, IntegerLevels)
        return replace(on_the_way(model, way.lattice), likelihood=Around(model.likelihood, way.width))
    return replace(model, likelihood=rounded(model.likelihood, way))


def told_way(header: dict[str, Any], model: IntegerModel) -> Way | None:
    """Return the way that an archive's header tells.

    Raises
    ------
    CodecError
        When it does not fit the model.
    """
    if "lattice" in header and "rounding" in header:
        raise CodecError("The archive's header tells two ways to code rows. Take another copy of it.")
    if "lattice" in header:
        lattice = Lattice.from_json(header["lattice"], model.prior.n_units, model.n_cells)
        return Refined(lattice, _width(header, model)) if "width" in header else lattice
    return Rounding.from_json(header["rounding"], model.top + 1) if "rounding" in header else None


def _width(header: dict[str, Any], model: IntegerModel) -> int:
    """Return how wide the cells of levels are that an archive's header tells.

    Raises
    ------
    CodecError
        When the model has no such.
    """
    width = header["width"]
    is_one = isinstance(width, int) and width % 2 == 1 and LEAST_WIDTH <= width <= WIDEST
    if not (is_one and isinstance(model.likelihood, IntegerLevels) and model.top < MOST_LEVELS):
        raise CodecError("The archive's header tells a width of levels that cannot be. Take another copy of it.")
    return int(width)
