"""Every model on every kind of data: what is trained, kept, told apart and left alone."""

import random

import numpy as np
import pytest
import sklearn.neighbors  # noqa: F401 - its first import draws a random number, whoever asks for it
import torch

import vaekit
from vaekit.data.frames import is_frame
from vaekit.data.rows import n_rows, take_rows
from vaekit.data.schema import Schema
from vaekit.errors import DataError
from vaekit.estimators.vae import ESTIMATORS
from vaekit.models.build import MODELS, Architecture, build, choose_likelihoods
from vaekit.models.fitted import Fitted
from vaekit.objectives import OBJECTIVES
from vaekit.priors import PRIORS
from vaekit.storage.model_file import load_model, save_model
from vaekit.tasks.embed import embed
from vaekit.tasks.fit import Options, choose_architecture, make_model
from vaekit.tasks.likelihood import terms as score_terms
from vaekit.training.presets import PRESETS

PRIOR_OF = {
    "vae": "normal",
    "autoencoder": "mixture",
    "fsq": "autoregressive",
    "vq": "autoregressive",
    "hyperspherical": "uniform",
    "conditional": "style-and-class",
}
assert set(MODELS) == set(ESTIMATORS) == set(PRIOR_OF)

VERBS = {
    "transform": lambda model, data: model.transform(data),
    "reconstruct": lambda model, data: model.reconstruct(data),
    "score_samples": lambda model, data: model.score_samples(data, importance_samples=8),
    "terms": lambda model, data: np.stack(score_terms(model.model_, model.fitted_.rows(data), 8)).T,
    "score_rows": lambda model, data: np.stack(model.score_rows(data, importance_samples=8)).T,
    "explain": lambda model, data: model.explain(data).to_numpy(),
}


@pytest.fixture(scope="module")
def fits():
    """Fitted models by (model, network, data), each fitted once."""
    return {}


@pytest.fixture
def fitted(situation, data, fits):
    if situation not in fits:
        fits[situation] = fit(*situation[:2], data)
    return fits[situation]


def fit(model_name, network, data, seed=0, **settings):
    settings = {"latent_dim": 3, "hidden": (8, 16), "epochs": 2, "threads": 1, **settings}
    return ESTIMATORS[model_name](network=network, random_state=seed, **settings).fit(data, np.arange(n_rows(data)) % 2)


def untrained(model_name, network, data, latent_dim=5, **parts):
    """A model with its codes, prepared as for training."""
    schema = Schema.infer(data)
    codes = schema.encode(data)
    likelihoods = choose_likelihoods(schema, codes)
    torch.manual_seed(0)
    parts = {"prior": PRIOR_OF[model_name], "n_classes": 2 * MODELS[model_name].needs_classes} | parts
    architecture = Architecture(model_name, latent_dim, likelihoods, network, (8, 16), **parts)
    model = build(architecture, schema)
    model.prepare(torch.from_numpy(np.ascontiguousarray(codes)))
    return Fitted(model, schema, architecture), torch.from_numpy(np.ascontiguousarray(codes))


def plain(rows):
    """Rows of any container as something numpy compares, bit for bit."""
    return rows.to_pandas() if is_frame(rows) else np.asarray(rows)


def at(answer, rows):
    return take_rows(answer, rows) if is_frame(answer) else answer[rows]


def same(a, b) -> bool:
    return plain(a).equals(plain(b)) if is_frame(a) else np.array_equal(a, b, equal_nan=True) and a.dtype == b.dtype


def have_same_weights(a, b) -> bool:
    first, second = a.model_.state_dict(), b.model_.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


# -- training ----------------------------------------------------------------------------------------------------------


def test_gradients_reach_every_parameter(model_name, network, data):
    fitted, codes = untrained(model_name, network, data)
    model = fitted.model.train()
    bound = OBJECTIVES[model.default_objective](model, model.observation.observe(codes))
    bound.loss.backward()
    learned = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    fitted_later = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert fitted_later == ({"prior.logits", "prior.locs", "prior.lower"} if model_name == "autoencoder" else set())
    for name, parameter in learned:
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_before_training_a_model_is_near_the_best_without_a_latent(model_name, network, data):
    fitted, codes = untrained(model_name, network, data)
    model, x = fitted.model.eval(), fitted.model.observation.observe(codes)
    with torch.no_grad():
        near = model.log_likelihood(x, torch.zeros(len(x), model.latent_dim)).mean()
        model.decoder.bias.add_(torch.randn_like(model.decoder.bias))
        far = model.log_likelihood(x, torch.zeros(len(x), model.latent_dim)).mean()
    assert torch.isfinite(near)
    assert near > far


