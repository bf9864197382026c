"""Explain: how many nats each value of a row takes, and how many more than usual."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from vaekit.data.progress import Tell
from vaekit.models.fitted import Fitted
from vaekit.tasks.likelihood import nats_by_value
from vaekit.tasks.score import known

LATENT = "latent"  # what the code takes, in the place of a column


def explain(fitted: Fitted, data: Any, tell: Tell | None = None) -> pl.DataFrame:
    """Return by how many nats each value of a row is odder than usual, and its code.

    −log p(x) = Σ_j E[−log p(x_j | z)] + KL(p(z | x) ‖ p(z)) with z from p(z | x), by self-normalised importance
    sampling; of each part, what rows held out take on average is taken off.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    tell : callable, optional
        Is told the share that is done.

    Returns
    -------
    polars.DataFrame
        Of n_samples rows, with a column for each value of a row and `latent`, of which the sum is by how much
        −log p(x) is above the average.
    """
    found = nats_by_value(fitted.model, fitted.rows(data), tell) - known(fitted).nats.double().numpy()
    return pl.DataFrame(found, schema=[*fitted.schema.names, LATENT], orient="row")


def most_telling(nats: pl.DataFrame, n: int) -> list[str]:
    """Return for each row the n parts that are most above the usual, in words.

    Examples
    --------
    >>> most_telling(pl.DataFrame({"age": [0.2, 7.0], "sex": [-0.1, 1.5], "latent": [0.3, 2.0]}), 2)
    ['latent +0.3, age +0.2', 'age +7.0, latent +2.0']
    """
    table, names = nats.to_numpy(), nats.columns
    order = np.argsort(-table, axis=1, kind="stable")[:, :n]
    return [", ".join(f"{names[j]} {row[j]:+.1f}" for j in chosen) for row, chosen in zip(table, order, strict=True)]
