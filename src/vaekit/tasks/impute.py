"""Impute: values for gaps, and how sure they are."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.data.batches import seed_of
from vaekit.data.fields import Binary, Categorical
from vaekit.data.filled import filled
from vaekit.data.frames import frame_of, is_frame
from vaekit.data.schema import Schema
from vaekit.errors import ParameterError
from vaekit.models.base import LatentModel
from vaekit.models.fitted import Fitted
from vaekit.tasks.conditional import decoded, noises, weighted_codes, weighted_mean
from vaekit.tasks.observe import observed
from vaekit.tasks.tiles import Tell, in_tiles
from vaekit.training.precision import own_randomness

DRAWS = 512  # of z for each row
MOST_VALUES = 2**21  # decoded at once


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
    model, (noise, prior) = fitted.model.eval(), noises(fitted.model, DRAWS)

    def means(codes: Tensor) -> Tensor:
        x = _seen(model, codes)
        z, log_weights = weighted_codes(model, x, noise, prior)
        return weighted_mean(decoded(model, x, z), log_weights.softmax(0)).cpu()

    found = in_tiles(means, rows, _rows_at_once(model), tell)
    return filled(data, schema, gappy, found.numpy())


def impute_draws(fitted: Fitted, data: Any, n_draws: int, seed: int = 0, tell: Tell | None = None) -> list[Any]:
    """Return data n_draws times, gaps filled with draws of p(x missing | x observed): multiple imputation.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    n_draws : int
    seed : int
    tell : callable, optional
        Is told the share that is done.

    Returns
    -------
    list of arrays or frames of n_samples rows
    """
    if n_draws < 1:
        raise ParameterError(f"The number of draws must be at least 1; got {n_draws}.")
    gappy, rows, schema = _gappy(fitted, data)
    drawn = in_tiles(partial(_drawn, fitted.model.eval(), n_draws, seed), rows, 1, tell)  # [n, n_draws, *event]
    return [filled(data, schema, gappy, part.numpy()) for part in drawn.unbind(1)] if len(rows) else [data] * n_draws


def stacked(draws: list[Any]) -> Any:
    """Return draws in one: an array [n_draws, n_samples, ...], or a polars frame whose column `draw` counts them."""
    if not is_frame(draws[0]):
        return np.stack(draws)
    import narwhals as nw
    import polars as pl

    tables = [nw.from_native(table, eager_only=True).to_polars() for table in draws]
    return pl.concat([table.select(pl.lit(k).alias("draw"), pl.all()) for k, table in enumerate(tables)])


def intervals(fitted: Fitted, data: Any, coverage: float = 0.9, tell: Tell | None = None) -> Any:
    """Return what each gap holds with a probability: a frame of a line for each gap.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    coverage : float
        The probability that the value is between `low` and `high`.
    tell : callable, optional
        Is told the share that is done.

    Returns
    -------
    polars.DataFrame
        row (from 0), column (its name), value, low, high (numbers), and probability: that a category is the one told.
    """
    if not 0 < coverage < 1:
        raise ParameterError(f"The coverage of intervals must be between 0 and 1; got {coverage:g}.")
    gappy, rows, schema = _gappy(fitted, data)
    drawn = in_tiles(partial(_drawn, fitted.model.eval(), DRAWS, 0), rows, 1, tell)  # [n, K, *event]
    return _as_lines(schema, gappy, rows.cpu().numpy(), drawn.numpy(), coverage)


def _gappy(fitted: Fitted, data: Any) -> tuple[NDArray[np.int64], Tensor, Schema]:
    """Return the numbers of the rows with gaps, their codes [m, *event_shape], and the schema that allows them."""
    schema = fitted.schema.with_gaps()
    codes = schema.encode(data).astype(np.float32)
    gappy = np.flatnonzero(np.isnan(codes).reshape(len(codes), -1).any(1))
    return gappy, torch.from_numpy(codes[gappy]).to(fitted.model.device), schema


def _seen(model: LatentModel, codes: Tensor) -> Tensor:
    return torch.where(codes.isnan(), codes, observed(model, codes))


def _rows_at_once(model: LatentModel) -> int:
    """Return how many rows are decoded together, the same for any rows."""
    return max(1, MOST_VALUES // (DRAWS * math.prod(model.observation.parameter_shape)))


def _drawn(model: LatentModel, n_draws: int, seed: int, codes: Tensor) -> Tensor:
    """Return draws of one row, [1, n_draws, *event_shape]: z by its weights, then x by p(x | z)."""
    x = _seen(model, codes)
    z, log_weights = weighted_codes(model, x, *noises(model, DRAWS))
    with own_randomness(seed_of(seed, 9)):
        chosen = log_weights[:, 0].softmax(0).multinomial(n_draws, replacement=True)
        return decoded(model, x, z[chosen]).sample()[None].cpu()


def _as_lines(
    schema: Schema, gappy: NDArray[np.int64], codes: NDArray[Any], drawn: NDArray[Any], coverage: float
) -> Any:
    """Return the frame of `intervals` of draws [n, K, *event_shape]."""
    n, flat = len(gappy), drawn.reshape(*drawn.shape[:2], -1) if len(gappy) else np.zeros((0, 1, schema.n_dims))
    lines: dict[str, list[Any]] = {name: [] for name in ("row", "column", "value", "low", "high", "probability")}
    for i, j in np.argwhere(np.isnan(codes.reshape(n, schema.n_dims))):
        field = schema.fields[0 if schema.is_block else j]
        lines["row"].append(int(gappy[i]))
        lines["column"].append(schema.names[j])
        for name, value in _line(schema, field, j, flat[i, :, j], coverage).items():
            lines[name].append(value)
    dtypes = {"row": "Int64", "column": "String", "value": "String"} | dict.fromkeys(
        ("low", "high", "probability"), "Float64"
    )
    return frame_of({name: np.array(values, dtype=object) for name, values in lines.items()}, dtypes, "polars")


def _line(schema: Schema, field: Any, place: int, draws: NDArray[Any], coverage: float) -> dict[str, Any]:
    """Return value, low, high and probability of one gap."""
    if isinstance(field, Categorical | Binary):
        counts = np.bincount(draws.astype(np.int64))
        (value,) = schema.decode_column(place, np.array([counts.argmax()]))
        return {"value": str(value), "low": None, "high": None, "probability": counts.max() / counts.sum()}
    ends = np.quantile(draws, [(1 - coverage) / 2, (1 + coverage) / 2])
    low, high, value = (float(v) for v in schema.decode_column(place, np.array([*ends, draws.mean()])))
    return {"value": f"{value:g}", "low": low, "high": high, "probability": None}
