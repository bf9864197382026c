"""From networks of real numbers to networks of whole ones: weights and activations in steps, ranges from real rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from vaekit.codec import integer_network as network
from vaekit.codec.integer_network import Activate, Gate, Interleave, Operation, Product, Reshape, Residual
from vaekit.distributions.elementwise import glu
from vaekit.networks.conv import ConvDecoder, ConvEncoder, GatedConv, GatedResidual, GatedUp
from vaekit.networks.mlp import ACTIVATIONS, MLP, Activation, GatedLinear

Array = NDArray[Any]
Floats = NDArray[np.float64]

STEPS = 128  # of a gate's and an activation's input, to one
VALUE_BITS = 2  # by which a gate's value is finer than what it gives


@dataclass(frozen=True)
class Width:
    """How many whole numbers a weight and an activation may take.

    Parameters
    ----------
    weight, activation : int
        Their largest magnitudes.
    sum_bits : int
        A product's sums stay below 2^sum_bits: two bits less than its floats hold.
    """

    weight: int
    activation: int
    sum_bits: int


SHORT = Width(weight=127, activation=511, sum_bits=22)  # in float32; shorter activations leave its sums to the weights
NARROW = Width(weight=127, activation=1023, sum_bits=22)
MIDDLE = Width(weight=127, activation=4095, sum_bits=30)  # in float64: as short, but slower
WIDE = Width(weight=2047, activation=4095, sum_bits=34)
WIDTHS = (SHORT, NARROW, MIDDLE, WIDE)


@dataclass
class Block:
    """A product with what follows it, in real numbers.

    Parameters
    ----------
    weight : Tensor of shape (out, in) or (out, in, kernel, kernel)
    bias : Tensor of shape (out,) or (out, H, W)
    activation : str
        "gated", a name of `ACTIVATIONS`, or "" for none.
    residual : bool
        Whether the input is added.
    stride, padding : int
    before, after : list of Operation
        Of shapes alone.
    """

    weight: Tensor
    bias: Tensor
    activation: str = ""
    residual: bool = False
    stride: int = 1
    padding: int = 0
    before: list[Operation] = field(default_factory=list)
    after: list[Operation] = field(default_factory=list)

    def total(self, h: Tensor) -> Tensor:
        """Return W h + b."""
        if self.weight.dim() == 2:
            return linear(h, self.weight) + self.bias
        bias = self.bias if self.bias.dim() == 3 else self.bias[:, None, None]
        return conv2d(h, self.weight, None, self.stride, self.padding) + bias

    def __call__(self, h: Tensor) -> Tensor:
        """Return what the block makes of real numbers h [n, ...]."""
        h = _reshaped(h, self.before)
        made = activated(self.total(h), self.activation)
        return _reshaped(h + made if self.residual else made, self.after)


def activated(total: Tensor, activation: str) -> Tensor:
    """Return an activation of sums [n, ...]."""
    if activation == "gated":
        return glu(total, dim=1)
    return ACTIVATIONS[activation](total) if activation else total


def _reshaped(h: Tensor, steps: Sequence[Operation]) -> Tensor:
    return torch.from_numpy(network.run(steps, h.numpy())) if steps else h


# -- networks as blocks ------------------------------------------------------------------------------------------------


@singledispatch
def blocks(module: nn.Module) -> list[Block]:
    """Return a network as blocks; raise NotImplementedError for one of the user's own."""
    raise NotImplementedError(type(module).__name__)


@blocks.register
def _(module: nn.Linear) -> list[Block]:
    bias = torch.zeros(len(module.weight)) if module.bias is None else module.bias
    return [Block(module.weight, bias)]


@blocks.register
def _(module: nn.Conv2d) -> list[Block]:
    assert module.bias is not None
    (stride, _), padding = module.stride, module.padding
    return [Block(module.weight, module.bias, stride=stride, padding=int(padding[0]))]


