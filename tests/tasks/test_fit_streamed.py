"""Models of data that are streamed are like those of data in memory, and their runs go on as exactly."""

import numpy as np
import polars as pl
import pytest

import vaekit
from vaekit.data import streams
from vaekit.data.streamed import StreamedBatches
from vaekit.data.streams import sampled, stream_of
from vaekit.storage.model_file import weights_digest
from vaekit.tasks.fit import choose_settings
from vaekit.tasks.loading import load_rows, make_batches
from vaekit.tasks.options import Options
from vaekit.training.checkpoints import Checkpoint
from vaekit.training.progress import EpochEnded

RNG = np.random.default_rng(0)
CODES = RNG.normal(size=(1200, 2))
ROWS = CODES @ RNG.normal(size=(2, 20)) + 0.3 * RNG.normal(size=(1200, 20))
TABLE = pl.DataFrame(
    {
        "x": CODES[:, 0],
        "y": CODES[:, 1] + 0.1 * RNG.normal(size=1200),
        "n": RNG.poisson(np.exp(CODES[:, 0])),
        "word": np.where(CODES[:, 1] > 0, "up", "down"),
        "gappy": pl.Series(np.where(RNG.random(1200) < 0.2, np.nan, CODES[:, 0])).fill_nan(None),
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streamed")
    np.save(folder / "x.npy", ROWS)
    np.save(folder / "pictures.npy", RNG.integers(0, 256, (400, 6, 6), dtype=np.uint8))
    (folder / "table").mkdir()
    TABLE[:400].write_parquet(folder / "table/0.parquet")
    TABLE[400:].write_parquet(folder / "table/1.parquet")
    return folder


@pytest.fixture
def little_memory(monkeypatch):
    """Data of any size are streamed, of which few are looked at, in chunks of a few rows."""
    monkeypatch.setattr(streams, "resident_bytes", lambda: 0)
    monkeypatch.setattr(streams, "MOST_SAMPLED", 512)
    monkeypatch.setattr(streams, "LEAST_CHUNK", 1024)


def fit(path, **settings):
    said = {"epochs": 4, "hidden": (16,), "latent_dim": 2, "threads": 1, "batch_size": 64, "prior": "normal"}
    return vaekit.VAE(**(said | settings)).fit(path)


def held_out_nats(estimator) -> float:
    return estimator.fitted_.record["metrics"]["valid_elbo_nats"]


@pytest.mark.usefixtures("little_memory")
class TestModels:
    def test_they_are_as_good(self, folder):
        streamed = fit(folder / "x.npy", epochs=10)
        resident = fit(ROWS, epochs=10)
        assert streamed.evaluate(ROWS)["elbo_nats"] == pytest.approx(resident.evaluate(ROWS)["elbo_nats"], abs=1)

    def test_they_are_kept_in_a_file_like_any_other(self, folder, tmp_path):
        fitted = fit(folder / "table")
        again = vaekit.load(fitted.save(tmp_path / "m.vae"))
        np.testing.assert_array_equal(again.transform(TABLE), fitted.transform(TABLE))
        assert fitted.sample(5).columns == TABLE.columns
        assert fitted.feature_names_in_.tolist() == TABLE.columns

    def test_the_same_seed_gives_the_same(self, folder):
        digests = {
            weights_digest(fit(folder / "x.npy", random_state=seed, epochs=1).model_.state_dict()) for seed in (0, 0, 1)
        }
        assert len(digests) == 2

    @pytest.mark.parametrize("purpose", ["compression", "imputation", "anomalies", "synthesis"])
    def test_every_purpose(self, folder, purpose):
        data = "pictures.npy" if purpose == "compression" else "table"
        fitted = fit(folder / data, purpose=purpose, epochs=1, hidden=None)
        assert np.isfinite(held_out_nats(fitted))

    def test_a_file_of_held_out_rows(self, folder):
        assert np.isfinite(held_out_nats(fit(folder / "x.npy", valid=folder / "x.npy", epochs=1)))


@pytest.mark.usefixtures("little_memory")
class TestRows:
    def loaded(self, folder, **said):
        found = sampled(stream_of(str(folder / "x.npy")))
        options = Options(epochs=1, **said)
        loaded = load_rows(found, options)
        model = fit(folder / "x.npy", epochs=1).model_
        return loaded, make_batches(found, loaded, choose_settings(options, loaded.n_rows, model, "mlp"))

    @pytest.mark.parametrize(("valid", "n_held_out"), [(0.1, 120), (0.9, 256), (0, 0)])
    def test_held_out_rows_are_trained_on_by_none(self, folder, valid, n_held_out):
        loaded, batches = self.loaded(folder, valid=valid)
        assert isinstance(batches, StreamedBatches)
        assert batches.n_rows == loaded.n_rows == 1200 - n_held_out
        trained_on = {tuple(row) for batch in batches.epoch(0) for row in batch.tolist()}
        assert len(trained_on) == 1200 - n_held_out
        assert {tuple(row) for row in batches.rows.tolist()} <= trained_on
        if valid:
            assert len(loaded.held_out) == n_held_out
            assert not {tuple(row) for row in loaded.held_out.tolist()} & trained_on


def test_an_interrupted_run_goes_on_to_the_same_weights(folder, tmp_path, little_memory, monkeypatch):
    monkeypatch.setattr(Checkpoint.__init__, "__defaults__", (0.0,))

    def stop(event):
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    def run(**settings):
        return vaekit.VAE(epochs=5, hidden=(16,), latent_dim=2, threads=1, batch_size=16, prior="normal").fit(
            folder / "x.npy", **settings
        )

    whole = weights_digest(run().model_.state_dict())
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=tmp_path / "c", listeners=(stop,))
    assert weights_digest(run(checkpoint=tmp_path / "c", resume=True).model_.state_dict()) == whole
