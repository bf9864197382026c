"""Tables in whole numbers: which columns have such a form, what encoders read of them, and their densities."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import betainc
from torch import Tensor

from vaekit.codec import reading, tables, whole
from vaekit.codec.columns import Atoms, Bell, Choice, Coin, Column, Columns, Counted, Density, bucket_of
from vaekit.codec.quantise import Output, as_fractions
from vaekit.codec.reading import GAP, Read
from vaekit.codec.steps import LOG_STEPS, LOWEST_LOG, PLACES, inverse_scales
from vaekit.data.fields import Categorical, Constant, Count, Field, Levels, Real
from vaekit.data.inference import ATOM_SHARE
from vaekit.data.schema import Schema
from vaekit.distributions.atoms import AtomsLikelihood
from vaekit.distributions.likelihood import Likelihood, bounded
from vaekit.distributions.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    GaussianLikelihood,
)
from vaekit.distributions.logistic import DiscretizedLogisticLikelihood
from vaekit.distributions.negative_binomial import NegativeBinomialLikelihood
from vaekit.distributions.product import ProductLikelihood
from vaekit.models.base import LatentModel
from vaekit.models.inputs import top_code

Array = NDArray[Any]
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

MOST_CELLS = 1 << 10  # so that a cell of a bell as wide as its column is some steps of the table that it is read from
MOST_COUNT = 1 << 20
OUTLIERS = 0.001  # of values at either end, which do not widen the cells
MOST_INVERSE = 1 << 24  # a scale of an eighth of a cell
TYPICAL = 8.0  # standard deviations that a number is read in
MOST_LOG = 16.0  # of a count
SURE = 16  # times that a kind counts when it was seen
STEP_BITS = 20  # that the spread of a column is cut into, where it has no step
FARTHEST = 1 << 26  # of parameters, in sixteenths of cells
TOP = 255  # of the known question's whole numbers


def with_steps(schema: Schema) -> Schema:
    """Return the schema whose real columns all have a step; without one of their own, about 2^−20 of their spread.

    Whole numbers give such columns back but for what is below the step: enough for archives with a bound on the error.
    """
    if schema.is_block:
        return schema
    return dataclasses.replace(schema, fields=tuple(_with_step(field) for field in schema.fields))


def _with_step(field: Field) -> Field:
    if type(field) is not Real or field.step is not None:
        return field
    exponent = round(math.log2(max(field.scale, 1e-30))) - STEP_BITS
    step = (1 << exponent, 1) if exponent >= 0 else (1, 1 << -exponent)
    return dataclasses.replace(field, step=step)


def whole_rows(schema: Schema, rows: Tensor) -> Whole:
    """Return about the whole numbers [n, values] of codes [n, *event_shape]; exactly, but for reals."""
    if schema.is_block:
        return rows.long().numpy().reshape(len(rows), -1)
    values = rows.flatten(1).numpy()
    columns = [whole.of_codes(field, column) for field, column in zip(schema.fields, values.T, strict=True)]
    return np.stack(columns, axis=1)


# -- what an encoder reads ---------------------------------------------------------------------------------------------


def reader(schema: Schema, high: int) -> tuple[Read, Floats]:
    """Return what makes an encoder's inputs of a table's whole numbers, and the steps of these inputs, [F]."""
    inputs = [*_numbers(schema, high), *_one_hot(schema, high)]
    column, kind, centre, ratio, step = (np.array(part) for part in zip(*inputs, strict=True))
    multiplier, shift = as_fractions(ratio.astype(np.float64), 20)
    return Read(column, kind, np.rint(centre).astype(np.int64), multiplier, shift, high), step.astype(np.float64)


def _numbers(schema: Schema, high: int) -> Iterator[tuple[int, int, float, float, float]]:
    """Yield (column, kind, centre, whole number to input, step of the input), in the order of `TableInputs`."""
    for j, field in enumerate(schema.fields):
        if isinstance(field, Categorical | Constant):
            continue
        if isinstance(field, Count):
            yield j, reading.COUNT, 0, math.log(2) / reading.OCTAVE * high / MOST_LOG, MOST_LOG / high
        elif isinstance(field, Real):
            a, b = _units(field)
            yield j, reading.NUMBER, b, high / (TYPICAL * a), TYPICAL / high
        else:
            yield j, reading.NUMBER, 0, high / top_code(field), 1 / high


def _one_hot(schema: Schema, high: int) -> Iterator[tuple[int, int, float, float, float]]:
    for j, field in enumerate(schema.fields):
        if isinstance(field, Categorical):
            yield from ((j, reading.CATEGORY, k, 0.0, 1 / high) for k in range(len(field.categories)))
    yield from ((j, reading.MISSING, 0, 0.0, 1 / high) for j, field in enumerate(schema.fields) if field.missing)


def _units(field: Real | Levels) -> tuple[float, float]:
    """Return a and b with which a network's number u stands for the whole number a u + b."""
    if isinstance(field, Levels):
        return (field.n_levels - 1) / 2, (field.n_levels - 1) / 2
    numerator, denominator = whole.step_of(field) or (1, 1)
    return field.scale * denominator / numerator, field.loc * denominator / numerator


