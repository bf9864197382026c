"""On the sphere: densities have mass 1, draws follow them in two ways, and the divergence is its Monte Carlo twin."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torch.nn.functional import normalize

import vaekit
from vaekit.data.schema import Schema
from vaekit.distributions.divergences import kl_by_unit, kl_divergence
from vaekit.distributions.sphere import PowerSpherical, UniformOnSphere
from vaekit.errors import ParameterError
from vaekit.models.build import Architecture, build
from vaekit.objectives import OBJECTIVES
from vaekit.priors.sphere import UniformSphere

ROWS = np.random.default_rng(0).normal(size=(200, 1)) * [1, -1, 2, -2] + np.random.default_rng(1).normal(size=(200, 4))
CONCENTRATIONS = [0.1, 2.0, 30.0, 1000.0]


@pytest.fixture(autouse=True)
def own_random_numbers():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def posterior(d: int, concentration: float, n: int = 1) -> PowerSpherical:
    loc = normalize(torch.randn(1, d), dim=-1).expand(n, d)
    return PowerSpherical(loc, torch.full((n,), concentration))


def points(d: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points of a grid over the circle or the ball's surface, and the area each stands for, in float64."""
    n = 20_000 if d == 2 else 1_000
    turn = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 * math.pi
    if d == 2:
        return torch.stack([turn.cos(), turn.sin()], 1), torch.full((n,), 2 * math.pi / n, dtype=torch.float64)
    height = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 - 1  # Archimedes: equal areas
    z, turn = (grid.flatten() for grid in torch.meshgrid(height, turn, indexing="ij"))
    radius = (1 - z**2).sqrt()
    return torch.stack([radius * turn.cos(), radius * turn.sin(), z], 1), torch.full_like(z, 4 * math.pi / n**2)


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("concentration", CONCENTRATIONS)
def test_density_integrates_to_one(d, concentration):
    z, area = points(d)
    q = posterior(d, concentration)
    assert float((q.log_prob(z.float()).double().exp() * area).sum()) == pytest.approx(1, abs=2e-3)
    assert float((UniformOnSphere(d).log_prob(z).exp() * area).sum()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("d", [2, 3, 16, 200])
@pytest.mark.parametrize("concentration", CONCENTRATIONS)
def test_draws_lie_on_the_sphere_about_their_direction(d, concentration):
    q = posterior(d, concentration, n=20_000)
    b = (d - 1) / 2
    length = concentration / (2 * b + concentration)  # E⟨μ, z⟩ = (a − b)/(a + b)
    for z in (q.rsample(), q.transport(torch.randn(20_000, d))):
        torch.testing.assert_close(z.norm(dim=-1), torch.ones(20_000), rtol=0, atol=1e-5)
        cosine = (z * q.loc).sum(-1)
        assert float(cosine.mean()) == pytest.approx(length, abs=4.5 * float(cosine.std()) / 20_000**0.5 + 1e-5)
        aside = z - cosine[:, None] * q.loc
        assert (aside.mean(0).abs() < 4.5 * aside.std(0) / 20_000**0.5 + 1e-5).all()


@pytest.mark.parametrize("d", [2, 3, 16])
@pytest.mark.parametrize("concentration", CONCENTRATIONS)
def test_fixed_noise_and_free_draws_have_one_law(d, concentration):
    q = posterior(d, concentration, n=5_000)
    drawn, carried = q.rsample(), q.transport(torch.randn(5_000, d))
    seen = torch.cat([q.loc[:1], torch.eye(d)[:3], torch.randn(2, d)])  # directions that both are looked at from
    for direction in seen:
        assert ks_2samp((drawn @ direction).numpy(), (carried @ direction).numpy()).pvalue > 1e-4


def test_noise_is_carried_the_same_way_every_time_and_row_by_row():
    q = PowerSpherical(normalize(torch.randn(6, 5), dim=-1), torch.rand(6) * 20)
    noise = torch.randn(3, 1, 5)
    z = q.transport(noise)
    assert z.shape == (3, 6, 5)
    assert torch.equal(z, q.transport(noise))
    alone = PowerSpherical(q.loc[2:3], q.concentration[2:3])
    assert torch.equal(alone.transport(noise)[:, 0], z[:, 2])


@pytest.mark.parametrize("d", [2, 3, 16, 200])
@pytest.mark.parametrize("concentration", CONCENTRATIONS)
def test_divergence_equals_its_monte_carlo_twin(d, concentration):
    q, p = posterior(d, concentration, n=20_000), UniformSphere(d)()
    z = q.rsample()
    assert kl_by_unit(q, p, z) is None
    terms = q.log_prob(z) - p.log_prob(z)
    exact = kl_divergence(q, p, z)
    assert exact.shape == (20_000,)
    assert abs(float(terms.mean() - exact[0])) < 4.5 * float(terms.std()) / 20_000**0.5 + 1e-4
    assert float(exact[0]) > 0


def test_a_density_without_concentration_is_the_uniform():
    q = posterior(7, 0.0)
    assert float(q.kl_to_uniform()) == pytest.approx(0, abs=1e-6)
    z = UniformSphere(7).sample(10)
    torch.testing.assert_close(q.log_prob(z), UniformOnSphere(7).log_prob(z))


def test_gradients_of_draws_are_those_of_the_mean():
    """E⟨μ, z⟩ = κ / (d − 1 + κ), whose slope the draws must have."""
    concentration = torch.full((100_000,), 3.0, requires_grad=True)
    loc = torch.tensor([[0.6, 0.0, 0.8]]).expand(100_000, 3)
    cosine = (PowerSpherical(loc, concentration).rsample() * loc).sum(-1)
    (slope,) = torch.autograd.grad(cosine.sum(), concentration)
    assert float(slope.mean()) == pytest.approx(2 / 25, abs=4.5 * float(slope.std()) / 100_000**0.5)


@pytest.mark.parametrize("loc", [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
def test_the_axis_itself_is_a_direction_like_any_other(loc):
    loc = torch.tensor([loc], requires_grad=True)
    z = PowerSpherical(loc, torch.tensor([50.0])).rsample(torch.Size((2000,)))
    assert (z * loc).sum(-1).mean().item() == pytest.approx(50 / 52, abs=0.01)
    z.sum().backward()
    assert torch.isfinite(loc.grad).all()


def test_the_uniform_prior_is_uniform_at_every_temperature():
    z = UniformSphere(3).sample(20_000, temperature=0.3)
    assert z.mean(0).abs().max() < 0.02
    torch.testing.assert_close(z.T @ z / len(z), torch.eye(3) / 3, rtol=0, atol=0.01)


# -- the model ---------------------------------------------------------------------------------------------------------


def model(d: int = 4):
    schema = Schema.infer(ROWS)
    made = build(Architecture("hyperspherical", d, ("gaussian",), hidden=(16,), prior="uniform"), schema)
    x = torch.from_numpy(schema.encode(ROWS))
    made.prepare(x)
    return made, x


@torch.no_grad()
def test_the_length_of_a_code_says_nothing():
    made, _ = model()
    z = torch.randn(9, 4)
    torch.testing.assert_close(made.likelihood(z).mean, made.likelihood(5 * z).mean)
    assert torch.isfinite(made.likelihood(torch.zeros(1, 4)).mean).all()


@torch.no_grad()
def test_bounds_are_in_order():
    made, x = model()
    made.eval()
    values = {
        k: torch.stack([OBJECTIVES["iwae"](made, x, draws=k).value for _ in range(50)]).mean() for k in (1, 5, 50)
    }
    plain = torch.stack([OBJECTIVES["elbo"](made, x).value for _ in range(50)]).mean()
    assert plain < values[5] < values[50]
    assert float(plain) == pytest.approx(float(values[1]), abs=0.05)


@pytest.mark.parametrize("name", ["elbo", "iwae", "dreg", "piwae"])
def test_gradients_reach_every_parameter_under_any_bound(name):
    made, x = model()
    OBJECTIVES[name](made.train(), x).loss.backward()
    for parameter_name, p in made.named_parameters():
        assert p.grad is not None, parameter_name
        assert torch.isfinite(p.grad).all(), parameter_name
        assert p.grad.any(), parameter_name


def test_rows_are_embedded_on_the_sphere_and_the_latent_is_worth_something():
    fitted = vaekit.HypersphericalVAE(3, epochs=30, hidden=(32,)).fit(ROWS)
    assert np.linalg.norm(fitted.transform(ROWS), axis=1) == pytest.approx(1, abs=1e-5)
    metrics = fitted.fitted_.record["metrics"]
    assert metrics["train_elbo_nats"] > metrics["without_latent_nats"] + 0.3
    between = fitted.interpolate(ROWS, (0, 1), 5)
    assert np.allclose(between[[0, -1]], fitted.reconstruct(ROWS[:2]), atol=1e-4)


def test_units_are_active_by_the_sphere_s_own_measure():
    rows = np.random.default_rng(0).normal(size=(60, 3))
    fitted = vaekit.HypersphericalVAE(200, epochs=1, hidden=(16,)).fit(rows)
    assert fitted.latent_dim_ == 200
    metrics = fitted.fitted_.record["metrics"]
    assert max(metrics["variance_by_unit"]) < 0.05
    assert metrics["active_units"] > 100
    assert fitted.evaluate(rows, importance_samples=2)["active_units"] > 100


def test_one_unit_makes_no_sphere():
    with pytest.raises(ParameterError, match="at least 2 latent units; got latent_dim=1"):
        vaekit.HypersphericalVAE(1).fit(ROWS)
    assert vaekit.HypersphericalVAE(epochs=1, hidden=(8,)).fit(ROWS[:, :2]).latent_dim_ == 2
