"""Convolutional bodies for pictures of any size and number of channels."""

from __future__ import annotations

import math
from typing import TypeVar

from torch import Tensor, nn

from vaekit.distributions.elementwise import glu, silu

Layer = TypeVar("Layer", nn.Conv2d, nn.ConvTranspose2d, nn.Linear)

GAIN = 1.7  # g with E[(g a)² σ(g b)²] = E[silu(g a)²] = 1 for standard normal a, b


def keeping_spread(layer: Layer, fan_in: int, gain: float = GAIN) -> Layer:
    """Give the layer before a gate or a silu weights that keep inputs of spread 1 at that (He et al., 2015).

    With torch's own, which lose two thirds of it in each layer, pictures cannot be told apart where the encoder ends.
    """
    nn.init.normal_(layer.weight, std=gain / math.sqrt(fan_in))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def halvings(height: int, width: int, smallest: int = 4) -> list[tuple[int, int]]:
    """Return the sizes of a picture halved (rounding up) until its smaller side would fall below `smallest`.

    Examples
    --------
    >>> halvings(28, 20)
    [(28, 20), (14, 10), (7, 5)]
    """
    sizes = [(height, width)]
    while min(sizes[-1]) > smallest and math.ceil(min(sizes[-1]) / 2) >= smallest:
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
    return sizes


class GatedConv(nn.Module):
    """h = (W * x + b) ⊙ σ(V * x + c), 3 × 3; stride 2 halves the sides, rounding up."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, gain: float = GAIN) -> None:
        super().__init__()
        conv = nn.Conv2d(in_channels, 2 * out_channels, 3, stride=stride, padding=1)
        self.conv = keeping_spread(conv, in_channels * 9, gain)

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, out_channels, ⌈H/stride⌉, ⌈W/stride⌉] of [n, in_channels, H, W]."""
        return glu(self.conv(x), dim=1)


class GatedUp(nn.Module):
    """Doubles the sides: h = (W *ᵀ x + b) ⊙ σ(V *ᵀ x + c), 4 × 4 of stride 2, which weighs every pixel alike."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        conv = nn.ConvTranspose2d(in_channels, 2 * out_channels, 4, stride=2, padding=1)
        self.conv = keeping_spread(conv, in_channels * 4)  # 2 × 2 of the inputs reach each output

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, out_channels, 2 H, 2 W] of [n, in_channels, H, W]."""
        return glu(self.conv(x), dim=1)


class GatedResidual(nn.Module):
    """h = x + (W * x + b) ⊙ σ(V * x + c), 3 × 3 (He et al., 2016, arXiv:1512.03385, with a gate for a branch)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = GatedConv(channels, channels, gain=GAIN / 2)  # else the sum's spread would grow with depth

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, channels, H, W] of the same."""
        return x + self.branch(x)


class ConvEncoder(nn.Module):
    """Pictures [n, C, H, W] to features [n, out_features] by gated convolutions of stride 2, each with a residual one.

    Parameters
    ----------
    in_shape : (C, H, W)
    channels : int
        The channels after the first convolution.
    out_features : int
    """

    def __init__(self, in_shape: tuple[int, int, int], channels: int = 16, out_features: int = 256) -> None:
        super().__init__()
        sizes = halvings(*in_shape[1:])
        widths = _widths(channels, len(sizes))
        self.stem = GatedConv(in_shape[0], widths[0])
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.down = nn.Sequential(*[m for a, b in pairs for m in (GatedConv(a, b, stride=2), GatedResidual(b))])
        n_values = widths[-1] * math.prod(sizes[-1])
        self.out = keeping_spread(nn.Linear(n_values, out_features), n_values)
        self.out_features = out_features

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, out_features] of [n, C, H, W]."""
        h = self.down(self.stem(x))
        return silu(self.out(h.flatten(1)))


class ConvDecoder(nn.Module):
    """Codes [n, d] to parameters [n, P·C, H, W]: a linear map to the smallest size, then doublings.

    A residual convolution stands before each doubling; at the full size, where it would cost most, there is none.

    Parameters
    ----------
    latent_dim : int
    out_shape : (channels, H, W)
    channels : int
        The channels before the last convolution.
    """

    def __init__(self, latent_dim: int, out_shape: tuple[int, int, int], channels: int = 16) -> None:
        super().__init__()
        self.sizes = halvings(*out_shape[1:])[::-1]
        widths = _widths(channels, len(self.sizes))[::-1]
        self.smallest = (widths[0], *self.sizes[0])
        self.first = keeping_spread(nn.Linear(latent_dim, math.prod(self.smallest)), latent_dim)
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.up = nn.ModuleList(nn.Sequential(GatedResidual(a), GatedUp(a, b)) for a, b in pairs)
        self.last = nn.Conv2d(widths[-1], out_shape[0], 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Return [n, P·C, H, W] of [n, d]."""
        h = silu(self.first(z)).view(-1, *self.smallest)
        for (height, width), up in zip(self.sizes[1:], self.up, strict=True):
            h = up(h)[..., :height, :width]  # an odd side was rounded up when it was halved
        return self.last(h)


def _widths(channels: int, n_sizes: int) -> list[int]:
    return [min(channels * 2**i, 8 * channels) for i in range(n_sizes)]
