"""Functions of single numbers that give the same bits wherever in memory a number lies.

torch's own softplus, sigmoid, silu, elu, glu and logaddexp use one formula for whole vector registers and another for
the numbers left over at the end of a block, so the last bit of a row's answer would depend on the rows around it and on
the number of threads. `exp`, `expm1`, `logsigmoid` and the four operations do not. Where a gradient is wanted, in
training, torch's own are taken: one pass over memory instead of several, and rounding that nobody compares.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import logsigmoid

LARGEST = 80.0  # whose exponential a float32 holds


def softplus(x: Tensor) -> Tensor:
    """Return log(1 + e^x)."""
    return functional.softplus(x) if x.requires_grad else -logsigmoid(-x)


def logaddexp(a: Tensor, b: Tensor) -> Tensor:
    """Return log(e^a + e^b)."""
    if a.requires_grad:
        return torch.logaddexp(a, b)
    return torch.maximum(a, b) - logsigmoid((a - b).abs())


def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + e^−x).

    Examples
    --------
    >>> sigmoid(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([1.8049e-35, 5.0000e-01, 1.0000e+00])
    """
    if x.requires_grad:
        return torch.sigmoid(x)
    return torch.neg(x).clamp_max_(LARGEST).exp_().add_(1).reciprocal_()  # one new tensor, not five


def silu(x: Tensor) -> Tensor:
    """Return x σ(x)."""
    if x.requires_grad:
        return functional.silu(x)
    return sigmoid(x).mul_(x)


def elu(x: Tensor) -> Tensor:
    """Return x, or e^x − 1 where x is negative."""
    if x.requires_grad:
        return functional.elu(x)
    return x.clamp_min(0) + x.clamp_max(0).expm1()


def glu(h: Tensor, dim: int = -1) -> Tensor:
    """Return a ⊙ σ(b) of the two halves a, b of h along `dim`."""
    if h.requires_grad:
        return functional.glu(h, dim)
    a, b = h.chunk(2, dim)
    return sigmoid(b).mul_(a)
