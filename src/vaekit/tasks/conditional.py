"""What is not observed given what is: weighted draws of z, and rows made of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from vaekit.data.batches import seed_of
from vaekit.distributions.product import Product
from vaekit.models.base import LatentModel
from vaekit.models.inputs import BlockInputs, TableInputs
from vaekit.training.precision import own_randomness

COMPLETIONS = 5  # of gaps that the encoder does not know, before it proposes


def noises(model: LatentModel, n_draws: int) -> tuple[Tensor, Tensor]:
    """Return standard normal noise and draws of the prior, [K / 2, 1, d] each, the same at every call."""
    half = max(1, n_draws // 2)
    noise = torch.randn((half + 1) // 2, 1, model.latent_dim, generator=torch.Generator().manual_seed(seed_of(7)))
    with own_randomness(seed_of(8)):
        prior = model.prior.sample(half)
    return torch.cat([noise, -noise])[:half].to(model.device), prior[:, None].to(model.device)


def weighted_codes(model: LatentModel, x: Tensor, noise: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
    """Return draws of z and the logarithms of their weights, under which they are draws of p(z | x observed).

    The draws are of q(z | x) and of p(z) in equal parts, weighted as draws of both together (Veach and Guibas, 1995,
    the balance heuristic): where the encoder errs, as on rows with gaps that it never saw, no weight is large.

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
        Observed codes; NaN is a gap.
    noise, prior : Tensor of shape (K / 2, 1, d)
        From `noises`.

    Returns
    -------
    z : Tensor of shape (K, n, d)
    log_weights : Tensor of shape (K, n)
        Their mean's logarithm is that of p(x observed).
    """
    q, p = model.posterior(_completed(model, x)), model.prior()
    z = torch.cat([q.transport(noise), prior.expand(-1, len(x), -1)])
    log_prior = p.log_prob(z)
    log_proposal = torch.logaddexp(q.log_prob(z), log_prior) - math.log(2)
    return z, _observed_log_likelihood(model, x, z) + log_prior - log_proposal


def decoded(model: LatentModel, x: Tensor, z: Tensor) -> Distribution:
    """Return p(x | z) of draws z [K, n, d], batch shape [K n, *event_shape]."""
    exposure = model.observation.exposure(x.nan_to_num())
    every = None if exposure is None else exposure.expand(len(z), -1).reshape(-1)
    return model.likelihood(z.flatten(0, 1), every)


def weighted_mean(p: Distribution, weights: Tensor) -> Tensor:
    """Return Σ_k w_k E[x | z_k] of weights [K, n], of categories the likeliest: [n, *event_shape].

    Examples
    --------
    >>> p = torch.distributions.Normal(torch.tensor([[1.0], [5.0]]), 1.0)
    >>> weighted_mean(p, torch.tensor([[0.75], [0.25]]))
    tensor([[2.]])
    """
    if isinstance(p, Product):
        parts = [weighted_mean(part, weights) for part in p.parts]
        return p.gathered(parts)
    if isinstance(p, Categorical):
        return _weighted(p.probs, weights).argmax(-1).float()
    return _weighted(p.mean, weights)


def _weighted(values: Tensor, weights: Tensor) -> Tensor:
    """Return Σ_k w_k v_k of values [K n, ...]."""
    by_draw = values.unflatten(0, tuple(weights.shape)).flatten(2)  # [K, n, D]
    return torch.einsum("kn,knd->nd", weights, by_draw).view(weights.shape[1], *values.shape[1:])


def _observed_log_likelihood(model: LatentModel, x: Tensor, z: Tensor) -> Tensor:
    """Return log p(x observed | z) in nats, [K, n]; gaps score 0 whether or not the model was fitted with any."""
    rows = x.expand(len(z), *x.shape).reshape(-1, *x.shape[1:])
    gaps = rows.isnan()
    filled = rows.masked_fill(gaps, 0.0)
    log_prob = decoded(model, x, z).log_prob(filled) - model.observation.log_units(filled)
    return log_prob.masked_fill(gaps, 0.0).flatten(1).sum(1).view(len(z), len(x))


def _completed(model: LatentModel, x: Tensor) -> Tensor:
    """Return codes whose gaps are filled, where the encoder was not fitted with such, by what it then reconstructs.

    Source: Rezende, Mohamed and Wierstra (2014), appendix F, arXiv:1401.4082, by means in place of draws.
    """
    unknown = x.isnan() & ~_known_gaps(model, x)
    if not unknown.any():
        return x
    filled = torch.where(unknown, torch.zeros_like(x), x)
    for _ in range(COMPLETIONS):
        filled = torch.where(unknown, model.reconstruct(filled), x)
    return filled


def _known_gaps(model: LatentModel, x: Tensor) -> Tensor:
    """Return where a gap is one of those that the encoder was fitted with, of the shape of x."""
    assert isinstance(model.inputs, BlockInputs | TableInputs)
    if isinstance(model.inputs, BlockInputs):
        return torch.full_like(x, model.inputs.field.missing, dtype=torch.bool)
    known = torch.zeros_like(x, dtype=torch.bool)
    known[:, model.inputs.gappy] = True
    return known
