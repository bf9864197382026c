"""Torch's operations in Keras's words: one line for each that a model's graph may hold."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from vaekit.errors import ParameterError

BATCH = -1  # stands for the number of rows


class Words:
    """Keras operations under torch's conventions, for the graph of one input.

    Parameters
    ----------
    keras : module
    rows : KerasTensor
        The graph's input, whose number of rows is that of all.
    """

    def __init__(self, keras: Any, rows: Any) -> None:
        self.layers, self.k = keras.layers, keras.ops
        first = self.k.reshape(rows, (BATCH, int(np.prod(rows.shape[1:]))))[:, :1]
        self.nought = self.k.cast(self.k.zeros_like(first), "float32")  # [n, 1]

    def linear(self, name: str, x: Any, weight: Any, bias: Any = None) -> Any:
        """Return W x + b by a Dense layer."""
        layer = self.layers.Dense(len(weight), use_bias=bias is not None, kernel_initializer="zeros", name=name)
        return self._weighted(layer, x, weight.T, bias)

    def convolution(self, name: str, x: Any, weight: Any, bias: Any, stride: Any = 1, padding: Any = 0) -> Any:
        """Return a convolution of pictures [n, C, H, W] by layers that read channels last."""
        x = self.layers.ZeroPadding2D(padding)(self.k.transpose(x, (0, 2, 3, 1)))
        shape = {"filters": weight.shape[0], "kernel_size": weight.shape[2:], "strides": stride}
        layer = self.layers.Conv2D(**shape, use_bias=bias is not None, kernel_initializer="zeros", name=name)
        return self.k.transpose(self._weighted(layer, x, weight.transpose(2, 3, 1, 0), bias), (0, 3, 1, 2))

    def transposed(self, name: str, x: Any, weight: Any, bias: Any, stride: Any = 1, padding: Any = 0) -> Any:
        """Return the transposed convolution of pictures [n, C, H, W]."""
        shape = {"filters": weight.shape[1], "kernel_size": weight.shape[2:], "strides": stride}
        layer = self.layers.Conv2DTranspose(**shape, use_bias=bias is not None, kernel_initializer="zeros", name=name)
        x = self._weighted(layer, self.k.transpose(x, (0, 2, 3, 1)), weight.transpose(2, 3, 1, 0), bias)
        return self.k.transpose(self.layers.Cropping2D(padding)(x), (0, 3, 1, 2))

    def glu(self, x: Any, dim: int = -1) -> Any:
        """Return a ⊙ σ(b) of the halves a, b of x."""
        a, b = self.k.split(x, 2, axis=dim)
        return self.k.multiply(a, self.k.sigmoid(b))

    def part(self, x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
        """Return x[..., start:end:step, ...] along `dim`."""
        dim = dim % len(x.shape)
        whole = (start or 0) == 0 and (end is None or end >= 2**62) and step == 1
        return x if whole else x[(*[slice(None)] * dim, slice(start, end, step))]

    def pieces(self, x: Any, sizes: Any, dim: int = 0) -> list[Any]:
        """Return x cut along `dim` into pieces of such sizes, or of one size."""
        n = x.shape[dim]
        widths = [min(sizes, n - i) for i in range(0, n, sizes)] if isinstance(sizes, int) else sizes
        ends = np.cumsum(widths)
        return [self.part(x, dim, int(end - w), int(end)) for w, end in zip(widths, ends, strict=True)]

    def taken(self, x: Any, index: Sequence[Any]) -> Any:
        """Return x at an index along one dimension, all before it whole."""
        if any(i is not None for i in index[:-1]):
            raise ParameterError(
                "The model cannot be written for Keras: it looks numbers up by several indices. Use NAME.onnx."
            )
        return self.k.take(x, index[-1], axis=len(index) - 1)

    def replaced(self, x: Any, dim: int, index: Any, values: Any) -> Any:
        """Return x with `values` at an index along `dim`."""
        dim, order = dim % len(x.shape), np.arange(x.shape[dim])
        order[index] = len(order) + np.arange(len(index))
        return self.k.take(self.k.concatenate([x, values], axis=dim), order, axis=dim)

    def expanded(self, x: Any, shape: Sequence[int]) -> Any:
        """Return x broadcast to a shape that begins with the number of rows."""
        before = (1,) * (len(shape) - len(x.shape)) + tuple(x.shape)
        shape = [size if size >= 0 else own for size, own in zip(shape, before, strict=True)]  # −1 keeps a size
        ones = (1,) * (len(shape) - 1)
        nought = self.k.add(self.k.reshape(self.nought, (BATCH, *ones)), np.zeros((1, *shape[1:]), np.float32))
        return self.k.add(x, self.k.cast(nought, str(x.dtype)))

    def cast(self, x: Any, dtype: torch.dtype) -> Any:
        """Return x in a dtype of torch's."""
        return self.k.cast(x, str(dtype).removeprefix("torch."))

    def _weighted(self, layer: Any, x: Any, weight: Any, bias: Any) -> Any:
        y = layer(x)
        layer.set_weights([weight] if bias is None else [weight, bias])
        return y


