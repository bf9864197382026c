"""What the diagnosis, early pruning and evaluation measure of a model."""

from __future__ import annotations

import torch
from torch import Tensor

from vaekit.data.batches import seed_of
from vaekit.distributions.divergences import kl_by_unit
from vaekit.models.base import LatentModel, observed_log_prob
from vaekit.objectives import elbo
from vaekit.training.precision import own_randomness

ACTIVE_VARIANCE = 0.01  # of a unit's posterior mean, over the model's `unit_variance`, above which it is active
# (Burda et al., 2016, section 5)


@torch.no_grad()
def unit_means(model: LatentModel, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean over rows of each unit's posterior mean, and its variance: [d] each."""
    model.eval()
    means = torch.cat([model.posterior(x).mean for x in rows.split(1024)])
    return means.mean(0), means.var(0, unbiased=False)


@torch.no_grad()
def unit_kl_nats(model: LatentModel, rows: Tensor, seed: int) -> Tensor | None:
    """Return each unit's mean part of the KL in nats, [d], or None where it has no such parts; the noise is fixed."""
    model.eval()
    parts = []
    with own_randomness(seed_of(seed, 4)):
        for x in rows.split(1024):
            q = model.posterior(x)
            parts.append(kl_by_unit(q, model.prior(), q.rsample()))
    return None if parts[0] is None else torch.cat(parts).mean(0)  # type: ignore[arg-type]


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
