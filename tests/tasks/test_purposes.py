"""What a purpose asks for: what the user said stays, and what is open follows from the rows."""

import numpy as np
import pytest

from vaekit.data.schema import Schema
from vaekit.errors import ParameterError
from vaekit.estimators.vae import ESTIMATORS
from vaekit.tasks.fit import choose_architecture, n_weights
from vaekit.tasks.options import Options
from vaekit.tasks.purposes import MODEL_SHARE, for_compression, for_imputation, for_synthesis, packed_bytes
from vaekit.training.presets import default_epochs

MLP = {"network": "mlp", "likelihood": "discretized-logistic"}


def pictures(n):
    steps = np.random.default_rng(0).integers(-9, 10, (n, 16, 16))
    return (np.cumsum(steps, axis=2) % 256).astype(np.uint8)


PICTURES = pictures(400)


def chosen(rows, **said):
    schema = Schema.infer(rows)
    codes = schema.encode(rows)

    def size(options):
        return n_weights(choose_architecture(options, schema, codes), schema)

    options = for_compression(Options(**said), schema, codes, size)
    return options, size(options), packed_bytes(codes)


def test_more_rows_are_worth_a_larger_model():
    sizes = [chosen(pictures(n), **MLP)[1] for n in (400, 2000, 8000)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


@pytest.mark.parametrize("n", [2000, 8000])
def test_the_model_is_a_small_share_of_the_rows(n):
    _, weights, packed = chosen(pictures(n), **MLP)
    assert weights <= MODEL_SHARE * packed


def test_what_the_user_said_stays():
    said = {
        "network": "mlp",
        "hidden": (7,),
        "prior": "normal",
        "latent_dim": 3,
        "likelihood": "bernoulli",
        "levels": 2,
    }
    options = chosen(PICTURES, **said)[0]
    assert {name: getattr(options, name) for name in said} == said


def test_pictures_are_convolved_to_likelihoods_that_follow_from_their_levels():
    drawing = np.where(PICTURES > 99, 255, PICTURES)
    vectors = PICTURES.reshape(len(PICTURES), -1)
    likelihoods = {
        "discretized-logistic-context": chosen(PICTURES)[0],
        "discretized-logistic-mixture-ends": chosen(drawing)[0],
        "discretized-logistic-mixture": chosen(vectors)[0],
        "bernoulli": chosen(PICTURES[:, :8, :8] // 128)[0],
    }
    assert {name: options.likelihood for name, options in likelihoods.items()} == {name: name for name in likelihoods}
    assert [options.network for options in likelihoods.values()] == ["conv", "conv", "mlp", "mlp"]


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "vae"])
def test_all_but_a_vae_are_refused(name):
    with pytest.raises(ParameterError, match="has no bits that add up to a lossless archive. Use a VAE"):
        ESTIMATORS[name](purpose="compression").fit(PICTURES, np.arange(len(PICTURES)) % 2)


def test_for_imputation_fills_what_is_not_said():
    schema = Schema.infer(np.random.default_rng(0).normal(size=(100, 30)))
    filled = for_imputation(Options(purpose="imputation"), schema, schema.n_rows)
    assert (filled.objective, filled.draws, filled.likelihood) == ("iwae", 20, "student-t")
    assert (filled.prior, filled.latent_dim) == ("normal", 10)
    said = Options(purpose="imputation", objective="elbo", likelihood="gaussian", latent_dim=3, epochs=2, hidden=(8,))
    kept = for_imputation(said, schema, schema.n_rows)
    assert (kept.objective, kept.draws, kept.likelihood, kept.latent_dim) == ("elbo", None, "gaussian", 3)
    assert (kept.epochs, kept.hidden) == (2, (8,))
    assert for_imputation(Options(time="5s"), schema, schema.n_rows).epochs is None


def test_for_synthesis_fills_what_is_not_said():
    schema = Schema.infer(np.random.default_rng(0).normal(size=(30_000, 30)))
    filled = for_synthesis(Options(purpose="synthesis"), schema, schema.n_rows)
    assert (filled.objective, filled.draws, filled.latent_dim) == ("iwae", 20, 16)
    assert 4 * filled.epochs == pytest.approx(default_epochs("balanced", 30_000), abs=4)
    said = {"objective": "elbo", "latent_dim": 3, "epochs": 7}
    filled = for_synthesis(Options(purpose="synthesis", **said), schema, schema.n_rows)
    assert {name: getattr(filled, name) for name in said} == said
    assert filled.draws is None
