"""The prior of several stochastic layers, from the top down."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vaekit.distributions.chain import Chain
from vaekit.networks.conditional import ConditionalNormal
from vaekit.priors.base import Density, Prior


class TopDownPrior(Prior):
    r"""p(z) = p(z_0) Π_l N(z_l; loc_l(z_<l), diag scale_l(z_<l)²): any prior at the top, networks below.

    Every layer reads all layers above it (skip connections).

    Parameters
    ----------
    top : Prior
        Of the top layer.
    sizes : sequence of int
        The width of each layer, the top one first.
    hidden : sequence of int
        Widths of the networks between layers.
    activation : str
    """

    def __init__(self, top: Prior, sizes: Sequence[int], hidden: Sequence[int], activation: str = "gated") -> None:
        super().__init__(sum(sizes))
        self.top, self.sizes = top, list(sizes)
        self.below = nn.ModuleList(
            ConditionalNormal(sum(sizes[:i]), hidden, sizes[i], activation) for i in range(1, len(sizes))
        )

    def forward(self) -> Density:
        """Return p(z), a density with event shape (d,)."""
        top = self.top()
        return Chain(self.sizes, [lambda _: top, *self.below])

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d], the spread of every layer scaled by the temperature."""
        z = self.top.sample(n, temperature)
        for network in self.below:
            below = network(z)
            z = torch.cat([z, below.transport(temperature * torch.randn(below.loc.shape).to(z))], -1)
        return z