def test_same_seed_same_weights_whatever_the_global_random_numbers_which_stay(model_name, network, data, fitted):
    torch.manual_seed(99)
    np.random.seed(99)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate(), torch.get_num_threads()
    again = fit(model_name, network, data)
    for answer in VERBS.values():
        answer(fitted, data)
    fitted.sample(3)
    fitted.evaluate(data, importance_samples=4)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    assert random.getstate() == states[2]
    assert torch.get_num_threads() == states[3]
    assert have_same_weights(again, fitted)


@pytest.mark.parametrize("model_name", MODELS)
def test_other_seed_other_weights(model_name):
    data = np.random.default_rng(0).normal(size=(30, 3))
    assert not have_same_weights(*(fit(model_name, "mlp", data, seed=seed) for seed in (0, 1)))


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_a_saved_and_loaded_model_gives_bit_equal_answers(fitted, data, tmp_path):
    loaded = vaekit.load(fitted.save(tmp_path / "model.vae"))
    for verb in VERBS.values():
        assert same(verb(loaded, data), verb(fitted, data))
    assert same(loaded.sample(20), fitted.sample(20))
    z = np.eye(fitted.latent_dim_)
    assert same(loaded.inverse_transform(z), fitted.inverse_transform(z))


def test_dropped_units_change_nothing_that_is_at_their_prior_mean(network, data):
    fitted, codes = untrained("vae", network, data)
    model = fitted.model.eval()
    kept, z = torch.tensor([1, 3]), torch.zeros(10, 5)
    z[:, kept] = torch.randn(10, 2)
    with torch.no_grad():
        decoded, q = model.likelihood(z).mean, model.posterior(codes)
        model.keep_units(torch.tensor([0, 1, 3]))
        model.keep_units(torch.tensor([1, 2]))
        assert model.latent_dim == 2
        assert model.prior.sample(4).shape == (4, 2)
        assert torch.equal(model.likelihood(z[:, kept]).mean, decoded)
        torch.testing.assert_close(model.posterior(codes).loc, q.loc[:, kept])
        torch.testing.assert_close(model.posterior(codes).scale, q.scale[:, kept])


def test_a_model_with_dropped_units_is_saved_and_loaded(network, data, tmp_path):
    fitted, _ = untrained("vae", network, data)
    fitted.model.keep_units(torch.tensor([4, 2]))
    save_model(fitted, tmp_path / "model.vae")
    loaded = load_model(tmp_path / "model.vae")
    assert loaded.model.latent_dim == 2
    assert np.array_equal(embed(loaded, data), embed(fitted, data))


# -- what does not matter ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_a_row_gets_the_same_bits_in_any_company(fitted, data, verb):
    answer = VERBS[verb]
    whole, n = answer(fitted, data), n_rows(data)
    rng = np.random.default_rng(0)
    companies = [[0], [n - 1], [5, 3], list(range(n))[::-1], rng.integers(0, n, 300).tolist()]
    for rows in companies:
        assert same(answer(fitted, take_rows(data, rows)), at(whole, rows)), rows[:3]


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)  # elementwise work is then cut in the middle of rows
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("network", "hidden", "prior", "levels"), [
    ("mlp", (300, 300), "normal", 1),
    ("conv", (16, 256), "normal", 1),
    ("mlp", (100, 100), "autoregressive", 2),
    ("mlp", (100, 100), "vamp", 1),
    ("mlp", (100, 100), "flow", 1),
    ("mlp", (100, 100), "mixture", 1),
])  # fmt: skip
def test_a_row_gets_the_same_bits_in_any_place_on_several_threads(network, hidden, prior, levels, three_threads):
    schema = Schema.infer(data := np.random.default_rng(0).integers(0, 256, (256, 28, 28), dtype=np.uint8))
    torch.manual_seed(0)
    parts = {"network": network, "hidden": hidden, "prior": prior, "levels": levels}
    made = build(Architecture("vae", 32, ("discretized-logistic",), **parts), schema)
    fitted = Fitted(made, schema, None)
    backwards = [embed(fitted, data[::-1])[::-1], score_terms(made, fitted.rows(data[::-1]), 4).elbo[::-1]]
    assert np.array_equal(embed(fitted, data), backwards[0])
    assert np.array_equal(score_terms(made, fitted.rows(data), 4).elbo, backwards[1])


