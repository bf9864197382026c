"""Divergences between a posterior and a prior, in nats."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from vaekit.distributions.autoregressive import AutoregressiveDensity
from vaekit.distributions.chain import Chain
from vaekit.distributions.posteriors import DiagonalNormal, Reparametrised
from vaekit.distributions.sphere import PowerSpherical, UniformOnSphere


def kl_divergence(q: Reparametrised, p: Any, z: Tensor) -> Tensor:
    """Return KL(q ‖ p) in nats for each row: in closed form, or log q(z) − log p(z) at a draw z of q.

    Parameters
    ----------
    q : Reparametrised
        Posteriors of n rows.
    p : density
        The prior, event shape (d,).
    z : Tensor of shape (..., n, d)
        Draws of q.

    Returns
    -------
    Tensor of shape (..., n), or (n,) where no draw is needed
        Of several stochastic layers, each layer's KL is in closed form given the draws above it, where there is one.

    Examples
    --------
    >>> from vaekit.priors.normal import StandardNormal
    >>> q = DiagonalNormal(torch.ones(1, 2), torch.ones(1, 2))
    >>> kl_divergence(q, StandardNormal(2)(), q.mean)
    tensor([1.])
    """
    by_unit = kl_by_unit(q, p, z)
    if by_unit is not None:
        return by_unit.sum(-1)
    if isinstance(q, Chain) and isinstance(p, Chain):
        return torch.stack(torch.broadcast_tensors(*(kl_divergence(*layer) for layer in _layers(q, p, z)))).sum(0)
    if isinstance(q, PowerSpherical) and isinstance(p, UniformOnSphere):
        return q.kl_to_uniform()
    return q.log_prob(z) - p.log_prob(z)


def kl_by_unit(q: Any, p: Any, z: Tensor) -> Tensor | None:
    r"""Return each unit's part of KL(q ‖ p) in nats, [n, d] or [..., n, d], or None where the two have no such parts.

    For two normals, log(s_p/s_q) + (s_q² + (m_q − m_p)²) / (2 s_p²) − 1/2 (Kingma and Welling, 2014, appendix B,
    arXiv:1312.6114). For an autoregressive prior, log q_j(z_j) − log p(z_j | z_<j) at draws z [..., n, d] of q.
    """
    if isinstance(q, Chain) and isinstance(p, Chain):
        layers = [kl_by_unit(*layer) for layer in _layers(q, p, z)]
        if any(layer is None for layer in layers):
            return None
        return torch.cat([layer.expand(*z.shape[:-1], -1) for layer in layers if layer is not None], -1)
    if isinstance(q, DiagonalNormal) and isinstance(p, AutoregressiveDensity):
        return q.log_prob_by_unit(z) - p.log_prob_by_unit(z)
    p = p.base_dist if isinstance(p, Independent) else p
    if not (isinstance(q, DiagonalNormal) and isinstance(p, DiagonalNormal | Normal)):
        return None
    ratio = (q.scale / p.scale).square()
    shift = ((q.loc - p.loc) / p.scale).square()
    return 0.5 * (ratio + shift - 1 - ratio.log())


def _layers(q: Chain, p: Chain, z: Tensor) -> list[tuple[Any, Any, Tensor]]:
    """Return each stochastic layer's posterior, prior and draws."""
    return [(q_l, p_l, z_l) for (q_l, z_l), (p_l, _) in zip(q.layers(z), p.layers(z), strict=True)]
