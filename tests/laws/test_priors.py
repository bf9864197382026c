"""Every prior is a density, its draws come from it, and the temperature scales their spread."""

import functools

import pytest
import torch
from sklearn.mixture import GaussianMixture as Fitter
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal

from vaekit.distributions.autoregressive import MixtureOfNormals
from vaekit.networks.conditional import ConditionalNormal
from vaekit.priors import PRIORS, Prior
from vaekit.priors.autoregressive import AutoregressivePrior
from vaekit.priors.flow import FlowPrior
from vaekit.priors.mixture import GaussianMixture
from vaekit.priors.normal import StandardNormal
from vaekit.priors.top_down import TopDownPrior
from vaekit.priors.vamp import MixtureOfDiagonals, VampPrior

CLUSTERS = torch.tensor([[-2.0, 1.0], [3.0, 0.0], [0.0, -2.0]])


def codes(n: int, d: int) -> torch.Tensor:
    """Codes in three clusters of different spread."""
    generator = torch.Generator().manual_seed(0)
    which = torch.randint(0, 3, (n,), generator=generator)
    spread = torch.tensor([0.3, 0.6, 1.0])[which, None]
    return CLUSTERS[which, :d] + spread * torch.randn(n, d, generator=generator)


@torch.no_grad()
def moved(prior: Prior, by: float = 0.3) -> Prior:
    """The prior with all its parameters moved at random, so that no law holds at first values alone."""
    for p in prior.parameters():
        fan_in = p.shape[-1] if p.dim() > 1 and p.shape[-1] > 8 else 1
        p += by * fan_in**-0.5 * torch.randn_like(p)
    return prior


def vamp(d: int) -> VampPrior:
    """A mixture of the posteriors that some network gives for pseudo-inputs of three values."""
    prior, network = VampPrior(d, n_components=20), ConditionalNormal(3, (8,), d)
    prior.attach(lambda inputs: network(inputs), (3,))
    prior.prepare(torch.randn(50, 3))
    return prior


def layers(top: type[Prior], *sizes: int) -> TopDownPrior:
    return TopDownPrior(top(sizes[0]), sizes, hidden=(8,))


small_autoregressive = functools.partial(AutoregressivePrior, n_components=4, n_hidden=16)

# name: (a prior of d units, the numbers of units the laws are tried with)
MAKE = {
    "normal": (StandardNormal, (1, 2)),
    "mixture": (lambda d: moved(GaussianMixture(d, 3)), (1, 2)),
    "fitted mixture": (lambda d: GaussianMixture(d, 3).fit(codes(2000, d)), (1, 2)),
    "vamp": (lambda d: moved(vamp(d)), (1, 2)),
    "flow": (lambda d: moved(FlowPrior(d, n_hidden=16)), (1, 2)),
    "autoregressive": (lambda d: moved(small_autoregressive(d)), (1, 2, 3)),
    "two layers": (lambda d: moved(layers(StandardNormal, d - 1, 1)), (2, 3)),
    "two layers under a mixture": (lambda d: moved(layers(GaussianMixture, d - 1, 1)), (2,)),
    "three layers": (lambda d: moved(layers(small_autoregressive, d - 2, 1, 1), by=0.15), (3,)),
}
assert set(PRIORS) <= set(MAKE), f"no case for {set(PRIORS) - set(MAKE)}"

CASES = [(name, d) for name, (_, dims) in MAKE.items() for d in dims]


def make(name: str, d: int) -> Prior:
    torch.manual_seed(d)
    return MAKE[name][0](d)


@pytest.fixture(params=MAKE)
def name(request):
    return request.param


def grid(d: int, reach: float = 12.0) -> tuple[torch.Tensor, float]:
    """Points [n^d, d] of a grid and the volume each stands for."""
    axis = torch.linspace(-reach, reach, n := {1: 2001, 2: 501, 3: 101}[d])
    return torch.cartesian_prod(*[axis] * d).view(-1, d), (2 * reach / (n - 1)) ** d


