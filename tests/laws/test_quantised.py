"""Codebooks give exact codes, their prior is a probability of all of them, and the ELBO is that of a point mass."""

import itertools
import sys

import numpy as np
import pytest
import torch

import vaekit
from vaekit.data.schema import Schema
from vaekit.distributions.point_mass import PointMass
from vaekit.errors import MissingExtraError, ParameterError
from vaekit.estimators.vae import ESTIMATORS
from vaekit.models.build import MODELS, Architecture, build
from vaekit.networks.codebooks import Codebook, Codebooks, FiniteScalars
from vaekit.objectives import elbo
from vaekit.priors.codes import CodesPrior
from vaekit.storage.model_file import weights_digest
from vaekit.training.checkpoints import Checkpoint

BOOKS = {"fsq": lambda d, k=3: FiniteScalars(d, k), "vq": lambda d, k=3: Codebooks(d, k)}
QUANTISED = [name for name, model in MODELS.items() if model.point_mass]
assert set(QUANTISED) == set(BOOKS)
ROWS = np.random.default_rng(0).normal(size=(200, 1)) * [1, -1, 2, -2] + np.random.default_rng(1).normal(size=(200, 4))


@pytest.fixture(params=BOOKS)
def name(request):
    return request.param


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def book(name: str, d: int = 8, k: int = 3) -> Codebook:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return BOOKS[name](d, k)


def every_choice(codebook: Codebook) -> torch.Tensor:
    """All choices there are, [K^G, G]."""
    choices = itertools.product(range(codebook.n_codes), repeat=codebook.n_places)
    return torch.tensor(list(choices))


@torch.no_grad()
def moved_prior(name: str, d: int, k: int = 3) -> CodesPrior:
    """A prior whose weights are moved at random, so that no law holds at first values alone."""
    prior = CodesPrior(book(name, d, k), n_hidden=16)
    for p in prior.parameters():
        p += 0.5 * torch.randn(p.shape, generator=generator(1))
    return prior


def model(name: str):
    schema = Schema.infer(ROWS)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = build(Architecture(name, 4, ("gaussian",), hidden=(16,), prior="autoregressive"), schema)
        codes = torch.from_numpy(schema.encode(ROWS))
        made.prepare(codes)
    return made, codes


# -- codebooks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 3, 5, 8])
def test_choices_and_values_are_two_names_of_one_code(name, d):
    codebook = book(name, d)
    index = torch.randint(0, 3, (2, 40, codebook.n_places), generator=generator())
    z = codebook.values(index)
    assert z.shape == (2, 40, d)
    assert torch.equal(codebook.indices(z), index)


@pytest.mark.parametrize("training", [True, False])
def test_codes_of_rows_are_codes_of_the_book_bit_for_bit(name, training):
    codebook = book(name).train(training)
    z, _ = codebook(torch.randn(50, 8, generator=generator()))
    assert torch.equal(codebook.values(codebook.indices(z)), z)


def test_a_code_is_the_nearest_to_its_row():
    codebook, h = book("vq").eval(), torch.randn(50, 8, generator=generator())
    every = codebook.values(every_choice(codebook))  # [9, 8]
    assert torch.equal(codebook(h)[0], every[torch.cdist(h, every).argmin(1)])
    scalars = FiniteScalars(1)
    levels = scalars.values(torch.arange(8)[:, None])[:, 0]
    assert torch.equal(levels, torch.arange(-4, 4) / 4)
    z, _ = scalars(torch.linspace(-5, 5, 1001)[:, None])
    assert (z.diff(dim=0) >= 0).all()
    assert set(z[:, 0].tolist()) == set(levels.tolist())


def test_the_gradient_goes_straight_through():
    h = torch.randn(50, 8, generator=generator()).requires_grad_()
    weight = torch.randn(50, 8, generator=generator(1))
    (found,) = torch.autograd.grad((book("vq")(h)[0] * weight).sum(), h)
    torch.testing.assert_close(found, weight)
    (found,) = torch.autograd.grad(book("fsq", k=8)(h)[0].sum(), h)
    assert (found > 0).all()  # that of tanh


