"""What an objective answers."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from vaekit.models.base import LatentModel


class Bound(NamedTuple):
    """The two terms of a bound for each row, in nats: [n] each."""

    reconstruction: Tensor
    kl: Tensor

    @property
    def elbo(self) -> Tensor:
        """Reconstruction − kl, [n]."""
        return self.reconstruction - self.kl

    def loss(self, beta: float = 1.0) -> Tensor:
        """Return −(reconstruction − beta · kl), averaged over rows."""
        return (beta * self.kl - self.reconstruction).mean()


class Objective(Protocol):
    """What a model is trained on."""

    def __call__(self, model: LatentModel, x: Tensor) -> Bound:
        """Return the terms for observations x [n, *event_shape]."""
