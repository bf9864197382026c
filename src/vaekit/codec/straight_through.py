"""Quantisation in the loop: networks that compute with rounded numbers, while their gradients pass straight through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations

from vaekit.codec.quantise import Width

PRODUCTS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


class Rounded(nn.Module):
    """A tensor in steps of its largest magnitude, the gradient being that of the tensor itself (Bengio et al., 2013).

    Parameters
    ----------
    most : int
        The largest magnitude in steps.
    out_axis : int or None
        Along which each part has a step of its own.

    References
    ----------
    Bengio, Léonard and Courville (2013), Estimating or propagating gradients through stochastic neurons,
    arXiv:1308.3432; for networks of whole numbers, Jacob et al. (2018), arXiv:1712.05877.

    Examples
    --------
    >>> Rounded(2)(torch.tensor([0.2, 0.6, -1.0]))
    tensor([ 0.0000,  0.5000, -1.0000])
    """

    def __init__(self, most: int, out_axis: int | None = None) -> None:
        super().__init__()
        self.most, self.out_axis = most, out_axis

    def forward(self, x: Tensor) -> Tensor:
        """Return the rounded tensor, of the same shape."""
        magnitude = x.detach().abs()
        others = [axis for axis in range(x.dim()) if axis != self.out_axis]
        step = magnitude.amax(others, keepdim=True).clamp_min(1e-12) / self.most
        return x + (torch.round(x.detach() / step) * step - x.detach())


def _on_inputs(rounded: Rounded, _: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    return rounded(*inputs)


@contextmanager
def rounded_products(model: nn.Module, width: Width) -> Iterator[None]:
    """While it lasts, products read rounded inputs and weights, each output's with a step of its own.

    Parameters
    ----------
    model : Module
        Its weights themselves stay real numbers, and can be trained.
    width : Width
    """
    layers = [layer for layer in model.modules() if isinstance(layer, PRODUCTS)]
    with ExitStack() as at_end:
        for layer in layers:
            out_axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            register_parametrization(layer, "weight", Rounded(width.weight, out_axis))
            at_end.callback(remove_parametrizations, layer, "weight", leave_parametrized=False)
            rounded = Rounded(width.activation)
            at_end.enter_context(layer.register_forward_pre_hook(partial(_on_inputs, rounded)))
        yield