def test_what_training_pays_is_the_squared_distance_from_the_code():
    h = torch.randn(50, 8, generator=generator()).requires_grad_()
    codebook = book("vq")
    z, pull = codebook(h)
    torch.testing.assert_close(pull, Codebooks.COMMITMENT * (h - z.detach()).square().sum(1).mean())
    assert torch.equal(book("fsq")(h)[1], torch.zeros(()))


def test_vectors_move_in_training_alone_and_towards_their_rows():
    codebook = book("vq", 4)
    h = torch.randn(300, 4, generator=generator()) + 3
    before = {key: value.clone() for key, value in codebook.state_dict().items()}
    far = (codebook.eval()(h)[0] - h).square().sum(1).mean()
    assert all(torch.equal(value, before[key]) for key, value in codebook.state_dict().items())
    codebook.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(100):
            codebook(h)
    assert (codebook.eval()(h)[0] - h).square().sum(1).mean() < 0.2 * far


def test_vectors_that_no_row_is_told_by_begin_anew():
    codebook = book("vq", 2, 16)
    h = torch.randn(400, 2, generator=generator())
    codebook.prepare(100 + 0 * h)  # all in one place far off
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(600):
            codebook(h)
    used = codebook.eval().indices(codebook(h)[0]).unique()
    assert len(used) >= 12


# -- the prior ---------------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("d", [1, 3, 8])
def test_probabilities_of_all_codes_sum_to_one(name, d):
    prior = moved_prior(name, d, 2 if (name, d) == ("vq", 8) else 3)
    every = prior.codebook.values(every_choice(prior.codebook))
    assert float(prior().log_prob(every).double().exp().sum()) == pytest.approx(1, abs=1e-5)


@torch.no_grad()
def test_a_choice_reads_those_before_it_and_no_other(name):
    prior = moved_prior(name, 5)
    index = torch.randint(0, 3, (20, 5), generator=generator())
    found = prior.logits(index)
    for g in range(5):
        other = torch.cat([index[:, :g], (index[:, g:] + 1) % 3], 1)
        assert torch.equal(prior.logits(other)[:, g], found[:, g])
        if g:
            other = torch.cat([(index[:, :1] + 1) % 3, index[:, 1:]], 1)
            assert not torch.equal(prior.logits(other)[:, g], found[:, g])


@torch.no_grad()
def test_draws_come_as_often_as_their_probability_says(name):
    prior = moved_prior(name, 3, 4)
    every = prior.codebook.values(every_choice(prior.codebook))
    chance = prior().log_prob(every).exp()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = prior.sample(40_000)
    assert draws.shape == (40_000, 3)
    found = torch.stack([(draws == z).all(1).float().mean() for z in every])
    assert (found - chance).abs().lt(4.5 * (chance * (1 - chance) / len(draws)).sqrt() + 1e-6).all()


