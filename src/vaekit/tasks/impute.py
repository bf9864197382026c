"""Impute: values for gaps, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.codec.workers import side_by_side
from vaekit.data import temporal
from vaekit.data.batches import seed_of
from vaekit.data.fields import Array, Binary, Categorical, Field
from vaekit.data.filled import filled
from vaekit.data.frames import frame_of, is_frame
from vaekit.data.progress import Tell
from vaekit.data.schema import Schema
from vaekit.errors import ParameterError
from vaekit.models.base import LatentModel
from vaekit.models.fitted import Fitted
from vaekit.models.self_masking import SelfMasking
from vaekit.tasks.conditional import decoded, noises, weighted_codes, weighted_mean
from vaekit.tasks.observe import observed
from vaekit.tasks.tiles import in_tiles
from vaekit.training.precision import own_randomness

DRAWS = 512  # of z for each row
MOST_VALUES, MOST_ROWS = 2**21, 32  # decoded at once
ROWS_OF_PROCESS = 200  # fewer are drawn sooner than another process starts
ROWS_IN_BLOCK = 8  # that a process draws for one by one
DTYPES = {"row": "Int64", "column": "String", "value": "String"} | dict.fromkeys(
    ("low", "high", "probability"), "Float64"
)  # of the columns of `intervals`


def impute(fitted: Fitted, data: Any, tell: Tell | None = None) -> Any:
    """Return data whose gaps hold what is expected there given the rest of the row; nothing else changes.

    That is E[x | x observed] of numbers and the likeliest category, by self-normalised importance sampling of z
    (Mattei and Frellsen, 2019, eq. 8, arXiv:1812.02633): the same at every call and in any company.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
        Gaps are NaN or null.
    tell : callable, optional
        Is told the share that is done.

    Returns
    -------
    array or frame of n_samples rows
    """
    gappy, rows, schema = _gappy(fitted, data)
    return filled(data, schema, gappy, expected(fitted.model, rows, tell, fitted.masking).numpy())


def expected(model: LatentModel, rows: Tensor, tell: Tell | None = None, masking: SelfMasking | None = None) -> Tensor:
    """Return E[x | x observed] of codes [n, *event_shape] in which NaN is a gap, of categories the likeliest.

    Where gaps depend on what is missing, that is E[x | x observed, gaps] (Ipsen, Mattei and Frellsen, 2021,
    arXiv:2006.12871).
    """
    noise, prior = noises(model.eval(), DRAWS)
    masking = masking and masking.on(model.device)

    def means(codes: Tensor) -> Tensor:
        x = _seen(model, codes)
        z, log_weights = weighted_codes(model, x, noise, prior)
        p = decoded(model, x, z)
        if masking is None:
            return weighted_mean(p, log_weights.softmax(0)).cpu()
        weights = (log_weights + masking.log_prob(x, p)).softmax(0)
        found = weighted_mean(p, weights)
        found[:, masking.columns] = (weights[..., None] * masking.given_gap(p)[1].view(*weights.shape, -1)).sum(0)
        return found.cpu()

    return in_tiles(means, rows, _rows_at_once(model), tell)


def impute_draws(
    fitted: Fitted, data: Any, n_draws: int, seed: int = 0, tell: Tell | None = None, *, processes: int = 1
) -> list[Any]:
    """Return data n_draws times, gaps filled with draws of p(x missing | x observed): multiple imputation.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    n_draws : int
    seed : int
    tell : callable, optional
        Is told the share that is done.
    processes : int
        At most so many draw at a time, where the rows are worth it; the draws are the same for any number.

    Returns
    -------
    list of arrays or frames of n_samples rows
    """
    if n_draws < 1:
        raise ParameterError(f"The number of draws must be at least 1; got {n_draws}.")
    gappy, rows, schema = _gappy(fitted, data)
    make = partial(drawing, fitted.model.eval(), n_draws, seed, fitted.masking)
    drawn = _row_by_row(make, rows, processes, tell)  # [n, n_draws, *event]
    return [filled(data, schema, gappy, part.numpy()) for part in drawn.unbind(1)] if len(rows) else [data] * n_draws


def stacked(draws: list[Any]) -> Any:
    """Return draws in one: an array [n_draws, n_samples, ...], or a polars frame whose column `draw` counts them."""
    if not is_frame(draws[0]):
        return np.stack(draws)
    import narwhals as nw
    import polars as pl

    tables = [nw.from_native(table, eager_only=True).to_polars() for table in draws]
    return pl.concat([table.select(pl.lit(k).alias("draw"), pl.all()) for k, table in enumerate(tables)])


def intervals(fitted: Fitted, data: Any, coverage: float = 0.9, tell: Tell | None = None, *, processes: int = 1) -> Any:
    """Return what each gap holds with a probability: a frame of a line for each gap.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    coverage : float
        The probability that the value is between `low` and `high`.
    tell : callable, optional
        Is told the share that is done.
    processes : int
        At most so many draw at a time, where the rows are worth it; the answer is the same for any number.

    Returns
    -------
    polars.DataFrame
        row (from 0), column (its name), value, low, high (numbers), and probability: that a category is the one told.
    """
    if not 0 < coverage < 1:
        raise ParameterError(f"The coverage of intervals must be between 0 and 1; got {coverage:g}.")
    gappy, rows, schema = _gappy(fitted, data)
    fields = schema.fields * schema.n_dims if schema.is_block else schema.fields
    level = coverage if fitted.calibration is None else fitted.calibration.level(coverage)
    make = partial(_telling, fitted.model.eval(), fields, level, fitted.masking)
    found = _row_by_row(make, rows, processes, tell).numpy()  # [n, 3, D]
    return _as_lines(schema, fields, gappy, rows.flatten(1).cpu().numpy(), found)


def _gappy(fitted: Fitted, data: Any) -> tuple[NDArray[np.int64], Tensor, Schema]:
    """Return the numbers of the rows with gaps, their codes [m, *event_shape], and the schema that allows them."""
    schema = fitted.schema.with_gaps()
    codes = schema.encode(data).astype(np.float32)
    gappy = np.flatnonzero(np.isnan(codes).reshape(len(codes), -1).any(1))
    return gappy, torch.from_numpy(codes[gappy]).to(fitted.model.device), schema


def _seen(model: LatentModel, codes: Tensor) -> Tensor:
    return torch.where(codes.isnan(), codes, observed(model, codes))


def _rows_at_once(model: LatentModel) -> int:
    """Return how many rows are decoded together, the same for any rows: so few that one row alone is soon filled."""
    return min(MOST_ROWS, max(1, MOST_VALUES // (DRAWS * math.prod(model.observation.parameter_shape))))


def _row_by_row(
    make: Callable[[], Callable[[Tensor], Tensor]], rows: Tensor, processes: int, tell: Tell | None
) -> Tensor:
    """Return what a function that is made here, or in several processes, answers for each row by itself."""
    processes = min(processes, len(rows) // ROWS_OF_PROCESS)
    if processes < 2:
        return in_tiles(make(), rows, 1, tell)

    def blocks(some: range) -> list[Array]:
        return [rows[k * ROWS_IN_BLOCK : (k + 1) * ROWS_IN_BLOCK].cpu().numpy() for k in some]

    n_blocks = math.ceil(len(rows) / ROWS_IN_BLOCK)
    return torch.from_numpy(
        np.concatenate(list(side_by_side(partial(_of_blocks, make), blocks, n_blocks, processes=processes, tell=tell)))
    )


def _of_blocks(make: Callable[[], Callable[[Tensor], Tensor]], blocks: Sequence[Array]) -> list[Array]:
    """Return a function's answers for the rows of some blocks, in a process of their own."""
    torch.set_num_threads(1)  # its share of the cores
    f = make()
    return [in_tiles(f, torch.from_numpy(block), 1).numpy() for block in blocks]


