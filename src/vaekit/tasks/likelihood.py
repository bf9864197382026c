"""Likelihood: log p(x) by importance sampling, of rows as a whole and value by value.

The K noises are drawn once, with a fixed seed, and shared by all rows, so that a row's figures are the same at every
call and in any company.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.data.batches import seed_of
from vaekit.data.progress import Tell
from vaekit.errors import ParameterError
from vaekit.models.base import LatentModel
from vaekit.tasks.observe import observed
from vaekit.tasks.tiles import in_tiles

IMPORTANCE_SAMPLES = 64
MOST_VALUES = 2**21  # values decoded at once: 8 MiB of float32, about what a cache holds

Floats = NDArray[np.float64]


class Terms(NamedTuple):
    """The importance-sampled terms of each row in nats, [n_samples] each."""

    log_likelihood: Floats
    elbo: Floats
    reconstruction: Floats


def log_likelihood(model: LatentModel, rows: Tensor, importance_samples: int, tell: Tell | None = None) -> Floats:
    """Return log p(x) in nats of codes [n, *event_shape], −inf of rows beyond all floats: [n]."""
    found = terms(model, rows, importance_samples, tell).log_likelihood
    return np.where(np.isnan(found), -np.inf, found)


def terms(model: LatentModel, rows: Tensor, importance_samples: int, tell: Tell | None = None) -> Terms:
    """Return the importance-sampled terms of codes [n, *event_shape] under K draws."""
    if importance_samples < 1:
        raise ParameterError(f"importance_samples must be at least 1; got {importance_samples}.")
    noise = fixed_noise(n_draws(model, importance_samples), model.latent_dim).to(model.device)  # [K, 1, d]
    n_parameters = math.prod(model.observation.parameter_shape)
    in_tile = min(256, max(4, MOST_VALUES // (IMPORTANCE_SAMPLES * n_parameters)))  # the same for any rows
    per_chunk = max(1, MOST_VALUES // (in_tile * n_parameters))
    model.eval()
    table = in_tiles(lambda x: _terms_of_tile(model, x, noise, per_chunk), rows, in_tile, tell)  # [n, 3]
    return Terms(*table.double().numpy().T)


def _terms_of_tile(model: LatentModel, codes: Tensor, noise: Tensor, per_chunk: int) -> Tensor:
    x = observed(model, codes)
    chunks = [log_terms(model, x, part) for part in noise.split(per_chunk)]
    # Each row's draws side by side: a sum down the columns would round a tile's last columns in another way.
    likelihood, ratio = (torch.cat(c).T.contiguous() for c in zip(*chunks, strict=True))  # [n, K] each
    weights = likelihood + ratio
    total = weights.logsumexp(1) - math.log(len(noise))
    return torch.stack([total, weights.mean(1), likelihood.mean(1)], dim=1)


def log_terms(model: LatentModel, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return log p(x | z) and log p(z) − log q(z | x) in nats, [K, n] each, for the draws of noise [K, 1, d]."""
    q = model.posterior(x)
    z = q.transport(noise)  # [K, n, d]
    return model.log_likelihood(x, z), model.prior().log_prob(z) - q.log_prob(z)


def n_draws(model: LatentModel, asked: int = IMPORTANCE_SAMPLES) -> int:
    """Return how many draws to take: all draws of a point are alike."""
    return 1 if model.point_mass else asked


def fixed_noise(k: int, d: int) -> Tensor:
    """Return K standard normal noises and half of them mirrored, so that odd errors cancel: [K, 1, d]."""
    generator = torch.Generator().manual_seed(seed_of(6))
    half = torch.randn((k + 1) // 2, 1, d, generator=generator)
    return torch.cat([half, -half])[:k]


def nats_by_value(
    model: LatentModel, rows: Tensor, tell: Tell | None = None, importance_samples: int = IMPORTANCE_SAMPLES
) -> NDArray[np.float64]:
    """Return what values of codes [n, *event_shape] take in nats, and their code: [n, n_dims + 1]."""
    noise = fixed_noise(n_draws(model, importance_samples), model.latent_dim).to(model.device)
    n_parameters = math.prod(model.observation.parameter_shape)
    in_tile = min(256, max(1, MOST_VALUES // (IMPORTANCE_SAMPLES * n_parameters)))
    model.eval()
    return in_tiles(lambda x: _of_tile(model, observed(model, x), noise), rows, in_tile, tell).double().numpy()


def _of_tile(model: LatentModel, x: Tensor, noise: Tensor) -> Tensor:
    q = model.posterior(x)
    z = q.transport(noise)  # [K, n, d]
    by_value = model.log_likelihood_by_value(x, z)  # [K, n, D]
    weights = (by_value.sum(2) + model.prior().log_prob(z) - q.log_prob(z)).T.contiguous()  # [n, K]
    values = -torch.bmm(weights.softmax(1)[:, None], by_value.transpose(0, 1).contiguous())[:, 0]  # each row by itself
    total = math.log(len(noise)) - weights.logsumexp(1)  # −log p(x), [n]
    return torch.cat([values, (total - values.sum(1))[:, None]], dim=1)