# -- every prior -------------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize(("name", "d"), CASES)
def test_density_integrates_to_one(name, d):
    points, volume = grid(d)
    assert float(make(name, d)().log_prob(points).double().exp().sum() * volume) == pytest.approx(1, abs=1e-3)


@torch.no_grad()
@pytest.mark.parametrize(("name", "d"), CASES)
def test_draws_have_the_moments_of_the_density(name, d):
    prior = make(name, d)
    points, volume = grid(d)
    mass = prior().log_prob(points).double().exp()[:, None] * volume
    draws = prior.sample(50_000).double()
    assert draws.shape == (50_000, d)
    for moment in (lambda z: z, lambda z: z**2, lambda z: z**3, lambda z: z * z.roll(1, 1)):
        exact, found = (mass * moment(points)).sum(0), moment(draws)
        error = found.std(0) / len(draws) ** 0.5
        assert (found.mean(0) - exact).abs().lt(4.5 * error + 2e-3).all()


@torch.no_grad()
def test_mean_log_density_of_draws_is_the_negative_entropy_of_the_distributions_own(name):
    prior = make(name, max(MAKE[name][1]))
    if not hasattr(prior(), "sample"):
        pytest.skip("this density is drawn by its prior alone")
    ours, theirs = (prior().log_prob(z) for z in (prior.sample(20_000), prior().sample(torch.Size((20_000,)))))
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), abs=0.04)


def first_unit_and_noise_of_lower_layers(prior: TopDownPrior, z: torch.Tensor) -> torch.Tensor:
    (_, top), *below = prior().layers(z)
    return torch.cat([top[:, :1], *((part - given.loc) / given.scale for given, part in below)], 1)


# Where a prior's temperature can be seen: about the centres of its parts; of the first unit alone, where the centres of
# the others follow from draws; in the space of its noise, where it has one.
LAYERS = ("two layers", "two layers under a mixture", "three layers")
SEEN = {
    "autoregressive": lambda _, z: z[:, :1],
    "flow": lambda prior, z: prior.flow().transform(z),
    **dict.fromkeys(LAYERS, first_unit_and_noise_of_lower_layers),
}


@torch.no_grad()
@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_temperature_scales_the_spread_about_each_centre(name, temperature):
    prior, seen = make(name, max(MAKE[name][1])), SEEN.get(name, lambda _, z: z)

    def spread(t: float) -> torch.Tensor:
        torch.manual_seed(1)
        return seen(prior, prior.sample(1000, t))

    centre = spread(1e-6)  # the same parts and noises
    torch.testing.assert_close(spread(temperature) - centre, temperature * (spread(1.0) - centre), atol=1e-3, rtol=1e-3)
    assert ((spread(1.0) - centre).std(0) > 0.2).all()


def test_gradients_reach_every_parameter(name):
    prior = make(name, d := max(MAKE[name][1]))
    if name == "normal":
        pytest.skip("it has none")
    prior().log_prob(torch.randn(50, d)).sum().backward()
    of_one_unit = name == "three layers"  # whose top has nothing before it
    for parameter_name, p in prior.named_parameters():
        if not (of_one_unit and parameter_name.startswith(("top.hidden", "top.out.weight"))):
            assert p.grad is not None, parameter_name
            assert torch.isfinite(p.grad).all(), parameter_name
            assert p.grad.any(), parameter_name


