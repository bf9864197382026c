"""Intervals of a model that is too sure of itself reach as far as rows held out say that they must."""

import numpy as np
import pytest
import torch

import vaekit
from vaekit.tasks.calibration import calibrated


def rows(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) @ np.array([[1.0, -1.0, 1.0, 1.0]]) + 0.5 * rng.normal(size=(n, 4))


def holed(x, seed=0):
    return np.where(np.random.default_rng(seed).random(x.shape) < 0.3, np.nan, x)


def cover(vae, x, coverage=0.9):
    gaps = np.isnan(holed(x))
    lines = vae.impute_intervals(holed(x), coverage=coverage)
    return ((lines["low"].to_numpy() <= x[gaps]) & (x[gaps] <= lines["high"].to_numpy())).mean()


@pytest.fixture(scope="module")
def vae():
    return vaekit.VAE(purpose="imputation", latent_dim=1, hidden=(16, 16), epochs=40).fit(holed(rows(300, 0)))


def recalibrated(vae):
    fitted = vae.fitted_
    held_out = torch.from_numpy(fitted.schema.with_gaps().encode(holed(rows(200, 1))).astype(np.float32))
    fitted.calibration = calibrated(fitted.model, fitted.schema, held_out, 0.3, seed=0)


def test_a_model_too_sure_of_itself_covers_about_what_it_says(vae, monkeypatch):
    x, scale = rows(150, 2), vae.model_.observation.log_scale
    monkeypatch.setattr(vae.fitted_, "calibration", None)
    with torch.no_grad():
        scale -= 0.6
        try:
            assert cover(vae, x) < 0.75
            recalibrated(vae)
            assert 0.82 < cover(vae, x) < 0.94
        finally:
            scale += 0.6


def test_intervals_of_a_fit_cover_what_they_say_and_a_file_keeps_them(vae, tmp_path):
    x = rows(150, 2)
    assert 0.87 <= cover(vae, x) <= 0.96
    again = vaekit.load(vae.save(tmp_path / "m.vae"))
    assert torch.equal(again.fitted_.calibration.levels, vae.fitted_.calibration.levels)
    assert again.impute_intervals(holed(x[:20])).equals(vae.impute_intervals(holed(x[:20])))


def test_models_for_other_purposes_and_rows_without_numbers_are_not_measured():
    sure = vaekit.VAE(latent_dim=1, hidden=(8,), epochs=1).fit(holed(rows(60, 0)))
    assert sure.fitted_.calibration is None
    words = vaekit.VAE(purpose="imputation", latent_dim=1, hidden=(8,), epochs=1).fit(rows(60, 0) > 0)
    assert words.fitted_.calibration is None
