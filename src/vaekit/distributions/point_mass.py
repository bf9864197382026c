"""A posterior all of whose mass is at one point, as of a quantised code."""

from __future__ import annotations

import torch
from torch import Size, Tensor


class PointMass:
    """q(z) = 1 where z is the row's point, 0 elsewhere.

    Parameters
    ----------
    point : Tensor of shape (n, d)
    pull : Tensor of shape (), optional
        What training pays beside the bound, which has no part in it: log q(z) is 0, and its gradient is that of `pull`.

    Examples
    --------
    >>> q = PointMass(torch.ones(1, 2))
    >>> q.log_prob(torch.tensor([[[1.0, 1.0]], [[1.0, 0.9]]]))
    tensor([[0.],
            [-inf]])
    """

    def __init__(self, point: Tensor, pull: Tensor | None = None) -> None:
        self.point, self.pull = point, point.new_zeros(()) if pull is None else pull

    @property
    def mean(self) -> Tensor:
        """The point, [n, d]."""
        return self.point

    def transport(self, noise: Tensor) -> Tensor:
        """Return the point, whatever the noise [..., n, d]."""
        return self.point.expand(torch.broadcast_shapes(noise.shape, self.point.shape))

    def rsample(self, sample_shape: Size = torch.Size()) -> Tensor:
        """Return the point so many times, [*sample_shape, n, d]."""
        return self.point.expand(*sample_shape, *self.point.shape)

    def detached(self) -> PointMass:
        """Return the same mass without gradients."""
        return PointMass(self.point.detach())

    def log_prob(self, z: Tensor) -> Tensor:
        """Return 0 where z [..., n, d] is the point, −∞ elsewhere: [..., n]."""
        here = (z == self.point).all(-1)
        return torch.zeros_like(here, dtype=z.dtype).masked_fill(~here, -torch.inf) + (self.pull - self.pull.detach())
