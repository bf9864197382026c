"""Networks of whole numbers held in floats: every partial sum is exact, so every machine gives the same answer.

If |b| + A Σ|w| ≤ 2^24 for each output of a product, where A bounds its inputs, all of its partial sums are whole
numbers that float32 holds exactly, and no order of summation changes them; below 2^52 float64 does. Everything between
products is elementwise, and exact in float64. numpy is all that is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vaekit.codec import tables
from vaekit.errors import CodecError

Array = NDArray[Any]
Floats = NDArray[np.float64]

FLOAT32_BITS, FLOAT64_BITS = 24, 53
MOST_SHIFT = 52
ROWS_AT_ONCE = 128  # whose numbers stay in a cache from step to step


class Operation:
    """A step of an integer network: from whole numbers in floats [n, ...] to whole numbers in floats [n, ...]."""

    def __call__(self, h: Floats) -> Floats:
        """Return the step's answer."""
        raise NotImplementedError

    def reach(self, inputs: int) -> int:
        """Return the largest magnitude of outputs for inputs of a magnitude, after checking that all is exact."""
        return inputs


@dataclass(eq=False)
class Product(Operation):
    """clip(⌊(W h + b) m / 2^shift + 1/2⌋, low, high), h a vector or, under a convolution, a picture.

    Parameters
    ----------
    weight : ndarray of int of shape (out, in) or (out, in, kernel, kernel)
    bias : ndarray of int of shape (out,) or (out, H, W)
    multiplier, shift : ndarray of int of shape (out,)
        m and the power of two that it is divided by.
    low, high : int
    stride, padding : int
        Of a convolution.
    """

    weight: Array
    bias: Array
    multiplier: Array
    shift: Array
    low: int
    high: int
    stride: int = 1
    padding: int = 0

    def __call__(self, h: Floats) -> Floats:
        """Return [n, out] of [n, in], or [n, out, H', W'] of [n, in, H, W]."""
        is_conv = self.weight.ndim == 4
        total = (self._convolved if is_conv else self._multiplied)(h).astype(np.float64)
        per_channel = (slice(None), *[None] * (total.ndim - 2))
        total += self.bias if self.bias.ndim == total.ndim - 1 else self.bias[per_channel]
        total *= self.multiplier[per_channel]
        return shifted(total, self.shift[per_channel], self.low, self.high)

    def part(self, rows: Array, columns: slice) -> Product:
        """Return the product that gives some outputs of some inputs, the others being 0."""
        kept = Product(
            self.weight[rows, columns], self.bias[rows], self.multiplier[rows], self.shift[rows], self.low, self.high
        )
        kept.in_float32 = self.in_float32
        return kept

    def reach(self, inputs: int) -> int:
        """Return the largest magnitude of outputs, and choose the float that holds all sums."""
        refuse_shifts(self.shift)
        sums = [int(s) for s in np.abs(self.weight.astype(np.int64)).reshape(len(self.weight), -1).sum(1)]
        biases = [int(b) for b in np.abs(self.bias.astype(np.int64)).reshape(len(self.bias), -1).max(1)]
        totals = [inputs * s + b for s, b in zip(sums, biases, strict=True)]
        for total, m, s in zip(totals, self.multiplier, self.shift, strict=True):
            assert_exact(total)
            assert_exact(total * abs(int(m)), int(s))
        self.in_float32 = max(totals) <= 1 << FLOAT32_BITS
        return max(abs(self.low), abs(self.high))

    @cached_property
    def _matrix(self) -> Array:
        """Return the weights as the product reads them, [in, out]; the channels of a picture's point side by side."""
        flat = np.moveaxis(self.weight, 1, -1).reshape(len(self.weight), -1)
        return np.ascontiguousarray(flat.T, dtype=np.float32 if self.in_float32 else np.float64)

    def _multiplied(self, h: Floats) -> Array:
        return h.reshape(len(h), len(self._matrix)).astype(self._matrix.dtype) @ self._matrix

    def _convolved(self, h: Floats) -> Array:
        kernel, p = self.weight.shape[2], self.padding
        padded = np.pad(h.transpose(0, 2, 3, 1).astype(self._matrix.dtype), ((0, 0), (p, p), (p, p), (0, 0)))
        windows = sliding_window_view(padded, (kernel, kernel), (1, 2))[:, :: self.stride, :: self.stride]
        n, height, width = windows.shape[:3]  # of [n, H', W', in, kernel, kernel]
        columns = windows.transpose(0, 1, 2, 4, 5, 3).reshape(n * height * width, -1)
        return (columns @ self._matrix).reshape(n, height, width, -1).transpose(0, 3, 1, 2)


