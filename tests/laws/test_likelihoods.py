"""Every likelihood is a distribution over what it can observe, and all its answers agree with each other."""

import numpy as np
import pytest
import torch
from scipy import stats

from vaekit.distributions.likelihoods import Categories

SEEDS = (0, 1, 2)
N = 20_000  # draws


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("spread", [0.3, 1.5])
def test_probabilities_sum_and_densities_integrate_to_one(case, seed, spread):
    total = (case.log_prob(seed, spread).exp() * case.width).sum(0)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-4)


def test_extreme_parameters_do_not_sum_to_more_than_one(discrete):
    case, likelihood = discrete, discrete.make()
    for extreme in (-1e4, 1e4):
        parameters = torch.full((len(case.support), *likelihood.parameter_shape), extreme)
        p = likelihood(parameters, case.exposures(len(case.support))).log_prob(case.support).double().exp()
        assert (p.sum(0) <= 1 + 1e-4).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_differences_of_the_cdf_are_the_probabilities(discretized, seed):
    support = discretized.support
    torch.manual_seed(7)
    cdf = discretized.on_support(discretized.distribution(len(support), seed).cdf).double()
    steps = torch.diff(cdf, dim=0, prepend=torch.zeros_like(cdf[:1]))
    torch.manual_seed(7)
    torch.testing.assert_close(steps, discretized.log_prob(seed).exp(), rtol=0, atol=1e-5)
    torch.testing.assert_close(cdf[-1], torch.ones_like(cdf[-1]), rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("seed", SEEDS)
def test_draws_are_distributed_as_log_prob_says(unchained, seed):
    case = unchained
    distribution = case.distribution(1, seed)
    draws = distribution.sample(torch.Size((N,)))[:, 0].double().numpy()  # [N, D]
    masses = (case.log_prob(seed).exp() * case.width).numpy()  # [n_points, D]
    for j, (drawn, mass) in enumerate(zip(draws.T, masses.T, strict=True)):
        support = case.support[:, j].double().numpy()
        assert support[0] - 1e-4 <= drawn.min()
        assert drawn.max() <= support[-1] + 1e-4
        observed = np.bincount(np.searchsorted(_between(support), drawn), minlength=len(support))
        assert _p_value(observed, N * mass) > 1e-4


def test_draws_lie_in_the_support(discrete):
    case = discrete
    draws = case.distribution(1).sample(torch.Size((1000,)))[:, 0]
    index = draws / (2 * half_a_level(case))
    assert ((index - index.round()).abs() < 1e-2).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("spread", [0.3, 1.5])
def test_mean_is_the_mean(unchained, seed, spread):
    case = unchained
    masses = case.log_prob(seed, spread).exp() * case.width
    distribution = case.distribution(1, seed, spread)
    if isinstance(distribution, Categories):  # its mean is documented to be its mode
        exact, tolerance = masses.argmax(0).double(), 0.0
    else:
        exact = (masses * case.support).sum(0)
        tolerance = half_a_level(case) if case.discretized else 2e-3 * (1 + exact.abs())
    assert ((distribution.mean[0].double() - exact).abs() <= tolerance).all()


def test_mean_stays_within_the_ends(case):
    likelihood = case.make()
    for extreme in (-1e4, 1e4):
        for i in range(likelihood.parameter_shape[0]):
            parameters = torch.zeros(1, *likelihood.parameter_shape)
            parameters[:, i] = extreme
            mean = likelihood(parameters, case.exposures(1)).mean
            assert torch.isfinite(mean).all()
            if len(case.support) < 40_000 and not likelihood.density and case.support[0, 0] == 0:
                assert ((mean >= 0) & (mean <= case.support[-1])).all()


def test_shapes(case):
    distribution = case.distribution(5)
    assert distribution.mean.shape == (5, 3)
    assert distribution.sample().shape == (5, 3)
    assert distribution.sample(torch.Size((2, 4))).shape == (2, 4, 5, 3)
    assert distribution.log_prob(case.draw(5)).shape == (5, 3)


@torch.no_grad()
def test_a_number_has_the_same_bits_in_any_place(unchained):  # the sums of a chain are a network's: see `tiles`
    case = unchained
    likelihood, n = case.random(seed=0), 37  # a prime: vector registers are never quite full
    parameters, codes = torch.randn(n, *likelihood.parameter_shape), case.draw(n)
    together = likelihood(parameters, case.exposures(n))
    rows = [likelihood(parameters[i : i + 1], case.exposures(1)) for i in range(n)]
    assert torch.equal(together.mean, torch.cat([row.mean for row in rows]))
    assert torch.equal(
        together.log_prob(codes), torch.cat([row.log_prob(codes[i : i + 1]) for i, row in enumerate(rows)])
    )


# -- gradients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extreme", [-1e4, -30.0, 0.0, 30.0, 1e4])
def test_gradients_are_finite(case, extreme):
    likelihood = case.make()
    codes = torch.cat([case.support[:2], case.support[-2:], case.draw(16)])
    for i in range(likelihood.parameter_shape[0]):
        parameters = torch.zeros(len(codes), *likelihood.parameter_shape)
        parameters[:, i] = extreme
        parameters.requires_grad_()
        log_prob = likelihood(parameters, case.exposures(len(codes))).log_prob(codes)
        assert torch.isfinite(log_prob).all()
        for gradient in torch.autograd.grad(log_prob.sum(), [parameters, *likelihood.parameters()]):
            assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("extreme", [-1e4, 1e4])
def test_gradients_are_finite_for_extremes_of_what_is_learned_beside(case, extreme):
    likelihood, codes = case.make(), case.draw(16)
    for p in likelihood.parameters():
        with torch.no_grad():
            p.fill_(extreme)
    parameters = torch.zeros(len(codes), *likelihood.parameter_shape, requires_grad=True)
    log_prob = likelihood(parameters, case.exposures(len(codes))).log_prob(codes)
    assert torch.isfinite(log_prob).all()
    for gradient in torch.autograd.grad(log_prob.sum(), [parameters, *likelihood.parameters()]):
        assert torch.isfinite(gradient).all()


def test_gradients_reach_every_parameter(case):
    likelihood, codes = case.random(seed=0).train(), case.draw(256)
    parameters = torch.randn(1, *likelihood.parameter_shape, requires_grad=True)
    log_prob = likelihood(parameters.expand(256, *parameters.shape[1:]), case.exposures(256)).log_prob(codes)
    for gradient in torch.autograd.grad(log_prob.mean(), [parameters, *likelihood.parameters()]):
        assert (gradient != 0).all()


# -- the best without a latent -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_initial_parameters_beat_random_ones(case, seed):
    torch.manual_seed(seed)
    codes = case.draw(1000)
    prepared = case.make()
    prepared.prepare(codes)
    best = _marginal(prepared, prepared.initial(codes), codes)
    for _ in range(20):
        likelihood = case.make()
        assert best > _marginal(likelihood, torch.randn(likelihood.parameter_shape), codes)


@pytest.mark.parametrize("seed", SEEDS)
def test_preparing_does_not_hurt(case, seed):
    torch.manual_seed(seed)
    codes, likelihood = case.draw(1000), case.make().eval()
    before = _marginal(likelihood, likelihood.initial(codes), codes)
    likelihood.prepare(codes)
    assert _marginal(likelihood, likelihood.initial(codes), codes) >= before - 0.01


@pytest.mark.parametrize("at", [0, -1])
def test_initial_parameters_of_constants_are_finite(case, at):
    codes, likelihood = case.support[at].expand(50, -1), case.make()
    likelihood.prepare(codes)
    assert torch.isfinite(likelihood.initial(codes)).all()
    assert np.isfinite(_marginal(likelihood, likelihood.initial(codes), codes))


def test_initial_parameters_of_two_rows_are_finite(case):
    codes, likelihood = case.draw(2), case.make()
    likelihood.prepare(codes)
    assert np.isfinite(_marginal(likelihood, likelihood.initial(codes), codes))


def test_asking_for_initial_parameters_changes_nothing(case):
    likelihood = case.random(seed=0)
    before = {k: v.clone() for k, v in likelihood.state_dict().items()}
    likelihood.initial(case.draw(100))
    assert all((v == before[k]).all() for k, v in likelihood.state_dict().items())


# -- gaps --------------------------------------------------------------------------------------------------------------


def test_gaps_do_not_move_what_is_learned_without_a_latent(case):
    codes = case.draw(1000)
    with_gaps = torch.cat([codes, torch.full_like(codes, torch.nan)])[torch.randperm(2000)]
    full, gappy = case.make(), case.make()
    full.prepare(codes)
    gappy.prepare(with_gaps)
    best = _marginal(full, full.initial(codes), codes)
    assert _marginal(gappy, gappy.initial(with_gaps), codes) == pytest.approx(best, abs=0.01)


def test_a_place_without_any_value_gets_finite_parameters(case):
    codes, likelihood = case.draw(50), case.make()
    codes[:, 1] = torch.nan
    likelihood.prepare(codes)
    assert torch.isfinite(likelihood.initial(codes)).all()
    assert all(torch.isfinite(v).all() for v in likelihood.state_dict().values())


def test_observing_keeps_gaps_and_answers_codes_of_the_support(case):
    likelihood, codes = case.make(), case.draw(200)
    for part in likelihood.modules():
        part.has_gaps = True  # as a model says of them that is built for data with gaps
    codes[::3, 1] = torch.nan
    seen = likelihood.observe(codes)
    assert torch.equal(seen.isnan(), codes.isnan())
    assert seen.dtype == torch.float32
    assert (seen[~seen.isnan()] == codes[~codes.isnan()]).all()


def test_a_total_counts_what_was_observed(case):
    likelihood, codes = case.make(), case.draw(4)
    expected = codes[:, [0, 2]].sum(1).clamp_min(1)
    codes[:, 1] = torch.nan
    exposure = likelihood.exposure(codes)
    assert exposure is None or torch.equal(exposure, expected)


def half_a_level(case) -> torch.Tensor:
    middle = len(case.support) // 2
    # The middle is where float32 tells neighbours apart best.
    return (case.support[middle] - case.support[middle - 1]) / 2


def _between(support: np.ndarray) -> np.ndarray:
    return (support[1:] + support[:-1]) / 2


def _marginal(likelihood, parameters, codes) -> float:
    likelihood = likelihood.eval()
    rows = parameters.expand(len(codes), *parameters.shape)
    with torch.no_grad():
        return float(likelihood(rows, likelihood.exposure(codes)).log_prob(codes).sum(1).mean())


def _p_value(observed: np.ndarray, expected: np.ndarray) -> float:
    """Pearson's test, neighbouring points put together until each cell expects 20."""
    cell = np.floor(np.cumsum(expected) / 20).astype(int)
    expected, observed = np.bincount(cell, expected), np.bincount(cell, observed)
    kept = expected > 5
    if kept.sum() < 2:
        return 1.0
    statistic = ((observed - expected)[kept] ** 2 / expected[kept]).sum()
    return float(stats.chi2.sf(statistic, kept.sum() - 1))
