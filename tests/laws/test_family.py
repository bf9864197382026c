"""The objectives with a penalty: what each is without it, what it is worth, and what training on it does."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

import vaekit
from vaekit.data.schema import Schema
from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.models.build import Architecture, build, choose_likelihoods
from vaekit.objectives import OBJECTIVES, OF_AUTOENCODERS, OF_VAES, Factor, elbo, make_objective, reconstruction
from vaekit.objectives.contractive import squared_norm
from vaekit.objectives.denoising import swapped
from vaekit.objectives.dip import covariance, off_identity
from vaekit.objectives.factor import shuffled
from vaekit.objectives.mmd import discrepancy
from vaekit.objectives.rae import squared_weights
from vaekit.objectives.tcvae import log_aggregate
from vaekit.storage.tensor_file import read_tensors

FAMILY = (*OF_VAES, *OF_AUTOENCODERS)
assert set(FAMILY) < set(OBJECTIVES)

CASES = [
    ("mlp", "binary with gaps"),
    ("mlp", "real with gaps"),
    ("mlp", "counts with gaps"),
    ("mlp", "table"),
    ("conv", "colour pictures"),
    ("conv", "unit pictures"),
]
VARIANTS = [("mixture", 1), ("vamp", 1), ("flow", 1), ("autoregressive", 1), ("normal", 3), ("flow", 2)]


def untrained(name: str, data, network="mlp", prior="normal", levels=1, latent_dim=4):
    """A model that the objective is for, and its codes."""
    kind, prior = ("autoencoder", "mixture") if name in OF_AUTOENCODERS else ("vae", prior)
    schema = Schema.infer(data)
    codes = torch.from_numpy(np.ascontiguousarray(schema.encode(data)))
    likelihoods = choose_likelihoods(schema, codes.numpy())
    torch.manual_seed(0)
    made = build(Architecture(kind, latent_dim, likelihoods, network, (8, 16), prior=prior, levels=levels), schema)
    made.prepare(codes)
    return made, made.observation.observe(codes)


def matrix(n: int = 64, d: int = 6) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, d)) + 0.3 * rng.normal(size=(n, d))


def under_the_same_noise(objective, *arguments, **options):
    torch.manual_seed(7)
    return objective(*arguments, **options)


# -- all of them -------------------------------------------------------------------------------------------------------


def assert_finite(objective, made, x):
    made.train()
    bound = objective(made, x)
    assert bound.reconstruction.shape == bound.kl.shape == bound.value.shape == (len(x),)
    assert torch.isfinite(torch.stack(bound)).all()
    bound.loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in made.parameters() if p.grad is not None)
    assert all(p.grad.any() for p in made.decoder.parameters() if p.requires_grad)
    assert any(p.grad.any() for p in made.encoder.parameters())
    made.eval()
    with torch.no_grad():
        for n in (len(x), 2, 1):
            assert torch.isfinite(torch.stack(objective(made, x[:n]))).all()


@pytest.mark.parametrize("case", CASES, ids="-".join)
@pytest.mark.parametrize("name", FAMILY)
def test_values_and_gradients_are_finite(name, case, data_of):
    network, data = case
    assert_finite(make_objective(name, 4), *untrained(name, data_of(data), network))


@pytest.mark.parametrize(("prior", "levels"), VARIANTS)
@pytest.mark.parametrize("name", [name for name in OF_VAES if name != "wae"])  # whose prior is fixed
def test_values_and_gradients_are_finite_under_any_prior(name, prior, levels):
    if name == "tcvae" and levels > 1:
        pytest.skip("it is for one stochastic layer")
    assert_finite(make_objective(name, 4), *untrained(name, matrix(), prior=prior, levels=levels))


@pytest.mark.parametrize("beta", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("name", FAMILY)
def test_without_strength_an_objective_is_the_plain_one(name, beta):
    made, x = untrained(name, matrix())
    found = under_the_same_noise(make_objective(name, 4), made, x, beta, strength=0.0)
    plain = under_the_same_noise(elbo if name in OF_VAES else reconstruction, made, x, 0.0 if name == "wae" else beta)
    for ours, theirs in zip(found, plain, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", [name for name in FAMILY if name != "denoising"])  # whose strength is a share
def test_strength_and_beta_weigh_the_penalty(name):
    made, x = untrained(name, matrix())
    objective = make_objective(name, 4)

    def penalty(**weights):
        with_it, without = (
            under_the_same_noise(objective, made, x, **weights | strength) for strength in ({}, {"strength": 0.0})
        )
        return (without.value - with_it.value).detach()

    once = penalty(strength=1.0)
    assert once.abs().max() > 1e-4
    torch.testing.assert_close(penalty(strength=3.0), 3 * once, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(penalty(strength=1.0, beta=2.0), 2 * once, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(penalty(strength=1.0, beta=0.0), 0 * once, rtol=1e-3, atol=1e-4)


def trained(name: str, strength: float, steps: int = 80):
    """A model trained for a while under a small KL, so that without its penalty codes are what they like."""
    made, x = untrained(name, matrix(256))
    objective = make_objective(name, 4)
    optimizer = torch.optim.Adam([p for p in (*made.parameters(), *own(objective)) if p.requires_grad], 1e-2)
    beta = 0.1 if name in OF_VAES else 1.0
    torch.manual_seed(1)
    for _ in range(steps):
        objective(made, x, beta, strength=strength / beta if name in OF_VAES else strength).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return made.eval(), x


def own(objective) -> list[nn.Parameter]:
    return list(objective.parameters()) if isinstance(objective, nn.Module) else []


@torch.no_grad()
def total_correlation(made, x) -> torch.Tensor:
    q = made.posterior(x)
    joint, by_unit = log_aggregate(q, q.rsample())
    return (joint - by_unit.sum(1)).mean()


@torch.no_grad()
def lost_by_noise(made, x) -> torch.Tensor:
    """Nats that a corrupted row's code says less of the clean row than its own code."""
    read = under_the_same_noise(swapped, x, 0.25)
    return (reconstruction(made, x).value - made.log_likelihood(x, made.posterior(read).mean)).mean()


