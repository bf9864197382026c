"""What an objective answers."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from vaekit.models.base import LatentModel


class Bound(NamedTuple):
    """The two terms of the ELBO for each row, and what is maximised, in nats: [n] each."""

    reconstruction: Tensor
    kl: Tensor
    value: Tensor

    @property
    def elbo(self) -> Tensor:
        """Reconstruction − kl, [n]."""
        return self.reconstruction - self.kl

    @property
    def loss(self) -> Tensor:
        """−value, averaged over rows."""
        return -self.value.mean()


class Objective(Protocol):
    """What a model is trained on."""

    def __call__(self, model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = ...) -> Bound:
        """Return the terms for observations x [n, *event_shape], the KL weighted by beta, under some draws of z."""