def test_density_takes_any_number_of_draws_for_each_row(name):
    prior, z = make(name, d := max(MAKE[name][1])), torch.randn(4, 5, max(MAKE[name][1]))
    assert prior.latent_dim == d
    torch.testing.assert_close(prior().log_prob(z)[2, 3], prior().log_prob(z[2, 3][None])[0], rtol=1e-4, atol=1e-4)
    assert prior().log_prob(z).shape == (4, 5)


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name, (_, dims) in MAKE.items() if 2 in dims])
def test_a_prior_that_keeps_one_unit_alone_is_a_density_still(name):
    prior = make(name, 2)
    if name == "vamp":
        pytest.skip("its posteriors drop their units themselves")
    before = prior().log_prob(torch.zeros(1, 2))
    if prior.keep_units(torch.tensor([1]), torch.tensor([0.5, 0.0])):
        points, volume = grid(1)
        assert prior.latent_dim == prior.sample(3).shape[1] == 1
        assert float(prior().log_prob(points).double().exp().sum() * volume) == pytest.approx(1, abs=1e-3)
    else:  # it is left as it was
        assert torch.equal(prior().log_prob(torch.zeros(1, 2)), before)


# -- mixtures ----------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_a_fitted_mixture_is_as_likely_as_scikit_learns():
    z = codes(2000, 2)
    theirs = Fitter(3, random_state=0).fit(z.numpy()).score(z.numpy())
    assert float(make("fitted mixture", 2)().log_prob(z).mean()) == pytest.approx(theirs, abs=0.01)


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
    first, second = (GaussianMixture(2, 3).fit(codes(500, 2)).state_dict() for _ in range(2))
    assert first.keys() == second.keys() == {"logits", "locs", "lower"}
    assert all(torch.equal(first[k], second[k]) for k in first)


@torch.no_grad()
def test_a_mixture_of_kept_units_is_the_exact_marginal():
    prior, kept = make("mixture", 3), torch.tensor([2, 0])
    z, axis = torch.randn(40, 2), torch.linspace(-15, 15, 3001)
    whole = torch.zeros(40, 3001, 3)
    whole[..., kept], whole[..., 1] = z[:, None], axis
    marginal = prior().log_prob(whole.view(-1, 3)).view(40, -1).double().logsumexp(1) + torch.tensor(0.01).log()
    assert prior.keep_units(kept, torch.zeros(3))
    torch.testing.assert_close(prior().log_prob(z).double(), marginal, rtol=0, atol=1e-3)


@torch.no_grad()
def test_a_mixture_s_factors_are_those_of_its_covariances():
    prior, z = make("mixture", 2), torch.randn(30, 2)
    parts = MultivariateNormal(prior.locs, prior.scale_tril @ prior.scale_tril.mT)
    expected = MixtureSameFamily(Categorical(logits=prior.logits), parts).log_prob(z)
    torch.testing.assert_close(prior().log_prob(z), expected, rtol=1e-4, atol=1e-4)


# -- the VampPrior -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_scale", [-6.0, -3.0, 0.0, 2.0])
def test_a_mixture_of_many_posteriors_is_the_naive_one(log_scale):
    torch.manual_seed(0)
    loc, scale = 3 * torch.randn(100, 8), (log_scale + 0.3 * torch.randn(100, 8)).exp()
    log_weight = torch.randn(100).log_softmax(0)
    parts = Independent(Normal(loc.double(), scale.double()), 1)
    naive = MixtureSameFamily(Categorical(logits=log_weight.double()), parts)
    near = loc[:50] + scale[:50] * torch.randn(50, 8)
    for z in (near, 3 * torch.randn(50, 8)):
        found = MixtureOfDiagonals(log_weight, loc, scale).log_prob(z)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), naive.log_prob(z.double()), rtol=1e-5, atol=1e-4)


def test_pseudo_inputs_begin_near_the_data_at_no_row_and_stay_in_its_range():
    prior, rows = VampPrior(2, n_components=7), torch.randn(30, 3)
    seen = []
    prior.attach(lambda inputs: seen.append(inputs) or ConditionalNormal(3, (4,), 2)(inputs), (3,))
    prior.prepare(rows)
    assert not any((row == rows).all(1).any() for row in prior.pseudo_inputs)
    assert (prior.pseudo_inputs >= rows.amin(0)).all()
    assert (prior.pseudo_inputs <= rows.amax(0)).all()
    with torch.no_grad():
        prior.pseudo_inputs.mul_(10)
    prior()
    assert (seen[-1] >= rows.amin(0)).all()
    assert (seen[-1] <= rows.amax(0)).all()


