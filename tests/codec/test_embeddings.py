"""Columns of many categories: embedded where floats compute, one-hot in whole numbers, and the same archive."""

import numpy as np
import polars as pl
import pytest
import torch

import vaekit
from vaekit.codec import packing
from vaekit.codec.container import Reader
from vaekit.models.inputs import MANY, TableInputs, embedding_dim
from vaekit.networks.mlp import MLP

N = 1500


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    city, effect = rng.zipf(1.3, N) % 200, rng.normal(size=200)
    columns = {"city": [f"c{c}" for c in city], "x": np.round(effect[city] + 0.2 * rng.normal(size=N), 2)}
    columns["side"] = np.where(effect[city] > 0, "right", "left")
    return pl.DataFrame(columns).with_columns(
        city=pl.when(pl.Series(rng.random(N) < 0.05)).then(None).otherwise("city")
    )


@pytest.fixture(scope="module", params=["plain", "residual"])
def model(table, request):
    width = 32 if request.param == "plain" else 4 + embedding_dim(table["city"].n_unique() - 1)
    found = vaekit.VAE(epochs=6, latent_dim=3, hidden=(width, 16)).fit(table)
    assert isinstance(found.model_.encoder, MLP)
    assert found.model_.encoder.residual[0] == (request.param == "residual")
    return found


def test_a_category_of_many_is_told_by_a_few_numbers(model, table):
    inputs = model.model_.inputs
    assert isinstance(inputs, TableInputs)
    assert table["city"].n_unique() > MANY
    assert inputs.shape[0] == 1 + embedding_dim(table["city"].n_unique() - 1) + 2 + 1  # x, city, side, gap


def test_gaps_are_no_category(model):
    codes = torch.tensor([[np.nan, 0.0, 0.0]])
    assert model.model_.inputs(codes)[0, 1:-3].eq(0).all()


def test_whole_numbers_read_categories_one_hot_and_cost_what_real_ones_do(model, table):
    told = model.fitted_.record["compression"]
    assert told["bits_per_dim"] == pytest.approx(told["float_bits_per_dim"], rel=0.015)
    blob = model.compress(table)
    assert Reader(blob).header["coded"] == table.columns
    assert model.decompress(blob).equals(table)
    assert len(blob) < 0.7 * len(packing.compress(table, None))


def test_a_file_keeps_the_embedding(model, table, tmp_path):
    back = vaekit.load(model.save(tmp_path / "m.vae"))
    assert (back.transform(table) == model.transform(table)).all()
