"""Sample: new rows from the model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.data.batches import seed_of
from vaekit.errors import ParameterError
from vaekit.models.fitted import Fitted
from vaekit.tasks.tiles import in_tiles
from vaekit.training.precision import own_randomness


@torch.no_grad()
def sample(fitted: Fitted, n: int, seed: int = 0, temperature: float = 1.0) -> Any:
    """Return n new rows: z from the prior, then x from p(x | z) for tables and vectors, or its mean for pictures.

    A picture's mean is what people look at: a draw adds to every pixel noise that is independent of its neighbours'.

    Parameters
    ----------
    fitted : Fitted
    n : int
    seed : int
    temperature : float
        Scales the prior's spread; below 1 rows are more typical and less varied.

    Returns
    -------
    array or frame of n rows
    """
    if n < 1:
        raise ParameterError(f"The number of samples must be at least 1; got {n}.")
    if seed < 0:
        raise ParameterError(f"The seed must be a whole number from 0 on; got {seed}.")
    if not temperature > 0:
        raise ParameterError(f"The temperature must be positive; got {temperature}.")
    model, drawn = fitted.model.eval(), _mean if fitted.schema.is_picture else _draw
    with own_randomness(seed_of(seed, 5)):
        z = model.prior.sample(n, temperature)  # [n, d]
        rows = in_tiles(lambda tile: drawn(model.likelihood(tile)), z)
    return fitted.schema.decode(rows.numpy())


def _mean(p: Distribution) -> Tensor:
    return p.mean


def _draw(p: Distribution) -> Tensor:
    return p.sample()