def to_slope(made, x) -> torch.Tensor:
    inputs = made.inputs(x).requires_grad_()
    return under_the_same_noise(squared_norm, made._posterior_of(inputs).mean, inputs).mean().detach()


@torch.no_grad()
def from_prior(made, x) -> torch.Tensor:
    return under_the_same_noise(lambda: discrepancy(made.posterior(x).rsample(), torch.randn(len(x), 4)))


@torch.no_grad()
def size(made, x) -> torch.Tensor:
    return made.posterior(x).mean.square().sum(1).mean()


STRENGTH = {"tcvae": 5.0, "factor": 10.0, "dip": 10.0, "mmd": 100.0, "wae": 100.0, "denoising": 0.25, "rae": 1.0}
PENALTY = {
    "tcvae": total_correlation,
    "factor": total_correlation,
    "dip": lambda made, x: off_identity(covariance(made.posterior(x).mean)).detach(),
    "mmd": from_prior,
    "wae": from_prior,
    "denoising": lost_by_noise,
    "sparse": size,
    "contractive": to_slope,
    "rae": size,
}


@pytest.mark.parametrize("name", FAMILY)
def test_a_penalty_falls_where_it_is_trained_on(name):
    with_it, without = (PENALTY[name](*trained(name, s)) for s in (STRENGTH.get(name, 1.0), 0.0))
    assert float(with_it) < 0.8 * float(without)


# -- denoising ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_swapped_values_are_of_their_own_place(share):
    x = torch.arange(4000.0).view(1000, 4)
    x[::3, 1] = torch.nan
    torch.manual_seed(0)
    found = swapped(x, share)
    assert torch.equal(found.nan_to_num(1) % 4, x.nan_to_num(1) % 4)  # 1 stands for a gap of the second column
    changed = (found != x) & ~(found.isnan() & x.isnan())
    assert float(changed[:, [0, 2, 3]].float().mean()) == pytest.approx(share, abs=0.03)
    assert float(found.isnan().float()[:, 1].mean()) == pytest.approx(1 / 3, abs=0.05)


def test_held_out_rows_are_read_without_noise():
    made, x = untrained("denoising", matrix())
    made.eval()
    objective = make_objective("denoising", 4)
    assert torch.equal(objective(made, x).value, objective(made, x).value)
    assert not torch.equal(objective(made.train(), x).value, objective(made, x).value)


