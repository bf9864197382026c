"""Gaps that a value's own size causes: their chance, and what it says of the values that are missing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from numpy.polynomial.hermite_e import hermegauss
from torch import Tensor
from torch.distributions import Categorical, Distribution, StudentT
from torch.nn.functional import logsigmoid

from vaekit.distributions.product import Product

N_NODES = 7  # of the sum that stands for an integral over a value
N_CANDIDATES = 16  # of a draw


@dataclass(frozen=True)
class SelfMasking:
    """P(gap | x_j) = σ(a_j + b_j x_j) of some columns' codes; other columns' gaps say nothing of what they hold.

    Source: Ipsen, Mattei and Frellsen (2021, not-MIWAE, arXiv:2006.12871), who call it self-masking.

    Parameters
    ----------
    columns : Tensor of int of shape (m,)
    offset, slope : Tensor of shape (m,)
        a and b.

    Examples
    --------
    >>> large = SelfMasking(torch.tensor([0]), torch.zeros(1), torch.full((1,), 4.0))
    >>> p = StudentT(torch.full((1, 2), 30.0), torch.zeros(1, 2), torch.ones(1, 2))
    >>> log_chance, mean = large.given_gap(p)
    >>> log_chance.exp(), bool(mean > 0.6)
    (tensor([[0.5000]]), True)
    """

    columns: Tensor
    offset: Tensor
    slope: Tensor

    def on(self, device: torch.device) -> SelfMasking:
        """Return the same on a device."""
        return SelfMasking(*(part.to(device) for part in vars(self).values()))

    def log_chance(self, x: Tensor) -> Tensor:
        """Return log P(gap | x) of values [..., m] of its columns."""
        return logsigmoid(self.offset + self.slope * x)

    def given_gap(self, p: Distribution) -> tuple[Tensor, Tensor]:
        """Return log P(gap | z) and E[x | gap, z] under p(x | z), by Gauss and Hermite's rule: [n, m] each."""
        loc, scale = (part[:, self.columns] for part in _place(p))
        places, weights = (torch.from_numpy(part).to(loc)[:, None, None] for part in hermegauss(N_NODES))
        x = loc + scale * places  # [N_NODES, n, m]
        log_share = (weights / weights.sum()).log() + self.log_chance(x)
        log_chance = log_share.logsumexp(0)
        return log_chance, ((log_share - log_chance).exp() * x).sum(0)

    def log_prob(self, x: Tensor, p: Distribution) -> Tensor:
        """Return log P(where x [n, D] has gaps | z) in nats, [K, n], under p(x | z) of draws one after the other."""
        own = x[:, self.columns]
        seen = logsigmoid(-(self.offset + self.slope * own.nan_to_num()))
        chance = self.given_gap(p)[0].view(-1, *own.shape)  # [K, n, m]
        return torch.where(own.isnan(), chance, seen).sum(-1)

    def sample(self, p: Distribution) -> Tensor:
        """Return draws of p(x | gap, z), [n, D]: of several of p(x | z) one by the chance of its gap."""
        drawn = p.sample(torch.Size((N_CANDIDATES,)))  # [N_CANDIDATES, n, D]
        own = drawn[..., self.columns]
        chosen = Categorical(logits=self.log_chance(own).movedim(0, -1)).sample()  # [n, m]
        found = drawn[0].clone()
        found[:, self.columns] = own.gather(0, chosen[None])[0]
        return found


def _place(p: Distribution) -> tuple[Tensor, Tensor]:
    """Return location and scale of columns under Student's t, 0 of others: [n, D] each."""
    if isinstance(p, StudentT):
        return p.loc, p.scale
    assert isinstance(p, Product)
    parts = [(part, columns) for part, columns in zip(p.parts, p.columns, strict=True) if isinstance(part, StudentT)]
    loc = parts[0][0].loc.new_zeros(p.batch_shape)
    scale = torch.zeros_like(loc)
    for part, columns in parts:
        loc[:, columns], scale[:, columns] = part.loc, part.scale
    return loc, scale
