"""The evidence lower bound."""

from __future__ import annotations

from torch import Size, Tensor

from vaekit.distributions.divergences import kl_by_unit, kl_divergence
from vaekit.models.base import LatentModel
from vaekit.objectives.bound import Bound


def elbo(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1, free_nats: float = 0.0) -> Bound:
    """E_q[log p(x | z)] − β KL(q(z | x) ‖ p(z)) (Kingma and Welling, 2014, eq. 7, arXiv:1312.6114).

    Weighting the KL by β is the β-VAE (Higgins et al., 2017).

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : int
        Of z for each row, averaged over.
    free_nats : float
        λ, the KL that each unit may have for nothing, as a mean over rows: free bits.

    Returns
    -------
    Bound
    """
    q, p = model.posterior(x), model.prior()
    z = q.rsample(Size((draws,)))  # [K, n, d]
    reconstruction = model.log_likelihood(x, z).mean(0)  # [n]
    by_unit = kl_by_unit(q, p, z)  # [n, d] or [K, n, d], or None
    by_row = kl_divergence(q, p, z)[None] if by_unit is None else by_unit.sum(-1)[None]
    kl = by_row.flatten(0, -2).mean(0)  # [n]
    taxed = kl
    if free_nats > 0:
        means = kl.mean()[None] if by_unit is None else by_unit.flatten(0, -2).mean(0)
        taxed = kl + shortfall(means, free_nats * (model.latent_dim / len(means)))
    return Bound(reconstruction, kl, reconstruction - beta * taxed)


def shortfall(kl: Tensor, free_nats: float) -> Tensor:
    """Return Σ_j max(λ − KL_j, 0), which turns Σ_j KL_j into Σ_j max(λ, KL_j).

    Source: Kingma et al. (2016), eq. 15, arXiv:1606.04934; KL_j is the batch's mean, as there.

    Examples
    --------
    >>> import torch
    >>> shortfall(torch.tensor([0.1, 2.0]), 0.5)
    tensor(0.4000)
    """
    return (free_nats - kl).clamp_min(0).sum()