# -- contractive -------------------------------------------------------------------------------------------------------


def test_the_estimate_of_a_jacobians_norm_is_unbiased():
    torch.manual_seed(0)
    linear, x = nn.Linear(7, 3), torch.randn(1, 7).expand(20_000, 7).clone().requires_grad_()
    found = squared_norm(linear(x), x).detach()
    error = found.std() / math.sqrt(len(found))
    assert abs(float(found.mean() - linear.weight.detach().square().sum())) < 4.5 * float(error)


@pytest.mark.parametrize(("network", "data"), [("mlp", "table"), ("conv", "grey pictures")])
def test_the_penalty_is_that_of_what_the_encoder_reads(network, data, data_of):
    made, x = untrained("contractive", data_of(data), network)
    row = x[:1]
    exact = torch.autograd.functional.jacobian(lambda h: made._posterior_of(h).mean[0], made.inputs(row))
    many = row.expand(4000, *row.shape[1:])
    torch.manual_seed(0)
    bound = OBJECTIVES["contractive"](made.eval(), many, strength=1.0)
    penalty = (bound.reconstruction - bound.value).detach()
    assert float(penalty.mean()) == pytest.approx(float(exact.square().sum()), rel=0.1)


# -- RAE, DIP ----------------------------------------------------------------------------------------------------------


def test_a_regularised_autoencoder_weighs_codes_and_weights_but_no_bias():
    made, x = untrained("rae", matrix())
    before = squared_weights(made.decoder)
    with torch.no_grad():
        for name, p in made.decoder.named_parameters():
            if "bias" in name:
                p += 1.0
    assert torch.equal(squared_weights(made.decoder), before)
    bound = OBJECTIVES["rae"](made, x, strength=2.0)
    expected = made.posterior(x).mean.square().sum(1) + 2e-3 * before
    torch.testing.assert_close(bound.reconstruction - bound.value, expected, rtol=1e-3, atol=1e-3)


def test_the_covariance_of_codes_is_numpys():
    z = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(covariance(z), torch.from_numpy(np.cov(z.numpy().T, bias=True)).float())
    assert float(off_identity(torch.eye(5))) == 0


# -- total correlation -------------------------------------------------------------------------------------------------


