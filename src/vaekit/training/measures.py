"""What the diagnosis, early pruning and evaluation measure of a model."""

from __future__ import annotations

import torch
from torch import Tensor

from vaekit.data.batches import seed_of
from vaekit.distributions.divergences import kl_by_unit
from vaekit.models.base import LatentModel, observed_log_prob
from vaekit.objectives import elbo
from vaekit.training.precision import own_randomness

ACTIVE_VARIANCE = 0.01  # a unit is active if its posterior mean varies more than this (Burda et al., 2016, section 5)


@torch.no_grad()
def unit_activity(model: LatentModel, rows: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return each unit's variance of the posterior mean, and its mean KL in nats where it factorises: [d] each."""
    model.eval()
    means, kls = [], []
    for x in rows.split(1024):
        q = model.posterior(x)
        by_unit = kl_by_unit(q, model.prior())
        means.append(q.mean)
        kls += [] if by_unit is None else [by_unit]
    variance = torch.cat(means).var(0, unbiased=False)
    return variance, torch.cat(kls).mean(0) if kls else None


@torch.no_grad()
def mean_elbo_nats(model: LatentModel, rows: Tensor, seed: int) -> float:
    """Return the mean ELBO of rows in nats, whatever the model was trained on.

    The noise is fixed, and torch's own random numbers are left as they were.
    """
    model.eval()
    with own_randomness(seed_of(seed, 4)):
        observe = model.observation.observe
        return float(torch.cat([elbo(model, observe(x)).elbo for x in rows.split(1024)]).mean())


@torch.no_grad()
def without_latent_nats(model: LatentModel, held_out: Tensor, seed: int) -> float:
    """Return the mean log-likelihood of held-out rows under the best model that ignores its latent.

    That is the model's own likelihood at the bias it was prepared with, so this is asked before training.
    """
    likelihood, bias = model.observation, model.decoder.bias
    with own_randomness(seed_of(seed, 4)):
        x = likelihood.observe(held_out)
    p = likelihood(bias.expand(len(x), *bias.shape), likelihood.exposure(x))
    return float(observed_log_prob(p, x, likelihood).mean())
