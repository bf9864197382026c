"""A model that is tuned for a quality loses less there, and stays a model for all else."""

import numpy as np
import pytest

import vaekit
from vaekit.data.builtin import load
from vaekit.errors import DataError, ParameterError

QUALITY = 15


def cost(vae, rows):
    """Return squared errors and bits a row, at what the quality says that a bit is worth."""
    blob = vae.compress(rows, quality=QUALITY)
    error = ((vae.decompress(blob).astype(float) - rows) ** 2).sum() / len(rows)
    worth = np.log(2) / 6 * (2.0 ** (8 * (1 - QUALITY / 100)) * 16 / 255) ** 2
    return error + worth * 8 * len(blob) / len(rows)


@pytest.mark.parametrize(("made", "share"), [(vaekit.VAE, 0.97), (vaekit.Autoencoder, 0.995)])
def test_a_tuned_model_costs_less_at_its_quality(made, share):
    rows = load("digits").astype(np.uint8)
    train, test = rows[:1500], rows[1500:]
    first = made(latent_dim=8, hidden=(64, 64), epochs=30).fit(train)
    before = first.transform(test)
    tuned = first.tune(train, quality=QUALITY, epochs=40)
    assert cost(tuned, test) < share * cost(first, test)
    assert np.array_equal(first.transform(test), before)
    assert np.array_equal(tuned.decompress(tuned.compress(test)), test)
    assert tuned.fitted_.record["tuned"] == {"quality": QUALITY}


def test_the_same_seed_tunes_the_same():
    rows = load("digits").astype(np.uint8)[:300]
    first = vaekit.VAE(latent_dim=2, hidden=(16, 16), epochs=2).fit(rows)
    one, two = (first.tune(rows, quality=30, epochs=2) for _ in range(2))
    assert np.array_equal(one.transform(rows), two.transform(rows))


@pytest.mark.parametrize("quality", [-1, 101])
def test_qualities_out_of_range_are_refused(quality):
    rows = load("digits").astype(np.uint8)[:100]
    first = vaekit.VAE(latent_dim=2, hidden=(4, 4), epochs=1).fit(rows)
    with pytest.raises(ParameterError, match="quality must be from 0 to 100"):
        first.tune(rows, quality=quality)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epochs": 0}, "epochs of a tuning must be at least 1; got 0"),
        ({"epochs": -1}, "got -1"),
        ({"valid": 1.0}, "got 1.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    rows = load("digits").astype(np.uint8)[:100]
    first = vaekit.VAE(latent_dim=2, hidden=(4, 4), epochs=1).fit(rows)
    with pytest.raises(ParameterError, match=words):
        first.tune(rows, quality=30, **settings)


def test_models_of_reals_are_refused():
    rows = np.random.default_rng(0).normal(size=(100, 3))
    first = vaekit.VAE(latent_dim=2, hidden=(4, 4), epochs=1).fit(rows)
    with pytest.raises(DataError, match="Models are tuned for pictures and vectors of levels"):
        first.tune(rows, quality=50)
