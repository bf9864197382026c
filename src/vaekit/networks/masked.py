"""A linear map some of whose weights are zero for good, so that outputs depend on chosen inputs alone."""

from __future__ import annotations

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