def _telling(
    model: LatentModel, fields: Sequence[Field], coverage: float, masking: SelfMasking | None
) -> Callable[[Tensor], Tensor]:
    """Return what sums up the draws of a row [1, *event_shape], as `_summary` does."""
    draw = drawing(model, DRAWS, masking=masking)

    def told(codes: Tensor) -> Tensor:
        return torch.from_numpy(_summary(fields, draw(codes)[0].flatten(1).numpy(), coverage))[None]

    return told


def drawing(
    model: LatentModel, n_draws: int, seed: int = 0, masking: SelfMasking | None = None
) -> Callable[[Tensor], Tensor]:
    """Return what draws n_draws times what a row [1, *event_shape] lacks: z by its weights, then x by p(x | z)."""
    noise = noises(model, DRAWS)
    masking = masking and masking.on(model.device)

    def draw(codes: Tensor) -> Tensor:
        """Return draws of the gaps of a row."""
        x = _seen(model, codes)
        z, log_weights = weighted_codes(model, x, *noise)
        if masking is not None:
            log_weights = log_weights + masking.log_prob(x, decoded(model, x, z))
        with own_randomness(seed_of(seed, 9)):
            chosen = log_weights[:, 0].softmax(0).multinomial(n_draws, replacement=True)
            p = decoded(model, x, z[chosen])
            drawn = p.sample() if masking is None else masking.sample(p)
            return drawn[None].cpu()  # [1, n_draws, *event_shape]

    return draw


def _summary(fields: Sequence[Field], draws: Array, coverage: float) -> Array:
    """Return of draws [K, D] the mean and two ends, or the likeliest category and its probability, twice: [3, D]."""
    ends = np.quantile(draws, [(1 - coverage) / 2, (1 + coverage) / 2], axis=0)
    found = np.stack([draws.mean(0), *ends])
    for j, field in enumerate(fields):
        if is_told_by_chance(field):
            counts = np.bincount(draws[:, j].astype(np.int64))
            found[:, j] = counts.argmax(), *[counts.max() / counts.sum()] * 2
    return found


def is_told_by_chance(field: Field) -> bool:
    """Whether a field's values have a probability each, in place of an interval."""
    return isinstance(field, Categorical | Binary)


def _as_lines(schema: Schema, fields: Sequence[Field], gappy: NDArray[np.int64], codes: Array, found: Array) -> Any:
    """Return the frame of `intervals` of codes [n, D] and what is told of their gaps, [n, 3, D]."""
    lines: dict[str, list[Any]] = {name: [] for name in DTYPES}
    for i, j in np.argwhere(np.isnan(codes)):
        value, low, high = found[i, :, j]
        if is_told_by_chance(fields[j]):
            told = (str(schema.decode_column(j, np.array([value]))[0]), None, None, low)
        else:
            ends = schema.decode_column(j, np.array([value, low, high])).astype(np.float64).tolist()
            told = (_said(fields[j], ends[0]), *ends[1:], None)
        for name, cell in zip(DTYPES, (int(gappy[i]), schema.names[j], *told), strict=True):
            lines[name].append(cell)
    return frame_of({name: np.array(cells, dtype=object) for name, cells in lines.items()}, DTYPES, "polars")


def _said(field: Field, number: float) -> str:
    """Return a number of the user's as a text says it; of a date that is a date."""
    return temporal.stated(number, field.dtype) if temporal.is_temporal(field.dtype) else f"{number:g}"