@torch.no_grad()
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature_is_the_root_of_a_choice_s_probability(name, temperature):
    prior = moved_prior(name, 1, 4)
    every = prior.codebook.values(torch.arange(4)[:, None])
    chance = (prior().log_prob(every) / temperature).softmax(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = prior.sample(20_000, temperature)
    found = torch.stack([(draws == z).all(1).float().mean() for z in every])
    assert (found - chance).abs().lt(4.5 * (chance * (1 - chance) / len(draws)).sqrt()).all()


def test_the_prior_tells_the_encoder_nothing(name):
    made, x = model(name)
    q = made.train().posterior(x)
    made.prior().log_prob(q.mean).sum().backward()
    assert made.head.weight.grad is None
    assert made.prior.out.bias.grad.any()


# -- the bound ---------------------------------------------------------------------------------------------------------


def test_a_point_mass_is_the_probability_of_one_point():
    point, pull = torch.randn(3, 2, generator=generator()), torch.tensor(5.0, requires_grad=True)
    q = PointMass(point, pull)
    noise = torch.randn(4, 1, 2, generator=generator())
    assert torch.equal(q.transport(noise), point.expand(4, 3, 2))
    assert torch.equal(q.rsample(torch.Size((4,))), point.expand(4, 3, 2))
    assert torch.equal(q.log_prob(point), torch.zeros(3))
    assert torch.equal(q.log_prob(point + 1e-3), torch.full((3,), -torch.inf))
    (found,) = torch.autograd.grad(q.log_prob(point).mean(), pull)
    assert found == 1
    assert not q.detached().log_prob(point).requires_grad


def test_the_bound_is_of_one_code_and_no_draw_makes_it_tighter(name):
    made, x = model(name)
    made.eval()
    with torch.no_grad():
        bound = elbo(made, x)
        z = made.posterior(x).mean
        torch.testing.assert_close(bound.elbo, made.log_likelihood(x, z) + made.prior().log_prob(z))
    assert (bound.kl >= 0).all()
    fitted = ESTIMATORS[name](4, epochs=2, hidden=(16,)).fit(ROWS)
    figures = fitted.evaluate(ROWS, importance_samples=64)
    assert figures["elbo_nats"] == pytest.approx(-figures["nll_nats"])
    assert figures["kl_nats"] > 0


def test_a_fit_is_worth_more_than_no_latent_and_uses_its_codes(name):
    rows = ROWS[:, :1] * np.arange(1, 13) + 0.1 * np.random.default_rng(2).normal(size=(200, 12))
    fitted = ESTIMATORS[name](1, epochs=30, hidden=(32,)).fit(rows)
    metrics = fitted.fitted_.record["metrics"]
    assert metrics["valid_elbo_nats"] > metrics["without_latent_nats"] + 3
    index = fitted.model_.indices(fitted.fitted_.rows(rows))
    assert index.dtype == torch.int64
    assert all(len(choices.unique()) > 3 for choices in index.T)
    assert np.array_equal(fitted.model_.codebook.values(index).numpy(), fitted.transform(rows))


def test_a_run_that_goes_on_ends_at_the_same_weights(name, tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "is_due", lambda _: True)

    def stop(event):
        if getattr(event, "epoch", 0) == 3:
            raise RuntimeError("killed")

    def estimator():
        return ESTIMATORS[name](4, epochs=6, hidden=(8,))

    whole = estimator().fit(ROWS)
    with pytest.raises(RuntimeError, match="killed"):
        estimator().fit(ROWS, checkpoint=tmp_path / "c", listeners=(stop,))
    resumed = estimator().fit(ROWS, checkpoint=tmp_path / "c", resume=True)
    digests = [weights_digest(m.model_.state_dict()) for m in (whole, resumed)]
    assert digests[0] == digests[1]


# -- what they are not for ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"objective": "iwae"}, {"objective": "reconstruction"}, {"free_nats": 0.1}])
def test_a_point_has_no_other_bound(name, settings):
    with pytest.raises(ParameterError, match="one code for a row, and is trained on the 'elbo' without free nats; got"):
        ESTIMATORS[name](2, **settings).fit(ROWS)


@pytest.mark.parametrize("purpose", ["imputation", "anomalies", "synthesis"])
def test_purposes_ask_for_no_other_bound(name, purpose):
    fitted = ESTIMATORS[name](2, purpose=purpose, epochs=1, hidden=(8,)).fit(ROWS)
    assert fitted.fitted_.record["settings"]["objective"] == "elbo"


def test_gaps_are_filled(name):
    rows = np.where(np.random.default_rng(0).random((30, 4)) < 0.1, np.nan, ROWS[:30])
    fitted = ESTIMATORS[name](2, epochs=1, hidden=(8,)).fit(rows)
    assert np.isfinite(fitted.impute(rows)).all()
    assert all(np.isfinite(draw).all() for draw in fitted.impute(rows, n_draws=2))


def test_archives_go_by_zstd_and_come_back(name):
    rows = np.random.default_rng(0).integers(0, 4, (60, 6))
    fitted = ESTIMATORS[name](2, epochs=1, hidden=(8,)).fit(rows)
    assert "no integer form" in fitted.fitted_.record["compression"]["why_not"]
    assert np.array_equal(fitted.decompress(fitted.compress(rows)), rows)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_any_precision_will_do(name, precision):
    fitted = ESTIMATORS[name](4, epochs=2, hidden=(8,), precision=precision).fit(ROWS)
    assert np.isfinite(fitted.score_samples(ROWS)).all()


def test_without_the_library_the_install_line_is_said(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "vector_quantize_pytorch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'vaekit\[quantised\]'"):
        ESTIMATORS[name](2).fit(ROWS)
    vaekit.VAE(2, epochs=1, hidden=(8,)).fit(ROWS)
