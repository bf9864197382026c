"""The continuous Bernoulli, accurate for every parameter: torch's own loses its normalisation beyond |logits| = 15."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.types import _size


class ScaledContinuousBernoulli(Distribution):
    r"""p(u) = e^(η u) η / (e^η − 1) for u = x / top in [0, 1]; its density is per unit of u.

    Parameters
    ----------
    logits : Tensor
        η = log λ / (1 − λ) of p(u) ∝ λ^u (1 − λ)^(1−u).
    top : float
        The largest x.

    References
    ----------
    Loaiza-Ganem and Cunningham (2019), The continuous Bernoulli, arXiv:1907.06845.

    Examples
    --------
    >>> d = ScaledContinuousBernoulli(torch.tensor([0.0, 20.0]), top=255.0)
    >>> d.mean
    tensor([127.5000, 242.2500])
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(self, logits: Tensor, top: float) -> None:
        self.logits, self.top = logits, top
        super().__init__(logits.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(value / top) in nats, elementwise."""
        # With h = η / 2 the density is e^(h (2u − 1)) h / sinh h.
        half = self.logits / 2
        return half * (2 * value / self.top - 1) - _log_sinhc(half.abs())

    @property
    def mean(self) -> Tensor:
        """E[x] = top (1 + coth h − 1/h) / 2, where h = η / 2."""
        half = self.logits / 2
        small, large = half * (1 / 3 - half.square() / 45), half.abs().clamp_min(0.25)
        langevin = torch.where(half.abs() < 0.25, small, half.sign() * (1 / large.tanh() - 1 / large))
        return self.top * (1 + langevin) / 2

    def sample(self, sample_shape: _size = torch.Size()) -> Tensor:
        """Return draws in [0, top], [*sample_shape, ...]: the inverse of the cumulative distribution at a uniform."""
        with torch.no_grad():
            eta = self.logits.expand(*sample_shape, *self.logits.shape)
            steep = eta.abs().clamp_min(1e-6)
            from_one = -torch.log1p(torch.rand_like(eta) * torch.expm1(-steep)) / steep
            return self.top * torch.where(eta > 0, 1 - from_one, from_one).clamp(0, 1)


def _log_sinhc(h: Tensor) -> Tensor:
    """Return log(sinh h / h) of h ≥ 0; a series near zero, where the closed form's gradient cancels."""
    square, large = h.square(), h.clamp_min(0.25)
    series = square * (1 / 6 - square * (1 / 180 - square / 2835))
    closed = large + torch.log(-torch.expm1(-2 * large) / (2 * large))
    return torch.where(h < 0.25, series, closed)
