"""The discretised logistic and mixtures of it: exact probabilities of levels, for pictures and whole numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import logsigmoid
from torch.types import _size

from vaekit.distributions.elementwise import logaddexp, sigmoid, softplus


class DiscretizedLogisticMixture(Distribution):
    r"""P(x) = Σ_m w_m [σ((x + h − loc_m)/s_m) − σ((x − h − loc_m)/s_m)], where h is half a level.

    The first and the last level take the tails, so that the probabilities sum to one. With `ends`, they may carry mass
    of their own besides: P(x) = e_low [x = low] + e_high [x = high] + e_between Σ_m …

    Parameters
    ----------
    logits : Tensor of shape (..., M)
        Unnormalised log weights of the mixture.
    loc, log_scale : Tensor of shape (..., M)
    half : float or Tensor of shape (...)
        Half the distance of two neighbouring levels.
    low, high : float
        The first and the last level; infinite where whole numbers have no end.
    ends : Tensor of shape (..., 3), optional
        Unnormalised log masses of (low, between, high).

    References
    ----------
    Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++, section 2.1, arXiv:1701.05517.

    Examples
    --------
    >>> zeros = torch.zeros(1)
    >>> d = DiscretizedLogisticMixture(zeros, zeros, zeros - 2, half=1 / 16, low=-1.0, high=1.0)
    >>> levels = torch.linspace(-1, 1, 17)
    >>> round(d.log_prob(levels).exp().sum().item(), 4)
    1.0
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(
        self,
        logits: Tensor,
        loc: Tensor,
        log_scale: Tensor,
        half: float | Tensor,
        low: float = -math.inf,
        high: float = math.inf,
        ends: Tensor | None = None,
    ) -> None:
        self.log_weights = logits.log_softmax(-1)
        self.loc, self.log_scale = loc, log_scale
        self.half = torch.as_tensor(half, dtype=loc.dtype, device=loc.device)
        self.low, self.high = low, high
        self.log_ends = None if ends is None else ends.log_softmax(-1)
        super().__init__(loc.shape[:-1], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(value) in nats, elementwise; the value must be a level."""
        between = (
            torch.logsumexp(self.log_weights + self._log_cell(value), -1)
            if self._is_mixture
            else self._log_cell(value)[..., 0]
        )
        return between if self.log_ends is None else self._with_ends(value, between)

    def cdf(self, value: Tensor) -> Tensor:
        """Return P(X ≤ value), elementwise; the value must be a level."""
        upper = sigmoid(self._standardised(value, self.half))
        upper = upper.masked_fill(self._at(value, self.high), 1.0)
        between = (self.log_weights.exp() * upper).sum(-1)
        if self.log_ends is None:
            return between
        below, inside, above = self.log_ends.exp().unbind(-1)
        return below + inside * between + above * self._at(value, self.high)[..., 0]

    @property
    def mean(self) -> Tensor:
        """E[x], elementwise, to within half a level: the mean before the cut into levels, but with ends."""
        centre = self.loc
        if self._has_ends:
            scale = self.log_scale.exp()
            rise = softplus((centre - self.low) / scale) - softplus((centre - self.high) / scale)
            centre = (self.low + scale * rise).clamp(self.low, self.high)
        between = (self.log_weights.exp() * centre).sum(-1)
        if self.log_ends is None:
            return between
        below, inside, above = self.log_ends.exp().unbind(-1)
        return below * self.low + inside * between + above * self.high

    def sample(self, sample_shape: _size = torch.Size()) -> Tensor:
        """Return draws on the levels, [*sample_shape, ...]."""
        with torch.no_grad():
            draws = self._on_level(self._sample_logistic(torch.Size(sample_shape)))
            return draws if self.log_ends is None else self._sample_ends(draws)

    # -- inside ----------------------------------------------------------------------------------------------------

    @property
    def _is_mixture(self) -> bool:
        return self.loc.shape[-1] > 1

    @property
    def _has_ends(self) -> bool:
        return math.isfinite(self.low)

    def _standardised(self, value: Tensor, shift: Tensor) -> Tensor:
        return ((value + shift)[..., None] - self.loc) * torch.exp(-self.log_scale)

    def _at(self, value: Tensor, end: float) -> Tensor:
        return ((value - end).abs() < self.half)[..., None]

    def _log_cell(self, value: Tensor) -> Tensor:
        """Return log[σ(b) − σ(a)] for the cell [a, b] of each level: log σ(b) + log σ(−a) + log(1 − e^(a − b))."""
        inverse = torch.exp(-self.log_scale)  # [..., M]
        width = 2 * self.half[..., None] * inverse
        centred = (value[..., None] - self.loc) * inverse
        log_below, log_above = logsigmoid(centred + width / 2), logsigmoid(width / 2 - centred)
        inner = log_below + log_above + torch.log(-torch.expm1(-width))
        if not self._has_ends:
            return inner
        inner = torch.where(self._at(value, self.low), log_below, inner)
        return torch.where(self._at(value, self.high), log_above, inner)

    def _with_ends(self, value: Tensor, between: Tensor) -> Tensor:
        assert self.log_ends is not None
        below, inside, above = self.log_ends.unbind(-1)
        mixed = inside + between
        mixed = torch.where(self._at(value, self.low)[..., 0], logaddexp(mixed, below), mixed)
        return torch.where(self._at(value, self.high)[..., 0], logaddexp(mixed, above), mixed)

    def _sample_logistic(self, shape: torch.Size) -> Tensor:
        part = torch.distributions.Categorical(logits=self.log_weights, validate_args=False).sample(shape)[..., None]
        loc = self.loc.expand(*shape, *self.loc.shape).gather(-1, part)[..., 0]
        log_scale = self.log_scale.expand(*shape, *self.loc.shape).gather(-1, part)[..., 0]
        uniform = torch.rand_like(loc).clamp(1e-6, 1 - 1e-6)
        return loc + log_scale.exp() * (uniform.log() - (-uniform).log1p())

    def _on_level(self, draws: Tensor) -> Tensor:
        step, origin = 2 * self.half, self.low if self._has_ends else 0.0
        return (origin + torch.round((draws - origin) / step) * step).clamp(self.low, self.high)

    def _sample_ends(self, draws: Tensor) -> Tensor:
        shape = draws.shape[: draws.dim() - len(self.batch_shape)]
        which = torch.distributions.Categorical(logits=self.log_ends, validate_args=False).sample(shape)
        draws = torch.where(which == 0, torch.full_like(draws, self.low), draws)
        return torch.where(which == 2, torch.full_like(draws, self.high), draws)
