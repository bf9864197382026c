"""Rows of which some values are given hold these, and the rest follows."""

import numpy as np
import polars as pl
import pytest

import vaekit
from vaekit.errors import DataError, ParameterError


def table(n=1500):
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, n)
    return pl.DataFrame(
        {
            "height": 10.0 * group + rng.normal(size=n),
            "visits": rng.poisson(3 * (1 + group)),
            "ward": np.array(["north", "south", "west"])[group],
            "ill": group == 1,
        }
    )


@pytest.fixture(scope="module")
def vae():
    return vaekit.VAE(epochs=30, hidden=(64, 64), learning_rate=5e-3).fit(table())


@pytest.mark.parametrize(
    ("given", "height"), [({"ward": "north"}, 0), ({"ward": "west"}, 20), ({"ill": True}, 10), ({"ill": "true"}, 10)]
)
def test_the_rest_follows_what_is_given(vae, given, height):
    rows = vae.sample(500, given=given)
    assert rows.schema == table().schema
    assert abs(rows["height"].mean() - height) < 1
    ((name, value),) = given.items()
    assert rows[name].unique().to_list() == [True if value == "true" else value]


def test_numbers_may_be_given(vae):
    rows = vae.sample(500, given={"height": 20.25, "visits": 9})
    assert rows["height"].unique().to_list() == [20.25]
    assert rows["visits"].unique().to_list() == [9]
    assert (rows["ward"] == "west").mean() > 0.9


def test_draws_given_a_value_are_those_of_all_that_have_it(vae):
    """The law of conditional probability, by rejection beside importance."""
    every = vae.sample(20_000, random_state=1).filter(pl.col("ward") == "south")
    some = vae.sample(5_000, given={"ward": "south"})
    for name in ("height", "visits"):
        assert abs(every[name].mean() - some[name].mean()) < 0.15 * every[name].std()
        assert 0.8 < every[name].std() / some[name].std() < 1.25


def test_balance_draws_as_many_of_each(vae):
    counts = vae.sample(100, balance="ward")["ward"].value_counts()["count"].to_list()
    assert sorted(counts) == [33, 33, 34]
    assert vae.sample(10, balance="ill")["ill"].sum() == 5


def test_the_seed_decides(vae):
    one, same, other = (vae.sample(20, given={"ward": "west"}, random_state=k) for k in (3, 3, 4))
    assert one.equals(same)
    assert not one.equals(other)


def test_values_of_a_vector_may_be_given():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 1)) @ [[1.0, 2.0, -1.0]] + 0.1 * rng.normal(size=(800, 3))
    rows = vaekit.VAE(latent_dim=1, epochs=40, hidden=(32, 32)).fit(x[:500]).sample(300, given={"x0": 1.0})
    assert (rows[:, 0] == 1).all()
    assert np.allclose(rows[:, 1:].mean(0), [2, -1], atol=0.3)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"given": {"ward": "east"}}, DataError, "Column 'ward' has value east"),
        ({"given": {"visits": -1}}, DataError, "Column 'visits' has value -1"),
        ({"given": {"height": "tall"}}, DataError, "Column 'height' has value tall"),
        ({"given": {"height": 1e9}}, ParameterError, "there is no such row"),
        ({"given": {"age": 1}}, ParameterError, "'age', which the model does not know"),
        ({"given": {"ward": "west"}, "temperature": 0.5}, ParameterError, "Leave temperature and truncation at 1"),
        ({"balance": "height"}, ParameterError, "balance must name a column of categories; got 'height'"),
        ({"balance": "age"}, ParameterError, "balance must name a column of categories; got 'age'"),
    ],
)
def test_what_cannot_be_given_is_refused(vae, settings, error, words):
    with pytest.raises(error, match=words):
        vae.sample(5, **settings)


def test_pictures_have_no_columns_to_give():
    vae = vaekit.VAE(latent_dim=1, epochs=1, hidden=(4,)).fit(np.random.default_rng(0).integers(0, 9, (50, 4, 4)))
    with pytest.raises(ParameterError, match="given names columns"):
        vae.sample(5, given={"x0": 1})
