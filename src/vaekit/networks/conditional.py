"""A network whose output is a density: one stochastic layer given what is above and beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vaekit.distributions.likelihood import bounded
from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.networks.frozen import frozen
from vaekit.networks.mlp import MLP


def diagonal_normal(statistics: Tensor) -> DiagonalNormal:
    """Return N(loc, diag scale²) of statistics [..., 2 d], the log-scale bent into [−6, 2]."""
    loc, log_scale = statistics.float().chunk(2, dim=-1)  # each [..., d]
    return DiagonalNormal(loc, bounded(log_scale, -6, 2).exp())


class ConditionalNormal(nn.Module):
    """N(z; loc(h), diag scale(h)²) with an MLP for both.

    Parameters
    ----------
    in_features : int
    hidden : sequence of int
    out_features : int
        d, the width of z.
    activation : str
    """

    def __init__(self, in_features: int, hidden: Sequence[int], out_features: int, activation: str = "gated") -> None:
        super().__init__()
        self.body = MLP(in_features, hidden, activation)
        self.head = nn.Linear(self.body.out_features, 2 * out_features)

    def forward(self, h: Tensor) -> DiagonalNormal:
        """Return the density of z [..., d] given h [..., in_features]."""
        statistics = self.head(self.body(h.flatten(0, -2)))
        return diagonal_normal(statistics.view(*h.shape[:-1], -1))


class Beside:
    """A conditional density that also reads features of the row: from the layers above to q(z_l | z_<l, features).

    Parameters
    ----------
    network : ConditionalNormal
    features : Tensor of shape (n, n_features)
    """

    def __init__(self, network: ConditionalNormal, features: Tensor) -> None:
        self.network, self.features = network, features

    def __call__(self, above: Tensor) -> DiagonalNormal:
        """Return the density given the layers above, [..., n, width]; an empty tensor stands for none."""
        if not above.numel():
            return self._given(self.features)
        features = self.features.expand(*above.shape[:-1], -1)
        return self._given(torch.cat([features, above.to(features.dtype)], -1))

    def detached(self) -> Beside:
        """Return the same density as a function of the layers above alone."""
        return _Detached(self.network, self.features.detach())

    def _given(self, h: Tensor) -> DiagonalNormal:
        density: DiagonalNormal = self.network(h)
        return density


class _Detached(Beside):
    def _given(self, h: Tensor) -> DiagonalNormal:
        with frozen(self.network):
            return super()._given(h)
