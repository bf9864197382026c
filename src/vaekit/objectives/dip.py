"""DIP-VAE: the codes' covariance is pulled to the prior's."""

from __future__ import annotations

from torch import Tensor

from vaekit.models.base import LatentModel
from vaekit.objectives.bound import Bound
from vaekit.objectives.terms import elbo_terms

DIAGONAL = 10  # λ_d / λ_od


def dip(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1, strength: float = 10.0) -> Bound:
    """E_q[log p(x | z)] − β (KL(q(z | x) ‖ p(z)) + s (Σ_{i≠j} C_ij² + 10 Σ_i (C_ii − 1)²)), C = Cov_x[E_q[z]].

    Source: Kumar, Sattigeri and Balakrishnan (2018), eq. 6, arXiv:1711.00848: DIP-VAE-I, which asks for the means
    alone, and so for any posterior.

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : int
        Of z for each row.
    strength : float
        s, the paper's λ_od; its λ_d is ten times that.

    Returns
    -------
    Bound
    """
    terms = elbo_terms(model, x, draws)
    return terms.penalised(strength * off_identity(covariance(terms.q.mean)), beta)


def covariance(z: Tensor) -> Tensor:
    """Return the covariance of codes [n, d] over rows: [d, d]; of a single row it is 0."""
    centred = z - z.mean(0)
    return (centred[:, :, None] * centred[:, None]).mean(0)  # a matrix product would be bfloat16 under autocast


def off_identity(c: Tensor) -> Tensor:
    """Return Σ_{i≠j} C_ij² + 10 Σ_i (C_ii − 1)² of a matrix [d, d]: [].

    Examples
    --------
    >>> import torch
    >>> off_identity(torch.tensor([[1.0, 0.5], [0.5, 2.0]]))
    tensor(10.5000)
    """
    diagonal = c.diagonal()
    return c.square().sum() - diagonal.square().sum() + DIAGONAL * (diagonal - 1).square().sum()
