"""Densities on the unit sphere S^{d−1} = {z in R^d : ‖z‖ = 1}, by the area of its surface."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import betaincinv, ndtr
from torch import Size, Tensor
from torch.distributions import Beta
from torch.nn.functional import normalize

LEAST = 1e-12  # of a squared radius, whose root then has a gradient
OPPOSITE = -1 + 1e-6  # the least cosine that is told


class UniformOnSphere:
    """p(z) = 1 / |S^{d−1}|, |S^{d−1}| = 2 π^{d/2} / Γ(d/2).

    Parameters
    ----------
    d : int
    """

    def __init__(self, d: int) -> None:
        self.log_area = math.log(2) + 0.5 * d * math.log(math.pi) - math.lgamma(d / 2)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, [...], of z [..., d] on the sphere: the same everywhere."""
        return z.new_full(z.shape[:-1], -self.log_area)


class PowerSpherical:
    r"""q(z) = (1 + ⟨μ, z⟩)^κ / N(κ), N(κ) = 2^{a+b} π^b Γ(a) / Γ(a + b), a = (d − 1)/2 + κ, b = (d − 1)/2.

    It has the shape of the von Mises–Fisher density, and draws and a divergence from the uniform that are exact.

    Parameters
    ----------
    loc : Tensor of shape (n, d)
        μ, on the sphere.
    concentration : Tensor of shape (n,)
        κ, at least 0; with 0 the density is uniform.

    References
    ----------
    De Cao and Aziz (2020), The power spherical distribution, eqs. 7 and 8, algorithm 1, arXiv:2006.04437.

    Examples
    --------
    >>> q = PowerSpherical(torch.tensor([[0.0, 1.0]]), torch.tensor([10.0]))
    >>> q.transport(torch.tensor([[[0.0, 1.0]]])).norm(dim=-1), q.kl_to_uniform()
    (tensor([[1.]]), tensor([1.2486]))
    """

    def __init__(self, loc: Tensor, concentration: Tensor) -> None:
        self.loc, self.concentration = loc, concentration

    @property
    def mean(self) -> Tensor:
        """The mean direction μ, [n, d]; the mean in R^d is the shorter the wider the density is."""
        return self.loc

    def transport(self, noise: Tensor) -> Tensor:
        """Return the draws that standard normal noise [..., n, d] becomes, without gradient.

        Φ(noise_1) is the place of (1 + ⟨μ, z⟩)/2 in its Beta(a, b) distribution; all other noise is the direction from
        μ.
        """
        noise = noise.expand(torch.broadcast_shapes(noise.shape, self.loc.shape)).detach()
        a, b = (part.detach().cpu().double().numpy() for part in self._shapes())
        height = betaincinv(a, b, ndtr(noise[..., 0].cpu().double().numpy()))  # [..., n]
        return self._around(torch.from_numpy(np.asarray(height)).to(noise), noise[..., 1:])

    def rsample(self, sample_shape: Size = torch.Size()) -> Tensor:
        """Return reparametrised draws, [*sample_shape, n, d]."""
        a, b = self._shapes()
        height = Beta(a, b, validate_args=False).rsample(sample_shape)  # [*sample_shape, n]
        aside = torch.randn(*height.shape, self.loc.shape[-1] - 1, device=height.device)
        return self._around(height, aside)

    def detached(self) -> PowerSpherical:
        """Return the same density as a function of z alone."""
        return PowerSpherical(self.loc.detach(), self.concentration.detach())

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z) in nats, by the sphere's area: [..., n]."""
        cosine = (z * self.loc).sum(-1).clamp_min(OPPOSITE)
        return (_wide(self.concentration) * _wide(cosine).log1p() - self._log_normaliser()).float()

    def kl_to_uniform(self) -> Tensor:
        """Return KL(q ‖ 1/|S^{d−1}|) = κ (log 2 + ψ(a) − ψ(a + b)) − log N(κ) + log |S^{d−1}| in nats: [n]."""
        a, b = (_wide(part) for part in self._shapes())
        mean_log = math.log(2) + torch.digamma(a) - torch.digamma(a + b)  # E log(1 + ⟨μ, z⟩)
        log_area = UniformOnSphere(self.loc.shape[-1]).log_area
        return (_wide(self.concentration) * mean_log - self._log_normaliser() + log_area).float()

    def _shapes(self) -> tuple[Tensor, Tensor]:
        """Return a and b, [n] each."""
        b = torch.full_like(self.concentration, (self.loc.shape[-1] - 1) / 2)
        return b + self.concentration, b

    def _log_normaliser(self) -> Tensor:
        a, b = (_wide(part) for part in self._shapes())
        return (a + b) * math.log(2) + b * math.log(math.pi) + torch.lgamma(a) - torch.lgamma(a + b)

    def _around(self, height: Tensor, aside: Tensor) -> Tensor:
        """Return the points at cosines 2 height − 1 from μ, in the directions of aside [..., n, d − 1]: [..., n, d].

        They are made around the first axis, and a reflection that takes it to μ takes them along.
        """
        radius = 2 * (height * (1 - height)).clamp_min(LEAST).sqrt()
        z = torch.cat([2 * height[..., None] - 1, radius[..., None] * normalize(aside, dim=-1)], -1)
        first = torch.zeros_like(self.loc)
        first[..., 0] = 1
        mirror = normalize(first - self.loc, dim=-1)  # 0 where μ is the axis
        return z - 2 * (z * mirror).sum(-1, keepdim=True) * mirror


def _wide(x: Tensor) -> Tensor:
    """Return x in float64, where the device has such: Γ's logarithms are large and their difference is not."""
    return x if x.device.type == "mps" else x.double()
