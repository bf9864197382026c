"""Every model on every kind of data: what is trained, kept, told apart and left alone."""

import random

import numpy as np
import pytest
import torch

import vaekit
from vaekit.data.frames import is_frame
from vaekit.data.rows import n_rows, take_rows
from vaekit.data.schema import Schema
from vaekit.priors import PRIORS
from vaekit.errors import DataError
from vaekit.estimators.vae import ESTIMATORS
from vaekit.models.build import MODELS, Architecture, build, choose_likelihoods
from vaekit.models.fitted import Fitted
from vaekit.objectives import OBJECTIVES
from vaekit.storage.model_file import load_model, save_model
from vaekit.tasks.embed import embed
from vaekit.tasks.score import terms as score_terms

PRIOR_OF = {"vae": "normal", "autoencoder": "mixture"}
assert set(MODELS) == set(ESTIMATORS) == set(PRIOR_OF)
assert set(PRIORS) == set(PRIOR_OF.values())

VERBS = {
    "transform": lambda model, data: model.transform(data),
    "reconstruct": lambda model, data: model.reconstruct(data),
    "score_samples": lambda model, data: model.score_samples(data, importance_samples=8),
    "terms": lambda model, data: np.stack(score_terms(model.model_, model.fitted_.rows(data), 8)).T,
    "score_rows": lambda model, data: np.stack(model.score_rows(data, importance_samples=8)).T,
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
    return ESTIMATORS[model_name](network=network, random_state=seed, **settings).fit(data)


def untrained(model_name, network, data, latent_dim=5):
    """A model with its codes, prepared as for training."""
    schema = Schema.infer(data)
    codes = schema.encode(data)
    likelihoods = choose_likelihoods(schema, codes)
    torch.manual_seed(0)
    architecture = Architecture(model_name, latent_dim, likelihoods, network, (8, 16), prior=PRIOR_OF[model_name])
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


# -- training ----------------------------------------------------------------------------------------------------------


def test_gradients_reach_every_parameter(model_name, network, data):
    fitted, codes = untrained(model_name, network, data)
    model = fitted.model.train()
    bound = OBJECTIVES[model.default_objective](model, model.observation.observe(codes))
    bound.loss().backward()
    for name, parameter in model.named_parameters():
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


def test_same_seed_same_weights_other_seed_other_weights(model_name, network, data, fitted):
    again, other = fit(model_name, network, data), fit(model_name, network, data, seed=1)
    first, second, third = (m.model_.state_dict() for m in (fitted, again, other))
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not all(torch.equal(first[k], third[k]) for k in first)


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_a_saved_and_loaded_model_gives_bit_equal_answers(fitted, data, tmp_path):
    loaded = vaekit.load(fitted.save(tmp_path / "model.vae"))
    for verb in VERBS.values():
        assert same(verb(loaded, data), verb(fitted, data))
    assert same(loaded.sample(20), fitted.sample(20))
    assert same(loaded.inverse_transform(np.eye(3)), fitted.inverse_transform(np.eye(3)))


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
    fitted.record["calibration"] = [0.0]
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


@pytest.mark.parametrize(("network", "hidden"), [("mlp", (300, 300)), ("conv", (16, 256))])
def test_a_row_gets_the_same_bits_in_any_place_on_several_threads(network, hidden, three_threads):
    schema = Schema.infer(data := np.random.default_rng(0).integers(0, 256, (256, 28, 28), dtype=np.uint8))
    torch.manual_seed(0)
    made = build(Architecture("vae", 32, ("discretized-logistic",), network, hidden), schema)
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


def test_global_random_numbers_and_threads_are_left_alone(model_name, network, data, fitted):
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate(), torch.get_num_threads()
    fit(model_name, network, data)
    for answer in VERBS.values():
        answer(fitted, data)
    fitted.sample(3)
    fitted.evaluate(data, importance_samples=4)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    assert random.getstate() == states[2]
    assert torch.get_num_threads() == states[3]


@pytest.mark.parametrize("model_name", MODELS)
def test_threads_asked_for_are_given_back(model_name):
    before = torch.get_num_threads()
    fit(model_name, "mlp", np.random.default_rng(0).normal(size=(30, 3)), threads=before + 1)
    assert torch.get_num_threads() == before


def test_global_random_numbers_do_not_matter(model_name, network, data, fitted):
    torch.manual_seed(99)
    np.random.seed(99)
    again = fit(model_name, network, data).model_.state_dict()
    assert all(torch.equal(v, again[k]) for k, v in fitted.model_.state_dict().items())


# -- what comes out ----------------------------------------------------------------------------------------------------


def test_answers_are_finite_and_in_the_container_of_the_data(fitted, data):
    assert np.isfinite(fitted.transform(data)).all()
    assert np.isfinite(fitted.score_samples(data)).all()
    for rows in (fitted.reconstruct(data), fitted.sample(n_rows(data)), fitted.inverse_transform(np.zeros((48, 3)))):
        assert type(rows) is type(data)
        if is_frame(data):
            assert rows.schema == data.schema
            assert not rows.null_count().sum_horizontal()[0]
        else:
            assert rows.dtype == data.dtype
            assert rows.shape[1:] == data.shape[1:]
            assert np.isfinite(rows).all()


def test_draws_are_rows_the_schema_accepts(fitted, data):
    rows = fitted.sample(200)
    if fitted.schema_.is_picture and rows.dtype.kind == "f":
        pytest.skip("a picture's mean need not lie on the grid")
    assert np.isfinite(fitted.score_samples(rows, importance_samples=2)).all()


def test_tail_probabilities_are_shares(fitted, data):
    tail = fitted.score_rows(data).tail_probability
    assert ((tail > 0) & (tail <= 1)).all()


# -- the seam ----------------------------------------------------------------------------------------------------------


def test_wrong_shapes_are_refused(model_name, network, data):
    model = untrained(model_name, network, data)[0].model
    with pytest.raises(DataError, match=r"Expected codes of shape \(n, .*\); got \(2, 1\)"):
        model.posterior(torch.zeros(2, 1))
    with pytest.raises(DataError, match=r"Expected latent codes of shape \(n, 5\); got \(2, 4\)"):
        model.likelihood(torch.zeros(2, 4))


@torch.no_grad()
def test_many_draws_at_once_are_each_draw_alone(model_name, network, data):
    fitted, codes = untrained(model_name, network, data)
    model, x = fitted.model.eval(), fitted.model.observation.observe(codes)
    z = torch.randn(2, 3, len(x), 5)
    found = model.log_likelihood(x, z)
    assert found.shape == (2, 3, len(x))
    torch.testing.assert_close(found[1, 2], model.log_likelihood(x, z[1, 2]), rtol=1e-4, atol=1e-3)
