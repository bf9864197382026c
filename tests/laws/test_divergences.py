"""A divergence in closed form equals its Monte Carlo twin, is never negative, and is zero for equals alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.distributions import kl_divergence as reference

from vaekit.distributions.divergences import kl_by_unit, kl_divergence
from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.priors.normal import StandardNormal

locs = st.floats(-20, 20)
scales = st.floats(0.01, 8)


def normal(loc: float, scale: float) -> DiagonalNormal:
    return DiagonalNormal(torch.full((1, 2), loc), torch.full((1, 2), scale))


def prior(loc: float, scale: float) -> Independent:
    return Independent(Normal(torch.full((2,), loc), torch.full((2,), scale)), 1)


@given(locs, scales, locs, scales)
def test_closed_form_is_the_one_of_the_literature(a, s, b, t):
    q, p = normal(a, s), prior(b, t)
    expected = reference(Independent(Normal(q.loc, q.scale), 1), p)
    torch.testing.assert_close(kl_divergence(q, p, q.mean), expected, rtol=1e-4, atol=1e-4)


@given(locs, scales, locs, scales)
def test_never_negative(a, s, b, t):
    assert (kl_by_unit(normal(a, s), prior(b, t)) >= -1e-6 * (1 + abs(a - b) / t)).all()


@given(locs, scales)
def test_zero_for_equals(a, s):
    assert kl_by_unit(normal(a, s), prior(a, s)).abs().max() < 1e-6


@given(locs, scales, st.floats(1.1, 3))
def test_positive_for_others(a, s, factor):
    assert (kl_by_unit(normal(a, s), prior(a, factor * s)) > 1e-3).all()
    assert (kl_by_unit(normal(a, s), prior(a + factor * s, s)) > 1e-3).all()


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
    assert kl_by_unit(q, p) is None
    twin = Independent(Normal(q.loc[0], q.scale[0]), 1)
    z = twin.sample(torch.Size((50_000,)))
    exact = (twin.log_prob(z) - p.log_prob(z)).mean()
    assert float(kl_divergence(q, p, q.rsample()).mean()) == pytest.approx(float(exact), abs=0.02)


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