def test_the_models_own_posterior_is_no_part_of_its_prior():
    assert [name for name, _ in vamp(2).named_parameters()] == ["pseudo_inputs"]


# -- the autoregressive prior ------------------------------------------------------------------------------------------


def parts_of(mixture: MixtureOfNormals) -> torch.Tensor:
    return torch.stack([part.movedim(0, -1) for part in (mixture.log_weight, mixture.loc, mixture.scale)])


@torch.no_grad()
@pytest.mark.parametrize("d", [1, 2, 5, 40])
def test_a_conditional_reads_the_units_before_it_and_no_other(d):
    torch.manual_seed(d)
    prior, z = moved(small_autoregressive(d)), torch.randn(6, d)
    found = parts_of(prior.conditionals(z))
    for j in range(d):
        other = torch.cat([z[:, :j], torch.randn(6, d - j)], 1)
        assert torch.equal(parts_of(prior.conditionals(other))[:, :, j], found[:, :, j])
        if 0 < j <= 16:  # hidden units are sixteen
            other = torch.cat([torch.randn(6, 1), z[:, 1:]], 1)
            assert not torch.equal(parts_of(prior.conditionals(other))[:, :, j], found[:, :, j])


@torch.no_grad()
def test_one_pass_is_as_good_as_unit_by_unit():
    prior, z = make("autoregressive", 3), torch.randn(7, 3)
    known, total = torch.zeros(7, 3), torch.zeros(7)
    for j in range(3):
        total += prior.conditionals(known).units(j).log_prob(z[:, j])
        known[:, j] = z[:, j]
    torch.testing.assert_close(prior().log_prob(z), total)
    torch.testing.assert_close(prior().log_prob_by_unit(z).sum(-1), total)


@torch.no_grad()
def test_each_conditional_is_torchs_mixture_of_normals():
    prior, z = make("autoregressive", 3), torch.randn(7, 3)
    given = prior.conditionals(z)
    torch.testing.assert_close(given.log_weight.exp().sum(0), torch.ones(7, 3))
    logits, loc, scale = (part.movedim(0, -1) for part in (given.logits, given.loc, given.scale))
    expected = MixtureSameFamily(Categorical(logits=logits), Normal(loc, scale))
    torch.testing.assert_close(prior().log_prob_by_unit(z), expected.log_prob(z), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_kept_units_of_an_autoregressive_prior_hold_the_others_at_the_centre():
    torch.manual_seed(0)
    prior, kept, centre = moved(small_autoregressive(5)), torch.tensor([1, 3]), torch.randn(5)
    z = torch.randn(6, 2)
    whole = centre.repeat(6, 1)
    whole[:, kept] = z
    expected = parts_of(prior.conditionals(whole))[:, :, kept]
    assert prior.keep_units(torch.tensor([0, 1, 3]), centre)
    assert prior.keep_units(torch.tensor([1, 2]), centre[[0, 1, 3]])
    assert prior.latent_dim == 2
    assert torch.equal(parts_of(prior.conditionals(z)), expected)
    points, volume = grid(2)
    assert float(prior().log_prob(points).double().exp().sum() * volume) == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(prior.sample(50_000).mean(0), (prior().log_prob(points).exp()[:, None] * volume * points)
                               .sum(0), rtol=0, atol=0.03)  # fmt: skip


@torch.no_grad()
def test_units_kept_in_another_order_are_drawn_as_their_density_says():
    torch.manual_seed(0)
    prior = moved(small_autoregressive(3))
    prior.keep_units(torch.tensor([2, 0]), torch.zeros(3))
    points, volume = grid(2)
    mass = prior().log_prob(points).exp()[:, None] * volume
    torch.testing.assert_close(prior.sample(50_000).mean(0), (mass * points).sum(0), rtol=0, atol=0.03)
