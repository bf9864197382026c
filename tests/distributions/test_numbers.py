"""Log-probabilities against references in float64, where float32 is at its worst."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from vaekit.distributions.continuous_bernoulli import ScaledContinuousBernoulli
from vaekit.distributions.discretized import DiscretizedLogisticMixture
from vaekit.distributions.likelihood import bounded, without_gaps
from vaekit.distributions.likelihoods import (
    BernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    GaussianLikelihood,
    ScaledBernoulli,
)
from vaekit.distributions.negative_binomial import WideNegativeBinomial
from vaekit.distributions.product import ProductLikelihood


@pytest.mark.parametrize("count", [0, 1, 30, 1000, 100_000, 3_000_000])
@pytest.mark.parametrize("mean", [0.01, 1.0, 1000.0, 1_000_000.0])
@pytest.mark.parametrize("r", [0.01, 1.0, 1000.0])
def test_negative_binomials_of_large_counts(count, mean, r):
    p = WideNegativeBinomial(torch.tensor([r]), logits=torch.tensor([float(np.log(mean / r))]), validate_args=False)
    found = p.log_prob(torch.tensor([float(count)]))
    expected = stats.nbinom.logpmf(count, r, r / (r + mean))
    assert float(found) == pytest.approx(expected, rel=2e-5, abs=2e-4)


@pytest.mark.parametrize("eta", [-30.0, -5.0, -0.3, -1e-3, 0.0, 1e-4, 0.4, 0.6, 3.0, 18.0, 30.0])
def test_continuous_bernoulli(eta):
    d = ScaledContinuousBernoulli(torch.tensor(eta, requires_grad=True), top=2.0)
    u = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    exact = eta * u + (np.log(eta / np.expm1(eta)) if eta else 0.0)
    np.testing.assert_allclose(d.log_prob(torch.from_numpy(2 * u)).detach(), exact, rtol=1e-5, atol=2e-6)
    mean = 1 / -np.expm1(-eta) - 1 / eta if abs(eta) > 0.01 else 0.5 + eta / 12
    assert float(d.mean.detach()) == pytest.approx(2 * mean, rel=1e-5)
    # d log p / d eta = u - mean
    (gradient,) = torch.autograd.grad(d.log_prob(torch.tensor(0.6)), d.logits)
    assert float(gradient) == pytest.approx(0.3 - mean, abs=1e-5)


@pytest.mark.parametrize("log_scale", [-7.0, -3.0, 0.0, 3.0])
@pytest.mark.parametrize("loc", [-300.0, 0.0, 7.3, 300.0])
def test_discretized_logistics_in_the_tails(loc, log_scale):
    levels = np.arange(-20, 21.0)
    d = DiscretizedLogisticMixture(torch.zeros(1), torch.tensor([loc]), torch.tensor([log_scale]), half=0.5)
    found = d.log_prob(torch.from_numpy(levels).float())
    scale = np.exp(log_scale)
    low, high = (levels - 0.5 - loc) / scale, (levels + 0.5 - loc) / scale
    # log[σ(b) − σ(a)] = log σ(b) + log σ(−a) + log(1 − e^(a − b))
    exact = stats.logistic.logcdf(high) + stats.logistic.logsf(low) + np.log(-np.expm1(low - high))
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("log_scale", [-7.0, -3.0, 0.0, 7.0])
@pytest.mark.parametrize("loc", [-1e4, -1.0, 0.0, 1.0, 1e4])
def test_means_of_discretized_logistics_stay_within_the_ends(loc, log_scale):
    d = DiscretizedLogisticLikelihood((1,), n_levels=256)(torch.tensor([[[loc], [log_scale]]]))
    assert 0 <= float(d.mean) <= 255
    levels = torch.arange(256.0)
    exact = (d.log_prob(levels[:, None]).double().exp()[:, 0] * levels).sum()
    assert float(d.mean) == pytest.approx(float(exact), abs=0.5)


def test_bernoullis_of_extreme_logits():
    d = ScaledBernoulli(torch.tensor([-200.0, 200.0, 0.0]), top=255.0)
    np.testing.assert_allclose(d.log_prob(torch.tensor([255.0, 255.0, 255.0])), [-200, 0, -np.log(2)], atol=1e-6)
    np.testing.assert_allclose(d.log_prob(torch.zeros(3)), [0, -200, -np.log(2)], atol=1e-6)
    np.testing.assert_allclose(d.mean, [0.0, 255.0, 127.5], atol=1e-30)


def test_grey_levels_score_their_expectation():
    d = ScaledBernoulli(torch.tensor(0.7), top=10.0)
    expected = 0.3 * d.log_prob(torch.tensor(10.0)) + 0.7 * d.log_prob(torch.tensor(0.0))
    torch.testing.assert_close(d.log_prob(torch.tensor(3.0)), expected)


def test_grey_levels_are_binarised_in_proportion():
    likelihood = BernoulliLikelihood((3,), top=16.0)
    torch.manual_seed(0)
    seen = likelihood.observe(torch.tensor([0.0, 4.0, 16.0]).expand(20_000, 3))
    assert set(seen.unique().tolist()) == {0.0, 16.0}
    torch.testing.assert_close(seen.mean(0), torch.tensor([0.0, 4.0, 16.0]), atol=0.3, rtol=0)
    assert (seen[:, 0] == 0).all()
    assert (seen[:, 2] == 16).all()


def test_bounded_is_the_identity_inside_and_rises_everywhere():
    x = torch.linspace(-60, 60, 2001, dtype=torch.float64, requires_grad=True)
    y = bounded(x, -7, 7)
    assert ((y > -7.001) & (y < 7.001)).all()
    assert (torch.diff(y) >= 0).all()
    inside = x.abs() < 3.5
    torch.testing.assert_close(y[inside], x[inside], atol=0.05, rtol=0)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert (slope > 0).all()


def test_an_analytic_scale_follows_batches_in_training_only():
    likelihood = GaussianLikelihood((4,), scale="analytic")
    parameters, x = torch.zeros(64, 1, 4), 3 * torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        likelihood(parameters).log_prob(x)
    likelihood.eval()(parameters).log_prob(x)
    assert float(likelihood.mse) == 1.0
    likelihood.train()
    for _ in range(1000):
        log_prob = likelihood(parameters).log_prob(x)
    mse = x.square().mean()
    assert float(likelihood.mse) == pytest.approx(float(mse), rel=1e-3)
    # The best one scale: no other is likelier on the batch.
    others = [torch.distributions.Normal(0.0, s * mse.sqrt()).log_prob(x).sum() for s in (0.9, 1.1)]
    assert log_prob.sum() > max(others)
    torch.testing.assert_close(likelihood.eval()(parameters).log_prob(x), log_prob, rtol=1e-3, atol=1e-3)


def test_columns_in_no_part_score_zero():
    likelihood = ProductLikelihood([(GaussianLikelihood((1,), unit=torch.tensor([5.0])), [2])], 4)
    p = likelihood(torch.zeros(3, *likelihood.parameter_shape))
    assert p.log_prob(torch.ones(3, 4))[:, [0, 1, 3]].eq(0).all()
    assert p.log_prob(torch.ones(3, 4))[:, 2].ne(0).all()
    assert likelihood.log_unit.tolist() == [0, 0, pytest.approx(np.log(5.0)), 0]
    assert p.sample().shape == (3, 4)


def test_parts_keep_their_own_parameters():
    likelihood = ProductLikelihood([(GaussianLikelihood((1,)), [1]), (GaussianLikelihood((2,)), [0, 2])], 3)
    assert isinstance(likelihood.parts, nn.ModuleList)
    assert sum(p.numel() for p in likelihood.parameters()) == 3
    codes = torch.tensor([[0.0, 10.0, -5.0], [2.0, 14.0, -5.5]])
    assert likelihood.initial(codes).tolist() == [12.0, 1.0, -5.25]
    likelihood.prepare(codes)
    np.testing.assert_allclose(likelihood.parts[1].log_scale.detach().exp(), codes[:, [0, 2]].std(0), rtol=1e-5)


def test_gaps_are_filled_with_the_values_of_their_own_place():
    gap = torch.nan
    codes = torch.tensor([[1.0, gap, gap], [gap, 5.0, gap], [3.0, gap, gap], [gap, 7.0, gap]])
    assert without_gaps(codes).tolist() == [[1, 5, 0], [3, 7, 0], [1, 5, 0], [3, 7, 0]]
    whole = torch.arange(4, dtype=torch.uint8)[:, None]
    assert without_gaps(whole) is whole
