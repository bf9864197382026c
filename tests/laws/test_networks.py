"""Bodies take any shape, answer the promised one, and let gradients through to every weight."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaekit.networks.conv import ConvDecoder, ConvEncoder, halvings
from vaekit.networks.mlp import ACTIVATIONS, MLP

sides = st.integers(1, 33)


@settings(max_examples=15)
@given(st.integers(1, 4), sides, sides, st.integers(1, 6))
def test_convolutions_take_pictures_of_any_size(channels, height, width, latent_dim):
    encoder = ConvEncoder((channels, height, width), channels=4, out_features=7)
    decoder = ConvDecoder(latent_dim, (2 * channels, height, width), channels=4)
    assert encoder(torch.randn(2, channels, height, width)).shape == (2, 7)
    assert decoder(torch.randn(2, latent_dim)).shape == (2, 2 * channels, height, width)


@given(sides, sides)
def test_halvings_end_at_the_smallest_side(height, width):
    sizes = halvings(height, width)
    assert sizes[0] == (height, width)
    assert all((-(-a // 2), -(-b // 2)) == next_ for (a, b), next_ in zip(sizes[:-1], sizes[1:], strict=True))
    assert min(sizes[-1]) >= min(4, height, width)


@pytest.mark.parametrize("activation", ["gated", *ACTIVATIONS])
@pytest.mark.parametrize("hidden", [(), (5,), (8, 8), (8, 8, 3)])
def test_perceptrons_let_gradients_through(activation, hidden):
    torch.manual_seed(0)
    body = MLP(6, hidden, activation)
    x = torch.randn(64, 2, 3, requires_grad=True)
    out = body(x)
    assert out.shape == (64, body.out_features)
    assert body.out_features == (hidden[-1] if hidden else 6)
    out.square().sum().backward()
    assert all(p.grad.any() for p in [x, *body.parameters()])


@pytest.mark.parametrize("make", [
    lambda: (ConvEncoder((3, 9, 6), 4, 7), torch.randn(8, 3, 9, 6)),
    lambda: (ConvDecoder(2, (6, 9, 6), 4), torch.randn(8, 2)),
])  # fmt: skip
def test_convolutions_let_gradients_through(make):
    torch.manual_seed(0)
    body, x = make()
    body(x).square().sum().backward()
    assert all(p.grad.any() for p in body.parameters())
