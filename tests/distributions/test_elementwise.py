"""Elementwise functions: their values, their gradients at the ends, and the same bits in any place."""

import pytest
import torch

from vaekit.distributions import elementwise
from vaekit.networks.mlp import ACTIVATIONS

REFERENCES = {
    "softplus": torch.nn.functional.softplus,
    "sigmoid": torch.sigmoid,
    "silu": torch.nn.functional.silu,
    "elu": torch.nn.functional.elu,
    "glu": torch.nn.functional.glu,
    "logaddexp": lambda x: torch.logaddexp(x, 0.3 * x),
}
FUNCTIONS = {name: getattr(elementwise, name) for name in REFERENCES} | {
    "logaddexp": lambda x: elementwise.logaddexp(x, 0.3 * x)
}
EXTREMES = torch.tensor([-1e30, -1e4, -100.0, -89.0, -80.0, -1.0, 0.0, 1.0, 80.0, 89.0, 100.0, 1e4, 1e30, 2.0])


@pytest.mark.parametrize("name", REFERENCES)
def test_values_and_slopes(name):
    x = torch.linspace(-30, 30, 602, requires_grad=True)
    found, expected = FUNCTIONS[name](x), REFERENCES[name](x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    slopes = [torch.autograd.grad(y.sum(), x)[0] for y in (found, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", REFERENCES)
def test_extremes_are_finite(name):
    x = EXTREMES.clone().requires_grad_()
    y = FUNCTIONS[name](x)
    assert torch.isfinite(y).all()
    assert torch.isfinite(torch.autograd.grad(y.sum(), x)[0]).all()


@pytest.mark.parametrize("function", [*(f for n, f in FUNCTIONS.items() if n != "glu"), *ACTIVATIONS.values()])
def test_a_number_has_the_same_bits_in_any_place(function):
    x = 3 * torch.randn(5000, generator=torch.Generator().manual_seed(0))
    whole = function(x)
    for size in (1, 7, 37):
        assert torch.equal(torch.cat([function(piece) for piece in x.split(size)]), whole)


def test_gates_have_the_same_bits_in_any_place():
    h = 3 * torch.randn(500, 74, generator=torch.Generator().manual_seed(0))
    assert torch.equal(elementwise.glu(h), torch.cat([elementwise.glu(row) for row in h.split(1)]))