def test_the_three_parts_add_up_to_the_kl():
    """Chen et al. (2018), eq. 2: mutual information + total correlation + KL(q(z_j) ‖ p(z_j)), none below 0."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(60, 2, generator=generator)
    q = DiagonalNormal(torch.cat([z, z @ torch.ones(2, 1)], 1), 0.2 + torch.rand(60, 3, generator=generator))
    torch.manual_seed(0)
    parts = []
    for _ in range(2000):
        drawn = q.rsample()
        joint, by_unit = log_aggregate(q, drawn)
        prior = -0.5 * drawn.square().sum(1) - 1.5 * math.log(2 * math.pi)
        terms = q.log_prob(drawn) - joint, joint - by_unit.sum(1), by_unit.sum(1) - prior
        parts.append(torch.stack([term.mean() for term in terms]))
    found = torch.stack(parts).mean(0)
    kl = 0.5 * (q.scale.square() + q.loc.square() - 1 - 2 * q.scale.log()).sum(1).mean()
    assert (found > 0.1).all()
    assert float(found.sum()) == pytest.approx(float(kl), abs=0.02)


def test_tcvae_weighs_the_total_correlation_of_the_batch():
    made, x = untrained("tcvae", matrix())
    bound = under_the_same_noise(OBJECTIVES["tcvae"], made, x, strength=3.0)
    q = made.posterior(x)
    joint, by_unit = log_aggregate(q, under_the_same_noise(q.rsample))
    torch.testing.assert_close(bound.elbo - bound.value, 3 * (joint - by_unit.sum(1)), rtol=1e-3, atol=1e-4)


def test_many_rows_have_the_aggregate_of_all_of_them():
    q = DiagonalNormal(torch.randn(700, 2, generator=torch.Generator().manual_seed(0)), torch.full((700, 2), 0.5))
    joint, by_unit = log_aggregate(q, q.mean)
    each = torch.stack([q.log_prob(z.expand(700, 2)) for z in q.mean])  # [draw, component]
    torch.testing.assert_close(joint, each.logsumexp(1) - math.log(700))
    assert by_unit.shape == (700, 2)


# -- the critic --------------------------------------------------------------------------------------------------------


def test_a_critic_learns_the_total_correlation():
    rho = 0.8
    law = MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, rho], [rho, 1.0]]))
    torch.manual_seed(0)
    objective = Factor(2)
    optimizer = torch.optim.Adam(objective.parameters(), 2e-3)
    for _ in range(200):
        objective.loss(law.sample((256,))).backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        found = float(objective._log_odds(law.sample((20_000,))).mean())
    assert found == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.08)


def test_shuffled_codes_keep_the_law_of_each_unit_alone():
    z = torch.randn(500, 1, generator=torch.Generator().manual_seed(0)).expand(500, 3)
    torch.manual_seed(0)
    found = shuffled(z)
    assert torch.equal(found.sort(0).values, z.sort(0).values)
    assert torch.corrcoef(found.T).fill_diagonal_(0).abs().max() < 0.2


def test_model_and_critic_each_learn_from_their_own_loss():
    made, x = untrained("factor", matrix())
    objective = make_objective("factor", 4)
    under_the_same_noise(objective, made.train(), x, strength=0.0).loss.backward()
    for p in objective.parameters():
        assert p.grad.any()
    without, critic = gradients(made), gradients(objective)
    under_the_same_noise(elbo, made, x).loss.backward()
    assert all(torch.allclose(g, without[k]) for k, g in gradients(made).items())
    under_the_same_noise(objective, made, x, strength=5.0).loss.backward()
    assert all(torch.allclose(g, critic[k]) for k, g in gradients(objective).items())
    assert not torch.allclose(gradients(made)["head.weight"], without["head.weight"])


def gradients(module: nn.Module) -> dict[str, torch.Tensor]:
    """The gradients by name, which are forgotten."""
    found = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad(set_to_none=True)
    return found


def test_a_critic_is_the_runs_own_and_not_in_the_model_file(tmp_path):
    settings = {"hidden": (8,), "epochs": 2, "prior": "normal", "random_state": 0}
    fitted = vaekit.VAE(2, objective="factor", **settings).fit(matrix())
    plain = vaekit.VAE(2, **settings).fit(matrix())
    names = {"factor": fitted, "plain": plain}
    files = {name: read_tensors(model.save(tmp_path / f"{name}.vae"))[0] for name, model in names.items()}
    assert files["factor"].keys() == files["plain"].keys()
    again = vaekit.VAE(2, objective="factor", **settings).fit(matrix())
    assert all(torch.equal(v, again.model_.state_dict()[k]) for k, v in fitted.model_.state_dict().items())


def test_each_critic_is_new():
    one, other = (make_objective("factor", 2) for _ in range(2))
    assert one is not other
    assert copy.deepcopy(one).critic[0].layers[0][0].in_features == 2


# -- maximum mean discrepancy ------------------------------------------------------------------------------------------


def test_the_discrepancy_tells_laws_apart():
    torch.manual_seed(0)
    same = torch.stack([discrepancy(torch.randn(100, 3), torch.randn(100, 3)) for _ in range(300)])
    assert abs(float(same.mean())) < 4.5 * float(same.std()) / math.sqrt(300)  # unbiased, so it is below 0 as often
    assert (same < 0).any()
    shifted = torch.stack([discrepancy(torch.randn(100, 3) + 2, torch.randn(100, 3)) for _ in range(20)])
    narrow = torch.stack([discrepancy(0.2 * torch.randn(100, 3), torch.randn(100, 3)) for _ in range(20)])
    assert shifted.min() > same.max()
    assert narrow.min() > same.max()
    assert torch.isfinite(discrepancy(torch.zeros(1, 3), torch.zeros(1, 3)))


def test_wasserstein_autoencoders_have_no_kl_in_their_value():
    made, x = untrained("wae", matrix())
    bound = under_the_same_noise(OBJECTIVES["wae"], made, x, strength=0.0)
    assert torch.equal(bound.value, bound.reconstruction)
    assert bound.kl.mean() > 0