def test_answers_do_not_change_between_calls(fitted, data):
    for answer in VERBS.values():
        first = answer(fitted, data)
        fitted.sample(3, random_state=5)
        fitted.model_.train()  # whatever was done to the model between
        assert same(answer(fitted, data), first)
    assert same(fitted.sample(9, random_state=4), fitted.sample(9, random_state=4))
    assert not same(fitted.sample(9, random_state=4), fitted.sample(9, random_state=3))


@pytest.mark.parametrize("model_name", MODELS)
def test_threads_asked_for_are_given_back(model_name):
    before = torch.get_num_threads()
    fit(model_name, "mlp", np.random.default_rng(0).normal(size=(30, 3)), threads=before + 1)
    assert torch.get_num_threads() == before


# -- what comes out ----------------------------------------------------------------------------------------------------


def test_answers_are_finite_and_in_the_container_of_the_data(fitted, data):
    assert np.isfinite(fitted.transform(data)).all()
    assert np.isfinite(fitted.score_samples(data)).all()
    for rows in (
        fitted.reconstruct(data),
        fitted.sample(n_rows(data)),
        fitted.inverse_transform(np.zeros((48, fitted.latent_dim_))),
    ):
        assert type(rows) is type(data)
        if is_frame(data):
            assert rows.schema == data.schema
            assert all(f.missing for f in fitted.schema_.fields if rows[f.name].null_count())
        else:
            assert rows.dtype == data.dtype
            assert rows.shape[1:] == data.shape[1:]
            assert np.isfinite(rows).all()


def test_draws_are_rows_the_schema_accepts(fitted, data):
    rows = fitted.sample(200)
    if fitted.schema_.is_picture and (rows.dtype.kind == "f" or fitted.schema_.fields[0].n_levels == 2):
        pytest.skip("a picture's mean need not lie on the grid: black and white ones have greys for theirs")
    assert np.isfinite(fitted.score_samples(rows, importance_samples=2)).all()


def test_tail_probabilities_are_shares(fitted, data):
    scores = fitted.score_rows(data)
    assert ((scores.tail_probability > 0) & (scores.tail_probability <= 1)).all()
    order = np.argsort(scores.oddity_nats)
    assert (np.diff(scores.tail_probability[order]) <= 0).all()


def test_explanations_add_up_to_what_a_row_takes(fitted, data):
    scores, nats = fitted.score_rows(data), fitted.explain(data)
    assert nats.columns == [*fitted.schema_.names, "latent"]
    usual = float(fitted.fitted_.usual.nats.sum())
    assert np.allclose(nats.sum_horizontal().to_numpy() + usual, -scores.log_likelihood_nats, rtol=1e-4, atol=1e-2)


# -- the seam ----------------------------------------------------------------------------------------------------------


def test_wrong_shapes_are_refused(model_name, network, data):
    model = untrained(model_name, network, data)[0].model
    with pytest.raises(DataError, match=r"Expected codes of shape \(n, .*\); got \(2, 1\)"):
        model.posterior(torch.zeros(2, 1))
    d = model.latent_dim
    with pytest.raises(DataError, match=rf"Expected latent codes of shape \(n, {d}\); got \(2, {d - 1}\)"):
        model.likelihood(torch.zeros(2, d - 1))


