"""New rows are like the data: whole numbers that many share, ranges and steps, and gaps where such rows have them."""

import numpy as np
import polars as pl
import pytest

import vaekit

N = 2000


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    works = rng.random(N) < 0.7
    hours = np.where(rng.random(N) < 0.6, 40, rng.integers(20, 60, N))
    return pl.DataFrame(
        {
            "hours": [int(h) if w else None for h, w in zip(hours, works, strict=True)],
            "wage": [round(float(20 + rng.normal()), 2) if w else None for w in works],
            "gain": np.where(rng.random(N) < 0.9, 0, rng.integers(100, 9000, N)),
            "age": np.where(works, rng.integers(18, 66, N), rng.integers(60, 95, N)),
        }
    )


@pytest.fixture(scope="module")
def made(table):
    settings = {"latent_dim": 3, "hidden": (64,), "learning_rate": 5e-3, "purpose": "synthesis"}
    return vaekit.VAE(epochs=30, **settings).fit(table).sample(4000)


def test_values_that_many_rows_share_are_shared_by_as_many(table, made):
    for column, value in (("gain", 0), ("hours", 40)):
        share = (table[column] == value).mean()
        assert (made[column] == value).mean() == pytest.approx(share, abs=0.04)


def test_rows_have_gaps_as_often_and_together(table, made):
    gaps, found = table["hours"].is_null(), made["hours"].is_null()
    assert found.mean() == pytest.approx(gaps.mean(), abs=0.05)
    assert (made["wage"].is_null() == found).mean() > 0.99
    assert made["age"].filter(found).mean() == pytest.approx(table["age"].filter(gaps).mean(), abs=3)


def test_ranges_and_steps_are_kept(table, made):
    assert made.schema == table.schema
    for column in table.columns:
        assert table[column].min() <= made[column].min()
        assert made[column].max() <= table[column].max()
    assert (made["wage"] == made["wage"].round(2)).all()


def test_what_is_given_is_no_gap(table):
    model = vaekit.VAE(epochs=2, latent_dim=3, hidden=(16,)).fit(table)
    assert model.sample(300, given={"wage": 20.5})["wage"].to_list() == [20.5] * 300


def test_reals_that_many_rows_share_come_back_as_they_were():
    rng = np.random.default_rng(0)
    shared = np.array([-0.123456789, 0.1, 1 / 3])
    values = np.where(rng.random(N) < 0.8, rng.choice(shared, N), rng.normal(size=N).clip(-0.123456789))
    made = (
        vaekit.VAE(epochs=20, latent_dim=1, hidden=(32,)).fit(pl.DataFrame({"x": values})).sample(4000)["x"].to_numpy()
    )
    assert made.min() == shared[0]
    for value in shared:
        assert (made == value).mean() == pytest.approx((values == value).mean(), abs=0.06)
