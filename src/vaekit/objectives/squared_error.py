"""Squared errors against bits, the objective of lossy archives."""

from __future__ import annotations

import math

from torch import Tensor

from vaekit.distributions.divergences import kl_divergence
from vaekit.models.base import LatentModel, observed_log_prob
from vaekit.objectives.bound import Bound

LIKELIHOOD_SHARE = 0.1


def squared_error(
    model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1, *, worth: float = 1.0
) -> Bound:
    """−E_q‖x − E[x | z]‖² ln 2 / λ − β KL(q(z | x) ‖ p(z)) (Ballé et al., 2017, section 4, arXiv:1611.01704).

    The KL in bits is what z takes bits back; in nats the first term is the log-likelihood of a normal of variance
    λ / (2 ln 2). A tenth of log p(x | z) is added to what is maximised, so that the scales of p(x | z) stay right for
    all that is done with the model but this.

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
        Codes without gaps.
    beta : float
    draws : 1
    worth : float
        λ, the squared error that a bit is worth, in squared codes.

    Returns
    -------
    Bound
    """
    q = model.posterior(x)
    z = q.rsample()  # [n, d]
    p = model.likelihood(z, model.observation.exposure(x))
    error = (x - p.mean).square().flatten(1).sum(1)  # [n]
    reconstruction, kl = -error * (math.log(2) / worth), kl_divergence(q, model.prior(), z)
    log_likelihood = observed_log_prob(p, x, model.observation)
    return Bound(reconstruction, kl, reconstruction - beta * kl + LIKELIHOOD_SHARE * log_likelihood)
