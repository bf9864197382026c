"""The β-TCVAE: the part of the KL that makes units depend on each other weighs more."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.models.base import LatentModel
from vaekit.objectives.bound import Bound
from vaekit.objectives.terms import elbo_terms

ROWS_AT_ONCE = 256  # whose densities under all posteriors of the batch are in memory together


def tcvae(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1, strength: float = 5.0) -> Bound:
    """E_q[log p(x | z)] − β (KL(q(z | x) ‖ p(z)) + s TC), TC = KL(q(z) ‖ Π_j q(z_j)).

    Source: Chen et al. (2018), eq. 4, arXiv:1802.04942, where α = γ = 1 and its β is 1 + s.

    Parameters
    ----------
    model : LatentModel
        Of one stochastic layer.
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : int
        Of z for each row; the total correlation takes the first.
    strength : float
        s; the paper's β of 6 is 5.

    Returns
    -------
    Bound
    """
    terms = elbo_terms(model, x, draws)
    assert isinstance(terms.q, DiagonalNormal)
    joint, by_unit = log_aggregate(terms.q, terms.z)
    return terms.penalised(strength * (joint - by_unit.sum(1)), beta)


def log_aggregate(q: DiagonalNormal, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return log q(z) and log q(z_j) in nats, [n] and [n, d], of q(z) = 1/n Σ_i q(z | x_i) over the batch.

    With one draw of each component, log q(z) − Σ_j log q(z_j) has the total correlation of this mixture for mean. It
    differs from minibatch-weighted sampling over N rows (Chen et al., 2018, section 4.1) by (d − 1) log N alone, a
    constant without a gradient; so nobody need know N.

    Parameters
    ----------
    q : DiagonalNormal
        Of n rows.
    z : Tensor of shape (n, d)
    """
    joint, by_unit = [], []
    for some in z.split(ROWS_AT_ONCE):
        log_q = q.log_prob_by_unit(some[:, None])  # [b, n, d], of draw i under posterior j
        joint.append(log_q.sum(2).logsumexp(1))
        by_unit.append(log_q.logsumexp(1))
    return torch.cat(joint) - math.log(len(z)), torch.cat(by_unit) - math.log(len(z))
