"""Densities of several stochastic layers: a product of conditionals, the top layer first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Size, Tensor

from vaekit.distributions.shares import drawn

Conditional = Callable[[Tensor], Any]  # from the layers above, [..., n, width], to the density of this layer


class Chain:
    r"""p(z) = Π_l p(z_l | z_<l) over z = [z_0, z_1, …] of several layers, the top layer z_0 first.

    Parameters
    ----------
    sizes : sequence of int
        The width of each layer.
    conditionals : sequence of callable
        One for each layer, from the layers above it to its density.
    """

    def __init__(self, sizes: Sequence[int], conditionals: Sequence[Conditional]) -> None:
        self.sizes, self.conditionals = list(sizes), list(conditionals)
        self._drawn: tuple[Tensor, list[Any]] | None = None  # the last draws and their layers' densities

    def layers(self, z: Tensor) -> list[tuple[Any, Tensor]]:
        """Return each layer's density given the layers above it, with the layer's own part of z [..., n, d]."""
        parts = z.split(self.sizes, -1)
        if self._drawn is not None and self._drawn[0] is z:  # so that a network is asked once for its own draw
            return list(zip(self._drawn[1], parts, strict=True))
        starts = [sum(self.sizes[:i]) for i in range(len(self.sizes))]
        given = [conditional(z[..., :start]) for conditional, start in zip(self.conditionals, starts, strict=True)]
        return list(zip(given, parts, strict=True))

    def transport(self, noise: Tensor) -> Tensor:
        """Return the draws that standard normal noise [..., n, d] becomes, layer by layer."""
        z, densities = noise[..., :0], []
        for conditional, part in zip(self.conditionals, noise.split(self.sizes, -1), strict=True):
            densities.append(conditional(z))
            drawn = densities[-1].transport(part)
            z = torch.cat([z.expand(*drawn.shape[:-1], -1), drawn], -1)
        self._drawn = (z, densities)
        return z

    @property
    def mean(self) -> Tensor:
        """Each layer's mean given the means of those above it, [n, d]: the draw without noise."""
        return self.transport(self._noise(Size(), Tensor.zero_))

    def rsample(self, sample_shape: Size = torch.Size()) -> Tensor:
        """Return reparametrised draws, [*sample_shape, n, d]."""
        return self.transport(self._noise(sample_shape, Tensor.normal_))

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, [..., n]."""
        total: Tensor = sum(density.log_prob(part) for density, part in self.layers(z))
        return total

    def detached(self) -> Chain:
        """Return the same density as a function of z alone."""
        return Chain(self.sizes, [conditional.detached() for conditional in self.conditionals])  # type: ignore[attr-defined]

    def _noise(self, sample_shape: Size, fill: Callable[[Tensor], Tensor]) -> Tensor:
        """Return [*sample_shape, n, d], filled."""
        top: Tensor = self.conditionals[0](torch.empty(0)).mean  # [n, d_0]
        shape = (*sample_shape, top.shape[0], sum(self.sizes))
        return drawn(lambda size: fill(top.new_empty(size)), shape, len(sample_shape))
