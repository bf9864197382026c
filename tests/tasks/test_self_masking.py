"""Where gaps depend on the missing value, they are filled nearer to it; where they do not, nothing changes."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

import vaekit
from vaekit.cli.info import text_of
from vaekit.storage.header import read_header
from vaekit.tasks.impute import impute

SMALL = {"purpose": "imputation", "latent_dim": 2, "hidden": (32, 32), "epochs": 40}
FEW = 40


def table(n=250):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 1)) @ np.array([[1.0, -1.0, 1.0, 1.0]]) + 0.5 * rng.normal(size=(n, 4))


@pytest.fixture(scope="module")
def holed():
    x = table()
    is_gap = np.random.default_rng(1).random(x.shape) < np.minimum(1 / (1 + np.exp(-2 * x)), 0.95)
    return np.where(is_gap, np.nan, x)


@pytest.fixture(scope="module")
def fitted(holed):
    return vaekit.VAE(**SMALL).fit(holed)


@pytest.fixture(scope="module")
def as_if_at_random(holed):
    return vaekit.VAE(**SMALL, objective="iwae").fit(holed)


def test_values_are_nearer_than_as_if_gaps_came_at_random(holed, fitted, as_if_at_random):
    gaps = np.isnan(holed)
    off, before = (((vae.impute(holed) - table())[gaps] ** 2).mean() for vae in (fitted, as_if_at_random))
    assert off < 0.8 * before


def test_what_is_learned_of_gaps_moves_what_fills_them_the_way_it_says(holed, fitted):
    masking, few = fitted.fitted_.masking, holed[:FEW]
    as_if = impute(replace(fitted.fitted_, masking=None), few)
    moved = np.where(np.isnan(few), fitted.impute(few) - as_if, 0)[:, masking.columns].sum(0)
    assert (np.sign(moved) == masking.slope.sign().numpy()).all()


def test_draws_are_less_biased_and_intervals_hold_more(holed, fitted, as_if_at_random):
    few, truth, gaps = holed[:FEW], table()[:FEW], np.isnan(holed[:FEW])
    found = {}
    for vae in (fitted, as_if_at_random):
        lines = vae.impute_intervals(few)
        held = (lines["low"].to_numpy() <= truth[gaps]) & (truth[gaps] <= lines["high"].to_numpy())
        found[vae] = held.mean(), abs((np.mean(vae.impute(few, n_draws=5), 0) - truth)[gaps].mean())
    assert found[fitted][0] > found[as_if_at_random][0] + 0.05
    assert found[fitted][1] < 0.7 * found[as_if_at_random][1]


def test_a_file_keeps_what_was_learned_of_gaps(holed, fitted, tmp_path):
    path, few = fitted.save(tmp_path / "m.vae"), holed[:FEW]
    again = vaekit.load(path)
    assert "depend on the value itself in" in text_of(read_header(path))
    assert np.array_equal(again.impute(few), fitted.impute(few))
    assert np.array_equal(again.impute(few, n_draws=2), fitted.impute(few, n_draws=2))
    assert again.impute_intervals(few).equals(fitted.impute_intervals(few))


def test_a_row_is_filled_the_same_alone(holed, fitted):
    assert np.array_equal(fitted.impute(holed[7:8]), fitted.impute(holed[:FEW])[7:8])


def test_where_gaps_come_at_random_the_model_is_the_same():
    x = np.where(np.random.default_rng(1).random((250, 4)) < 0.4, np.nan, table())
    ours, plain = (
        vaekit.VAE(**SMALL | {"epochs": 2}, draws=20, objective=objective).fit(x) for objective in ("auto", "iwae")
    )
    assert ours.fitted_.masking is None
    state = plain.model_.state_dict()
    assert all(torch.equal(part, state[name]) for name, part in ours.model_.state_dict().items())


def test_a_frame_with_categories_is_filled_too(holed):
    group = pl.Series("group", np.where(table()[:, 3] > 0, "large", "small"))
    rows = pl.DataFrame(holed[:, :3], schema=["a", "b", "c"]).fill_nan(None).with_columns(group)
    vae = vaekit.VAE(**SMALL | {"epochs": 2}).fit(rows)
    assert vae.fitted_.masking is not None
    assert "group" not in {vae.fitted_.schema.names[j] for j in vae.fitted_.masking.columns}
    whole = vae.impute(rows[:FEW])
    assert whole.null_count().sum_horizontal().item() == 0
    assert len(vae.impute_intervals(rows[:FEW])) == rows[:FEW].null_count().sum_horizontal().item()
