"""The prior p(z), the base of all: a module whose call returns a distribution over codes of shape (d,)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from vaekit.distributions.posteriors import Reparametrised


class Density(Protocol):
    """What a prior's call returns: a density over codes z."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, [...], of z [..., d]."""


class Prior(nn.Module):
    """A density p(z) over codes of shape (latent_dim,).

    Parameters
    ----------
    latent_dim : int
        d, the number of units of z.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def forward(self) -> Density:
        """Return p(z), a density with event shape (d,)."""
        raise NotImplementedError

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d], their spread scaled by the temperature."""
        raise NotImplementedError

    def attach(self, posterior: Callable[[Tensor], Reparametrised], in_shape: tuple[int, ...]) -> None:
        """Make known the model's own posterior of encoder inputs [n, *in_shape], for a prior made of posteriors."""

    def prepare(self, inputs: Tensor) -> None:
        """Set from encoder inputs [n, *in_shape] what is better set than learned, before training."""

    def keep_units(self, units: Tensor, centre: Tensor) -> bool:
        """Become the prior of `units` alone, the others held at `centre` [d]; return whether this prior can."""
        return False


class PriorOfClasses(Prior):
    """A prior that knows classes y, from 0 to n_classes − 1, and draws codes of one."""

    n_classes: int

    def sample_of(self, classes: Tensor, temperature: float = 1.0) -> Tensor:
        """Return a draw of p(z | y) for each of the classes y [n]: [n, latent_dim]."""
        raise NotImplementedError
