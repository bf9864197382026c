"""Posteriors q(z | x): densities whose draws are a smooth function of standard normal noise."""

from __future__ import annotations

import math
from functools import partial
from typing import Protocol

import torch
from torch import Size, Tensor

from vaekit.distributions.shares import drawn

LOG_2PI = math.log(2 * math.pi)


class Reparametrised(Protocol):
    """A density over z whose draws can be driven by noise from outside, so that they can be repeated exactly."""

    @property
    def mean(self) -> Tensor:
        """The mean, or on a sphere its direction: what a row is embedded as, [n, d]."""

    def transport(self, noise: Tensor) -> Tensor:
        """Return the draws that standard normal noise [..., n, d] becomes."""

    def rsample(self, sample_shape: Size = ...) -> Tensor:
        """Return draws, [*sample_shape, n, d]."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z) in nats, [..., n]."""

    def detached(self) -> Reparametrised:
        """Return the same density as a function of z alone: no gradient reaches its parameters."""


class DiagonalNormal:
    r"""q(z) = Π_j N(z_j; loc_j, scale_j²).

    Parameters
    ----------
    loc : Tensor of shape (n, d)
    scale : Tensor of shape (n, d)
        Positive.

    Examples
    --------
    >>> q = DiagonalNormal(torch.zeros(2, 3), torch.ones(2, 3))
    >>> q.log_prob(q.mean)
    tensor([-2.7568, -2.7568])
    """

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = loc, scale

    def __repr__(self) -> str:
        """Return the family and its shape."""
        return f"DiagonalNormal(shape={tuple(self.loc.shape)})"

    @property
    def mean(self) -> Tensor:
        """The mean, [n, d]."""
        return self.loc

    def transport(self, noise: Tensor) -> Tensor:
        """Return loc + scale · noise; noise broadcasts against [n, d]."""
        return self.loc + self.scale * noise

    def rsample(self, sample_shape: Size = torch.Size()) -> Tensor:
        """Return reparametrised draws, [*sample_shape, n, d]."""
        normal = partial(torch.randn, device=self.loc.device)
        return self.transport(drawn(normal, (*sample_shape, *self.loc.shape), len(sample_shape)))

    def detached(self) -> DiagonalNormal:
        """Return the same density as a function of z alone."""
        return DiagonalNormal(self.loc.detach(), self.scale.detach())

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z) in nats, summed over d: [..., n]."""
        return self.log_prob_by_unit(z).sum(-1)

    def log_prob_by_unit(self, z: Tensor) -> Tensor:
        """Return log q(z_j) in nats for each unit: [..., n, d]."""
        return -0.5 * ((z - self.loc) / self.scale).square() - self.scale.log() - 0.5 * LOG_2PI