@dataclass(eq=False)
class Gate(Operation):
    """⌊a σ(g/128) / 2^shift + 1/2⌋ of inputs (a, g), clipped to ±high.

    Parameters
    ----------
    shift, high : int
    """

    shift: int
    high: int

    def __call__(self, h: Floats) -> Floats:
        """Return [n, out, ...] of [n, 2 out, ...]."""
        value, gate = np.split(h, 2, axis=1)
        table = tables.gates()
        share = table[np.clip(gate + len(table) // 2, 0, len(table) - 1).astype(np.intp)]
        return shifted(value * share, self.shift + tables.GATE_BITS, -self.high, self.high)

    def reach(self, inputs: int) -> int:
        """Return the largest magnitude of outputs."""
        refuse_shifts([self.shift])
        assert_exact(inputs << tables.GATE_BITS, self.shift + tables.GATE_BITS)
        return self.high


@dataclass(eq=False)
class Activate(Operation):
    """⌊f(h/128) m / 2^shift + 1/2⌋, f in units of 2^−12, clipped to ±high.

    Parameters
    ----------
    function : {"relu", "tanh", "silu", "elu"}
    multiplier, shift, high : int
    """

    function: str
    multiplier: int
    shift: int
    high: int

    def __call__(self, h: Floats) -> Floats:
        """Return the function of each number."""
        return shifted(FUNCTIONS[self.function](h) * self.multiplier, self.shift, -self.high, self.high)

    def reach(self, inputs: int) -> int:
        """Return the largest magnitude of outputs."""
        refuse_shifts([self.shift])
        assert_exact(inputs * 32 * self.multiplier, self.shift)
        return self.high


@dataclass(eq=False)
class Residual(Operation):
    """clip(⌊h m / 2^shift + 1/2⌋ + steps(h), −high, high).

    Parameters
    ----------
    steps : list of Operation
    multiplier, shift : ndarray of int of shape (1,) or (in,)
        From each input's step to the output's: 1 and 0 where they are the same.
    high : int
    """

    steps: list[Operation]
    multiplier: Array
    shift: Array
    high: int

    def __call__(self, h: Floats) -> Floats:
        """Return the sum of the input and what the steps make of it."""
        kept = shifted(h * self.multiplier, self.shift, -self.high, self.high)
        return np.clip(kept + run(self.steps, h), -self.high, self.high)

    def reach(self, inputs: int) -> int:
        """Return the largest magnitude of outputs."""
        check(self.steps, inputs)
        refuse_shifts(self.shift)
        assert_exact(inputs * int(np.abs(self.multiplier.astype(np.int64)).max()), int(self.shift.max()))
        return self.high


@dataclass(eq=False)
class Reshape(Operation):
    """Rows of a shape.

    Parameters
    ----------
    shape : list of int
    """

    shape: list[int]

    def __call__(self, h: Floats) -> Floats:
        """Return [n, *shape]."""
        return h.reshape(len(h), *self.shape)


@dataclass(eq=False)
class Interleave(Operation):
    """Four pictures [4 out, H, W] as the even and odd rows and columns of one of [out, 2 H, 2 W], which is then cut.

    Parameters
    ----------
    height, width : int
        Those that are kept.
    """

    height: int
    width: int

    def __call__(self, h: Floats) -> Floats:
        """Return [n, out, height, width] of [n, 4 out, H, W]."""
        n, channels, height, width = h.shape
        parts = h.reshape(n, 2, 2, channels // 4, height, width).transpose(0, 3, 4, 1, 5, 2)
        return parts.reshape(n, channels // 4, 2 * height, 2 * width)[..., : self.height, : self.width]


def run(steps: Sequence[Operation], h: Floats) -> Floats:
    """Return what the steps make of whole numbers h [n, ...], one after the other."""
    if len(h) > ROWS_AT_ONCE:
        return np.concatenate([run(steps, h[i : i + ROWS_AT_ONCE]) for i in range(0, len(h), ROWS_AT_ONCE)])
    for step in steps:
        h = step(h)
    return h


def check(steps: Sequence[Operation], reach: int) -> int:
    """Return the largest magnitude of outputs for inputs of a magnitude; raise where a sum would not be exact.

    Raises
    ------
    CodecError
        When a bound is broken.
    """
    for step in steps:
        reach = step.reach(reach)
    return reach


# -- elementwise -------------------------------------------------------------------------------------------------------


def shifted(total: Floats, shift: Any, low: int, high: int) -> Floats:
    """Return clip(⌊total / 2^shift + 1/2⌋, low, high), in place."""
    total += np.ldexp(1.0, shift - 1)
    total *= np.ldexp(1.0, -shift)
    np.floor(total, out=total)
    return np.clip(total, low, high, out=total)


def _sigmoid(h: Floats) -> Floats:
    table = tables.gates()
    return table[np.clip(h + len(table) // 2, 0, len(table) - 1).astype(np.intp)]


def _relu(h: Floats) -> Floats:
    return np.maximum(h, 0.0) * 32


def _tanh(h: Floats) -> Floats:
    return 2 * _sigmoid(2 * h) - 4096


def _silu(h: Floats) -> Floats:
    return np.floor(h * _sigmoid(h) * 2.0**-7)


def _elu(h: Floats) -> Floats:
    table = tables.elu()
    below = table[np.clip(-h, 0, len(table) - 1).astype(np.intp)]
    return np.where(h > 0, h * 32, below)


FUNCTIONS = {"relu": _relu, "tanh": _tanh, "silu": _silu, "elu": _elu}  # of h/128, in units of 2^−12


def refuse_shifts(shifts: Any) -> None:
    """Raise where a power of two is none that float64 divides by exactly."""
    if any(not 0 <= int(shift) <= MOST_SHIFT for shift in shifts):
        raise CodecError("A step of the integer model divides by a power of two that cannot be. It is damaged.")


def assert_exact(largest: int, shift: int = 0) -> None:
    """Raise where float64 does not hold every whole number up to the largest, and the halves of 2^shift added to it."""
    if 2 * largest + (1 << shift) > 1 << FLOAT64_BITS:
        raise CodecError("A step of the integer model has numbers that float64 cannot hold exactly. It is damaged.")