# -- the likelihood ----------------------------------------------------------------------------------------------------


def integer_columns(
    observation: ProductLikelihood, schema: Schema, rows: Whole, parameters: Tensor, *, alike: bool = False
) -> tuple[Columns, Output]:
    """Return a product of likelihoods over whole numbers, and the steps of the decoder's numbers.

    Parameters
    ----------
    observation : ProductLikelihood
    schema : Schema
    rows : ndarray of int of shape (n, columns)
        Which ranges are taken from.
    parameters : Tensor of shape (n, P)
        That the decoder makes for such rows.
    alike : bool
        Whether all columns have one range, as convolutions need, which make the numbers of all places alike.
    """
    step, shift, columns = np.full(parameters.shape[1], 1 / LOG_STEPS), np.zeros(parameters.shape[1]), []
    for part, i, j, places in _columns(observation):
        seen = rows.ravel() if alike else rows[:, j]
        made = density(part, i, schema.fields[j], seen, parameters[:, places])
        if made is not None:
            columns.append(Column(j, places, made.low, made.n_cells, made.width, _kinds(seen, made), made.density))
            step[places[: made.n_locations]], shift[places[: made.n_locations]] = made.step, made.shift
    if not columns:
        raise NotImplementedError("no column of the table has a likelihood with an integer form")
    columns.sort(key=lambda column: column.field)
    return Columns(columns, len(schema.fields), len(step)), Output(step, shift, FARTHEST)


def _columns(observation: ProductLikelihood) -> Iterator[tuple[Likelihood, int, int, Array]]:
    """Yield each column's part, its place in the part and in the table, and those of its parameters."""
    first = 0
    for part, fields, width in zip(observation.parts, observation.columns, observation.widths, strict=True):
        places = np.arange(first, first + width).reshape(-1, len(fields))  # [P, columns of the part]
        yield from ((part, i, j, places[:, i]) for i, j in enumerate(fields))  # type: ignore[misc]
        first += width


def _kinds(x: Whole, made: Made) -> Array:
    """Return the weights of values, gaps and others: as often as they were seen, and the last two once more."""
    gaps = int((x == GAP).sum())
    values = int(((x >= made.low) & (x < made.low + made.n_cells * made.width)).sum())
    return np.array([SURE * (values + 1), SURE * gaps + 1, SURE * (len(x) - gaps - values) + 1])


@dataclass(frozen=True)
class Made:
    """A column's density over cells, and what a number u of its location stands for: u = shift + y step."""

    density: Density
    n_cells: int
    low: int = 0
    width: int = 1
    n_locations: int = 0
    step: float = 0.0
    shift: float = 0.0


@singledispatch
def density(part: Likelihood, i: int, field: Field, x: Whole, parameters: Tensor) -> Made | None:
    """Return the density of a part's i-th column, or None where it has no integer form.

    Parameters
    ----------
    part : Likelihood
    i : int
    field : Field
    x : ndarray of int of shape (n,)
        Its whole numbers.
    parameters : Tensor of shape (n, P)
    """
    return None


@density.register
def _(part: BernoulliLikelihood, i: int, field: Field, x: Whole, parameters: Tensor) -> Made | None:
    return Made(Coin(), 2) if part.top == 1 else None


@density.register
def _(part: CategoricalLikelihood, i: int, field: Field, x: Whole, parameters: Tensor) -> Made | None:
    return Made(Choice(), part.n_parameters)


@density.register
def _(part: GaussianLikelihood, i: int, field: Field, x: Whole, parameters: Tensor) -> Made | None:
    if not isinstance(field, Real) or whole.step_of(field) is None:
        return None
    if part.scale == "predicted":
        return _bell("normal", 1, field, x, lambda logs: bounded(logs, -7, 7))
    log_scale = part.mse.log() / 2 if part.scale == "analytic" else bounded(part.log_scale, -7, 7).flatten()[i]
    return _bell("normal", 1, field, x, float(log_scale))


@density.register
def _(part: DiscretizedLogisticLikelihood, i: int, field: Field, x: Whole, parameters: Tensor) -> Made | None:
    if part.ends or not isinstance(field, Real | Levels):
        return None
    return _bell("logistic", part.n_components, field, x, lambda logs: bounded(logs, -7, 7))


