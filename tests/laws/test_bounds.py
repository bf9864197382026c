"""ELBO ≤ IWAE-k ≤ log p(x), where log p(x) is known exactly: a linear-Gaussian decoder (probabilistic PCA).

Tipping and Bishop (1999), Probabilistic principal component analysis, doi:10.1111/1467-9868.00196: with p(x | z) =
N(W z + μ, σ² I), p(x) = N(μ, W Wᵀ + σ² I) and p(z | x) = N(M⁻¹ Wᵀ (x − μ), σ² M⁻¹), M = Wᵀ W + σ² I.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from vaekit.data.schema import Schema
from vaekit.models.build import Architecture, build
from vaekit.objectives import OBJECTIVES, elbo
from vaekit.tasks.score import log_terms, terms

D, K, SIGMA = 6, 2, 0.7
COLUMNS = torch.linalg.qr(torch.randn(D, K, generator=torch.Generator().manual_seed(0))).Q
W = COLUMNS * torch.tensor([2.0, 1.2])  # orthogonal columns: the exact posterior is diagonal
MU = torch.arange(D) / 2
MARGINAL = MultivariateNormal(MU, W @ W.T + SIGMA**2 * torch.eye(D))


def rows(n: int, seed: int = 1) -> torch.Tensor:
    torch.manual_seed(seed)
    return MARGINAL.sample(torch.Size((n,)))


@torch.no_grad()
def model(shift: float = 0.0, stretch: float = 1.0):
    """The probabilistic PCA as a VAE; its posterior is the exact one, but for a shift and a stretch of its scale."""
    schema = Schema.infer(np.random.default_rng(0).normal(size=(10, D)))
    made = build(Architecture("vae", K, ("gaussian",)), schema, nn.Identity(), nn.Identity()).eval()
    made.observation.log_unit.zero_()  # codes are the user's own units here
    made.observation.log_scale.copy_(unbounded(torch.full((D,), math.log(SIGMA)), -7, 7))
    made.decoder.head.weight.copy_(W)
    made.decoder.bias.copy_(MU)
    precision = W.T @ W + SIGMA**2 * torch.eye(K)  # M
    to_mean = torch.linalg.solve(precision, W.T)
    scale = stretch * SIGMA * precision.diagonal().rsqrt()
    made.head.weight.copy_(torch.cat([to_mean, torch.zeros(K, D)]))
    made.head.bias.copy_(torch.cat([shift - to_mean @ MU, unbounded(scale.log(), -6, 2)]))
    return made


def unbounded(y: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """The inverse of `vaekit.distributions.likelihoods.bounded`."""

    def inverse_softplus(x: torch.Tensor) -> torch.Tensor:
        return x + torch.log(-torch.expm1(-x))

    return low + inverse_softplus(high - inverse_softplus(high - y) - low)


@torch.no_grad()
def importance_bound(made, x: torch.Tensor, k: int, repeats: int = 20) -> torch.Tensor:
    """The IWAE-k bound of each row under noise of its own: [n]."""
    weights = torch.stack([sum(log_terms(made, x, torch.randn(k, len(x), K))) for _ in range(repeats)])
    return (weights.logsumexp(1) - math.log(k)).mean(0)


OFF = {"shifted": {"shift": 0.3}, "wide": {"stretch": 1.5}, "narrow": {"stretch": 0.6}}


@torch.no_grad()
def test_the_exact_posterior_gives_log_p_at_any_number_of_draws():
    x, made = rows(500), model()
    for k in (1, 2, 10):
        found = importance_bound(made, x, k, repeats=1)
        torch.testing.assert_close(found, MARGINAL.log_prob(x), rtol=0, atol=2e-4)
    assert float(elbo(made, x).elbo.mean()) == pytest.approx(float(MARGINAL.log_prob(x).mean()), abs=0.1)


@pytest.mark.parametrize("off", OFF)
def test_bounds_rise_to_log_p(off):
    x, made = rows(2000), model(**OFF[off])
    torch.manual_seed(2)
    bounds = torch.stack([importance_bound(made, x, k) for k in (1, 2, 5, 20, 100)])  # [5, n]
    exact = MARGINAL.log_prob(x)
    steps = torch.diff(torch.cat([bounds, exact[None]]).mean(1))
    assert (steps > 0).all(), steps
    assert float((exact - bounds[-1]).mean()) < 0.06
    assert float((exact - bounds[0]).mean()) > 0.05


@pytest.mark.parametrize("off", OFF)
def test_the_gap_of_the_elbo_is_the_divergence_of_the_posteriors(off):
    x, made, exact = rows(4000), model(**OFF[off]), model()
    torch.manual_seed(3)
    with torch.no_grad():
        found = torch.stack([elbo(made, x).elbo for _ in range(50)]).mean()
        q, p = made.posterior(x), exact.posterior(x)
        ratio, shift = (q.scale / p.scale) ** 2, ((q.loc - p.loc) / p.scale) ** 2
        gap = (0.5 * (ratio + shift - 1 - ratio.log())).sum(1).mean()
    assert float(MARGINAL.log_prob(x).mean() - found) == pytest.approx(float(gap), abs=0.02)


def test_the_scores_of_rows_are_near_log_p():
    x = rows(500)
    found = terms(model(stretch=1.2), x, importance_samples=64)
    exact = MARGINAL.log_prob(x).double().numpy()
    assert np.abs(found.log_likelihood - exact).max() < 0.5
    assert abs(np.mean(found.log_likelihood - exact)) < 0.03
    assert np.mean(found.elbo) < np.mean(exact)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_is_finite_and_its_loss_the_mean_of_its_terms(name):
    bound = OBJECTIVES[name](model(), rows(50))
    assert bound.reconstruction.shape == bound.kl.shape == (50,)
    assert torch.isfinite(bound.elbo).all()
    assert (bound.kl >= 0).all()
    torch.testing.assert_close(bound.loss(), -bound.elbo.mean())
    torch.testing.assert_close(bound.loss(2.0), (2 * bound.kl - bound.reconstruction).mean())


def test_reconstruction_is_at_least_the_elbos():
    x, made = rows(2000), model()
    plain = OBJECTIVES["reconstruction"](made, x).reconstruction.mean()
    assert plain > elbo(made, x).reconstruction.mean()


def test_gaps_are_left_out_of_the_likelihood():
    x, made = rows(50), model()
    made.observation.has_gaps = True
    z = torch.zeros(50, K)
    without = x.clone()
    without[:, 1] = torch.nan
    lost = made.likelihood(z).log_prob(x)[:, 1]
    torch.testing.assert_close(made.log_likelihood(without, z), made.log_likelihood(x, z) - lost)
