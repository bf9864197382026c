"""A product of conditionals, unit by unit, each a small mixture of Gaussians."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Size, Tensor

from vaekit.distributions.posteriors import LOG_2PI


class MixtureOfNormals:
    """Σ_m w_m N(z; loc_m, scale_m²) of each number by itself.

    Parameters
    ----------
    log_weight, loc, scale : Tensor of shape (..., M)
        The weights' logarithms add up to no more than 0.
    """

    def __init__(self, log_weight: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.log_weight, self.loc, self.scale = log_weight, loc, scale

    def __getitem__(self, index: Any) -> MixtureOfNormals:
        """Return the mixtures at an index of the batch shape."""
        return MixtureOfNormals(self.log_weight[index], self.loc[index], self.scale[index])

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, elementwise: [...]."""
        parts = -0.5 * ((z[..., None] - self.loc) / self.scale).square() - self.scale.log()  # [..., M]
        return (self.log_weight + parts).logsumexp(-1) - 0.5 * LOG_2PI

    def sample(self, temperature: float = 1.0) -> Tensor:
        """Return one draw of each number, its Gaussian's spread scaled by the temperature: [...]."""
        flat = self.log_weight.exp().flatten(0, -2)
        m = torch.multinomial(flat.cpu(), 1).to(flat.device).view(*self.loc.shape[:-1], 1)
        loc, scale = self.loc.gather(-1, m)[..., 0], self.scale.gather(-1, m)[..., 0]
        return loc + temperature * scale * torch.randn(loc.shape).to(loc)


class AutoregressiveDensity:
    """p(z) = Π_j p(z_j | z_<j), exact in one pass.

    Parameters
    ----------
    conditionals : callable
        From z [..., d] to all p(z_j | z_<j) at once, batch shape [..., d]; unit j must not depend on z_≥j.
    d : int
    where : torch.device
    """

    def __init__(self, conditionals: Callable[[Tensor], MixtureOfNormals], d: int, where: torch.device) -> None:
        self.conditionals, self.d, self.where = conditionals, d, where

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, [...], of z [..., d]."""
        return self.log_prob_by_unit(z).sum(-1)

    def log_prob_by_unit(self, z: Tensor) -> Tensor:
        """Return log p(z_j | z_<j) in nats, [..., d]."""
        return self.conditionals(z).log_prob(z)

    def sample(self, sample_shape: Size = torch.Size()) -> Tensor:
        """Return draws, [*sample_shape, d]; one pass a unit."""
        return self.draw(math.prod(sample_shape)).view(*sample_shape, -1)

    def draw(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws, [n, d], each Gaussian's spread scaled by the temperature."""
        z = torch.zeros(n, self.d, device=self.where)
        for j in range(self.d):
            z[:, j] = self.conditionals(z)[:, j].sample(temperature)
        return z
