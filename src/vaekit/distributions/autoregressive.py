"""A product of conditionals, unit by unit, each a small mixture of Gaussians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vaekit.distributions.posteriors import LOG_2PI


class MixtureOfNormals:
    """Σ_m w_m N(z; loc_m, scale_m²) of each number by itself.

    Parameters
    ----------
    logits, loc, scale : Tensor of shape (M, ...)
        The components stand first, so that z [...] meets them as it is, and sums over them run over whole vectors.
    """

    def __init__(self, logits: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.logits, self.loc, self.scale = logits, loc, scale

    def units(self, index: Any) -> MixtureOfNormals:
        """Return the mixtures at an index of the last axis."""
        return MixtureOfNormals(self.logits[..., index], self.loc[..., index], self.scale[..., index])

    @property
    def log_weight(self) -> Tensor:
        """Log w, [M, ...]."""
        return self.logits - self.logits.logsumexp(0)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, elementwise: [...]."""
        parts = self.logits - 0.5 * ((z - self.loc) / self.scale).square() - self.scale.log()  # [M, ...]
        return parts.logsumexp(0) - self.logits.logsumexp(0) - 0.5 * LOG_2PI

    def sample(self, temperature: float = 1.0) -> Tensor:
        """Return one draw of each number, its Gaussian's spread scaled by the temperature: [...]."""
        weight = self.log_weight.exp().flatten(1).T.cpu()  # [numbers, M]
        m = torch.multinomial(weight, 1).to(self.loc.device).view(1, *self.loc.shape[1:])
        loc, scale = self.loc.gather(0, m)[0], self.scale.gather(0, m)[0]
        return loc + temperature * scale * torch.randn(loc.shape).to(loc)


class AutoregressiveDensity:
    """p(z) = Π_j p(z_j | z_<j), exact in one pass.

    Parameters
    ----------
    conditionals : callable
        From z [..., d] to all p(z_j | z_<j) at once, batch shape [..., d]; unit j must not depend on z_≥j.
    """

    def __init__(self, conditionals: Callable[[Tensor], MixtureOfNormals]) -> None:
        self.conditionals = conditionals

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, [...], of z [..., d]."""
        return self.log_prob_by_unit(z).sum(-1)

    def log_prob_by_unit(self, z: Tensor) -> Tensor:
        """Return log p(z_j | z_<j) in nats, [..., d]."""
        return self.conditionals(z).log_prob(z)
