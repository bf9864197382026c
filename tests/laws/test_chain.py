"""Several stochastic layers are one density: their product, drawn from the top down."""

import pytest
import torch
from torch.distributions import Independent, Normal

from vaekit.distributions.chain import Chain
from vaekit.networks.conditional import Beside, ConditionalNormal

SIZES, N, WIDTH = [2, 1, 2], 4, 3


@pytest.fixture
def networks() -> list[ConditionalNormal]:
    torch.manual_seed(0)
    made = [ConditionalNormal(WIDTH + above, (6,), d) for above, d in zip((0, 2, 3), SIZES, strict=True)]
    with torch.no_grad():
        for network in made:
            for p in network.parameters():
                p += 0.3 * torch.randn_like(p)
    return made


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(N, WIDTH, generator=torch.Generator().manual_seed(1)).requires_grad_()


@pytest.fixture
def q(networks, features) -> Chain:
    return Chain(SIZES, [Beside(network, features) for network in networks])


def product_of_layers(networks, features, z: torch.Tensor) -> torch.Tensor:
    """log q(z) of draws [n, d], layer by layer."""
    total = torch.zeros(len(z))
    for network, above, d in zip(networks, (0, 2, 3), SIZES, strict=True):
        given = network(torch.cat([features, z[:, :above]], 1))
        total = total + Independent(Normal(given.loc, given.scale), 1).log_prob(z[:, above : above + d])
    return total


def test_log_prob_is_the_sum_over_layers_given_those_above(q, networks, features):
    for z in (q.rsample(), torch.randn(N, 5)):
        torch.testing.assert_close(q.log_prob(z), product_of_layers(networks, features, z))


def test_draws_are_remembered_with_the_very_densities_they_came_from(q):
    z = q.rsample(torch.Size((6,)))
    assert z.shape == (6, N, 5)
    torch.testing.assert_close(q.log_prob(z), q.log_prob(z.clone()))
    q.rsample()  # other draws are remembered now
    torch.testing.assert_close(q.log_prob(z), q.log_prob(z.clone()))


def test_a_network_is_asked_once_for_its_own_draw(q, networks, monkeypatch):
    z, asked = q.rsample(), []
    for network in networks:
        network.register_forward_hook(lambda *_: asked.append(1))
    q.log_prob(z)
    assert not asked
    q.log_prob(z.clone())
    assert len(asked) == len(networks)


def test_the_same_noise_gives_the_same_draws_one_by_one_or_together(q):
    noise = torch.randn(6, N, 5)
    z = q.transport(noise)
    torch.testing.assert_close(q.transport(noise[3]), z[3])
    torch.testing.assert_close(q.transport(noise[:, :1].expand(6, N, 5))[:, 0], z[:, 0])
    torch.testing.assert_close(q.transport(torch.randn(6, 1, 5)).shape, z.shape)
    torch.testing.assert_close(q.mean, q.transport(torch.zeros(N, 5)))


@torch.no_grad()
def test_the_density_of_draws_is_that_of_their_noise_and_scales(q):
    """Change of variables: log q(z) = log N(ε; 0, I) − Σ log scale."""
    noise = torch.randn(N, 5)
    z = q.transport(noise)
    log_scale = torch.cat([given.scale.log() for given, _ in q.layers(z)], 1)
    expected = Normal(0.0, 1.0).log_prob(noise).sum(1) - log_scale.sum(1)
    torch.testing.assert_close(q.log_prob(z), expected, rtol=1e-4, atol=1e-4)


def test_a_detached_chain_is_the_same_function_of_z_alone(q, networks, features):
    z = q.rsample(torch.Size((6,))).detach().requires_grad_()
    found, expected = q.detached().log_prob(z), q.log_prob(z)
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found.sum(), z)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected.sum(), z, retain_graph=True)[0])
    learned = [features, *(p for network in networks for p in network.parameters())]
    assert all(p.requires_grad for p in learned)  # the networks are as they were
    assert all(g.any() for g in torch.autograd.grad(expected.sum(), learned))
    found = q.detached().log_prob(z)
    assert torch.autograd.grad(found.sum(), learned, allow_unused=True) == (None,) * len(learned)
