"""The evidence lower bound."""

from __future__ import annotations

from torch import Tensor

from vaekit.distributions.divergences import kl_divergence
from vaekit.models.base import LatentModel
from vaekit.objectives.bound import Bound


def elbo(model: LatentModel, x: Tensor) -> Bound:
    """E_q[log p(x | z)] − KL(q(z | x) ‖ p(z)) with one draw of z (Kingma and Welling, 2014, eq. 7, arXiv:1312.6114).

    Weighting the KL by β is the β-VAE (Higgins et al., 2017).

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)

    Returns
    -------
    Bound
    """
    q = model.posterior(x)
    z = q.rsample()  # [n, d]
    return Bound(model.log_likelihood(x, z), kl_divergence(q, model.prior(), z))
