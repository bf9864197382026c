"""What objectives with a penalty share: the terms of the ELBO with the draws they were taken at, or of a code."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Size, Tensor

from vaekit.distributions.divergences import kl_divergence
from vaekit.distributions.posteriors import Reparametrised
from vaekit.models.base import LatentModel
from vaekit.objectives.bound import Bound


class Terms(NamedTuple):
    """Posteriors of n rows, the first draw of each, and the two terms of their ELBO."""

    q: Reparametrised
    z: Tensor  # [n, d]
    reconstruction: Tensor  # [n]
    kl: Tensor  # [n]

    def penalised(self, penalty: Tensor, beta: float | Tensor) -> Bound:
        """Return log p(x | z) − β (KL + penalty), of a penalty [n] or [] of the batch."""
        return Bound(self.reconstruction, self.kl, self.reconstruction - beta * (self.kl + penalty))


def elbo_terms(model: LatentModel, x: Tensor, draws: int) -> Terms:
    """Return the terms of rows x [n, *event_shape], each averaged over the draws of z."""
    q = model.posterior(x)
    z = q.rsample(Size((draws,)))  # [K, n, d]
    reconstruction = model.log_likelihood(x, z).mean(0)
    kl = kl_divergence(q, model.prior(), z).reshape(-1, len(x)).mean(0)
    return Terms(q, z[0], reconstruction, kl)


def penalised_code(model: LatentModel, x: Tensor, code: Tensor, penalty: float | Tensor = 0.0) -> Bound:
    """Return log p(x | code) − penalty of codes [n, d], under which there is no KL."""
    log_likelihood = model.log_likelihood(x, code)
    return Bound(log_likelihood, torch.zeros_like(log_likelihood), log_likelihood - penalty)
