"""The maximum mean discrepancy of codes and prior: InfoVAE with the KL, Wasserstein autoencoders without."""

from __future__ import annotations

import torch
from torch import Tensor

from vaekit.models.base import LatentModel
from vaekit.objectives.bound import Bound
from vaekit.objectives.terms import Terms, elbo_terms


def mmd(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1, strength: float = 100.0) -> Bound:
    """E_q[log p(x | z)] − β (KL(q(z | x) ‖ p(z)) + s MMD²(q(z), p(z))).

    Source: Zhao, Song and Ermon (2017), InfoVAE, section 3.2, arXiv:1706.02262, with their α = 0 and λ = 1 + s.

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : int
        Of z for each row; the discrepancy takes the first.
    strength : float
        s; with 10, the paper of `wae`'s for squared errors of MNIST, codes of its log-likelihoods had a variance of 3.

    Returns
    -------
    Bound
    """
    terms = elbo_terms(model, x, draws)
    return terms.penalised(strength * _from_prior(model, terms), beta)


def wae(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1, strength: float = 100.0) -> Bound:
    """E_q[log p(x | z)] − β s MMD²(q(z), p(z)): no KL, so that codes of rows need not overlap.

    Source: Tolstikhin et al. (2018), WAE-MMD, eq. 4 and algorithm 2, arXiv:1711.01558, with −log p(x | z) for a cost.

    Parameters
    ----------
    model, x, beta, draws, strength
        As for `mmd`.

    Returns
    -------
    Bound
    """
    terms = elbo_terms(model, x, draws)
    value = terms.reconstruction - beta * strength * _from_prior(model, terms)
    return Bound(terms.reconstruction, terms.kl, value)


def _from_prior(model: LatentModel, terms: Terms) -> Tensor:
    """Return the discrepancy of the draws and as many of the prior, which is held fixed: []."""
    with torch.no_grad():
        drawn = model.prior.sample(len(terms.z))
    return discrepancy(terms.z, drawn)


def discrepancy(x: Tensor, y: Tensor) -> Tensor:
    """Return an unbiased estimate of MMD²(p, q) = E k(x, x′) + E k(y, y′) − 2 E k(x, y) from draws of each: [].

    A U-statistic (Gretton et al., 2012, eq. 3, JMLR 13): it may be negative. Of a single draw E k(x, x′) is left out.
    k(x, y) = C / (C + ‖x − y‖²) with C = 2 d (Tolstikhin et al., 2018, section 4, where the prior's variance is 1).

    Parameters
    ----------
    x : Tensor of shape (n, d)
    y : Tensor of shape (m, d)

    Examples
    --------
    >>> x = torch.zeros(3, 2)
    >>> discrepancy(x, x), discrepancy(x, x + 2)
    (tensor(0.), tensor(1.3333))
    """
    return _among(x) + _among(y) - 2 * _kernel(x, y).mean()


def _among(x: Tensor) -> Tensor:
    """Return the mean of k(x_i, x_j) over i ≠ j."""
    n = len(x)
    return (_kernel(x, x).sum() - n) / max(1, n * (n - 1))  # k(x, x) = 1


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """Return k(x_i, y_j), [n, m]."""
    scale = 2 * x.shape[1]
    square = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()  # a product would cancel digits
    return scale / (scale + square)
