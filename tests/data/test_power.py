"""Heavy tails: every value comes back from its bent code, and a column with a value far off is still told."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

import vaekit
from vaekit.data.fields import HeavyTailed
from vaekit.data.inference import is_heavy_tailed
from vaekit.data.power import TRIED, bent, best_powers, unbent
from vaekit.data.schema import Schema

POWERS = st.tuples(st.sampled_from(TRIED), st.sampled_from(TRIED))
N = 900


@given(hnp.arrays(np.float64, 20, elements=st.floats(-1e15, 1e15)), POWERS)
def test_every_value_comes_back(values, powers):
    np.testing.assert_allclose(unbent(bent(values, powers), powers), values, rtol=1e-9, atol=1e-12)


# A quarter of the least subnormal is 0 in floats, and has no sign.
@given(hnp.arrays(np.float64, 20, elements=st.floats(-1e9, 1e9, allow_subnormal=False)), POWERS)
def test_codes_rise_with_values_and_keep_their_sign(values, powers):
    codes = bent(np.sort(values), powers)
    assert (np.diff(codes) >= 0).all()
    assert (np.sign(codes) == np.sign(np.sort(values))).all()


@pytest.mark.parametrize("shift", [0.0, -1000.0])
def test_a_field_returns_values_of_any_size_to_within_the_rounding_of_its_codes(shift):
    raw = shift + np.concatenate([10.0 ** np.arange(-3, 16), -(10.0 ** np.arange(-3, 16)), np.linspace(-1, 1, 99)])
    field = Schema.infer(pl.DataFrame({"x": raw})).fields[0]
    assert isinstance(field, HeavyTailed)
    off = np.abs(field.decode(field.encode(raw)) - raw)
    assert (off <= 1e-5 * (field.scale + np.abs(raw - field.loc))).all()


@pytest.mark.parametrize(
    ("values", "powers"),
    [(stats.lognorm(3), (1.0, 0.0)), (stats.cauchy(), (0.0, 0.0)), (stats.norm(), (1.0, 1.0))],
    ids=["to the right", "to both sides", "none"],
)
def test_the_tails_that_are_heavy_are_bent(values, powers):
    found, gain = best_powers(values.rvs(5000, random_state=0))
    assert found == powers
    assert (gain > 1) == (powers != (1.0, 1.0))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, N)
    x = np.stack([3 * group, -2 * group, 0 * group], 1) + rng.normal(size=(N, 3)) * [0.3, 0.3, 1.0]
    x[77, 0] = 1e12
    return x


def test_one_value_of_a_trillion_does_not_hide_the_others_of_its_column(rows):
    model = vaekit.VAE(epochs=30, latent_dim=2, hidden=(32,)).fit(rows)
    others = np.delete(np.arange(N), 77)
    assert np.corrcoef(model.reconstruct(rows)[others, 0], rows[others, 0])[0, 1] > 0.9
    assert np.isfinite(model.score_samples(rows)).all()
    assert np.isfinite(model.sample(100)).all()
    assert np.array_equal(model.decompress(model.compress(rows)), rows)


def test_a_detector_finds_the_row_and_still_tells_the_others(rows):
    strange = rows[:50] + np.array([6.0, 0.0, 0.0]) * (rows[:50, 1:2] > -1)  # of no group
    detector = vaekit.OutlierDetector(random_state=0).fit(rows)
    assert detector.decision_function(rows).argmin() == 77
    moved = rows[:50, 1] > -1
    assert detector.score_samples(strange)[moved].mean() < detector.score_samples(rows[:50])[moved].mean() - 1


def test_archives_for_compression_know_the_steps_of_heavy_tails():
    rng = np.random.default_rng(0)
    table = pl.DataFrame({"price": np.round(np.exp(2 * rng.normal(size=N)), 2), "n": rng.poisson(3, N)})
    assert Schema.infer(table).fields[0].kind == "heavy-tailed"
    model = vaekit.VAE(epochs=2, latent_dim=1, hidden=(8,), purpose="compression").fit(table)
    assert model.fitted_.schema.fields[0].kind == "real"


def test_values_of_any_size_may_be_fitted_on():
    rng = np.random.default_rng(0)
    table = pl.DataFrame({"x": np.append(rng.normal(size=N), [1e300, -1e300]), "y": rng.normal(size=N + 2)})
    model = vaekit.VAE(epochs=2, latent_dim=1, hidden=(8,)).fit(table)
    assert np.isfinite(model.transform(table)).all()
    assert np.isfinite(model.sample(50).to_numpy()).all()
    assert np.isfinite(model.reconstruct(table).to_numpy()).all()


def test_flat_pictures_stay_levels_for_compression():
    drawing = np.random.default_rng(0).integers(0, 256, (300, 20)).astype(np.uint8)
    drawing[:, 0] = np.arange(300) % 10 == 0
    drawing[5, 0] = 255
    assert is_heavy_tailed(drawing[:, 0])
    model = vaekit.VAE(epochs=1, latent_dim=1, hidden=(8,), purpose="compression").fit(drawing)
    assert [field.kind for field in model.fitted_.schema.fields] == ["levels"]
