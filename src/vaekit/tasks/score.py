"""Score: how likely each row is, by importance sampling."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.data.batches import seed_of
from vaekit.errors import ParameterError
from vaekit.models.base import LatentModel
from vaekit.models.fitted import Fitted
from vaekit.tasks.observe import observed
from vaekit.tasks.tiles import Tell, in_tiles

IMPORTANCE_SAMPLES = 64
MOST_VALUES = 2**21  # values decoded at once: 8 MiB of float32, about what a cache holds

Floats = NDArray[np.float64]


class Scores(NamedTuple):
    """What is known of each row, [n_samples] each."""

    log_likelihood_nats: Floats
    bits_per_dim: Floats
    tail_probability: Floats


class Terms(NamedTuple):
    """The importance-sampled terms of each row in nats, [n_samples] each."""

    log_likelihood: Floats
    elbo: Floats
    reconstruction: Floats


def score(fitted: Fitted, data: Any, importance_samples: int = IMPORTANCE_SAMPLES, tell: Tell | None = None) -> Scores:
    """Return the log-likelihood of each row, the same at every call and in any company.

    log p(x) ≥ E log (1/K) Σ_k p(x, z_k) / q(z_k | x), z_k ~ q(z | x) (Burda, Grosse and Salakhutdinov, 2016, eq. 8,
    arXiv:1509.00519); the K noises are drawn once, with a fixed seed, and shared by all rows.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    importance_samples : int
        K; more is closer to log p(x).
    tell : callable, optional
        Is told the share that is done.

    Returns
    -------
    Scores
        `tail_probability` is the share of held-out rows that are at most as likely: small for an anomaly, and uniform
        on [0, 1] for rows like those held out.
    """
    rows = fitted.rows(data)
    nats = terms(fitted.model, rows, importance_samples, tell).log_likelihood
    n_observed = (~rows.float().isnan()).flatten(1).sum(1).cpu().numpy().clip(1)
    rank = np.searchsorted(fitted.calibration, nats, side="right")
    return Scores(nats, -nats / n_observed / math.log(2), (1 + rank) / (1 + len(fitted.calibration)))


def terms(model: LatentModel, rows: Tensor, importance_samples: int, tell: Tell | None = None) -> Terms:
    """Return the importance-sampled terms of codes [n, *event_shape] under K draws."""
    if importance_samples < 1:
        raise ParameterError(f"importance_samples must be at least 1; got {importance_samples}.")
    noise = _noise(importance_samples, model.latent_dim).to(model.device)  # [K, 1, d]
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
    log_likelihood = weights.logsumexp(1) - math.log(len(noise))
    return torch.stack([log_likelihood, weights.mean(1), likelihood.mean(1)], dim=1)


def log_terms(model: LatentModel, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return log p(x | z) and log p(z) − log q(z | x) in nats, [K, n] each, for the draws of noise [K, 1, d]."""
    q = model.posterior(x)
    z = q.transport(noise)  # [K, n, d]
    return model.log_likelihood(x, z), model.prior().log_prob(z) - q.log_prob(z)


def _noise(k: int, d: int) -> Tensor:
    """Return K standard normal noises and half of them mirrored, so that odd errors cancel: [K, 1, d]."""
    generator = torch.Generator().manual_seed(seed_of(6))
    half = torch.randn((k + 1) // 2, 1, d, generator=generator)
    return torch.cat([half, -half])[:k]
