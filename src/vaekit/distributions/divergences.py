"""Divergences between a posterior and a prior, in nats."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from vaekit.distributions.posteriors import DiagonalNormal, Reparametrised


def kl_divergence(q: Reparametrised, p: Distribution, z: Tensor) -> Tensor:
    """Return KL(q ‖ p) in nats for each row: in closed form, or log q(z) − log p(z) at a draw z of q.

    Parameters
    ----------
    q : Reparametrised
        Posteriors of n rows.
    p : Distribution
        The prior, event shape (d,).
    z : Tensor of shape (n, d)
        Draws of q.

    Returns
    -------
    Tensor of shape (n,)

    Examples
    --------
    >>> import torch
    >>> from vaekit.distributions.priors import StandardNormal
    >>> q = DiagonalNormal(torch.ones(1, 2), torch.ones(1, 2))
    >>> kl_divergence(q, StandardNormal(2)(), q.mean)
    tensor([1.])
    """
    by_unit = kl_by_unit(q, p)
    return q.log_prob(z) - p.log_prob(z) if by_unit is None else by_unit.sum(-1)


def kl_by_unit(q: Reparametrised, p: Distribution) -> Tensor | None:
    r"""Return KL(q_j ‖ p_j) in nats for each unit, [n, d], or None where the two do not factorise.

    For two normals, log(s_p/s_q) + (s_q² + (m_q − m_p)²) / (2 s_p²) − 1/2 (Kingma and Welling, 2014, appendix B,
    arXiv:1312.6114).
    """
    if not (isinstance(q, DiagonalNormal) and isinstance(p, Independent) and isinstance(p.base_dist, Normal)):
        return None
    ratio = (q.scale / p.base_dist.scale).square()
    shift = ((q.loc - p.base_dist.loc) / p.base_dist.scale).square()
    return 0.5 * (ratio + shift - 1 - ratio.log())