def _bell(
    of: str, n_components: int, field: Real | Levels, x: Whole, log_scale: float | Callable[[Tensor], Tensor]
) -> Made:
    """Return a mixture of bells, their log-scale in a network's units: one for all, or a function of what it says."""
    low, n_cells, width = (0, field.n_levels, 1) if isinstance(field, Levels) else _range(x)
    a, b = _units(field)
    if callable(log_scale):
        inverse, lowest = inverse_scales(lambda logs: log_scale(logs) + math.log(a / width), 1.0), LOWEST_LOG
    else:
        inverse, lowest = np.array([2.0**16 * tables.CDF_STEPS / PLACES * width / (a * math.exp(log_scale))]), 0
    steps = np.clip(np.rint(inverse), 1, MOST_INVERSE).astype(np.int64)
    found = Bell(of, n_components, steps, lowest)
    return Made(found, n_cells, low, width, n_components, width / (PLACES * a), (low - 0.5 - b) / a)


def _range(x: Whole) -> tuple[int, int, int]:
    """Return first value, cells and their width: of all values seen but outliers, and half as many to either side."""
    seen = x[x != GAP] if (x != GAP).any() else np.zeros(1, np.int64)
    low, high = np.quantile(seen, [OUTLIERS, 1 - OUTLIERS], method="nearest").tolist()
    span = high - low + 1
    width = -(-2 * span // MOST_CELLS)
    return low - span // 2, -(-2 * span // width), width


@density.register
def _(part: NegativeBinomialLikelihood, i: int, field: Field, x: Whole, parameters: Tensor) -> Made | None:
    n_cells = 2 * int(x.max(initial=7)) + 2
    if part.library or n_cells > MOST_COUNT:
        return None
    r = math.exp(float(bounded(part.log_r, -10, 10).flatten()[i]))
    h = np.arange(*(torch.stack([parameters.min() - 1, parameters.max() + 1]) * LOG_STEPS).round().int().tolist())
    mean = bounded(torch.from_numpy(h / LOG_STEPS), -15, 15).exp().numpy()[:, None]  # [G, 1]
    below = _negative_binomial_below(_firsts(n_cells), r, r / (r + mean))  # [G, B + 1]
    return Made(Counted(np.rint(below * 2**24).astype(np.int64), int(h[0])), n_cells)


@density.register
def _(part: AtomsLikelihood, i: int, field: Field, x: Whole, parameters: Tensor) -> Made | None:
    assert isinstance(field, Real | Count)
    found = whole.to_whole(field, np.array([0] if part.inflated else field.atoms))
    if found is None:
        return None
    atoms, n_smooth = found, part.smooth.n_parameters
    as_often = np.repeat(atoms, 1 + int(ATOM_SHARE * len(x)))  # so that the cells hold them all
    made = density(part.smooth, i, field, np.append(x, as_often), parameters[:, :n_smooth])
    if made is None:
        return None
    spiked = Atoms(made.density, n_smooth, made.width, atoms - made.low)
    return dataclasses.replace(made, density=spiked, n_cells=made.n_cells * made.width, width=1)


def _negative_binomial_below(counts: Array, r: float, p: Floats) -> Floats:
    """Return P(x < counts) of negative binomials of r and p [G, 1]: [G, counts]."""
    below: Floats = np.where(counts > 0, betainc(r, np.maximum(counts, 1), p), 0.0)
    return below


def _firsts(n_cells: int) -> Array:
    """Return the first count of each bucket, and of the one behind the last, of counts below n_cells."""
    last = int(bucket_of(np.array([n_cells - 1.0]))[0][0])
    buckets = np.arange(last + 2)
    octave = np.maximum(buckets // 8 - 1, 0)
    return (buckets - 8 * octave) << octave


def float_bits_of_columns(model: LatentModel, schema: Schema, likelihood: Columns, rows: Tensor, z: Tensor) -> Tensor:
    """Return what the columns of rows of codes cost given z in real numbers, their kinds as in whole ones: [n] bits."""
    gaps, x = rows.isnan().flatten(1), whole_rows(schema, rows)
    filled = rows.nan_to_num(0.0)
    log_prob = model.likelihood(z, model.observation.exposure(rows)).log_prob(filled)
    log_mass = (log_prob - model.observation.log_units(filled)).flatten(1).masked_fill(gaps, 0.0)
    bits = torch.zeros(len(rows), dtype=torch.float64)
    for column in likelihood.columns:
        field = schema.fields[column.field]
        numerator, denominator = (whole.step_of(field) if isinstance(field, Real) else None) or (1, 1)
        is_density = _is_density(field, x[:, column.field]) & ~gaps[:, column.field].numpy()
        log_step = torch.from_numpy(np.where(is_density, math.log(numerator / denominator), 0.0))
        bits -= (log_mass[:, column.field].double() + log_step) / math.log(2)
        bits += torch.from_numpy(column.kind_bits(x[:, column.field]))
    return bits


def _is_density(field: Field, x: Whole) -> NDArray[np.bool_]:
    """Return at which whole numbers of a column its likelihood is a density: at reals, but for atoms."""
    if type(field) is not Real:
        return np.zeros(len(x), dtype=bool)
    atoms = whole.to_whole(field, np.array(field.atoms, dtype=np.float64))
    return np.ones(len(x), dtype=bool) if atoms is None else ~np.isin(x, atoms)
