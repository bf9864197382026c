"""An exported model answers as the model does, in the data's own units, where there is no torch."""

import json
import subprocess
import sys
from functools import cache
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


@cache
def fitted(model):
    name, network = SITUATIONS[model]
    made = ESTIMATORS[model](network=network, latent_dim=4, hidden=(8, 16), epochs=1, threads=1, random_state=0)
    return made.fit(DATA[name], np.arange(len(DATA[name])) % 3), DATA[name]


def numbers(table):
    """A table as an exported model reads it: written out by hand, not by the package."""
    day = table["day"].replace_strict({"a": 0, "b": 1, "c": 2}, default=None)
    return table.with_columns(day=day).cast(pl.Float64).to_numpy()


def runs(path):
    runner = {".onnx": onnx_runner, ".keras": keras_runner}[path.suffix]
    return runner(path.read_bytes()), runner(decoder_path(path).read_bytes())


def rows_of(data):
    return numbers(data) if is_frame(data) else data.astype(np.float32 if data.ndim > 2 else np.float64)


# To export takes seconds, so each model is exported once to a format, and all that is asked of the file follows.


@pytest.mark.parametrize("model", SITUATIONS)
def test_onnx_answers_as_the_model_does_and_tells_what_rows_are(model, tmp_path):
    vae, data = fitted(model)
    path = tmp_path / "m.onnx"
    written = vae.export(path, check=data)
    assert written.files == (str(path), str(decoder_path(path)))
    assert written.relative_difference <= 1e-4
    assert written.rows_compared == len(data)
    for n in (1, 7):
        assert_answers(vae, data, path, n)
    assert_metadata(vae, data, path)
    if model == "vae":
        words = "onnxruntime as o; f = lambda p, x: o.InferenceSession(p).run(None, {'rows': x})[0]"
        assert np.allclose(elsewhere(words, path, rows_of(data)[:7]), vae.transform(data[:7]), atol=1e-5)


def assert_answers(vae, data, path, n):
    whole, decoder = runs(path)
    codes, reconstruction = whole(rows_of(data)[:n])
    assert np.allclose(codes, vae.transform(data[:n]), atol=1e-5)
    for found, own in ((reconstruction, vae.reconstruct(data[:n])), (decoder(codes)[0], vae.inverse_transform(codes))):
        near = np.abs(found - rows_of(own)).reshape(n, -1).max(0)
        allowed = 1e-4 * np.abs(rows_of(own)).reshape(n, -1).max(0) + (0 if data is DATA["real"] else 0.502)
        assert (near <= allowed).all()  # what the model answers in whole numbers is rounded there


def assert_metadata(vae, data, path):
    import onnx

    told = {prop.key: prop.value for prop in onnx.load(path).metadata_props}
    fields = json.loads(told["fields"])
    assert int(told["latent_dim"]) == vae.latent_dim_
    assert len(told["weights_sha256"]) == 64
    if is_frame(data):
        assert [field["name"] for field in fields] == data.columns
        assert [field["gaps"] for field in fields] == [data[name].null_count() > 0 for name in data.columns]
        assert fields[-1]["levels"] == ["a", "b", "c"]


def elsewhere(words, path, rows, torch=False):
    """Return what a program without vaekit, and without torch if not said otherwise, has from a file for rows."""
    np.save(path.parent / "x.npy", rows)
    lines = f"import numpy as n, sys, {words}; n.save('z.npy', f('{path.name}', n.load('x.npy')))"
    lines += "; assert 'vaekit' not in sys.modules" + ("" if torch else " and 'torch' not in sys.modules")
    code = f"import os; os.environ['KERAS_BACKEND'] = 'torch'; {lines}"
    done = subprocess.run([sys.executable, "-c", code], cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return np.load(path.parent / "z.npy")


@pytest.mark.parametrize("model", SITUATIONS)
def test_keras_answers_as_the_model_does_and_leaves_all_else_as_found(model, tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    vae, data = fitted(model)
    before, own = torch.get_rng_state(), vae.transform(data)
    path = tmp_path / "m.keras"
    assert vae.export(path, check=data).relative_difference <= 1e-5
    assert "KERAS_BACKEND" not in room.os.environ
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(own, vae.transform(data))
    codes, _ = runs(path)[0](rows_of(data)[:7])
    assert np.allclose(codes, own[:7], atol=1e-5)
    if model == "vae":
        words = "keras; f = lambda p, x: keras.ops.convert_to_numpy(keras.models.load_model(p)(x)['codes'])"
        assert np.allclose(elsewhere(words, path, rows_of(data)[:7], torch=True), own[:7], atol=1e-5)


def test_nothing_is_left_of_a_file_that_would_answer_otherwise(tmp_path, monkeypatch):
    vae, _ = fitted("fsq")
    unread = room.Format(lambda *_: b"a file", lambda _: None, 1e-5)
    monkeypatch.setitem(room.FORMATS, ".keras", unread)
    monkeypatch.setattr(room, "largest_difference", lambda *_: 1e-3)
    with pytest.raises(OutputError, match=r"was not written: .* by 1.0e-03, more than 1e-05"):
        vae.export(tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError):
        refuse_apart(float("nan"), 1e-4, "m.onnx")


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
