"""Classes told by a linear model on codes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LinearClasses:
    """p(y | x) = softmax(W E[z | x] + b).

    Parameters
    ----------
    weight : Tensor of shape (K, latent_dim)
    bias : Tensor of shape (K,)
    """

    weight: Tensor
    bias: Tensor

    def log_classes(self, z: Tensor) -> Tensor:
        """Return log p(y | x) in nats, [n, K], of codes [n, latent_dim]."""
        return (z @ self.weight.T + self.bias).log_softmax(-1)
