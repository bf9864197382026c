"""The likelihood of levels and whole numbers: a logistic, or a mixture of them, cut into steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.distributions.discretized import DiscretizedLogisticMixture
from vaekit.distributions.likelihood import Likelihood, bounded

LOGISTIC_STD = math.pi / math.sqrt(3)  # the standard deviation of a logistic of scale 1


class DiscretizedLogisticLikelihood(Likelihood):
    """A logistic, or a mixture of them, cut into levels 0..L−1, or into the whole numbers.

    Parameters
    ----------
    event_shape : sequence of int
    n_levels : int or None
        L; None for whole numbers, whose codes are (x − loc) / unit.
    unit : float or Tensor
        For whole numbers, the standard deviation that codes are divided by.
    n_components : int
        M, the number of logistics.
    ends : bool
        Whether the first and the last level carry mass of their own.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        n_levels: int | None = 256,
        unit: Any = 1.0,
        n_components: int = 1,
        *,
        ends: bool = False,
    ) -> None:
        super().__init__(event_shape)  # probabilities have no unit
        self.n_levels, self.n_components, self.ends = n_levels, n_components, ends and n_levels is not None
        m = n_components
        self.n_parameters = (3 * m if m > 1 else 2) + 3 * self.ends
        half = 0.5 / torch.as_tensor(unit, dtype=torch.float32) if n_levels is None else torch.tensor(0.5)
        self.register_buffer("half_cell", half.expand(self.event_shape).clone(), persistent=False)
        self.half_cell: Tensor
        # Networks speak in [−1, 1] of levels and in standard deviations of whole numbers.
        self.scale = 1.0 if n_levels is None else (n_levels - 1) / 2
        self.shift = 0.0 if n_levels is None else (n_levels - 1) / 2

    def forward(self, parameters: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | parameters), batch shape [n, *event_shape]."""
        p = parameters.movedim(1, -1)  # [n, *event, P]
        m = self.n_components
        loc, log_scale = p[..., :m] * self.scale + self.shift, bounded(p[..., m : 2 * m], -7, 7)
        logits = p[..., 2 * m : 3 * m] if m > 1 else torch.zeros_like(loc)
        low, high = (-math.inf, math.inf) if self.n_levels is None else (0.0, self.n_levels - 1.0)
        ends = p[..., -3:] if self.ends else None
        return DiscretizedLogisticMixture(
            logits, loc, log_scale + math.log(self.scale), self.half_cell, low, high, ends
        )

    def _initial(self, codes: Tensor) -> Tensor:
        """Return the moments of the codes, and the ends' frequencies."""
        scaled = (codes.float() - self.shift) / self.scale  # [n, *event]
        loc, std = scaled.mean(0), scaled.std(0).clamp_min(1e-3)
        m = self.n_components
        spread = torch.linspace(-1, 1, m) if m > 1 else torch.zeros(1)
        parts = [loc + s * std for s in spread] + [torch.log(std / LOGISTIC_STD)] * m
        parts += [torch.zeros_like(loc)] * m if m > 1 else []
        return torch.stack(parts + (self._initial_ends(codes) if self.ends else []))

    def _initial_ends(self, codes: Tensor) -> list[Tensor]:
        n = len(codes)
        low, high = codes.eq(0).sum(0), codes.eq(2 * self.shift).sum(0)
        return [torch.log((count + 0.1) / (n + 0.3)) for count in (low, n - low - high, high)]
