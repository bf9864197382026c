"""Where rows have gaps, given what they would hold: what new rows take their pattern of gaps from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaekit.distributions.elementwise import sigmoid, silu


@dataclass(frozen=True)
class Gaps:
    """P(gap | row without gaps and its code) of values of a row, by a network of one hidden layer.

    Values whose gaps always come together are one unit, so that they do in new rows.

    Parameters
    ----------
    unit_of : Tensor of int of shape (n_dims,)
        Which unit of the network tells of a value's gaps; −1 where there are none.
    hidden, hidden_bias : Tensor of shape (h, n_features), (h,)
    out, out_bias : Tensor of shape (units, h), (units,)
    """

    unit_of: Tensor
    hidden: Tensor
    hidden_bias: Tensor
    out: Tensor
    out_bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of a gap in each unit given features [n, n_features]: [n, units]."""
        return silu(features @ self.hidden.T + self.hidden_bias) @ self.out.T + self.out_bias

    def sample(self, features: Tensor) -> Tensor:
        """Return where rows of features [n, n_features] have gaps, drawn at random: bool [n, n_dims]."""
        is_gap = torch.rand(len(features), len(self.out)) < sigmoid(self.logits(features))
        return is_gap[:, self.unit_of.clamp_min(0)] & (self.unit_of >= 0)
