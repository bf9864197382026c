"""NAME.vae: what it says, what it holds, what it refuses."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import safetensors
import torch

import vaekit
from vaekit.errors import ModelFileError, OutputError
from vaekit.storage.header import FORMAT, read_header
from vaekit.storage.model_file import load_model, save_model, weights_digest
from vaekit.storage.tensor_file import read_tensors, write_tensors

RNG = np.random.default_rng(0)
USUAL = {f"usual.{name}" for name in ("codes", "oddities", "nats")}
USUAL |= {f"references.{name}" for name in ("values", "codes", "nats", "usual")}
SECRET = 123.456789


def table(n=60):
    return pl.DataFrame(
        {
            "height": RNG.normal(170, 10, n),
            "visits": RNG.poisson(3, n) * RNG.integers(0, 4, n),
            "city": RNG.choice(["Bern", "Oslo"], n).tolist()[:-1] + [None],
        }
    )


# name: (estimator, data)
FITS = {
    "real": lambda: (vaekit.VAE(2, epochs=2, hidden=(8,)), RNG.normal(size=(40, 3))),
    "table": lambda: (vaekit.VAE(2, epochs=2, hidden=(8,)), table()),
    "pruned": lambda: (vaekit.VAE(epochs=2, hidden=(8,)), RNG.normal(size=(40, 8))),
    "pictures": lambda: (
        vaekit.VAE(2, epochs=1, hidden=(4, 8), network="conv"),
        RNG.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8),
    ),
    "layers": lambda: (vaekit.VAE(3, epochs=2, hidden=(8,), levels=2, prior="flow"), RNG.normal(size=(40, 3))),
    "vamp": lambda: (vaekit.VAE(epochs=2, hidden=(8,), prior="vamp", objective="dreg"), RNG.normal(size=(40, 8))),
    "autoencoder": lambda: (vaekit.Autoencoder(2, epochs=2, hidden=(8,)), RNG.normal(size=(40, 3))),
    "fsq": lambda: (vaekit.FSQ(2, epochs=2, hidden=(8,)), RNG.normal(size=(40, 3))),
    "vq": lambda: (vaekit.VQVAE(2, epochs=2, hidden=(8,)), RNG.normal(size=(40, 3))),
    "hyperspherical": lambda: (vaekit.HypersphericalVAE(2, epochs=2, hidden=(8,)), RNG.normal(size=(40, 3))),
}


@pytest.fixture(scope="module", params=FITS)
def fitted(request, tmp_path_factory):
    """An estimator, its data and its file."""
    estimator, data = FITS[request.param]()
    estimator.fit(data)
    return estimator, data, estimator.save(tmp_path_factory.mktemp("models") / "m.vae")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    estimator = vaekit.VAE(2, epochs=2, hidden=(8,), random_state=3).fit(RNG.normal(size=(40, 3)))
    return estimator, estimator.save(tmp_path_factory.mktemp("models") / "m.vae")


# -- what comes back ---------------------------------------------------------------------------------------------------


def test_a_loaded_model_answers_bit_for_bit_as_before(fitted):
    estimator, data, path = fitted
    loaded = vaekit.load(path)
    assert type(loaded) is type(estimator)
    np.testing.assert_array_equal(loaded.transform(data), estimator.transform(data))
    np.testing.assert_array_equal(loaded.score_samples(data), estimator.score_samples(data))
    assert repr(loaded.sample(4)) == repr(estimator.sample(4))
    assert loaded.evaluate(data) == estimator.evaluate(data)
    assert loaded.diagnosis_ == estimator.diagnosis_
    assert loaded.history_.equals(estimator.history_)
    assert str(loaded.schema_) == str(estimator.schema_)


def assert_same_file(path, other):
    (tensors, header), (expected, same) = read_tensors(path), read_tensors(other)
    assert header == same
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_saving_a_loaded_model_writes_the_same_again(fitted, tmp_path):
    _, _, path = fitted
    assert_same_file(vaekit.load(path).save(tmp_path / "again.vae"), path)


def test_a_file_opens_in_a_process_that_has_seen_no_data_and_does_not_wait_for_the_compiler(small):
    estimator, path = small
    program = f"""
