"""The parts of a model: what its encoder reads, what its decoder is made of, and what is fitted after training."""

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from vaekit.data.schema import Schema
from vaekit.errors import ParameterError
from vaekit.models.build import Architecture, build, choose_likelihoods
from vaekit.models.decoder import Decoder, output_size
from vaekit.models.inputs import make_inputs, n_inputs

RNG = np.random.default_rng(0)


def codes_and_inputs(data, **settings):
    schema = Schema.infer(data, **settings)
    codes = torch.from_numpy(np.ascontiguousarray(schema.encode(data)))
    inputs = make_inputs(schema)
    return codes, inputs, inputs(codes)


def test_pictures_are_read_in_units_of_the_top_level():
    pictures = RNG.integers(0, 17, (20, 3, 5), dtype=np.uint8)
    _, inputs, read = codes_and_inputs(pictures)
    assert tuple(read.shape[1:]) == inputs.shape == (1, 3, 5)
    np.testing.assert_allclose(read[:, 0], pictures / 16)


def test_gaps_of_a_block_are_zeros_with_channels_that_tell_them():
    values = np.where(RNG.random((30, 4)) < 0.3, np.nan, RNG.normal(size=(30, 4)))
    codes, inputs, read = codes_and_inputs(values)
    assert n_inputs(inputs) == 8
    assert torch.equal(read[:, 4:].bool(), codes.isnan())
    assert torch.equal(read[:, :4], codes.nan_to_num(0.0))


def test_counts_are_read_by_their_logarithm():
    counts = RNG.negative_binomial(0.3, 0.2, (40, 30))
    _, _, read = codes_and_inputs(counts)
    np.testing.assert_allclose(read, np.log1p(counts), rtol=1e-6)


def test_a_table_is_read_column_by_column():
    frame = pl.DataFrame(
        {
            "word": ["b", "a", None, "c"],
            "sold": [0, 3, 60, 1],
            "flag": [True, None, False, True],
            "stars": [0.5, 1.5, 2.5, 1.0],
            "unit": [1, 1, 1, 1],
        }
    )
    _, inputs, read = codes_and_inputs(frame, kinds={"unit": "constant", "stars": "levels"})
    expected = [  # sold, flag, stars | word's a, b, c | the gaps of word and flag
        [0, 1, 0, 0, 1, 0, 0, 0],
        [np.log(4), 0, 0.5, 1, 0, 0, 0, 1],
        [np.log(61), 0, 1, 0, 0, 0, 1, 0],
        [np.log(2), 1, 0.25, 0, 0, 1, 0, 0],
    ]
    assert n_inputs(inputs) == 8
    np.testing.assert_allclose(read, expected, rtol=1e-6)


def test_inputs_keep_what_they_are_given():
    codes, inputs, _ = codes_and_inputs(pl.DataFrame({"sold": [0, 3, 60, 1], "r": [0.1, 0.2, -4.0, 1.0]}))
    before = codes.clone()
    inputs(codes)
    assert torch.equal(codes, before)


def test_a_decoder_takes_a_body_of_the_right_width_as_it_is():
    assert isinstance(Decoder(nn.Linear(2, 6), 2, (2, 3)).head, nn.Identity)
    assert isinstance(Decoder(nn.Linear(2, 5), 2, (2, 3)).head, nn.Linear)
    assert Decoder(nn.Linear(2, 5), 2, (2, 3))(torch.zeros(4, 2)).shape == (4, 2, 3)


def test_measuring_a_body_leaves_its_mode_alone():
    body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout())
    state = {k: v.clone() for k, v in body.state_dict().items()}
    assert output_size(body, (3,)) == 4
    assert body.training
    assert all(torch.equal(v, state[k]) for k, v in body.state_dict().items())


@pytest.fixture
def autoencoder():
    schema = Schema.infer(data := RNG.normal(size=(300, 1)) + 0.3 * RNG.normal(size=(300, 5)))
    codes = torch.from_numpy(schema.encode(data))
    torch.manual_seed(0)
    architecture = Architecture("autoencoder", 2, ("gaussian",), hidden=(16,), prior="mixture")
    model = build(architecture, schema)
    model.prepare(codes)
    return model.eval(), codes


def test_finishing_an_autoencoder_fits_its_prior_and_its_posteriors_width(autoencoder):
    model, codes = autoencoder
    model.finish(codes, seed=0)
    with torch.no_grad():
        z = model.posterior(codes).mean
        normal = torch.distributions.Normal(z.mean(0), z.std(0))
        assert model.prior().log_prob(z).mean() > normal.log_prob(z).sum(1).mean()
        noise = torch.randn(len(codes), 2, generator=torch.Generator().manual_seed(1))
        best = model._bound(codes, model.width, noise)
        for factor in (0.03, 30.0):
            assert best > model._bound(codes, factor * model.width, noise)


def test_finishing_twice_gives_the_same(autoencoder):
    model, codes = autoencoder
    model.finish(codes, seed=0)
    first = {k: v.clone() for k, v in model.state_dict().items()}
    model.finish(codes, seed=0)
    assert all(torch.equal(v, first[k]) for k, v in model.state_dict().items())


def test_finishing_survives_a_collapsed_encoder(autoencoder):
    model, codes = autoencoder
    with torch.no_grad():
        model.head.weight.zero_()
    model.finish(codes, seed=0)
    assert torch.isfinite(model.width).all()
    assert torch.isfinite(model.prior().log_prob(model.prior.sample(5))).all()


def test_an_architecture_survives_json():
    architecture = Architecture("vae", 3, ("gaussian", ""), "conv", (4, 8), "relu")
    assert Architecture.from_json(architecture.to_json()) == architecture


def test_unknown_likelihoods_are_named_with_those_there_are():
    schema = Schema.infer(data := RNG.normal(size=(20, 3)))
    with pytest.raises(ParameterError, match="The likelihood 'mse' is not known. Choose one of: auto, bernoulli, "):
        choose_likelihoods(schema, schema.encode(data), "mse")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (RNG.integers(0, 256, (20, 8, 8), dtype=np.uint8), "discretized-logistic"),
        (RNG.integers(0, 256, (20, 8, 8), dtype=np.uint8).clip(90, 160) - 90, "discretized-logistic-ends"),
        (RNG.negative_binomial(0.3, 0.2, (40, 30)), "negative-binomial-library"),
        (RNG.random((20, 8, 8)) > 0.5, "bernoulli"),
        (255 * RNG.integers(0, 2, (20, 8, 8), dtype=np.uint8), "bernoulli"),
        (RNG.random((20, 8, 8)), "continuous-bernoulli"),
        (RNG.normal(size=(20, 3)), "gaussian"),
    ],
)
def test_the_natural_likelihood_of_an_array(data, expected):
    schema = Schema.infer(data)
    assert choose_likelihoods(schema, schema.encode(data)) == (expected,)
