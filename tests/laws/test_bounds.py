"""ELBO ≤ IWAE-k ≤ log p(x), where log p(x) is known exactly: a linear-Gaussian decoder (probabilistic PCA).

Tipping and Bishop (1999), Probabilistic principal component analysis, doi:10.1111/1467-9868.00196: with p(x | z) =
N(W z + μ, σ² I), p(x) = N(μ, W Wᵀ + σ² I) and p(z | x) = N(M⁻¹ Wᵀ (x − μ), σ² M⁻¹), M = Wᵀ W + σ² I.
"""

import copy
import functools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from vaekit.data.schema import Schema
from vaekit.distributions.divergences import kl_by_unit
from vaekit.models.build import Architecture, build
from vaekit.objectives import OBJECTIVES, OF_AUTOENCODERS, OF_VAES, Bound, elbo
from vaekit.tasks.likelihood import log_terms, terms

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


IMPORTANCE = ["iwae", "dreg", "miwae", "ciwae", "piwae"]
PLAIN = [name for name in OBJECTIVES if name not in (*OF_VAES, *OF_AUTOENCODERS)]  # the others: test_family.py


@pytest.mark.parametrize("name", PLAIN)
def test_an_objective_is_finite_and_its_loss_the_mean_of_its_value(name):
    bound = OBJECTIVES[name](model(), rows(50))
    assert bound.reconstruction.shape == bound.kl.shape == bound.value.shape == (50,)
    assert torch.isfinite(torch.stack(bound)).all()
    torch.testing.assert_close(bound.elbo, bound.reconstruction - bound.kl)
    torch.testing.assert_close(bound.loss, -bound.value.mean())
    if name not in IMPORTANCE:  # whose KL is an estimate
        assert (bound.kl >= 0).all()
        torch.testing.assert_close(bound.value, bound.elbo)


@pytest.mark.parametrize("name", PLAIN)
def test_beta_weights_the_kl(name):
    x, made, options = rows(50), model(**OFF["wide"]), {} if name == "reconstruction" else {"draws": 1}
    for beta in (0.0, 1.0, 3.0):
        bound = OBJECTIVES[name](made, x, beta, **options)
        torch.testing.assert_close(bound.value, bound.reconstruction - beta * bound.kl)


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


# -- the order of the bounds -------------------------------------------------------------------------------------------


def under_the_same_noise(name: str, made, x: torch.Tensor, **options) -> Bound:
    torch.manual_seed(7)
    return OBJECTIVES[name](made, x, **options)


