"""An exported model answers as the model does, in the data's own units, where there is no torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import vaekit
from vaekit.data.frames import is_frame
from vaekit.errors import MissingExtraError, OutputError, ParameterError
from vaekit.estimators.vae import ESTIMATORS
from vaekit.tasks import export as room
from vaekit.tasks.agreement import refuse_apart
from vaekit.tasks.export import decoder_path, export
from vaekit.tasks.export_keras import keras_runner
from vaekit.tasks.export_onnx import onnx_runner

RNG = np.random.default_rng(0)


def mixed(n=60):
    """Columns of many kinds, two of them with gaps."""
    shared = RNG.normal(size=n)
    gaps = RNG.random(n) < 0.2
    return pl.DataFrame(
        {
            "spent": pl.Series(np.where(gaps, np.nan, 1000 + 200 * shared)).fill_nan(None),
            "visits": RNG.negative_binomial(1, 0.1, n),
            "far": np.exp(3 * shared),
            "member": shared > 0,
            "day": [None if g else "abc"[int(s > 0) + int(s > 1)] for g, s in zip(gaps[::-1], shared, strict=True)],
        }
    )


def pictures(*shape):
    shade = RNG.random((40, *[1] * len(shape)))
    return np.rint((shade + 0.1 * RNG.normal(size=(40, *shape))).clip(0, 1) * 255).astype(np.uint8)


DATA = {"mixed": mixed(), "grey": pictures(7, 5), "colour": pictures(6, 9, 3), "real": RNG.normal(50, 3, (40, 4))}
SITUATIONS = {
    "vae": ("mixed", "mlp"),
    "autoencoder": ("colour", "conv"),
    "fsq": ("real", "mlp"),
    "vq": ("grey", "mlp"),
    "hyperspherical": ("grey", "conv"),
    "conditional": ("mixed", "mlp"),
}
assert set(SITUATIONS) == set(ESTIMATORS)


def fitted(model):
    name, network = SITUATIONS[model]
    made = ESTIMATORS[model](network=network, latent_dim=4, hidden=(8, 16), epochs=1, threads=1, random_state=0)
    return made.fit(DATA[name], np.arange(len(DATA[name])) % 3), DATA[name]


def numbers(table):
    """A table as an exported model reads it: written out by hand, not by the package."""
    day = table["day"].replace_strict({"a": 0, "b": 1, "c": 2}, default=None)
    return table.with_columns(day=day).cast(pl.Float64).to_numpy()


@pytest.fixture(scope="module", params=SITUATIONS)
def exported(request, tmp_path_factory):
    vae, data = fitted(request.param)
    path = tmp_path_factory.mktemp("export") / "m.onnx"
    return vae, data, path, vae.export(path, check=data)


def runs(path):
    runner = {".onnx": onnx_runner, ".keras": keras_runner}[path.suffix]
    return runner(path.read_bytes()), runner(decoder_path(path).read_bytes())


def rows_of(data):
    return numbers(data) if is_frame(data) else data.astype(np.float32 if data.ndim > 2 else np.float64)


@pytest.mark.parametrize("n", [1, 7])
def test_it_answers_as_the_model_does(exported, n):
    vae, data, path, written = exported
    assert written.files == (str(path), str(decoder_path(path)))
    assert written.relative_difference <= 1e-4
    assert written.rows_compared == len(data)
    whole, decoder = runs(path)
    codes, reconstruction = whole(rows_of(data)[:n])
    assert np.allclose(codes, vae.transform(data[:n]), atol=1e-5)
    for found, own in ((reconstruction, vae.reconstruct(data[:n])), (decoder(codes)[0], vae.inverse_transform(codes))):
        near = np.abs(found - rows_of(own)).reshape(n, -1).max(0)
        allowed = 1e-4 * np.abs(rows_of(own)).reshape(n, -1).max(0) + (0 if data is DATA["real"] else 0.502)
        assert (near <= allowed).all()  # what the model answers in whole numbers is rounded there


def test_metadata_tell_what_rows_are(exported):
    import onnx

    vae, data, path, _ = exported
    told = {prop.key: prop.value for prop in onnx.load(path).metadata_props}
    fields = json.loads(told["fields"])
    assert int(told["latent_dim"]) == vae.latent_dim_
    assert len(told["weights_sha256"]) == 64
    if is_frame(data):
        assert [field["name"] for field in fields] == data.columns
        assert [field["gaps"] for field in fields] == [data[name].null_count() > 0 for name in data.columns]
        assert fields[-1]["levels"] == ["a", "b", "c"]


def test_it_runs_without_torch_and_keras_reloads(tmp_path):
    vae, data = fitted("vae")
    vae.export(tmp_path / "m.onnx")
    written = vae.export(tmp_path / "m.keras", check=data)
    assert written.relative_difference <= 1e-5
    np.save(tmp_path / "x.npy", numbers(data)[:7])
    _run("onnxruntime as o; f = lambda p, x: o.InferenceSession(p).run(None, {'rows': x})[0]", "m.onnx", tmp_path)
    assert np.allclose(np.load(tmp_path / "z.npy"), vae.transform(data[:7]), atol=1e-5)
    words = "keras; f = lambda p, x: keras.ops.convert_to_numpy(keras.models.load_model(p)(x)['codes'])"
    _run(words, "m.keras", tmp_path, torch=True)
    assert np.allclose(np.load(tmp_path / "z.npy"), vae.transform(data[:7]), atol=1e-5)


def _run(words, name, folder, torch=False):
    lines = f"import numpy as n, sys, {words}; n.save('z.npy', f('{name}', n.load('x.npy')))"
    lines += "; assert 'vaekit' not in sys.modules" + ("" if torch else " and 'torch' not in sys.modules")
    code = f"import os; os.environ['KERAS_BACKEND'] = 'torch'; {lines}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("model", [name for name in SITUATIONS if name != "vae"])
def test_keras_has_words_for_every_model(model, tmp_path):
    vae, data = fitted(model)
    assert vae.export(tmp_path / "m.keras", check=data).relative_difference <= 1e-5
    codes, _ = runs(tmp_path / "m.keras")[0](rows_of(data)[:7])
    assert np.allclose(codes, vae.transform(data[:7]), atol=1e-5)


def test_nothing_is_left_of_a_file_that_would_answer_otherwise(tmp_path, monkeypatch):
    vae, _ = fitted("fsq")
    monkeypatch.setattr(room, "largest_difference", lambda *_: 1e-3)
    with pytest.raises(OutputError, match=r"was not written: .* by 1.0e-03, more than 1e-05"):
        vae.export(tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError):
        refuse_apart(float("nan"), 1e-4, "m.onnx")


def test_the_environment_and_random_numbers_are_left_as_found(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    vae, _ = fitted("fsq")
    before, weights = torch.get_rng_state(), vae.transform(DATA["real"])
    vae.export(tmp_path / "m.keras")
    assert "KERAS_BACKEND" not in room.os.environ
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(weights, vae.transform(DATA["real"]))


@pytest.mark.parametrize("name", ["m.h5", "m", "m.vae", "-"])
def test_a_wrong_suffix_tells_the_known_ones(name, tmp_path):
    with pytest.raises(ParameterError, match=r"NAME.onnx or NAME.keras"):
        export(None, tmp_path / name)


@pytest.mark.parametrize(("package", "extra"), [("onnxruntime", "onnx"), ("keras", "keras")])
def test_a_missing_package_is_told_with_its_extra(package, extra, tmp_path, monkeypatch):
    vae, _ = fitted("fsq")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"vaekit\[{extra}\]"):
        vae.export(tmp_path / f"m.{extra}")


def test_a_model_that_knows_classes_is_exported(tmp_path):
    labels = np.where(RNG.random(40) < 0.5, 0, 1)
    known = vaekit.VAE(latent_dim=3, hidden=(8,), epochs=1, threads=1).fit(DATA["real"], labels=labels)
    assert known.export(Path(tmp_path, "m.onnx"), check=DATA["real"]).relative_difference <= 1e-4


def test_units_that_were_dropped_stay_dropped(tmp_path):
    vae = vaekit.VAE(latent_dim=4, hidden=(8,), epochs=1, threads=1).fit(DATA["real"])
    vae.model_.keep_units(torch.tensor([3, 1]))
    made = vae.export(Path(tmp_path, "m.onnx"), check=DATA["real"])
    assert made.relative_difference <= 1e-4
    codes, _ = onnx_runner((tmp_path / "m.onnx").read_bytes())(DATA["real"])
    assert codes.shape == (40, 2)
