"""The command on data that are streamed."""

import numpy as np
import polars as pl
import pytest

from vaekit.data import streams


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    """Data of any size are streamed, of which few are looked at."""
    monkeypatch.setattr(streams, "resident_bytes", lambda: 0)
    monkeypatch.setattr(streams, "MOST_SAMPLED", 1024)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000)
    table = pl.DataFrame({"x": x, "n": rng.poisson(np.exp(x)), "word": np.where(x > 0, "up", "down")})
    table[:1000].write_parquet(tmp_path / "0.parquet")
    table[1000:].write_parquet(tmp_path / "1.parquet")
    return tmp_path


def test_rows_kinds_and_held_out_data(folder, vaekit):
    said = ("--epochs", 1, "--hidden", 8, "--latent-dim", 2, "--valid", folder / "1.parquet")
    words = ("fit", folder, "--rows", "100:-100", "--kinds", "n=real", "-o", folder / "m.vae", *said)
    found = vaekit(*words)
    assert found.status == 0, found.err
    assert "2,800 rows of" in found.err
    assert "are read as they are needed" in found.err
    assert "1,000 rows were looked at" not in found.err


def test_labels_are_refused(folder, vaekit):
    found = vaekit("fit", folder, "--labels", "word", "-o", folder / "m.vae")
    assert found.status == 2
    assert "labels are learned with all rows in memory, for which" in found.err


def test_a_value_that_the_sample_had_not(folder, vaekit):
    rows = np.zeros((20_000, 2))
    rows[::2] = 1
    rows[15_001] = 0.5
    np.save(folder / "rare.npy", rows)
    found = vaekit("fit", folder / "rare.npy", "--epochs", 1, "-o", folder / "m.vae")
    assert found.status in (1, 2)
    assert "rare.npy: The array has value 0.5 in row 15001, place [0]; it was learned as binary" in found.err
