"""Every prior is a density, its draws come from it, and the temperature scales their spread."""

import pytest
import torch
from sklearn.mixture import GaussianMixture as Fitter

from vaekit.priors import PRIORS, Prior
from vaekit.priors.mixture import GaussianMixture
from vaekit.priors.normal import StandardNormal

CLUSTERS = torch.tensor([[-2.0, 1.0], [3.0, 0.0], [0.0, -2.0]])


def codes(n: int, d: int) -> torch.Tensor:
    """Codes in three clusters of different spread."""
    generator = torch.Generator().manual_seed(0)
    which = torch.randint(0, 3, (n,), generator=generator)
    spread = torch.tensor([0.3, 0.6, 1.0])[which, None]
    return CLUSTERS[which, :d] + spread * torch.randn(n, d, generator=generator)


MAKE = {
    "normal": StandardNormal,
    "mixture": lambda d: GaussianMixture(d, 3).fit(codes(2000, d)),
}
assert set(PRIORS) == set(MAKE), f"no case for {set(PRIORS) ^ set(MAKE)}"


@pytest.fixture(params=MAKE)
def make(request):
    return MAKE[request.param]


def grid(d: int, reach: float = 8.0, n: int = 401) -> tuple[torch.Tensor, float]:
    """Points [n^d, d] of a grid and the volume each stands for."""
    axis = torch.linspace(-reach, reach, n)
    return torch.cartesian_prod(*[axis] * d).view(-1, d), (2 * reach / (n - 1)) ** d


@pytest.mark.parametrize("d", [1, 2])
def test_density_integrates_to_one(make, d):
    points, volume = grid(d)
    assert float(make(d)().log_prob(points).double().exp().sum() * volume) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("d", [1, 2])
def test_draws_have_the_moments_of_the_density(make, d):
    prior: Prior = make(d)
    torch.manual_seed(0)
    points, volume = grid(d)
    mass = prior().log_prob(points).double().exp()[:, None] * volume
    draws = prior.sample(50_000).double()
    assert draws.shape == (50_000, d)
    for power in (1, 2, 3):
        exact = (mass * points**power).sum(0)
        error = (draws**power).std(0) / len(draws) ** 0.5
        assert ((draws**power).mean(0) - exact).abs().lt(4.5 * error + 1e-3).all()


@pytest.mark.parametrize("d", [1, 3])
def test_mean_log_density_of_draws_is_the_negative_entropy_of_the_distributions_own(make, d):
    if d > CLUSTERS.shape[1] and make is MAKE["mixture"]:
        pytest.skip("clusters have two coordinates")
    prior = make(d)
    torch.manual_seed(0)
    ours, theirs = (prior().log_prob(z) for z in (prior.sample(20_000), prior().sample(torch.Size((20_000,)))))
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), abs=0.04)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_temperature_scales_the_spread_about_each_centre(make, temperature):
    prior = make(2)

    def spread(t: float) -> torch.Tensor:
        torch.manual_seed(1)
        return prior.sample(1000, t)

    centre = spread(1e-6)  # the same parts and noises
    torch.testing.assert_close(spread(temperature) - centre, temperature * (spread(1.0) - centre), atol=1e-4, rtol=1e-3)
    assert (spread(1.0) - centre).std() > 0.5


def test_a_fitted_mixture_is_as_likely_as_scikit_learns():
    z = codes(2000, 2)
    theirs = Fitter(3, random_state=0).fit(z.numpy()).score(z.numpy())
    assert float(MAKE["mixture"](2)().log_prob(z).mean()) == pytest.approx(theirs, abs=0.01)


@pytest.mark.parametrize("n", [2, 5, 20])
def test_a_mixture_fits_few_rows_and_constant_ones(n):
    for z in (codes(n, 2), torch.ones(n, 2)):
        prior = GaussianMixture(2).fit(z)
        assert torch.isfinite(prior().log_prob(z)).all()
        assert torch.isfinite(prior.sample(10)).all()


def test_fitting_a_mixture_again_forgets_the_first_fit():
    prior = GaussianMixture(2, 3)
    prior.fit(codes(2000, 2)).fit(codes(8, 2))
    fresh = GaussianMixture(2, 3).fit(codes(8, 2))
    z = codes(100, 2)
    torch.testing.assert_close(prior().log_prob(z), fresh().log_prob(z))


def test_a_mixture_is_the_same_at_every_fit():
    first, second = (GaussianMixture(2, 3).fit(codes(500, 2)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.buffers(), second.buffers(), strict=True))
