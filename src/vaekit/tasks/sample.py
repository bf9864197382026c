"""Sample: new rows from the model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.data.batches import seed_of
from vaekit.data.frames import concatenated
from vaekit.errors import ParameterError
from vaekit.models.base import LatentModel
from vaekit.models.classes import ModelOfClasses
from vaekit.models.fitted import Fitted
from vaekit.priors.base import PriorOfClasses
from vaekit.tasks.classify import place_of
from vaekit.tasks.gaps import with_gaps
from vaekit.tasks.given import balanced, sample_given
from vaekit.tasks.tiles import in_tiles
from vaekit.training.precision import own_randomness


def sample(
    fitted: Fitted,
    n: int,
    seed: int = 0,
    temperature: float = 1.0,
    given: Mapping[str, Any] | None = None,
    balance: str | None = None,
    truncation: float = 1.0,
) -> Any:
    """Return n new rows: z from the prior, then x from p(x | z) for tables and vectors, or its mean for pictures.

    A picture's mean is what people look at: a draw adds to every pixel noise that is independent of its neighbours'.
    Rows of frames have gaps as often, and in such rows, as the data have them.

    Parameters
    ----------
    fitted : Fitted
    n : int
    seed : int
    temperature : float
        Scales the prior's spread; below 1 rows are more typical and less varied.
    given : mapping of str to value, optional
        Values by column, which all rows are to have; the rest is drawn given them. A model that learned classes takes
        one of them by the labels' name.
    balance : str, optional
        A column of categories, or the labels, of each of which there are to be as many rows.

    truncation : float
        The share of drawn codes, the likeliest, that are decoded.

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
    if not 0 < truncation <= 1:
        raise ParameterError(f"The truncation is a share above 0, at most 1; got {truncation}.")
    if (of := class_asked(fitted, given or {}, balance)) is not None:
        return _sample(fitted, n, seed, temperature, truncation, of)
    if (given or balance) and (temperature != 1 or truncation != 1):
        raise ParameterError(
            "Rows that are given in part are draws of p(x | z) as it is. Leave temperature and truncation at 1."
        )
    if balance:
        asked = balanced(fitted, n, balance, seed)
        return concatenated([sample_given(fitted, count, {**(given or {}), **of}, own) for of, count, own in asked])
    if given:
        return sample_given(fitted, n, given, seed)
    return _sample(fitted, n, seed, temperature, truncation)


def class_asked(fitted: Fitted, given: Mapping[str, Any], balance: str | None) -> list[int] | None:
    """Return the classes that rows are to have in turn, where the model was trained on classes and such are asked for.

    Raises
    ------
    ParameterError
        When a class and something else are asked for.
    """
    model = fitted.model
    name = fitted.record["classes"]["name"] if isinstance(model, ModelOfClasses) else None
    if not isinstance(model, ModelOfClasses) or name is None or name not in (*given, balance):
        return None
    if len(given) + (balance is not None) > 1:
        raise ParameterError(f"{name} is a class, and stands alone: give nothing beside it, and balance nothing else.")
    return [place_of(fitted, given[name])] if given else list(range(model.prior.n_classes))


@torch.no_grad()
def _sample(fitted: Fitted, n: int, seed: int, temperature: float, truncation: float, of: Sequence[int] = ()) -> Any:
    """Return n new rows, none of whose values is given; of the classes in turn, where there are such."""
    model, drawn = fitted.model.eval(), _mean if fitted.schema.is_picture else _draw
    with own_randomness(seed_of(seed, 5)):
        z = _likeliest(model, _codes(model, math.ceil(n / truncation), temperature, of), n, of)
        rows = with_gaps(fitted, z, in_tiles(lambda tile: drawn(model.likelihood(tile)), z))
    return fitted.schema.decode(rows.numpy(), drawn=True)


def _codes(model: LatentModel, n: int, temperature: float, of: Sequence[int]) -> Tensor:
    """Return n draws of p(z), or of p(z | y) with the classes in turn: [n, d]."""
    if not of:
        return model.prior.sample(n, temperature)
    assert isinstance(model.prior, PriorOfClasses)
    return model.prior.sample_of(torch.tensor(of).repeat(-(-n // len(of)))[:n], temperature)


def _likeliest(model: LatentModel, z: Tensor, n: int, of: Sequence[int]) -> Tensor:
    """Return the n likeliest of codes [m, d] under the prior, in their order; of classes as many of each."""
    if len(z) == n:
        return z
    turns = max(1, len(of))
    kept = []
    for k in range(turns):
        own = torch.arange(k, len(z), turns)
        log_p = model.prior().log_prob(z[own]).cpu()
        kept.append(own[log_p.topk(len(range(k, n, turns))).indices])
    return z[torch.cat(kept).sort().values]


def _mean(p: Distribution) -> Tensor:
    return p.mean


def _draw(p: Distribution) -> Tensor:
    return p.sample()
