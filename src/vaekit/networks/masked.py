"""A linear map some of whose weights are zero for good, so that outputs depend on chosen inputs alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class MaskedLinear(nn.Linear):
    """y = (W ⊙ mask) x + b (Germain et al., 2015, arXiv:1502.03509).

    Parameters
    ----------
    mask : Tensor of bool of shape (out_features, in_features)
        Which output may see which input.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., out_features] of [..., in_features]."""
        return linear(x, self.weight * self.mask, self.bias)


def masks_in_order(n_places: int, n_hidden: int) -> tuple[Tensor, Tensor]:
    """Return which place each hidden unit reads, and which hidden units feed each place: its own place never.

    Returns
    -------
    reads : Tensor of bool of shape (n_hidden, n_places)
    feeds : Tensor of bool of shape (n_places, n_hidden)

    Examples
    --------
    >>> reads, feeds = masks_in_order(3, 16)
    >>> (feeds.int() @ reads.int() > 0).int()
    tensor([[0, 0, 0],
            [1, 0, 0],
            [1, 1, 0]], dtype=torch.int32)
    """
    place = torch.arange(n_places)
    seen = 1 + torch.arange(n_hidden) * (n_places - 1) // n_hidden  # hidden unit h sees places 0 .. seen_h − 1
    return place[None] < seen[:, None], seen[None] <= place[:, None]
