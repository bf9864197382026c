"""The standard normal prior."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from vaekit.priors.base import Prior


class StandardNormal(Prior):
    """p(z) = N(z; 0, I).

    Examples
    --------
    >>> StandardNormal(2)().log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    where: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)
        self.register_buffer("where", torch.zeros(latent_dim), persistent=False)  # carries device and dtype

    def forward(self) -> Distribution:
        """Return p(z), a distribution with event shape (d,)."""
        return Independent(Normal(self.where, torch.ones_like(self.where), validate_args=False), 1, validate_args=False)

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d], their spread scaled by the temperature."""
        return temperature * torch.randn(n, self.latent_dim).to(self.where)

    def keep_units(self, units: Tensor, centre: Tensor) -> bool:
        """Become the standard normal of as many units."""
        self.latent_dim = len(units)
        self.where = self.where[units]
        return True
