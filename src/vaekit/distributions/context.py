"""Discretised logistics that read the values before: a latent tells the whole, the neighbours tell the grain."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints
from torch.nn.functional import conv2d, pad
from torch.types import _size

from vaekit.distributions.discretized import DiscretizedLogisticMixture
from vaekit.distributions.logistic import DiscretizedLogisticLikelihood

NEAR = 2  # rows and columns that a value is told from


class ContextLogisticLikelihood(DiscretizedLogisticLikelihood):
    """P(x | z) = Π_i logistic(x_i; m_i(z) + Σ_j w_ij (x_j − m_j(z)), s_i(z)), j the values near i and before it.

    Before a value of a picture are those in the two rows above and to its left, up to two columns away, and the
    channels before its own; before a value of a vector, two values. The weights are the same in all places. A row is
    no more than its latent's picture to within noise in the other likelihoods; here the noise may be grain.

    Parameters
    ----------
    event_shape : sequence of int
        (D,), (H, W) or (C, H, W).
    n_levels : int
    """

    def __init__(self, event_shape: Sequence[int], n_levels: int = 256) -> None:
        super().__init__(event_shape, n_levels)
        self.picture_shape = (1,) * (3 - len(event_shape)) + tuple(event_shape)
        self.register_buffer("is_before", before(self.picture_shape), persistent=False)
        self.is_before: Tensor
        self.weight = nn.Parameter(torch.zeros(int(self.is_before.sum())))

    @property
    def kernel(self) -> Tensor:
        """The weights, [channel, channel that is read, row, column], 0 where a value is not before."""
        return torch.zeros(self.is_before.shape).to(self.weight).masked_scatter(self.is_before, self.weight)

    def forward(self, parameters: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | parameters), batch shape [n, *event_shape]."""
        alone = super().forward(parameters, exposure)
        assert isinstance(alone, DiscretizedLogisticMixture)
        return ContextLogistic(alone, self.kernel, self.picture_shape)


def before(picture_shape: Sequence[int]) -> Tensor:
    """Return which values near one are before it: [C, C, rows from NEAR above, columns from NEAR left to NEAR right].

    Examples
    --------
    >>> before((1, 9, 9))[0, 0].int()
    tensor([[1, 1, 1, 1, 1],
            [1, 1, 1, 1, 1],
            [1, 1, 0, 0, 0]], dtype=torch.int32)
    """
    channels, height, width = picture_shape
    channel, read = torch.arange(channels)[:, None, None, None], torch.arange(channels)[:, None, None]
    row, column = torch.arange(-NEAR, 1)[:, None], torch.arange(-NEAR, NEAR + 1)
    is_earlier = (row < 0) | (column < 0) | ((column == 0) & (read < channel))
    return is_earlier & (row.abs() < height) & (column.abs() < width)


class ContextLogistic(Distribution):
    """Discretised logistics whose locations move with what the values before differ from theirs.

    Parameters
    ----------
    alone : DiscretizedLogisticMixture
        Of a single component: each value by itself.
    kernel : Tensor of shape (C, C, rows, columns)
    picture_shape : tuple of int
        (C, H, W) of an event.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(self, alone: DiscretizedLogisticMixture, kernel: Tensor, picture_shape: tuple[int, ...]) -> None:
        self.alone, self.kernel, self.picture_shape = alone, kernel, picture_shape
        super().__init__(alone.batch_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(value | the values before) in nats, elementwise; the value must be a level."""
        return self._given(value).log_prob(value)

    def cdf(self, value: Tensor) -> Tensor:
        """Return P(X ≤ value | the values before), elementwise."""
        return self._given(value).cdf(value)

    @property
    def mean(self) -> Tensor:
        """What is expected before any value is known, elementwise: differences cancel on average."""
        return self.alone.mean

    def sample(self, sample_shape: _size = torch.Size()) -> Tensor:
        """Return draws on the levels, [*sample_shape, ...], value by value."""
        d, (channels, height, width) = self.alone, self.picture_shape
        shape = torch.Size(sample_shape) + d.batch_shape
        loc, log_scale = (
            part[..., 0].expand(shape).reshape(-1, channels, height, width) for part in (d.loc, d.log_scale)
        )
        drawn = torch.zeros_like(loc)
        differences = pad(torch.zeros_like(loc), (NEAR, NEAR, NEAR, 0))
        for y, x, c in itertools.product(range(height), range(width), range(channels)):
            near = differences[:, :, y : y + NEAR + 1, x : x + 2 * NEAR + 1]
            place = loc[:, c, y, x] + (near * self.kernel[c]).sum((1, 2, 3))
            drawn[:, c, y, x] = self._with(place[:, None], log_scale[:, c, y, x, None]).sample()
            differences[:, c, y + NEAR, x + NEAR] = drawn[:, c, y, x] - loc[:, c, y, x]
        return drawn.view(shape)

    def _given(self, value: Tensor) -> DiscretizedLogisticMixture:
        """Return the distributions of all values, each given those before."""
        loc = self.alone.loc[..., 0]
        differences = (value - loc).reshape(-1, *self.picture_shape)
        with torch.autocast(loc.device.type, enabled=False):
            moved = conv2d(pad(differences, (NEAR, NEAR, NEAR, 0)), self.kernel)
        return self._with((loc + moved.view(value.shape))[..., None], self.alone.log_scale)

    def _with(self, loc: Tensor, log_scale: Tensor) -> DiscretizedLogisticMixture:
        alone = self.alone
        half: Any = alone.half.flatten()[0]  # of levels, the same everywhere
        return DiscretizedLogisticMixture(torch.zeros_like(loc), loc, log_scale, half, alone.low, alone.high)
