"""The bound of values and of their gaps together, where a value's own size causes gaps."""

from __future__ import annotations

import torch
from torch import Size, Tensor, nn

from vaekit.models.base import LatentModel, observed_log_prob
from vaekit.models.self_masking import SelfMasking
from vaekit.objectives.bound import Bound
from vaekit.objectives.importance import log_mean_exp, log_ratio

LEAST = 1e-2  # share of gaps, of which there is a logit
GAIN = 5.0  # of a step: slopes have farther to go than a network's weights


class NotMIWAE(nn.Module):
    """Log (1/K) Σ_k w_k P(gaps | x observed, z_k), with w_k those of IWAE.

    Source: Ipsen, Mattei and Frellsen (2021), not-MIWAE, arXiv:2006.12871. They draw what is missing; here it is
    integrated out for each draw of z, which leaves less noise. Slopes have a standard normal prior.

    Parameters
    ----------
    columns : Tensor of int of shape (m,)
        Whose gaps depend on the value.
    chance : Tensor of shape (m,)
        The share of gaps in each.
    n_rows : int
        That are learned from.
    """

    columns: Tensor

    def __init__(self, columns: Tensor, chance: Tensor, n_rows: int) -> None:
        super().__init__()
        self.register_buffer("columns", columns)
        self.offset = nn.Parameter(chance.logit() / GAIN)
        self.slope = nn.Parameter(torch.zeros_like(chance))
        self.n_rows = n_rows

    @classmethod
    def of(cls, rows: Tensor, columns: Tensor) -> NotMIWAE:
        """Return the bound of some columns' gaps, as yet independent of their values, of rows [n, D]."""
        share = rows[:, columns].isnan().float().mean(0)
        return cls(columns, share.clamp(LEAST, 1 - LEAST), len(rows))

    @property
    def masking(self) -> SelfMasking:
        """What is learned of gaps."""
        return SelfMasking(self.columns, GAIN * self.offset, GAIN * self.slope)

    def learned(self) -> SelfMasking:
        """Return what was learned of gaps, free of training and of its device."""
        return SelfMasking(*(part.detach().cpu() for part in vars(self.masking).values()))

    def forward(self, model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 20) -> Bound:
        """Return the terms for codes x [n, D], under some draws of z."""
        q, prior, masking = model.posterior(x), model.prior(), self.masking
        z = q.rsample(Size((draws,)))  # [K, n, d]
        p, rows = model.beside_draws(x, z)
        log_likelihood = observed_log_prob(p, rows, model.observation).view(draws, len(x))
        ratio = log_ratio(q, prior, z)
        log_prior = -0.5 * masking.slope.square().sum() / self.n_rows
        value = log_mean_exp(log_likelihood + masking.log_prob(x, p) - beta * ratio) + log_prior
        return Bound(log_likelihood.mean(0), ratio.mean(0), value)
