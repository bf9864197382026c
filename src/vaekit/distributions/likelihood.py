"""The likelihood p(x | z), the base of all: from a decoder's output to a distribution over codes.

Every likelihood reads parameters of shape [n, P, *event_shape] and returns a distribution of batch shape
[n, *event_shape] whose `log_prob` is in nats, elementwise: the model sums over dimensions. Codes are those of
`vaekit.data.fields`; densities of standardised reals are answered per unit of the user's data (`log_unit`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.distributions.elementwise import softplus
from vaekit.distributions.uniform import coarse_uniform


def bounded(x: Tensor, low: float, high: float) -> Tensor:
    """Return x bent smoothly into (low, high): the identity well inside, and never without a gradient.

    Examples
    --------
    >>> bounded(torch.tensor([-100.0, 0.0, 100.0]), -8, 8)
    tensor([-8.,  0.,  8.])
    """
    return high - softplus(high - (low + softplus(x - low)))


def without_gaps(codes: Tensor) -> Tensor:
    """Return codes [n, ...] with each gap filled by an observed value of its own place, taken in turn: same moments.

    Examples
    --------
    >>> without_gaps(torch.tensor([[1.0], [torch.nan], [3.0], [torch.nan]]))[:, 0]
    tensor([1., 3., 1., 3.])
    """
    gaps = codes.isnan()
    if not gaps.any():
        return codes
    observed_first = codes.gather(0, gaps.int().argsort(dim=0, stable=True))
    rank = torch.arange(len(codes), device=codes.device).view(-1, *[1] * (codes.dim() - 1))
    turn = rank % (~gaps).sum(0).clamp_min(1)
    return observed_first.gather(0, turn).nan_to_num()  # a place without any value is all 0


class Likelihood(nn.Module):
    """p(x | parameters), the base of all.

    Parameters
    ----------
    event_shape : sequence of int
        The shape of one row of codes.
    unit : float or Tensor of shape event_shape
        How many of the user's units one unit of a code is; the log-density answers per unit of the user's.
    """

    n_parameters: int = 1  # P
    density: bool = False  # whether log_prob is of a density, not of a probability
    has_gaps: bool = False  # whether codes may hold NaN, which then score 0
    units_vary: bool = False  # whether a unit of a code is more of the user's units at some codes than at others
    log_unit: Tensor
    powers: Tensor

    def __init__(self, event_shape: Sequence[int], unit: Any = 1.0) -> None:
        super().__init__()
        self.event_shape = torch.Size(event_shape)
        unit = torch.as_tensor(unit, dtype=torch.float32).expand(self.event_shape)
        self.register_buffer("log_unit", unit.log().clone(), persistent=False)

    def bend(self, powers: Tensor) -> None:
        """Have codes be of values whose tails are bent by powers [2, *event_shape], as in `vaekit.data.power`."""
        self.units_vary = True
        self.register_buffer("powers", powers.float(), persistent=False)

    def log_units(self, codes: Tensor) -> Tensor:
        """Return the log of how many of the user's units one unit of a code is, at codes [n, *event_shape].

        Where tails are bent, with c the code of v: log dv/dc = (1 − λ) log(1 + |v|), added to that of the unit of v.
        """
        if not self.units_vary:
            return self.log_unit
        power = torch.where(codes < 0, self.powers[0], self.powers[1])
        log1p_v = torch.where(power == 0, codes.abs(), torch.log1p(power * codes.abs()) / power.clamp_min(1e-6))
        return self.log_unit + (1 - power) * log1p_v

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """The shape of one row of parameters: (P, *event_shape)."""
        return (self.n_parameters, *self.event_shape)

    def forward(self, parameters: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | parameters), batch shape [n, *event_shape], from parameters [n, *parameter_shape]."""
        raise NotImplementedError

    def initial(self, codes: Tensor) -> Tensor:
        """Return the parameters that fit codes [n, *event_shape] best without a latent: the decoder's first bias."""
        return self._initial(without_gaps(codes))

    @torch.no_grad()
    def prepare(self, codes: Tensor) -> None:
        """Set what the likelihood learns beside the decoder's output to what fits codes best without a latent."""
        self._prepare(without_gaps(codes))

    def _initial(self, codes: Tensor) -> Tensor:
        raise NotImplementedError

    def _prepare(self, codes: Tensor) -> None:
        pass

    def exposure(self, codes: Tensor) -> Tensor | None:
        """Return what p(x | z) must know of a row beside z, [n]: its total for relative counts, None for all others."""
        return None

    def observe(self, codes: Tensor, uniform: Callable[[Tensor], Tensor] = coarse_uniform) -> Tensor:
        """Return what is observed of codes, float32: themselves, but for grey levels read as probabilities."""
        return codes.float()
