"""Only gaps change, and what they hold is what the rest of the row says."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import vaekit
from vaekit.data.builtin import load
from vaekit.errors import ParameterError
from vaekit.tasks import impute as task

SMALL = {"latent_dim": 2, "hidden": (16, 16), "epochs": 3}


def line(n, seed=0):
    """Return points near a line, of which the one coordinate tells the other."""
    t = np.random.default_rng(seed).normal(size=n)
    return np.stack([t, 2 * t + 1, -t], axis=1) + 0.1 * np.random.default_rng(seed + 1).normal(size=(n, 3))


def holed(x, share=0.3, seed=0):
    return np.where(np.random.default_rng(seed).random(x.shape) < share, np.nan, x)


def mixed(n=120):
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, n)
    table = pl.DataFrame(
        {
            "height": 10.0 * group + rng.normal(size=n),
            "visits": rng.poisson(3 * (1 + group)),
            "ward": np.array(["north", "south", "west"])[group],
            "ill": group == 1,
        }
    )
    gaps = {name: pl.Series(rng.random(n) < 0.25) for name in table.columns}
    return table.with_columns(pl.when(gaps[name]).then(None).otherwise(pl.col(name)).alias(name) for name in gaps)


@pytest.fixture(scope="module")
def of_line():
    return vaekit.VAE(purpose="imputation", epochs=100, latent_dim=2, hidden=(32, 32)).fit(holed(line(400)))


@pytest.fixture(scope="module")
def of_table():
    return vaekit.VAE(purpose="imputation", **SMALL | {"epochs": 30}).fit(mixed())


def test_several_processes_draw_what_one_does(of_table, monkeypatch):
    monkeypatch.setattr(task, "ROWS_OF_PROCESS", 1)
    one, two = (task.intervals(of_table.fitted_, mixed()[:20], processes=n) for n in (1, 2))
    assert_frame_equal(one, two, check_exact=True)


def test_gaps_hold_what_the_rest_of_the_row_says(of_line):
    x = line(200, seed=7)
    gaps = np.zeros(x.shape, bool)
    gaps[np.arange(200), np.arange(200) % 3] = True
    off = of_line.impute(np.where(gaps, np.nan, x))[gaps] - x[gaps]
    assert np.sqrt((off**2).mean()) < 0.4  # the columns' spreads are 1, 2 and 1


def test_only_gaps_change(of_line):
    x = holed(line(100, seed=3))
    found = of_line.impute(x)
    assert not np.isnan(found).any()
    assert np.array_equal(found[~np.isnan(x)], x[~np.isnan(x)])


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_only_gaps_of_a_table_change(of_table, library):
    table = mixed()
    found = of_table.impute(table if library == "polars" else table.to_pandas())
    found = found if library == "polars" else pl.from_pandas(found).cast(table.schema)
    assert found.null_count().sum_horizontal().item() == 0
    assert found.schema == table.schema
    for name in table.columns:
        known = table[name].is_not_null()
        assert found[name].filter(known).equals(table[name].filter(known))
    assert set(found["ward"]) == {"north", "south", "west"}


def test_an_enum_keeps_its_categories():
    wards = pl.Enum(["north", "south", "west", "none"])
    table = mixed().cast({"ward": wards})
    vae = vaekit.VAE(**SMALL).fit(table)
    assert vae.impute(table).schema == table.schema


def test_columns_that_the_model_does_not_know_stay(of_table):
    table = mixed().with_columns(name=pl.Series([None, "x"] * 60))
    assert of_table.impute(table)["name"].equals(table["name"])


def test_rows_without_gaps_come_back_as_they_are(of_line, of_table):
    x = line(10)
    assert np.array_equal(of_line.impute(x), x)
    whole = mixed().drop_nulls()
    assert_frame_equal(of_table.impute(whole), whole)
    assert of_table.impute_intervals(whole).is_empty()


def test_a_row_alone_is_filled_as_in_company(of_line):
    x = holed(line(50, seed=5))
    together = of_line.impute(x)
    assert all(np.array_equal(of_line.impute(x[i : i + 1]), together[i : i + 1]) for i in range(5))
    draws = of_line.impute(x, n_draws=3)
    assert np.array_equal(of_line.impute(x[4:5], n_draws=3)[2], draws[2][4:5])


def test_a_row_of_gaps_alone_holds_what_is_usual(of_line):
    x = line(2000, seed=9)
    found = of_line.impute(np.full((1, 3), np.nan))[0]
    assert np.allclose(found, x.mean(0), atol=0.5)


def test_a_model_that_saw_no_gaps_fills_them_too():
    x = line(300)
    vae = vaekit.VAE(latent_dim=1, hidden=(32, 32), epochs=60, prior="normal").fit(x)
    y = line(100, seed=7)
    found = vae.impute(np.where([[False, True, False]], np.nan, y))
    assert np.sqrt(((found - y)[:, 1] ** 2).mean()) < 0.5  # of a spread of 2


def test_pictures_with_gaps_are_filled_too():
    digits = load("digits").astype(float)
    vae = vaekit.VAE(**SMALL).fit(digits[:300])
    holes = digits[300:303].copy()
    holes[:, 2:5, 3:6] = np.nan
    found = vae.impute(holes)
    assert set(np.unique(found)) <= set(range(17))
    assert np.array_equal(found[~np.isnan(holes)], holes[~np.isnan(holes)])


def test_intervals_cover_what_they_say(of_line):
    x = line(300, seed=11)
    gaps = np.zeros(x.shape, bool)
    gaps[:, 1] = True
    lines = of_line.impute_intervals(np.where(gaps, np.nan, x), coverage=0.8)
    inside = (lines["low"].to_numpy() <= x[:, 1]) & (x[:, 1] <= lines["high"].to_numpy())
    assert 0.7 < inside.mean() < 0.98
    assert lines["column"].unique().to_list() == ["x1"]


def test_categories_are_told_with_their_probability(of_table):
    lines = of_table.impute_intervals(mixed())
    wards = lines.filter(pl.col("column") == "ward")
    assert set(wards["value"]) <= {"north", "south", "west"}
    assert wards["probability"].is_between(1 / 3, 1).all()
    assert wards["low"].null_count() == len(wards)
    assert set(lines.filter(pl.col("column") == "ill")["value"]) <= {"True", "False"}


def test_draws_spread_as_intervals_say(of_line):
    row = np.array([[np.nan, np.nan, 0.5]])
    drawn = np.array([d[0, 1] for d in of_line.impute(np.repeat(row, 1, 0), n_draws=400)])
    low, high = of_line.impute_intervals(row).filter(pl.col("column") == "x1").select("low", "high").row(0)
    assert 0.8 < ((low <= drawn) & (drawn <= high)).mean() < 0.97


@pytest.mark.parametrize("coverage", [0.0, 1.0])
def test_intervals_of_no_probability_are_refused(of_line, coverage):
    with pytest.raises(ParameterError, match="between 0 and 1"):
        of_line.impute_intervals(line(3), coverage)


def test_fewer_draws_than_one_are_refused(of_line):
    with pytest.raises(ParameterError, match="number of draws must be at least 1"):
        of_line.impute(line(3), n_draws=0)


@pytest.mark.parametrize("name", ["height", "visits", "ward", "ill"])
def test_a_column_of_gaps_alone_is_filled_with_what_it_was_learned_as(name):
    table = mixed()
    row = table.drop_nulls().head(1).with_columns(pl.lit(None).alias(name))
    made = vaekit.VAE(**SMALL).fit(table).impute(row)
    assert made.schema == table.schema
    assert made.null_count().sum_horizontal().item() == 0
    assert_frame_equal(made.drop(name), row.drop(name))
