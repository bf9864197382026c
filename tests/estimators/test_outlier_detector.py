"""`OutlierDetector`: odd rows among ordinary ones, the rate of false alarms, and what makes a row odd."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import vaekit

RNG = np.random.default_rng(0)


def line(n: int, seed: int = 0) -> np.ndarray:
    """Four columns that one number tells, but for noise."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) * [1.0, -2.0, 0.5, 3.0] + 0.1 * rng.normal(size=(n, 4))


@pytest.fixture(scope="module")
def detector():
    return vaekit.OutlierDetector(epochs=30).fit(line(1000))


@parametrize_with_checks([vaekit.OutlierDetector(epochs=2)])
def test_it_keeps_scikit_learns_contract(estimator, check):
    check(estimator)


def test_ordinary_rows_are_called_odd_at_the_rate_that_was_asked_for(detector):
    fresh = line(2000, seed=1)
    usually = (detector.predict(fresh) == -1).mean()
    assert abs(usually - 0.05) < 0.04  # of 100 rows held out
    rare = vaekit.OutlierDetector(epochs=30, false_alarm_rate=0.01).fit(line(1000))
    assert (rare.predict(fresh) == -1).mean() < usually


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param([0.0, 0.0, 0.0, 1.0], id="unlike the line"),
        pytest.param([9.0, -18.0, 4.5, 27.0], id="far along it"),
        pytest.param([1e12, 0.0, 0.0, 0.0], id="of another unit"),
        pytest.param([1e30, -1e30, 0.0, 0.0], id="beyond the squares of floats"),
        pytest.param([1e38, 1e38, -1e38, 1e38], id="at the end of floats"),
    ],
)
def test_odd_rows_of_any_kind_are_found(detector, odd):
    rows = np.concatenate([line(200, seed=2), [odd]])
    scores = detector.score_samples(rows)
    assert np.isfinite(scores).all()
    assert scores.argmin() == 200
    assert detector.predict(rows)[-1] == -1


def test_odd_rows_among_those_it_is_fitted_on_are_found_all_the_same():
    rows = np.concatenate([line(950), RNG.uniform(-6, 6, (50, 4))])
    odd = vaekit.OutlierDetector(epochs=30).fit(rows).predict(rows) == -1
    assert odd[950:].mean() > 0.5
    assert odd[:950].mean() < 0.05


def test_an_explanation_names_the_value_that_is_off(detector):
    row = line(1, seed=3)
    row[0, 2] += 5
    nats = detector.explain(row)
    assert nats.columns == ["x0", "x1", "x2", "x3", "latent"]
    assert nats.to_numpy()[0].argmax() == 2
    assert np.abs(detector.explain(line(500, seed=4)).to_numpy().mean(0)).max() < 3  # usual rows: about none


def test_tables_with_texts_gaps_and_constants_are_read_as_they_are():
    table = pd.DataFrame(line(300), columns=list("abcd")).assign(
        kind=np.where(line(300)[:, 0] > 0, "up", "down"), one=7, whole=np.arange(300) % 5
    )
    table.loc[::7, "b"] = np.nan
    detector = vaekit.OutlierDetector(epochs=20).fit(table)
    kinds = {field.name: field.kind for field in detector.vae_.schema_.fields}
    assert (kinds["one"], kinds["whole"], kinds["kind"]) == ("real", "real", "categorical")
    assert np.isfinite(detector.score_samples(table)).all()
    assert list(detector.feature_names_in_) == [*"abcd", "kind", "one", "whole"]
    only_texts = pl.DataFrame({"a": ["x", "y"] * 50, "b": ["u", "u", "v", "v"] * 25})
    assert np.isfinite(vaekit.OutlierDetector(epochs=2).fit(only_texts).score_samples(only_texts)).all()


def test_columns_of_one_value_are_kept_in_arrays_and_by_the_imputer():
    rows = np.column_stack([line(60), np.full(60, 3.0)])
    assert np.isfinite(vaekit.OutlierDetector(epochs=2).fit(rows).score_samples(rows)).all()
    holed = rows.copy()
    holed[::5, 0] = np.nan
    filled = vaekit.Imputer(epochs=2).fit_transform(holed)
    assert (filled[:, 4] == 3).all()
    assert not np.isnan(filled).any()


@pytest.mark.parametrize("as_data", [np.asarray, lambda rows: pl.DataFrame(rows, orient="row")])
def test_a_row_whose_constant_is_another_value_is_odd(as_data):
    rows = np.column_stack([line(300), np.full(300, 0.1), np.zeros(300), np.arange(300) % 2])
    detector = vaekit.OutlierDetector(epochs=20).fit(as_data(rows))
    for place, value in [(4, 0.3), (5, 1.0), (6, 2.0)]:
        changed = line(20, seed=1)
        changed = np.column_stack([changed, np.full(20, 0.1), np.zeros(20), np.arange(20) % 2])
        changed[7, place] = value
        assert detector.score_samples(as_data(changed)).argmin() == 7
        names = detector.vae_.schema_.names
        assert detector.explain(as_data(changed)).select(names).to_numpy()[7].argmax() == place


def test_one_row_held_out_is_enough():
    vae = vaekit.VAE(1, epochs=1, hidden=(4,), valid=line(1, seed=1)).fit(line(30))
    assert np.isfinite(vae.score_rows(line(5)).oddity_nats).all()


def test_the_file_does_the_same(detector, tmp_path):
    rows = line(20, seed=5)
    loaded = vaekit.load(detector.save(tmp_path / "m.vae"))
    assert np.array_equal(loaded.score_rows(rows).oddity_nats, -detector.score_samples(rows))
    assert loaded.explain(rows).equals(detector.explain(rows))


def test_settings_outside_their_rule_are_refused():
    with pytest.raises(vaekit.ParameterError, match="false_alarm_rate"):
        vaekit.OutlierDetector(false_alarm_rate=1.5).fit(line(30))
