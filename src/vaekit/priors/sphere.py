"""The uniform prior on the unit sphere."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vaekit.distributions.sphere import UniformOnSphere
from vaekit.priors.base import Prior


class UniformSphere(Prior):
    """p(z) = 1 / |S^{d−1}|, by the sphere's area.

    Examples
    --------
    >>> prior = UniformSphere(3)
    >>> prior().log_prob(torch.tensor([0.0, 0.0, 1.0])), prior.sample(5).shape
    (tensor(-2.5310), torch.Size([5, 3]))
    """

    where: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)
        self.register_buffer("where", torch.zeros(latent_dim), persistent=False)  # carries device and dtype

    def forward(self) -> UniformOnSphere:
        """Return p(z), a density with event shape (d,)."""
        return UniformOnSphere(self.latent_dim)

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d]; p(z)^{1/T} is uniform at every temperature T."""
        return normalize(torch.randn(n, self.latent_dim), dim=-1).to(self.where)
