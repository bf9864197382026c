"""A divergence in closed form equals its Monte Carlo twin, is never negative, and is zero for equals alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.distributions import kl_divergence as reference

from vaekit.distributions.chain import Chain
from vaekit.distributions.divergences import kl_by_unit, kl_divergence
from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.networks.conditional import Beside, ConditionalNormal
from vaekit.priors.autoregressive import AutoregressivePrior
from vaekit.priors.flow import FlowPrior
from vaekit.priors.mixture import GaussianMixture
from vaekit.priors.normal import StandardNormal
from vaekit.priors.top_down import TopDownPrior

locs = st.floats(-20, 20)
scales = st.floats(0.01, 8)


def normal(loc: float, scale: float) -> DiagonalNormal:
    return DiagonalNormal(torch.full((1, 2), loc), torch.full((1, 2), scale))


def prior(loc: float, scale: float) -> Independent:
    return Independent(Normal(torch.full((2,), loc), torch.full((2,), scale)), 1)


def by_unit(q: DiagonalNormal, p: Independent) -> torch.Tensor:
    return kl_by_unit(q, p, q.mean)


@given(locs, scales, locs, scales)
def test_closed_form_is_the_one_of_the_literature(a, s, b, t):
    q, p = normal(a, s), prior(b, t)
    expected = reference(Independent(Normal(q.loc, q.scale), 1), p)
    torch.testing.assert_close(kl_divergence(q, p, q.mean), expected, rtol=1e-4, atol=1e-4)


@given(locs, scales, locs, scales)
def test_never_negative(a, s, b, t):
    assert (by_unit(normal(a, s), prior(b, t)) >= -1e-6 * (1 + abs(a - b) / t)).all()


@given(locs, scales)
def test_zero_for_equals(a, s):
    assert by_unit(normal(a, s), prior(a, s)).abs().max() < 1e-6


@given(locs, scales, st.floats(1.1, 3))
def test_positive_for_others(a, s, factor):
    assert (by_unit(normal(a, s), prior(a, factor * s)) > 1e-3).all()
    assert (by_unit(normal(a, s), prior(a + factor * s, s)) > 1e-3).all()


@pytest.mark.parametrize("seed", range(3))
def test_equals_its_monte_carlo_twin(seed):
    torch.manual_seed(seed)
    q = DiagonalNormal(torch.randn(4, 3), torch.rand(4, 3) + 0.1)
    p = StandardNormal(3)()
    z = q.transport(torch.randn(100_000, 4, 3))
    terms = q.log_prob(z) - p.log_prob(z)  # [K, 4]
    error = terms.std(0) / len(terms) ** 0.5
    assert (terms.mean(0) - kl_divergence(q, p, q.mean)).abs().lt(4.5 * error).all()


def test_without_a_closed_form_it_is_unbiased():
    torch.manual_seed(0)
    parts = Independent(Normal(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.ones(2, 2)), 1)
    p = MixtureSameFamily(Categorical(torch.ones(2)), parts)
    q = DiagonalNormal(torch.zeros(1, 2).expand(50_000, 2), torch.full((1, 2), 0.5).expand(50_000, 2))
    assert kl_by_unit(q, p, q.mean) is None
    twin = Independent(Normal(q.loc[0], q.scale[0]), 1)
    z = twin.sample(torch.Size((50_000,)))
    exact = (twin.log_prob(z) - p.log_prob(z)).mean()
    assert float(kl_divergence(q, p, q.rsample()).mean()) == pytest.approx(float(exact), abs=0.02)


# -- densities with several layers, or unit by unit --------------------------------------------------------------------

TOPS = {
    "normal": StandardNormal,
    "autoregressive": lambda d: AutoregressivePrior(d, n_components=3, n_hidden=16),
    "mixture": lambda d: GaussianMixture(d, 3),
    "flow": lambda d: FlowPrior(d, n_hidden=16),
}
SIZES = [2, 1, 2]


@torch.no_grad()
def moved(network: nn.Module, by: float = 0.2) -> nn.Module:
    for p in network.parameters():
        p += by * torch.randn_like(p)
    return network


def posterior_of_layers(n: int) -> Chain:
    """Some q(z_0 | h) q(z_1 | z_0, h) q(z_2 | z_0, z_1, h) of n rows."""
    networks = [moved(ConditionalNormal(4 + above, (6,), d)) for above, d in zip((0, 2, 3), SIZES, strict=True)]
    return Chain(SIZES, [Beside(network, torch.randn(n, 4)) for network in networks])


@torch.no_grad()
@pytest.mark.parametrize("top", TOPS)
def test_a_chain_s_divergence_equals_its_monte_carlo_twin(top):
    torch.manual_seed(0)
    q, p = posterior_of_layers(n=3), moved(TopDownPrior(TOPS[top](SIZES[0]), SIZES, (6,)))()
    z = q.rsample(torch.Size((20_000,)))
    found, plain = kl_divergence(q, p, z), q.log_prob(z) - p.log_prob(z)  # [K, 3] each
    assert found.shape == plain.shape
    error = (found - plain).std(0) / len(z) ** 0.5
    assert (found - plain).mean(0).abs().lt(4.5 * error + 1e-4).all()
    if top == "normal":  # all layers in closed form given those above: less noise
        assert (found.std(0) < 0.8 * plain.std(0)).all()


@torch.no_grad()
@pytest.mark.parametrize("top", TOPS)
def test_a_chain_s_divergence_is_the_sum_over_its_units_where_it_has_such_parts(top):
    torch.manual_seed(1)
    q, p = posterior_of_layers(n=3), moved(TopDownPrior(TOPS[top](SIZES[0]), SIZES, (6,)))()
    for draws in ((), (7,)):
        z = q.rsample(torch.Size(draws))
        parts = kl_by_unit(q, p, z)
        if top in ("mixture", "flow"):
            assert parts is None
        else:
            assert parts.shape == z.shape
            torch.testing.assert_close(parts.sum(-1), kl_divergence(q, p, z))


@torch.no_grad()
def test_a_chain_that_is_its_own_prior_is_at_no_distance():
    torch.manual_seed(2)
    q = posterior_of_layers(n=3)
    z = q.rsample(torch.Size((7,)))
    assert kl_by_unit(q, Chain(SIZES, q.conditionals), z).abs().max() < 1e-6


@torch.no_grad()
def test_an_autoregressive_prior_s_parts_are_those_of_the_draws():
    torch.manual_seed(3)
    q, p = DiagonalNormal(torch.randn(4, 3), torch.rand(4, 3) + 0.1), moved(TOPS["autoregressive"](3))()
    z = q.rsample(torch.Size((20_000,)))
    parts = kl_by_unit(q, p, z)
    assert parts.shape == z.shape
    torch.testing.assert_close(parts.sum(-1), q.log_prob(z) - p.log_prob(z), rtol=1e-4, atol=1e-4)
    twin = q.rsample(torch.Size((20_000,)))  # other draws
    terms = q.log_prob(twin) - p.log_prob(twin)
    error = (2 * terms.var(0) / len(terms)).sqrt()
    assert (kl_divergence(q, p, z).mean(0) - terms.mean(0)).abs().lt(4.5 * error).all()
    assert (terms.mean(0) > -4.5 * error).all()  # a divergence, whatever its parts


def test_log_prob_is_the_normals():
    torch.manual_seed(0)
    q, z = DiagonalNormal(torch.randn(4, 3), torch.rand(4, 3) + 0.1), torch.randn(5, 4, 3)
    torch.testing.assert_close(q.log_prob(z), Independent(Normal(q.loc, q.scale), 1).log_prob(z))
    torch.testing.assert_close(q.log_prob_by_unit(z).sum(-1), q.log_prob(z))


def test_draws_have_the_moments():
    torch.manual_seed(0)
    q = DiagonalNormal(torch.tensor([[1.0, -2.0]]).expand(50_000, 2), torch.tensor([[0.1, 3.0]]).expand(50_000, 2))
    z = q.rsample()
    torch.testing.assert_close(z.mean(0), q.loc[0], rtol=0, atol=0.06)
    torch.testing.assert_close(z.std(0), q.scale[0], rtol=0.02, atol=0)