@torch.no_grad()
def test_many_draws_at_once_are_each_draw_alone(model_name, network, data):
    fitted, codes = untrained(model_name, network, data)
    model, x = fitted.model.eval(), fitted.model.observation.observe(codes)
    z = torch.randn(2, 3, len(x), model.latent_dim)
    found = model.log_likelihood(x, z)
    assert found.shape == (2, 3, len(x))
    torch.testing.assert_close(found[1, 2], model.log_likelihood(x, z[1, 2]), rtol=1e-4, atol=1e-3)


# -- learned priors and several layers ---------------------------------------------------------------------------------

VARIANTS = [
    ("normal", 1, "mlp", "table"),
    ("mixture", 1, "mlp", "real with gaps"),
    ("vamp", 1, "conv", "grey pictures"),
    ("vamp", 1, "mlp", "table"),
    ("flow", 1, "mlp", "counts"),
    ("autoregressive", 1, "conv", "colour pictures"),
    ("normal", 3, "mlp", "table"),
    ("mixture", 2, "conv", "pictures with gaps"),
    ("flow", 2, "conv", "grey pictures"),
    ("autoregressive", 2, "mlp", "table"),
]
assert {prior for prior, *_ in VARIANTS} == set(PRIORS)


def named(variant) -> str:
    return "-".join(map(str, variant))


@pytest.fixture(scope="module", params=VARIANTS, ids=named)
def learned(request, data_of):
    """A fitted VAE of five latent units, and its data."""
    prior, levels, network, name = request.param
    data = data_of(name)
    settings = {"latent_dim": 5, "hidden": (8, 16), "epochs": 2, "threads": 1, "random_state": 0}
    return vaekit.VAE(prior=prior, levels=levels, network=network, **settings).fit(data), data


@pytest.mark.parametrize("variant", VARIANTS, ids=named)
def test_gradients_reach_every_parameter_of_prior_and_layers(variant, data_of):
    prior, levels, network, name = variant
    fitted, codes = untrained("vae", network, data_of(name), prior=prior, levels=levels)
    model = fitted.model.train()
    for objective in ("elbo", "dreg"):
        model.zero_grad(set_to_none=True)
        OBJECTIVES[objective](model, model.observation.observe(codes)).loss.backward()
        for parameter_name, parameter in model.named_parameters():
            assert parameter.grad is not None, parameter_name
            assert torch.isfinite(parameter.grad).all(), parameter_name
            assert parameter.grad.any(), parameter_name


def test_learned_priors_and_layers_are_saved_and_loaded(learned, tmp_path):
    fitted, data = learned
    loaded = vaekit.load(fitted.save(tmp_path / "model.vae"))
    for verb in VERBS.values():
        assert same(verb(loaded, data), verb(fitted, data))
    assert same(loaded.sample(20), fitted.sample(20))
    assert loaded.latent_dim_ == 5


@pytest.mark.parametrize("verb", ["transform", "terms"])
def test_a_row_gets_the_same_bits_in_any_company_under_any_prior(learned, verb):
    (fitted, data), answer = learned, VERBS[verb]
    whole, n = answer(fitted, data), n_rows(data)
    for rows in ([0], [5, 3], list(range(n))[::-1], np.random.default_rng(0).integers(0, n, 300).tolist()):
        assert same(answer(fitted, take_rows(data, rows)), at(whole, rows)), rows[:3]


def test_answers_under_any_prior_do_not_change_between_calls(learned):
    fitted, data = learned
    first = VERBS["score_rows"](fitted, data)
    assert np.isfinite(first).all()
    fitted.sample(3, random_state=5)
    fitted.model_.train()
    assert same(VERBS["score_rows"](fitted, data), first)
    assert same(fitted.sample(9, random_state=4), fitted.sample(9, random_state=4))
    assert not same(fitted.sample(9, random_state=4), fitted.sample(9, random_state=3))


def test_scores_under_any_prior_are_above_the_bound(learned):
    fitted, data = learned
    figures = fitted.evaluate(data, importance_samples=64)
    assert figures["elbo_nats"] <= -figures["nll_nats"] + 1e-6
    assert figures["elbo_nats"] == pytest.approx(figures["reconstruction_nats"] - figures["kl_nats"], abs=1e-3)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v[1] == 1], ids=named)
