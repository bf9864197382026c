"""A normalising flow as prior."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from zuko.flows import NICE

from vaekit.priors.base import Density, Prior

STEPS, AT_ONCE, RATE = 1_500, 512, 2e-3  # of a flow that is fitted on codes


class Moved:
    """A density of loc + scale ⊙ e, e having another density.

    Parameters
    ----------
    base : Density
        Of e.
    loc, scale : Tensor of shape (d,)
    """

    def __init__(self, base: Density, loc: Tensor, scale: Tensor) -> None:
        self.base, self.loc, self.scale = base, loc, scale

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, [...], of z [..., d]."""
        return self.base.log_prob((z - self.loc) / self.scale) - self.scale.log().sum()


class FlowPrior(Prior):
    """p(z) = N(f(z); 0, I) |det ∂f/∂z|, f a chain of affine couplings (Dinh et al., 2017, arXiv:1605.08803), by zuko.

    Before the couplings z is moved and scaled by fixed numbers, 0 and 1 but for a flow that is fitted on codes.

    Parameters
    ----------
    latent_dim : int
        d, the number of units of z.
    n_couplings : int
    n_hidden : int
        Width of the two hidden layers of each coupling.

    Examples
    --------
    >>> prior = FlowPrior(3)
    >>> prior().log_prob(torch.zeros(2, 3)).shape, prior.sample(5).shape
    (torch.Size([2]), torch.Size([5, 3]))
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int, n_couplings: int = 4, n_hidden: int = 128) -> None:
        super().__init__(latent_dim)
        self.flow: Any = NICE(latent_dim, transforms=n_couplings, hidden_features=(n_hidden, n_hidden))
        self.register_buffer("loc", torch.zeros(latent_dim))
        self.register_buffer("scale", torch.ones(latent_dim))

    def forward(self) -> Density:
        """Return p(z), a density with event shape (d,)."""
        return Moved(self.flow(), self.loc, self.scale)

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d]: the flow's own noise, scaled by the temperature, taken back through it."""
        density = self.flow()
        noise = temperature * torch.randn(n, self.latent_dim).to(next(self.parameters()))
        e: Tensor = density.transform.inv(noise)
        return self.loc + self.scale * e

    @torch.enable_grad()
    def fit(self, codes: Tensor, seed: int = 0) -> FlowPrior:
        """Fit by maximum likelihood on codes [n, d]."""
        self.loc.copy_(codes.mean(0))
        self.scale.copy_(codes.std(0).clamp_min(1e-6))
        weights = [p.requires_grad_() for p in self.flow.parameters()]
        optimizer, draw = torch.optim.Adam(weights, RATE), torch.Generator().manual_seed(seed)
        for step in range(STEPS):
            optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / STEPS))
            some = torch.randint(len(codes), (AT_ONCE,), generator=draw).to(codes.device)
            optimizer.zero_grad()
            (-self().log_prob(codes[some]).mean()).backward()
            optimizer.step()
        return self