import json, sys, vaekit
rows = vaekit.load({str(path)!r}).sample(3).tolist()
print(json.dumps([rows, "torch._dynamo" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [estimator.sample(3).tolist(), False]


# -- what it holds -----------------------------------------------------------------------------------------------------


def test_the_header_says_what_people_ask(small):
    header = read_header(small[1])
    assert header["format"] == FORMAT == 1
    assert header["vaekit"] == vaekit.__version__
    assert header["architecture"] == {
        "model": "vae",
        "latent_dim": 2,
        "likelihoods": ["gaussian"],
        "network": "mlp",
        "hidden": [8],
        "activation": "gated",
        "prior": "normal",
        "levels": 1,
        "n_classes": 0,
    }
    assert header["units"] == [0, 1]
    assert header["schema"]["fields"][0]["kind"] == "real"
    record = header["record"]
    assert record.keys() >= {"settings", "reason", "seconds", "history", "metrics", "diagnosis", "held_out_rows"}
    assert (record["settings"]["seed"], record["settings"]["epochs"], record["reason"]) == (3, 2, "finished")
    assert [row["epoch"] for row in record["history"]] == [1, 2]


def test_the_digest_is_of_the_weights(small, tmp_path):
    estimator, path = small
    state = estimator.model_.state_dict()
    expected = hashlib.sha256()
    for name in sorted(state):
        expected.update(name.encode() + state[name].numpy().tobytes())
    assert read_header(path)["weights_sha256"] == weights_digest(state) == expected.hexdigest()
    other = {k: v + (k == "head.bias") for k, v in state.items()}
    assert weights_digest(other) != weights_digest(state)


def test_it_is_a_plain_safetensors_file(small):
    estimator, path = small
    with safetensors.safe_open(path, "pt") as file:
        assert set(file.keys()) - {"integer_model", *USUAL} == set(estimator.model_.state_dict())
        assert set(file.metadata()) == {"vaekit"}
        json.loads(file.metadata()["vaekit"], parse_constant=pytest.fail)  # strict JSON: no NaN, no Infinity


def test_loading_never_unpickles(small, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("pickle was asked")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    vaekit.load(small[1])


def test_it_holds_no_row_of_the_data(tmp_path):
    rows = RNG.normal(size=(40, 3))
    rows[5, 1] = SECRET
    content = vaekit.VAE(1, epochs=1, hidden=(4,)).fit(rows).save(tmp_path / "m.vae").read_bytes()
    assert str(SECRET).encode() not in content
    for dtype in (np.float64, np.float32):
        assert np.asarray(SECRET, dtype).tobytes() not in content


def test_it_keeps_no_texts_but_the_categories(tmp_path):
    rows = pl.DataFrame({"x": RNG.normal(size=40), "c": ["red", "blue"] * 20})
    header = read_header(vaekit.VAE(1, epochs=1).fit(rows).save(tmp_path / "m.vae"))
    assert header["schema"]["fields"][1]["categories"] == ["blue", "red"]


def test_its_size_does_not_grow_with_the_rows(tmp_path):
    sizes = []
    for n in (2_000, 20_000):
        vae = vaekit.VAE(1, epochs=1, hidden=(4,), batch_size=2_000).fit(RNG.normal(size=(n, 3)))
        sizes.append(os.path.getsize(vae.save(tmp_path / "m.vae")))
    assert sizes[1] < sizes[0] + 32_000  # of rows held out at most 1,000 are told of, each by four numbers


def test_what_is_usual_comes_back(small):
    estimator, path = small
    again = vaekit.load(path).fitted_
    for before, after in ((estimator.fitted_.usual, again.usual), (estimator.fitted_.references, again.references)):
        assert all(torch.equal(values, getattr(after, name)) for name, values in vars(before).items())


def test_a_file_that_does_not_tell_what_is_usual_is_told_of(small):
    estimator = vaekit.load(small[1])
    estimator.fitted_.usual = None
    with pytest.raises(vaekit.ModelFileError, match="does not tell what rows are usually like. Fit the model again"):
        estimator.score_rows(RNG.normal(size=(2, 3)))


def test_a_file_of_before_rows_were_kept_is_told_of(small):
    estimator = vaekit.load(small[1])
    estimator.fitted_.references = None
    with pytest.raises(vaekit.ModelFileError, match="no rows that others could be odd beside. Fit the model again"):
        estimator.score_rows(RNG.normal(size=(2, 3)))
    assert np.isfinite(estimator.explain(RNG.normal(size=(2, 3))).to_numpy()).all()


# -- what it refuses ---------------------------------------------------------------------------------------------------


def rewritten(path, target, **changes):
    tensors, header = read_tensors(path)
    write_tensors(target, tensors, header | changes)
    return target


def test_a_newer_format_is_refused_by_its_number(small, tmp_path):
    newer = rewritten(small[1], tmp_path / "newer.vae", format=2, architecture={"of": "tomorrow"})
    with pytest.raises(ModelFileError, match="newer.vae has format 2; this vaekit .* reads up to 1. Update with: pip"):
        vaekit.load(newer)
    with pytest.raises(ModelFileError, match="has format 2"):
        read_header(newer)


def test_a_file_without_a_format_is_no_model(small, tmp_path):
    with pytest.raises(ModelFileError, match=r"is no vaekit model \(a checkpoint\?\). Give a file"):
        vaekit.load(rewritten(small[1], tmp_path / "odd.vae", format=None))


def test_another_safetensors_file_is_no_model(tmp_path):
    from safetensors.torch import save_file

    for metadata in (None, {"format": "pt"}):
        save_file({"w": torch.zeros(2)}, tmp_path / "w.vae", metadata)
        with pytest.raises(ModelFileError, match="is no vaekit model"):
            vaekit.load(tmp_path / "w.vae")


def test_swapped_weights_do_not_hide_behind_the_header(small, tmp_path):
    content = small[1].read_bytes()
    at = len(content) - 40
    (tmp_path / "m.vae").write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
    with pytest.raises(ModelFileError, match="is damaged: its SHA-256 does not match its content"):
        read_header(tmp_path / "m.vae")


# -- networks of one's own ---------------------------------------------------------------------------------------------


def own_networks(width=5):
    return {
        "encoder": torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Tanh()),
        "decoder": torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.Tanh()),
    }


def test_networks_of_one_s_own_are_given_again_at_loading(tmp_path):
    rows = RNG.normal(size=(40, 3))
    vae = vaekit.VAE(2, epochs=2, **own_networks()).fit(rows)
    path = vae.save(tmp_path / "own.vae")
    assert read_header(path)["architecture"]["network"] == "custom"
    loaded = vaekit.load(path, **own_networks())
    np.testing.assert_array_equal(loaded.transform(rows), vae.transform(rows))
    with pytest.raises(ModelFileError, match=r"not their code. Load it with vaekit.load\(path, encoder=..., decoder"):
        vaekit.load(path)
    with pytest.raises(ModelFileError, match="do not fit the networks.*Give the very networks"):
        vaekit.load(path, **own_networks(width=6))


# -- all or nothing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", ["os.fsync", "os.replace"])
def test_a_failing_save_leaves_the_older_file(small, tmp_path, monkeypatch, failing):
    estimator, path = small
    target = tmp_path / "m.vae"
    target.write_bytes(path.read_bytes())

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(failing, fail)
    with pytest.raises(OutputError, match="No space left on device"):
        vaekit.Autoencoder.save(estimator, target)
    assert target.read_bytes() == path.read_bytes()
    assert os.listdir(tmp_path) == ["m.vae"]


def test_a_kill_in_the_middle_of_a_save_leaves_a_whole_file(small, tmp_path):
    _, path = small
    target = tmp_path / "m.vae"
    target.write_bytes(path.read_bytes())
    program = (
        "import os, sys, vaekit\n"
        f"model = vaekit.load({str(target)!r})\n"
        "os.fsync = lambda descriptor: os.kill(os.getpid(), 9)\n"
        f"model.save({str(target)!r})"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert target.read_bytes() == path.read_bytes()


def test_paths_may_be_texts_or_paths(small, tmp_path):
    estimator, _ = small
    written = estimator.save(str(tmp_path / "a.vae"))
    assert isinstance(written, Path)
    assert vaekit.load(str(written)).latent_dim_ == vaekit.load(written).latent_dim_ == 2


def test_what_is_saved_is_what_the_functions_below_say(small, tmp_path):
    estimator, path = small
    save_model(load_model(path), tmp_path / "m.vae")
    assert_same_file(tmp_path / "m.vae", path)
    assert not load_model(path).model.training
