"""Bodies take any shape, answer the promised one, and let gradients through to every weight."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaekit.networks.conditional import ConditionalNormal, diagonal_normal
from vaekit.networks.conv import ConvDecoder, ConvEncoder, halvings
from vaekit.networks.frozen import frozen
from vaekit.networks.masked import MaskedLinear
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


@pytest.mark.parametrize("side", [8, 28, 64])
def test_convolutions_tell_rows_apart_before_they_are_trained(side):
    """With weights that lose the spread, a first warm-up of the KL ends in a collapse."""
    torch.manual_seed(0)
    encoder, decoder = ConvEncoder((3, side, side)), ConvDecoder(8, (3, side, side))
    with torch.no_grad():
        features, pictures = encoder(torch.randn(64, 3, side, side)), decoder(torch.randn(64, 8))
    assert 0.3 < features.std(0).mean() < 3
    assert 0.3 < pictures.std(0).mean() < 10


# -- networks of densities ---------------------------------------------------------------------------------------------


def test_a_masked_weight_does_nothing_and_is_not_learned():
    torch.manual_seed(0)
    mask = torch.rand(5, 4) < 0.5
    layer, x = MaskedLinear(mask), torch.randn(7, 4)
    expected = x @ (layer.weight * mask).T + layer.bias
    torch.testing.assert_close(layer(x), expected)
    layer(x).square().sum().backward()
    assert torch.equal(layer.weight.grad != 0, mask)
    with torch.no_grad():
        layer.weight[~mask] = 100.0
    torch.testing.assert_close(layer(x), expected)


def test_a_conditional_density_takes_any_number_of_draws():
    torch.manual_seed(0)
    network, h = ConditionalNormal(3, (6, 6), 2), torch.randn(4, 5, 3)
    q = network(h)
    assert q.loc.shape == q.scale.shape == (4, 5, 2)
    torch.testing.assert_close(q.loc[2, 3], network(h[2, 3][None]).loc[0])
    q.log_prob(torch.randn(4, 5, 2)).sum().backward()
    assert all(p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("statistics", [-1e4, -30.0, 30.0, 1e4])
def test_a_conditional_density_is_one_whatever_its_network_says(statistics):
    q = diagonal_normal(torch.full((1, 2), statistics))
    assert torch.exp(torch.tensor(-6.001)) < q.scale < torch.exp(torch.tensor(2.001))


def test_frozen_networks_let_gradients_through_and_keep_none():
    torch.manual_seed(0)
    learned, fixed = MLP(3, (4,)), MLP(3, (4,))
    for p in fixed.parameters():
        p.requires_grad = False
    x = torch.randn(2, 3, requires_grad=True)
    with frozen(learned, fixed):
        y = learned(x) + fixed(x)
    y.sum().backward()
    assert x.grad.any()
    assert all(p.requires_grad and p.grad is None for p in learned.parameters())
    assert not any(p.requires_grad for p in fixed.parameters())  # as they were


def test_frozen_networks_thaw_after_an_error():
    network = MLP(3, (4,))
    with pytest.raises(ValueError, match="in the block"), frozen(network):
        raise ValueError("in the block")
    assert all(p.requires_grad for p in network.parameters())
