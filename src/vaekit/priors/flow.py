"""A normalising flow as prior."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from zuko.flows import NICE

from vaekit.priors.base import Density, Prior


class FlowPrior(Prior):
    """p(z) = N(f(z); 0, I) |det ∂f/∂z|, f a chain of affine couplings (Dinh et al., 2017, arXiv:1605.08803), by zuko.

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

    def __init__(self, latent_dim: int, n_couplings: int = 4, n_hidden: int = 128) -> None:
        super().__init__(latent_dim)
        self.flow: Any = NICE(latent_dim, transforms=n_couplings, hidden_features=(n_hidden, n_hidden))

    def forward(self) -> Density:
        """Return p(z), a density with event shape (d,)."""
        density: Density = self.flow()
        return density

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d]: the flow's own noise, scaled by the temperature, taken back through it."""
        density = self.flow()
        noise = temperature * torch.randn(n, self.latent_dim).to(next(self.parameters()))
        z: Tensor = density.transform.inv(noise)
        return z
