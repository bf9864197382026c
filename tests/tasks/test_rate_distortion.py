"""The curve of lossy archives: what it tells is what archives do."""

import numpy as np
import polars as pl
import pytest

import vaekit
from vaekit.data.builtin import load
from vaekit.errors import DataError
from vaekit.tasks import rate_distortion as task

ROWS = load("digits")[:200].astype(np.uint8)
LABELS = np.argmax(ROWS.reshape(200, -1)[:, 20:24], axis=1)


@pytest.fixture(scope="module")
def fitted():
    return vaekit.VAE(latent_dim=4, epochs=5, hidden=(16,), random_state=0).fit(ROWS)


def test_points_are_those_of_archives(fitted, monkeypatch):
    monkeypatch.setattr(task, "QUALITIES", (10, 90))
    told = []
    points = task.rate_distortion(fitted.fitted_, ROWS, LABELS, told.append)
    assert told == [0.5, 1.0]
    for point in points:
        blob = fitted.compress(ROWS, quality=point["quality"])
        found = fitted.decompress(blob)
        assert point["bits_per_value"] == 8 * len(blob) / ROWS.size
        assert point["mse"] == pytest.approx(np.mean((found.astype(float) - ROWS) ** 2))
        assert 0 <= point["accuracy"] <= 1
    assert points[0]["mse"] > points[1]["mse"] == 0
    assert points[1]["psnr_db"] is None
    assert points[1]["ssim"] == pytest.approx(1.0)
    assert points[0]["ssim"] < 1


def test_similarity_falls_with_noise():
    noise = np.random.default_rng(0).normal(size=ROWS.shape)
    found = [task.ssim(ROWS, ROWS + scale * noise) for scale in (0, 1, 4)]
    assert found[0] == pytest.approx(1.0)
    assert found == sorted(found, reverse=True)


def test_a_curve_is_drawn():
    point = {"quality": 10, "bits_per_value": 0.1, "psnr_db": 20.0}
    assert task.drawn([point, point | {"bits_per_value": 1.0, "psnr_db": None}]).startswith(b"\x89PNG")


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="3 labels for 200 rows"):
        task.accuracy(ROWS, ROWS, [1, 2, 3])


def test_a_model_of_columns_is_refused():
    table = np.random.default_rng(0).normal(size=(50, 3)).round(1) * [1, 10, 100]
    frame = pl.DataFrame(table, schema=["a", "b", "c"])
    fitted = vaekit.VAE(latent_dim=1, epochs=1, hidden=(4,)).fit(frame)
    with pytest.raises(DataError, match="the model is of columns. Compress them with max_error"):
        task.rate_distortion(fitted.fitted_, frame)
