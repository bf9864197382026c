"""The examples run as a newcomer would run them, and leave what they promise."""

import contextlib
import io
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import vaekit
from vaekit.data.builtin import load

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *words: str, folder: Path) -> str:
    """Return what a script prints that is run as a program, in this process: each start of another takes seconds."""
    script = str(EXAMPLES / f"{name}.py")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.chdir(folder)
        patch.setenv("MPLBACKEND", "Agg")
        patch.setattr(sys, "argv", [script, *words])
        runpy.run_path(script, run_name="__main__")
    return out.getvalue()


def test_autoencoder_and_vae_in_ten_lines(tmp_path: Path) -> None:
    printed = run("autoencoder_and_vae_in_ten_lines", "--digits", "--epochs", "2", folder=tmp_path)
    table = {line.split()[0]: line.split()[1:] for line in printed.splitlines()[1:]}
    assert printed.splitlines()[0].split()[-2:] == ["autoencoder", "vae"]
    assert set(table) == {"nll_nats", "elbo_nats", "reconstruction_nats", "kl_nats", "active_units", "mse"}
    assert all(float(nats) > 0 for nats in table["nll_nats"])  # of probabilities


def test_what_the_latent_space_knows(tmp_path: Path) -> None:
    printed = run("what_the_latent_space_knows", "-o", "latent.png", "--epochs", "1", folder=tmp_path)
    assert printed == "wrote latent.png\n"
    with Image.open(tmp_path / "latent.png") as picture:
        assert picture.size == (1320, 744)


def test_your_own_csv(tmp_path: Path) -> None:
    printed = run("your_own_csv", "shop.csv", "--epochs", "5", folder=tmp_path)
    assert "the five oddest rows" in printed
    assert "tail_probability" in printed
    table = pl.read_csv(tmp_path / "shop.csv")
    made_up = vaekit.load(tmp_path / "shop.vae").sample(20)
    assert made_up.columns == table.columns
    assert set(made_up["day"]) <= set(table["day"])
    assert table["minutes"].null_count() > 0
    assert set(made_up.columns) - {"minutes"} == {name for name in made_up.columns if not made_up[name].null_count()}


def test_onnx_without_torch(tmp_path: Path) -> None:
    digits = load("digits")
    vaekit.VAE(latent_dim=3, hidden=(8,), epochs=1).fit(digits).export(tmp_path / "digits.onnx")
    np.save(tmp_path / "pictures.npy", digits[:20])
    words = [sys.executable, "-W", "error", str(EXAMPLES / "onnx_without_torch.py"), "digits.onnx", "pictures.npy"]
    printed = subprocess.run(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert printed.startswith("20 rows of (8, 8), 3 numbers each; off by ")
    assert printed.endswith("from the first row to the second: (5, 8, 8)\n")


def test_every_example_has_a_test() -> None:
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= tested
