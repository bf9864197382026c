"""Whether gaps depend on the values that are missing, told from what the rest of a row says of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor

from vaekit.data.batches import spread
from vaekit.data.fields import Array
from vaekit.data.schema import Schema
from vaekit.models.build import Architecture
from vaekit.tasks.options import Options
from vaekit.tasks.purposes import may_be_tight

ENOUGH_ROWS, MOST_COLUMNS = 2_000, 128
TREES = {"n_estimators": 50, "min_samples_leaf": 3, "max_features": "sqrt", "random_state": 0}
LEVEL = 1e-3  # of the test of a table
LEVEL_OF_MORE = 0.05  # of a column where another one's gaps do so
MORE, MORE_OF_COLUMN = 1.25, 1.6  # that a table's or a column's gaps may have to do with another sum of columns
LEAST_ROWS = 5  # for each column
LEAST_SPREAD = 1e-6  # of a sum of columns
FARTHEST = 3.0  # standard deviations that a value counts
SOME = 5  # names that a note tells
LEAST_SHARE, LEAST_NUMBER = 0.02, 10  # of gaps, and of values that are none


def not_at_random(
    asked: Options, architecture: Architecture, codes: Array, tell: Callable[[str], None]
) -> NDArray[np.int64]:
    """Return the columns whose gaps depend on the missing value: of a model for imputation whose objective is open.

    They are columns of numbers under Student's t.

    Parameters
    ----------
    asked : Options
        As the user gave them.
    architecture : Architecture
    codes : ndarray of shape (n_samples, *event_shape)
    tell : callable
        Is told in words when it begins to look, which takes about a minute where there are many columns.
    """
    is_real = np.array(architecture.likelihoods) == "student-t"  # of a block alike for all
    if asked.purpose != "imputation" or not may_be_tight(asked) or codes.ndim != 2 or not is_real.any():
        return np.zeros(0, dtype=np.int64)
    if _can_be_told(codes):
        tell("looking whether gaps depend on the missing values")
    return np.flatnonzero(self_masked(codes) & is_real)


def said_of_gaps(schema: Schema, columns: Tensor) -> str:
    """Return in words of which columns gaps are taken to depend on the missing value."""
    named = ", ".join(str(schema.names[j]) for j in columns[:SOME].tolist())
    more = f" and {len(columns) - SOME} more" if len(columns) > SOME else ""
    return f"whether a value is missing seems to depend on the value itself in {named}{more}: learned with the model"


def self_masked(codes: Array) -> NDArray[np.bool_]:
    """Return of which columns gaps seem to depend on the missing value itself: bool [D].

    Where gaps come at random, whether a value is missing has nothing to do with what the rest of its row says of it:
    what trees that have not seen the value predict. One column at least has to differ from that at a level of 0.001 for
    the whole table; others then at a level of 0.05. Gaps that depend on other columns have to do with the prediction
    too, but with another sum of the columns clearly more; those that depend on the value have not.

    Parameters
    ----------
    codes : ndarray of shape (n, D)
        NaN is a gap.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> x = random.normal(size=(500, 1)) + 0.5 * random.normal(size=(500, 3))
    >>> large = random.random(500) < 1 / (1 + np.exp(-2 * x[:, 0]))
    >>> some = random.random(500) < 0.5
    >>> x[large, 0], x[some, 1] = np.nan, np.nan
    >>> self_masked(x)
    array([ True, False, False])
    """
    n_columns = codes.shape[1]
    found = np.zeros(n_columns, dtype=bool)
    if not _can_be_told(codes):
        return found
    rows = codes[spread(len(codes), ENOUGH_ROWS)].astype(np.float64)
    is_gap, values = np.isnan(rows), np.nan_to_num(_standardised(rows))
    least = max(LEAST_NUMBER, LEAST_SHARE * len(rows))
    gappy = np.flatnonzero(np.minimum(is_gap.sum(0), (~is_gap).sum(0)) >= least)
    of = [_associations(is_gap[:, j], *_predicted(values, is_gap, j)) for j in gappy.tolist()]
    by_value, by_others = np.array(of).reshape(-1, 2).T
    told = by_value > norm.isf(LEVEL / 2 / n_columns)
    if told.any() and np.median(by_others[told]) < MORE:
        found[gappy] = (by_value > norm.isf(LEVEL_OF_MORE / 2)) & (by_others < MORE_OF_COLUMN)
    return found


def _can_be_told(codes: Array) -> bool:
    """Whether codes [n, D] have gaps, and as many columns and rows as it takes to say what these depend on."""
    n, n_columns = codes.shape
    return 2 <= n_columns <= min(MOST_COLUMNS, n / LEAST_ROWS) and bool(np.isnan(codes).any())


def _standardised(rows: Array) -> Array:
    """Return rows [n, D] of mean 0 and variance 1 by what is observed; a column without spread is 0."""
    is_gap = np.isnan(rows)
    n = np.maximum((~is_gap).sum(0), 1)
    centred = rows - np.nan_to_num(rows).sum(0) / n
    spread_of = np.sqrt(np.square(np.nan_to_num(centred)).sum(0) / n)
    return np.clip(centred / np.where(spread_of > 0, spread_of, np.inf), -FARTHEST, FARTHEST)


def _predicted(values: Array, is_gap: NDArray[np.bool_], j: int) -> tuple[Array, Array]:
    """Return what the rest of each row says of its value j, by trees that have not seen it: [n]; and the rest."""
    from sklearn.ensemble import ExtraTreesRegressor

    others, seen = np.delete(values, j, 1), ~is_gap[:, j]
    trees = ExtraTreesRegressor(**TREES, bootstrap=True, oob_score=True).fit(others[seen], values[seen, j])
    found = np.empty(len(values))
    found[seen], found[~seen] = trees.oob_prediction_, trees.predict(others[~seen])
    return found, others


def _associations(is_gap: NDArray[np.bool_], predicted: Array, others: Array) -> tuple[float, float]:
    """Return how many standard errors gaps [n] are from having nothing to do with a prediction [n], and a ratio.

    It is that of how many they are from having nothing to do with any sum of the others [n, k], less what chance gives
    the best of these, to how many with the prediction.
    """
    n, k = others.shape
    gap, by, rest = is_gap - is_gap.mean(), predicted - predicted.mean(), others - others.mean(0)
    best = rest @ np.linalg.solve(rest.T @ rest + LEAST_SPREAD * n * np.eye(k), rest.T @ gap)
    explained = min(gap @ best / (gap @ gap), 1 - 1e-6)
    by_others = max((n - k) * explained / (1 - explained) - k, 0.0) ** 0.5  # of Wald's test, k by chance
    by_value = abs(gap @ by) / np.sqrt(max(np.square(gap).mean() * (by @ by), 1e-12))
    return float(by_value), float(by_others / max(by_value, 1e-12))