@blocks.register
def _(module: MLP) -> list[Block]:
    found = []
    for layer, residual in zip(module.layers, module.residual, strict=True):
        if isinstance(layer, GatedLinear):
            found.append(Block(layer.linear.weight, layer.linear.bias, "gated", residual))
        else:
            linear_map, activation = layer.children()
            assert isinstance(activation, Activation)
            name = next(n for n, f in ACTIVATIONS.items() if f is activation.function)
            found.append(replace(blocks(linear_map)[0], activation=name))
    return found


@blocks.register
def _(module: GatedConv) -> list[Block]:
    (block,) = blocks(module.conv)
    return [replace(block, activation="gated")]


@blocks.register
def _(module: GatedResidual) -> list[Block]:
    (block,) = blocks(module.branch)
    return [replace(block, residual=True)]


@blocks.register
def _(module: GatedUp) -> list[Block]:
    """Return a 3 × 3 convolution to the four pictures of even and odd rows and columns."""
    w = module.conv.weight.detach()  # [in, 2 out, 4, 4]
    n_in, n_out = w.shape[:2]
    four = torch.zeros(2, 2, 2, n_out // 2, n_in, 3, 3)  # value or gate, row, column, out, in, 3, 3
    halves = w.view(n_in, 2, n_out // 2, 4, 4)
    reads = ((0, 3), (1, 1)), ((1, 2), (2, 0))  # of the 3 × 3, and of the 4 × 4, for even and for odd
    for row, row_reads in enumerate(reads):
        for column, column_reads in enumerate(reads):
            for i, k in row_reads:
                for j, m in column_reads:
                    four[:, row, column, :, :, i, j] = halves[..., k, m].permute(1, 2, 0)
    bias = module.conv.bias.detach().view(2, 1, 1, -1).expand(2, 2, 2, -1).reshape(-1)  # type: ignore[union-attr]
    return [Block(four.view(-1, n_in, 3, 3), bias, "gated", padding=1)]


@blocks.register
def _(module: ConvEncoder) -> list[Block]:
    found = [block for part in (module.stem, *module.down.children()) for block in blocks(part)]
    (out,) = blocks(module.out)
    return [*found, replace(out, activation="silu", before=[Reshape([module.out.in_features])])]


@blocks.register
def _(module: ConvDecoder) -> list[Block]:
    (first,) = blocks(module.first)
    found = [replace(first, activation="silu", after=[Reshape(list(module.smallest))])]
    for (height, width), up in zip(module.sizes[1:], module.up, strict=True):
        residual, doubling = (block for part in up.children() for block in blocks(part))
        found += [residual, replace(doubling, after=[Interleave(height, width)])]
    return [*found, *blocks(module.last)]


# -- blocks in whole numbers -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Output:
    """What the whole numbers of a network's last layer mean: real numbers in steps, moved and clipped.

    Parameters
    ----------
    step, shift : ndarray of shape (out,)
        A whole number y stands for shift + y · step.
    reach : int
        The largest magnitude.
    """

    step: Floats
    shift: Floats
    reach: int


def integer_steps(
    parts: Sequence[Block], inputs: Tensor, step: float | Floats, reach: int, output: Output, width: Width
) -> list[Operation]:
    """Return blocks in whole numbers, the last of which gives an output.

    Parameters
    ----------
    parts : sequence of Block
    inputs : Tensor of shape (n, ...)
        Real inputs of some rows, which the ranges are taken from.
    step : float or ndarray of shape (in,)
        Of the inputs: each is a whole number times this.
    reach : int
        The largest magnitude of these whole numbers.
    output : Output
    width : Width
    """
    found, of_hidden = hidden_steps(parts[:-1], inputs, step, reach, width)
    reach = width.activation if len(parts) > 1 else reach
    return [*found, *parts[-1].before, product(parts[-1], of_hidden, output, reach, width), *parts[-1].after]


def hidden_steps(
    parts: Sequence[Block], inputs: Tensor, step: float | Floats, reach: int, width: Width
) -> tuple[list[Operation], float | Floats]:
    """Return blocks in whole numbers, and the step of what they give; the parameters are those of `integer_steps`."""
    found: list[Operation] = []
    for part, of_output in zip(parts, _activation_steps(parts, inputs, width), strict=True):
        found += _hidden(part, step, of_output, reach, width)
        step, reach = of_output, width.activation
    return found, step


def _activation_steps(parts: Sequence[Block], h: Tensor, width: Width) -> list[float | Floats]:
    """Return the step of each block's outputs; a residual block has that of the block before."""
    largest: list[Any] = []
    for part in parts:
        h = part(h)
        largest.append(_largest(part, h))
    for i in range(len(largest) - 1, 0, -1):
        if parts[i].residual:
            largest[i - 1] = np.maximum(largest[i - 1], largest[i])
    for i in range(1, len(largest)):
        if parts[i].residual:
            largest[i] = largest[i - 1]
    return [np.maximum(x, 1e-6) / width.activation for x in largest]


def _largest(part: Block, made: Tensor) -> Any:
    """Return the largest magnitude of each output of gates, of all outputs of another block.

    With steps of their own the outputs are told alike finely, and a product's sums stay far below the largest that
    they could be: its weights may be finer.
    """
    if part.activation == "gated" and made.dim() == 2:
        return made.abs().amax(0).double().numpy()
    return float(made.abs().max())


def _hidden(
    part: Block, of_input: float | Floats, of_output: float | Floats, reach: int, width: Width
) -> list[Operation]:
    n_out = len(part.weight)
    if part.activation == "gated":
        fine = np.broadcast_to(of_output / 2**VALUE_BITS, n_out // 2)
        steps = np.concatenate([fine, np.full(n_out // 2, 1 / STEPS)])
        made: list[Operation] = [
            product(part, of_input, Output(steps, np.zeros(n_out), 1 << 20), reach, width),
            Gate(VALUE_BITS, width.activation),
        ]
    elif not part.activation:
        steps = np.broadcast_to(of_output, n_out)
        made = [product(part, of_input, Output(steps, np.zeros(n_out), width.activation), reach, width)]
    else:
        steps = np.full(n_out, 1 / STEPS)
        (multiplier,), (shift,) = as_fractions(np.array([2.0**-12 / of_output]), 20)
        made = [
            product(part, of_input, Output(steps, np.zeros(n_out), 1 << 14), reach, width),
            Activate(part.activation, int(multiplier), int(shift), width.activation),
        ]
    if part.residual:
        made = [Residual(made, *as_fractions(np.atleast_1d(of_input) / of_output, 20), width.activation)]
    return [*part.before, *made, *part.after]


def product(part: Block, of_input: float | Floats, output: Output, reach: int, width: Width) -> Product:
    """Return W h + b in whole numbers, W h being in steps of the input."""
    weight = part.weight.detach().double().numpy() * of_input
    bias = part.bias.detach().double().numpy()
    columns = (slice(None), *[None] * (bias.ndim - 1))
    step, shift_by = (part.reshape(len(weight), -1)[:, 0] for part in (output.step, output.shift))  # by channel
    bias = bias - shift_by[columns]
    flat = np.abs(weight).reshape(len(weight), -1)
    scale = np.maximum(flat.max(1) / width.weight, flat.sum(1) * reach / 2.0**width.sum_bits)
    scale = np.maximum(scale, np.abs(bias).reshape(len(bias), -1).max(1) / 2.0**width.sum_bits)
    scale = np.where(scale > 0, scale, step)  # an output without weights
    rows = (slice(None), *[None] * (weight.ndim - 1))
    multipliers, shift = as_fractions(scale / step, 51 - width.sum_bits)
    return Product(
        np.rint(weight / scale[rows]).astype(np.int8 if width.weight < 128 else np.int16),
        np.rint(bias / scale[columns]).astype(np.int64),
        multipliers,
        shift,
        -output.reach,
        output.reach,
        part.stride,
        part.padding,
    )


def as_fractions(ratios: Floats, bits: int) -> tuple[Array, Array]:
    """Return whole numbers m below 2^bits and shifts with ratios ≈ m / 2^shift."""
    shift = np.clip(bits - 1 - np.frexp(ratios)[1], 0, 48)
    return np.rint(np.ldexp(ratios, shift)).astype(np.int64), shift.astype(np.int64)