@torch.no_grad()
@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize("draws", [4, 12, 16])
def test_bounds_of_the_same_draws_are_in_order(off, draws):
    x, made = rows(500), model(**OFF[off])
    names = ("iwae", "miwae", "ciwae", "dreg", "piwae")
    bounds = {name: under_the_same_noise(name, made, x, draws=draws) for name in names}
    least = bounds["iwae"].elbo  # 1/K Σ_k log w_k
    for name in ("miwae", "ciwae"):
        assert (bounds[name].value >= least - 1e-4).all()
        assert (bounds[name].value <= bounds["iwae"].value + 1e-4).all()
        assert (bounds["iwae"].value - bounds[name].value).mean() > 0.01
        assert (bounds[name].value - least).mean() > 0.01
    torch.testing.assert_close(bounds["dreg"].value, bounds["iwae"].value)
    torch.testing.assert_close(bounds["piwae"].value, bounds["iwae"].value)
    torch.testing.assert_close(bounds["ciwae"].value, 0.5 * (least + bounds["iwae"].value), rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("off", OFF)
def test_bounds_are_in_order_on_average(off):
    x, made = rows(8000), model(**OFF[off])
    exact = MARGINAL.log_prob(x)

    def gap(name: str, **options) -> float:  # the rows' own spread cancels
        return float((exact - OBJECTIVES[name](made, x, **options).value).mean())

    torch.manual_seed(2)
    gaps = [0, gap("iwae", draws=64), gap("iwae", draws=16), gap("miwae", draws=16), gap("elbo")]
    assert gaps == sorted(gaps)
    assert gap("iwae", draws=16) < gap("ciwae", draws=16) < gap("elbo")
    assert gap("miwae", draws=16) == pytest.approx(gap("iwae", draws=4), abs=0.03)  # four groups of four
    for name in IMPORTANCE:
        assert gap(name, draws=1) == pytest.approx(gap("elbo"), abs=0.06)


def test_a_prime_number_of_draws_is_one_group():
    x, made = rows(20), model()
    found = [under_the_same_noise(name, made, x, draws=5).value for name in ("iwae", "miwae")]
    torch.testing.assert_close(*found)


# -- gradients ---------------------------------------------------------------------------------------------------------


def gradients_by_draw(made, head: nn.Linear, name: str, n: int = 20_000, **options) -> torch.Tensor:
    """The gradient of one row's value by its posterior's statistics, under n independent sets of draws: [n, 2 d]."""
    outputs = []  # but for those of the network held fixed, as a function of z
    hook = head.register_forward_hook(lambda net, _, out: outputs.append(out) if net.weight.requires_grad else None)
    value = OBJECTIVES[name](made, rows(1, seed=4).expand(n, D), **options).value
    hook.remove()
    found = torch.autograd.grad(value.sum(), outputs, allow_unused=True)
    return sum(g.view(-1, n, g.shape[-1]).sum(0) for g in found if g is not None)


@functools.cache
def layered():
    """A model of the same rows with two layers, trained for a while: far from its posterior no estimate is good."""
    schema = Schema.infer(np.random.default_rng(0).normal(size=(10, D)))
    torch.manual_seed(0)
    made = build(Architecture("vae", 3, ("gaussian",), hidden=(6,), levels=2), schema)
    optimizer = torch.optim.Adam(made.parameters(), 1e-2)
    for seed in range(150):
        OBJECTIVES["iwae"](made, rows(128, seed)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return made.eval()


HEADS = {
    "one layer": lambda: (made := model(**OFF["wide"]), made.head),
    "the top of two layers": lambda: (made := layered(), made.layers[0].head),
    "the lower of two layers": lambda: (made := layered(), made.layers[1].head),
}


@pytest.mark.parametrize("head", HEADS)
def test_a_doubly_reparametrised_gradient_is_unbiased_and_less_noisy(head):
    made, of = HEADS[head]()
    torch.manual_seed(5)
    iwae, dreg = (gradients_by_draw(made, of, name, draws=5) for name in ("iwae", "dreg"))
    error = ((iwae.var(0) + dreg.var(0)) / len(iwae)).sqrt()
    assert (iwae.mean(0) - dreg.mean(0)).abs().lt(4.5 * error).all()
    assert (iwae.mean(0).abs() > 4.5 * error).any()  # there is something to compare
    iwae, dreg = (gradients_by_draw(made, of, name, n=2000, draws=50) for name in ("iwae", "dreg"))
    assert dreg.var(0).sum() < 0.8 * iwae.var(0).sum()


def gradients(made, name: str, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The loss's gradient by each parameter, under the same noise for all objectives."""
    made.zero_grad(set_to_none=True)
    under_the_same_noise(name, made, x, draws=16).loss.backward()
    return {key: p.grad.clone() for key, p in made.named_parameters() if p.grad is not None}


ENCODER = ("head", "encoder", "climb", "layers")


@pytest.mark.parametrize(("levels", "prior"), [(1, "normal"), (1, "autoregressive"), (2, "flow"), (3, "mixture")])
def test_decoder_and_prior_learn_from_the_iwae_whatever_the_encoder_learns_from(levels, prior):
    schema = Schema.infer(np.random.default_rng(0).normal(size=(10, D)))
    torch.manual_seed(0)
    made = build(Architecture("vae", 6, ("gaussian",), hidden=(6,), prior=prior, levels=levels), schema)
    iwae, dreg, miwae, piwae = (gradients(made, name, rows(30)) for name in ("iwae", "dreg", "miwae", "piwae"))
    assert iwae.keys() == dreg.keys() == miwae.keys() == piwae.keys() == dict(made.named_parameters()).keys()
    for key in iwae:
        torch.testing.assert_close(piwae[key], (miwae if key.startswith(ENCODER) else iwae)[key], rtol=2e-3, atol=2e-5)
        if not key.startswith(ENCODER):
            torch.testing.assert_close(dreg[key], iwae[key], rtol=2e-3, atol=2e-5)
    assert not torch.allclose(iwae["encoder.layers.0.linear.weight"], piwae["encoder.layers.0.linear.weight"], 1e-2)
    assert not torch.allclose(iwae["encoder.layers.0.linear.weight"], dreg["encoder.layers.0.linear.weight"], 1e-2)


def test_a_mixture_of_posteriors_learns_as_a_prior_from_the_iwae():
    schema = Schema.infer(np.random.default_rng(0).normal(size=(10, D)))
    torch.manual_seed(0)
    made = build(Architecture("vae", 6, ("gaussian",), hidden=(6,), prior="vamp"), schema)
    made.prior._posterior = copy.deepcopy(made)._posterior_of  # so that its gradient is told from the encoder's own
    twin = made.prior._posterior.__self__
    through_prior = {}
    for name in ("iwae", "piwae", "miwae"):
        twin.zero_grad(set_to_none=True)
        gradients(made, name, rows(30))
        through_prior[name] = twin.encoder.layers[0].linear.weight.grad.clone()
    torch.testing.assert_close(through_prior["piwae"], through_prior["iwae"], rtol=2e-3, atol=2e-5)
    assert not torch.allclose(through_prior["miwae"], through_prior["iwae"], 1e-2)


# -- several draws, free nats ------------------------------------------------------------------------------------------


@torch.no_grad()
def test_the_elbo_of_several_draws_is_the_same_on_average_and_less_noisy():
    x, made = rows(1, seed=4).expand(20_000, D), model(**OFF["wide"])
    torch.manual_seed(6)
    one, eight = (elbo(made, x, draws=k).value for k in (1, 8))
    error = ((one.var() + eight.var()) / len(x)).sqrt()
    assert abs(one.mean() - eight.mean()) < 4.5 * error
    assert one.var() / eight.var() == pytest.approx(8, rel=0.1)


def mean_unit_kl(made, x: torch.Tensor) -> torch.Tensor:
    q = made.posterior(x)
    return kl_by_unit(q, made.prior(), q.mean).mean(0)


def test_free_nats_are_what_each_unit_has_for_nothing():
    x, made = rows(500), model()
    kl = mean_unit_kl(made, x).detach()
    for free in (0.0, float(kl.min()) / 2, float(kl.mean()), 2 * float(kl.max())):
        for beta in (1.0, 2.0):
            bound = elbo(made, x, beta, free_nats=free)
            expected = bound.reconstruction.mean() - beta * kl.clamp_min(free).sum()
            torch.testing.assert_close(-bound.loss, expected, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(bound.kl.mean(), kl.sum())  # what is told is the KL itself


def test_units_below_their_free_nats_are_not_pushed():
    x, made = rows(500), model()
    kl = mean_unit_kl(made, x)
    assert kl[0] > kl[1] + 0.2  # one above the free nats below, one not
    (full,) = torch.autograd.grad(kl.sum(), made.head.bias)
    bound = elbo(made, x, free_nats=float(kl.detach().mean()))
    (found,) = torch.autograd.grad((bound.reconstruction - bound.value).mean(), made.head.bias)
    torch.testing.assert_close(found[[0, 2]], full[[0, 2]])  # location and log-scale of the unit above
    assert found[[1, 3]].abs().max() < 1e-6
    assert full[[1, 3]].abs().max() > 1e-2


@pytest.mark.parametrize(("levels", "prior"), [(1, "flow"), (2, "normal"), (2, "flow"), (2, "autoregressive")])
def test_free_nats_are_for_all_priors(levels, prior):
    schema = Schema.infer(np.random.default_rng(0).normal(size=(10, D)))
    torch.manual_seed(0)
    made = build(Architecture("vae", 4, ("gaussian",), hidden=(6,), prior=prior, levels=levels), schema).eval()
    plenty = elbo(made, rows(30), free_nats=100.0)
    torch.testing.assert_close((plenty.reconstruction - plenty.value).mean(), torch.tensor(400.0))