def _same(w: Words, x: Any, *_: Any, **__: Any) -> Any:
    return x


LAYERS: dict[str, Callable[..., Any]] = {
    "linear": Words.linear,
    "conv2d": Words.convolution,
    "conv_transpose2d": Words.transposed,
}

OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda w, a, b: w.k.add(a, b),
    "sub": lambda w, a, b: w.k.subtract(a, b),
    "rsub": lambda w, a, b: w.k.subtract(b, a),
    "mul": lambda w, a, b: w.k.multiply(a, b),
    "div": lambda w, a, b: w.k.divide(a, b),
    "neg": lambda w, x: w.k.negative(x),
    "reciprocal": lambda w, x: w.k.divide(1.0, x),
    **{name: lambda w, x, _name=name: getattr(w.k, _name)(x) for name in ("abs", "exp", "expm1", "isnan", "log")},
    **{name: lambda w, x, _name=name: getattr(w.k, _name)(x) for name in ("log1p", "relu", "round", "sigmoid", "sign")},
    **{name: lambda w, x, _name=name: getattr(w.k, _name)(x) for name in ("elu", "silu", "sqrt", "square", "tanh")},
    "softplus": lambda w, x: w.k.softplus(x),
    "bitwise_not": lambda w, x: w.k.logical_not(x),
    "eq": lambda w, a, b: w.k.equal(a, b),
    "lt": lambda w, a, b: w.k.less(a, b),
    "where": lambda w, mask, a, b: w.k.where(mask, a, b),
    "masked_fill": lambda w, x, mask, value: w.k.where(mask, np.asarray(value, str(x.dtype)), x),
    "clamp": lambda w, x, low, high: w.k.minimum(w.k.maximum(x, low), high),
    "clamp_min": lambda w, x, low: w.k.maximum(x, low),
    "clamp_max": lambda w, x, high: w.k.minimum(x, high),
    "sum": lambda w, x, dim, keepdim=False: w.k.sum(x, axis=dim, keepdims=keepdim),
    "nansum": lambda w, x, dim: w.k.sum(w.k.where(w.k.isnan(x), np.float32(0), x), axis=dim),
    "logsumexp": lambda w, x, dim, keepdim=False: w.k.logsumexp(x, axis=dim, keepdims=keepdim),
    "linalg_vector_norm": lambda w, x, _, dim, keepdim=False: w.k.sqrt(
        w.k.sum(w.k.square(x), axis=dim, keepdims=keepdim)
    ),
    "softmax": lambda w, x, dim: w.k.softmax(x, axis=dim),
    "log_softmax": lambda w, x, dim: w.k.log_softmax(x, axis=dim),
    "argmax": lambda w, x, dim: w.k.argmax(x, axis=dim),
    "argmin": lambda w, x, dim: w.k.argmin(x, axis=dim),
    "glu": Words.glu,
    "cat": lambda w, parts, dim=0: w.k.concatenate(parts, axis=dim),
    "select": lambda w, x, dim, i: w.k.take(x, i, axis=dim),
    "slice": Words.part,
    "slice_scatter": lambda w, x, values, *_: values,
    "split": Words.pieces,
    "split_with_sizes": Words.pieces,
    "index": Words.taken,
    "embedding": lambda w, table, index: w.k.take(table, index, axis=0),
    "one_hot": lambda w, x, n: w.k.one_hot(x, n),
    "index_put": lambda w, x, index, values: w.replaced(x, len(index) - 1, index[-1], values),
    "index_copy": Words.replaced,
    "permute": lambda w, x, dims: w.k.transpose(x, dims),
    "view": lambda w, x, shape: w.k.reshape(x, shape),
    "_unsafe_view": lambda w, x, shape: w.k.reshape(x, shape),
    "unbind": lambda w, x, dim=0: w.k.unstack(x, axis=dim),
    "squeeze": lambda w, x, dim: w.k.squeeze(x, axis=dim),
    "unsqueeze": lambda w, x, dim: w.k.expand_dims(x, axis=dim),
    "expand": Words.expanded,
    "broadcast_tensors": lambda w, parts: parts,
    "zeros_like": lambda w, x, **_: w.k.zeros_like(x),
    "new_zeros": lambda w, x, shape, **_: w.expanded(np.zeros((1, *shape[1:]), str(x.dtype)), shape),
    "sym_size": lambda w, x, dim: BATCH if dim == 0 else x.shape[dim],
    "getitem": lambda w, parts, i: operator.getitem(parts, i),
    "_to_copy": lambda w, x, dtype=None, **_: x if dtype is None else w.cast(x, dtype),
    "type_as": lambda w, x, other: w.k.cast(x, str(other.dtype)),
    **dict.fromkeys(("clone", "detach", "alias", "_assert_tensor_metadata"), _same),
}
