"""Multilayer perceptrons, gated by default."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vaekit.distributions.elementwise import elu, glu, silu


class GatedLinear(nn.Module):
    """h = (W x + b) ⊙ σ(V x + c) (Dauphin et al., 2017, arXiv:1612.08083), one matrix product for both.

    Parameters
    ----------
    in_features, out_features : int
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, 2 * out_features)

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, out_features] of [n, in_features]."""
        return glu(self.linear(x), dim=-1)


class Activation(nn.Module):
    """A function of each number by itself."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Return the function of each number."""
        return self.function(x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "tanh": torch.tanh, "silu": silu, "elu": elu}


class MLP(nn.Module):
    """Layers of the given widths; flattens its input. Layers between equal widths add their input (a residual).

    Parameters
    ----------
    in_features : int
    hidden : sequence of int
        The widths of the layers; none at all is the identity.
    activation : {"gated", "relu", "tanh", "silu", "elu"}
        Only gated layers are residual, so that the others stay the textbook's.

    Examples
    --------
    >>> import torch
    >>> MLP(784, (300, 300))(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 300])
    """

    def __init__(self, in_features: int, hidden: Sequence[int], activation: str = "gated") -> None:
        super().__init__()
        widths = [in_features, *hidden]
        self.out_features = widths[-1]
        self.layers = nn.ModuleList(_layer(a, b, activation) for a, b in zip(widths[:-1], widths[1:], strict=True))
        self.residual = [activation == "gated" and a == b for a, b in zip(widths[:-1], widths[1:], strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, hidden[-1]] of [n, ...]."""
        h = x.flatten(1)
        for layer, residual in zip(self.layers, self.residual, strict=True):
            h = h + layer(h) if residual else layer(h)
        return h


def _layer(in_features: int, out_features: int, activation: str) -> nn.Module:
    if activation == "gated":
        return GatedLinear(in_features, out_features)
    return nn.Sequential(nn.Linear(in_features, out_features), Activation(ACTIVATIONS[activation]))