def test_units_are_dropped_and_come_back_under_any_prior_that_can(variant, data_of, tmp_path):
    prior, _, network, name = variant
    fitted, codes = untrained("vae", network, data := data_of(name), prior=prior)
    model, kept, centre = fitted.model.eval(), torch.tensor([1, 3]), torch.randn(5)
    with torch.no_grad():
        for p in model.prior.parameters():
            p += 0.05 * torch.randn_like(p)
        before = model.posterior(codes).mean
        whole = centre.repeat(4, 1)
        whole[:, kept] = torch.randn(4, 2)
        decoded = model.likelihood(whole).mean
        model.keep_units(kept, centre)
        if prior == "flow":  # its units do not come apart
            assert model.latent_dim == 5
            assert torch.equal(model.posterior(codes).mean, before)
            return
        assert model.latent_dim == 2
        torch.testing.assert_close(model.posterior(codes).mean, before[:, kept])
        torch.testing.assert_close(model.likelihood(whole[:, kept]).mean, decoded)
        assert model.prior.sample(3).shape == (3, 2)
    save_model(fitted, tmp_path / "model.vae")
    loaded = load_model(tmp_path / "model.vae")
    assert same(embed(loaded, data), embed(fitted, data))
    rows = fitted.rows(data)
    for ours, theirs in zip(score_terms(loaded.model, rows, 4), score_terms(fitted.model, rows, 4), strict=True):
        assert np.isfinite(ours).all()
        assert np.array_equal(ours, theirs)
    z = torch.randn(6, 2)
    assert torch.equal(loaded.model.prior().log_prob(z), fitted.model.prior().log_prob(z))


@pytest.mark.parametrize("prior", ["normal", "autoregressive", "vamp", "mixture"])
def test_a_fit_drops_the_units_that_vary_least_under_a_learned_prior(prior, monkeypatch, tmp_path):
    monkeypatch.setattr("vaekit.tasks.fit.ACTIVE_VARIANCE", 0.5)
    z = np.random.default_rng(0).normal(size=(300, 1))
    rows = z * [[1, -1, 2, -2, 3, -3] * 2] + 0.1 * np.random.default_rng(1).normal(size=(300, 12))
    fitted = vaekit.VAE(prior=prior, epochs=8, hidden=(16,), learning_rate=1e-2).fit(rows)
    assert 0 < fitted.latent_dim_ < 6
    assert fitted.transform(rows).shape == (300, fitted.latent_dim_)
    loaded = vaekit.load(fitted.save(tmp_path / "m.vae"))
    assert same(loaded.score_samples(rows), fitted.score_samples(rows))
    assert same(loaded.sample(5), fitted.sample(5))
    assert fitted.score_samples(rows).mean() > fitted.fitted_.record["metrics"]["without_latent_nats"]


def test_each_layer_has_a_unit_at_least():
    vae = vaekit.VAE(levels=3, epochs=1, hidden=(8,)).fit(np.random.default_rng(0).normal(size=(40, 4)))
    assert vae.latent_dim_ == 3


@pytest.mark.parametrize(
    ("preset", "side", "network"),
    [("balanced", 28, "mlp"), ("balanced", 40, "conv"), ("best", 28, "conv"), ("best", 8, "mlp")],
)
def test_best_spends_its_time_on_convolving_smaller_pictures(preset, side, network):
    schema = Schema.infer(data := np.random.default_rng(0).integers(0, 256, (20, side, side), dtype=np.uint8))
    assert choose_architecture(Options(preset=preset), schema, schema.encode(data)).network == network


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("prior", ["auto", *PRIORS])
@pytest.mark.parametrize("n", [100, 2000])
def test_what_is_chosen_goes_together(preset, prior, n):
    schema = Schema.infer(data := np.random.default_rng(0).normal(size=(n, 80)))
    codes = schema.encode(data)
    options = Options(preset=preset, prior=prior, hidden=(4,))
    architecture = choose_architecture(options, schema, codes)
    assert prior in ("auto", architecture.prior)
    model = make_model(architecture, schema, codes, options)
    z = model.posterior(torch.zeros(2, 80)).mean
    assert z.shape == (2, architecture.latent_dim)
    assert torch.isfinite(model.prior().log_prob(z)).all()
