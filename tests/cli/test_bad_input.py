"""Bad input gets one sentence, and nothing is lost: a table of cases, for the command and for Python."""

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vaekit as vk
from vaekit.data.readers import read
from vaekit.data.writers import write
from vaekit.storage.tensor_file import read_tensors, write_tensors

ROWS = np.random.default_rng(0).normal(size=(30, 3))


def with_value(value: float) -> np.ndarray:
    rows = ROWS.copy()
    rows[3, 1] = value
    return rows


def whole_but_the_end(path: Path, share: float = 0.5) -> bytes:
    content = path.read_bytes()
    return content[: int(len(content) * share)]


@pytest.fixture(scope="session")
def bad(room: Path) -> Path:
    """The folder `room`, and in it every sort of bad file."""
    grey, unit = np.load(room / "grey.npy"), np.load(room / "unit.npy")
    table = pl.read_parquet(room / "table.parquet")
    arrays = {
        "none_at_all.npy": np.zeros((0, 3)),
        "no_columns.npy": np.zeros((9, 0)),
        "one_row.npy": ROWS[:1],
        "constant.npy": np.ones((9, 3)),
        "constant_column.npy": np.where([False, True, False], 5.5, ROWS),
        "inf.npy": with_value(np.inf),
        "minus_inf.npy": with_value(-np.inf),
        "nan.npy": with_value(np.nan),
        "complex.npy": ROWS * 1j,
        "narrow.npy": ROWS[:, :2],
        "flat.npy": ROWS[:, 0],
        "deep.npy": np.zeros((5, 2, 2, 2, 2)),
        "short.npy": grey[:, :5],
        "colour.npy": np.repeat(grey[..., None], 3, axis=-1),
        "twice_as_bright.npy": unit * 2,
        "between_levels.npy": grey[:30] / 3,
        "seven_labels.npy": np.arange(7),
        "labels_of_one.npy": np.zeros(50, int),
    }
    tables = {
        "lacks_city.csv": table.drop("city"),
        "paris.csv": table.with_columns(city=pl.lit("Paris")),
        "gap.csv": table.with_columns(city=pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise("city")),
        "tall.csv": table.with_columns(height=pl.lit("tall")),
        "minus.csv": table.with_columns(visits=pl.lit(-1)),
        "same.csv": table.with_columns(city=pl.lit("Bern")),
        "names.csv": pl.DataFrame({"name": [f"person {i}" for i in range(60)], "height": ROWS.repeat(2)[:60]}),
        "one_row.csv": table[:1],
        "header_only.csv": table[:0],
    }
    for name, result in (arrays | tables).items():
        write(result, room / name)
    for name in ("two.npz", "real.npy", "table.parquet"):
        (room / f"cut_{name}").write_bytes(whole_but_the_end(room / name))
    (room / "cut.csv").write_bytes((room / "table.csv").read_bytes()[:-9])
    write(grey[:3], room / "grid.png")
    (room / "cut.png").write_bytes(whole_but_the_end(room / "grid.png", 0.9))
    write(grey[:4], f"{room}/pictures/")
    (room / "pictures" / "00002.png").write_bytes(whole_but_the_end(room / "pictures" / "00001.png"))
    (room / "nothing.npy").write_bytes(b"")
    (room / "empty_folder").mkdir()
    tensors, header = read_tensors(room / "real.vae")
    write_tensors(room / "newer.vae", tensors, header | {"format": 99})
    write_tensors(room / "checkpoint.vae", tensors, {"fingerprint": "0", "facts": {}})
    (room / "cut.vae").write_bytes(whole_but_the_end(room / "real.vae", 0.99))
    return room


@pytest.fixture
def here(bad: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(bad)
    return bad


FIT = "-o new.vae --epochs 1 --hidden 8 --latent-dim 2"

# command: (exit status, what it says)
CASES: dict[str, tuple[int, str]] = {
    # the source
    f"fit no.npy {FIT}": (1, "no.npy does not exist; check the path"),
    f"fit two.npz {FIT}": (1, "two.npz holds 2 arrays; name one: two.npz::x_train [40, 6, 6], two.npz::x_test [9, 6"),
    f"fit two.npz::y {FIT}": (1, "two.npz holds 2 arrays, none called 'y'; name one: two.npz::x_train"),
    f"fit builtin:cats {FIT}": (1, "builtin:cats is no built-in data set; choose one of: builtin:digits"),
    f"fit nothing.npy {FIT}": (1, "nothing.npy is empty"),
    f"fit empty_folder {FIT}": (1, "empty_folder is a folder without pictures"),
    f"fit - {FIT}": (1, "standard input is empty"),
    f"fit real.vae {FIT}": (1, "real.vae has the suffix '.vae', which is not read; give one of .npy"),
    f"fit cut_two.npz::x_train {FIT}": (1, "cut_two.npz::x_train cannot be read: File is not a zip file; check"),
    f"fit cut_real.npy {FIT}": (1, "cut_real.npy cannot be read"),
    f"fit cut_table.parquet {FIT}": (1, "cut_table.parquet cannot be read: parquet: File out of specification"),
    f"fit cut.png {FIT}": (1, "cut.png cannot be read: image file is truncated; check that it is whole"),
    f"fit pictures {FIT}": (1, "pictures/00002.png cannot be read"),
    f"fit cut.csv {FIT}": (
        1,
        "cut.csv breaks off within a row: its last line has 3 of 4 cells and no end; take another",
    ),
    # what is learned from
    f"fit none_at_all.npy {FIT}": (1, "0 sample(s), no row at all"),
    f"fit header_only.csv {FIT}": (1, "0 sample(s), no row at all"),
    f"fit no_columns.npy {FIT}": (1, "0 feature(s)"),
    f"fit one_row.npy {FIT}": (1, "a single row; a model needs at least 2. Give more rows."),
    f"fit one_row.csv {FIT}": (1, "a single row; a model needs at least 2. Give more rows."),
    f"fit flat.npy {FIT}": (1, "Expected 2D array (rows × values) or more, got an array of shape (30,) instead"),
    f"fit deep.npy {FIT}": (1, "A row of the array has shape (2, 2, 2, 2); rows are vectors, H × W or H × W × C."),
    f"fit complex.npy {FIT}": (1, "Complex data not supported"),
    f"fit constant.npy {FIT}": (1, "The array is constant: every value is 1.0, so there is nothing to learn."),
    f"fit constant_column.npy {FIT}": (1, "Column 'x1' is constant: it holds 5.5 in every row"),
    f"fit same.csv {FIT}": (1, "Drop the column, or keep it as it is with --kinds city=constant."),
    f"fit inf.npy {FIT}": (1, "value inf in row 3, place [1]; values must be finite. Clean or remove these rows."),
    f"fit minus_inf.npy {FIT}": (1, "value -inf in row 3, place [1]; values must be finite."),
    f"fit names.csv {FIT}": (1, "Column 'name' has 60 different values in 60 rows, too many for categories."),
    # what is asked of a model that was fitted on something else
    "score real.vae inf.npy": (1, "value inf in row 3, place [1]; it was learned as real"),
    "embed real.vae minus_inf.npy": (1, "value -inf in row 3, place [1]; it was learned as real"),
    "embed real.vae nan.npy": (1, "a missing value in row 3, place [1]; it was learned without gaps. Fill the gaps,"),
    "embed real.vae narrow.npy": (1, "X has 2 features, but"),
    "embed real.vae none_at_all.npy": (1, "0 sample(s), no row at all"),
    "embed real.vae grey.npy": (
        1,
        "A row of the array has shape (6, 6), but the model was fitted on rows of shape (3,)",
    ),
    "embed grey.vae short.npy": (1, "has shape (5, 6), but the model was fitted on rows of shape (6, 6)"),
    "embed grey.vae colour.npy": (1, "has shape (6, 6, 3), but the model was fitted on rows of shape (6, 6)"),
    "embed grey.vae between_levels.npy": (1, "it was learned as levels (0 to 255 in 256 levels). Scale the data"),
    "embed unit.vae twice_as_bright.npy": (1, "it was learned as unit (0 to 1). Scale the values to [0, 1]"),
    "embed table.vae lacks_city.csv": (
        1,
        "The table lacks 'city'; the model was fitted on 'height', 'visits', 'smokes'",
    ),
    "embed table.vae paris.csv": (1, "Column 'city' has value Paris in row 0; it was learned as categorical (Bern,"),
    "embed table.vae gap.csv": (1, "Column 'city' has"),
    "embed table.vae minus.csv": (1, "Column 'visits' has value -1 in row 0; it was learned as count (0, 1, 2, ...)."),
    "embed table.vae tall.csv": (1, "Column 'height' has value tall in row 0; it was learned as real"),
    "embed table.vae real.npy": (1, "An array was given, but the model was fitted on a table with columns 'height'"),
    "embed real.vae table.csv": (1, "the model was fitted on"),
    "evaluate real.vae real.npy --labels seven_labels.npy": (1, "for 50 rows. Give one label a row."),
    "evaluate real.vae real.npy --labels labels_of_one.npy": (1, "there is one class only"),
    "evaluate real.vae real.npy --labels no.npy": (1, "no.npy does not exist"),
    # the model
    "info no.vae": (1, "There is no file no.vae. Check the path, or fit a model with: vaekit fit DATA -o no.vae"),
    "info .": (1, ". cannot be read: Is a directory. Give the path of a .vae file."),
    "info table.csv": (1, "table.csv is no vaekit model, or a damaged one. Give a file that `vaekit fit` wrote."),
    "info nothing.npy": (1, "nothing.npy is no vaekit model"),
    "embed real.npy real.npy": (1, "real.npy is no vaekit model"),
    "embed cut.vae real.npy": (1, "cut.vae is damaged: its SHA-256 does not match its content. Take another copy"),
    "info cut.vae": (1, "cut.vae is damaged: its SHA-256 does not match its content. Take another copy of it."),
    "info checkpoint.vae": (1, "checkpoint.vae is no vaekit model (a checkpoint?)."),
    "sample newer.vae": (1, "newer.vae has format 99; this vaekit 0.1.0 reads up to 1. Update with: pip install"),
    # the output
    "fit real.npy -o pictures": (1, "pictures is a folder; name a file in it."),
    "fit real.npy -o no/m.vae": (1, "no does not exist; create it first: mkdir -p no"),
    "fit real.npy -o real.npy/m.vae": (1, "real.npy does not exist; create it first: mkdir -p real.npy"),
    f"fit real.npy {FIT} --log no/run.jsonl": (1, "no does not exist; create it first: mkdir -p no"),
    f"fit real.npy {FIT} --track tensorboard:real.npy/x": (1, "cannot keep a run in real.npy/x: [Errno 20] Not a"),
    "sample table.vae -o no/x.csv": (1, "no does not exist; create it first: mkdir -p no"),
    "sample table.vae -o pictures": (1, "pictures has the suffix '', which cannot be written; choose one of .npy,"),
    "embed no.vae no.npy -o z.doc": (1, "z.doc has the suffix '.doc', which cannot be written; choose one of .npy,"),
    "sample grey.vae -o x.parquet": (1, "x.parquet takes a table of plain values; got uint8 [64, 6, 6]; write .npy"),
    "sample table.vae -o x.png": (1, "x.png takes pictures; got a table; write .csv instead."),
    "embed real.vae real.npy -o folder/": (1, "Pictures have shape [n, H, W]"),
    "demo -o real.npy": (1, "real.npy cannot be written: File exists; choose another path."),
    # settings
    f"fit real.npy {FIT} --track runs": (2, "--track must be tensorboard:FOLDER, mlflow:ADDRESS or wandb:PROJECT; got"),
    f"fit real.npy {FIT} --kinds x0=odd": (2, "Column 'x0' cannot be of kind 'odd'. Choose one of: binary, levels,"),
    f"fit real.npy {FIT} --kinds age=real": (2, "kinds names 'age', which the table lacks. It has 'x0', 'x1', 'x2'."),
    f"fit real.npy {FIT} --kinds x0": (
        2,
        "--kinds must be name=kind pairs, as in age=count,sex=categorical; got 'x0'.",
    ),
    f"fit table.csv {FIT} --kinds city=real": (1, "Column 'city' holds texts, so it cannot be real. Use --kinds city="),
    f"fit real.npy {FIT} --likelihood odd": (2, "must be a str among {'auto', 'bernoulli'"),
    f"fit real.npy {FIT} --likelihood categorical": (2, "The likelihood 'categorical' is for tables."),
    f"fit real.npy {FIT} --likelihood negative-binomial": (1, "it was learned as count (0, 1, 2, ...)."),
    f"fit real.npy {FIT} --likelihood bernoulli": (1, "it was learned as unit (0 to 1)."),
    f"fit grey.npy {FIT} --likelihood categorical": (2, "The likelihood 'categorical' is for tables."),
    f"fit table.csv {FIT} --likelihood continuous-bernoulli --kinds smokes=categorical": (2, "but these are"),
    f"fit real.npy {FIT} --network conv": (
        2,
        "The network 'conv' is for pictures, but the data are vectors of 3 values.",
    ),
    f"fit real.npy {FIT} --network odd": (
        2,
        "The 'network' parameter of VAE must be a str among {'auto', 'mlp', 'conv'",
    ),
    f"fit real.npy {FIT} --prior odd": (
        2,
        "must be a str among {'auto', 'normal', 'mixture', 'vamp', 'flow', 'autoreg",
    ),
    f"fit real.npy {FIT} --model autoencoder --prior normal": (
        2,
        "one layer of codes, and its prior is a mixture fitted on them; got --prior normal, --levels 1.",
    ),
    f"fit real.npy {FIT} --model autoencoder --levels 2": (2, "got --prior auto, --levels 2. Leave both"),
    f"fit real.npy {FIT} --model fsq --prior flow": (
        2,
        "A quantised model has one layer of codes, and its prior is autoregressive over them; got --prior flow,",
    ),
    f"fit real.npy {FIT} --model vq --objective iwae": (
        2,
        "trained on the 'elbo' without free nats; got --objective iwae, --free-nats 0.0. Leave both, or use a VAE.",
    ),
    f"fit real.npy {FIT} --model hyperspherical --levels 2": (
        2,
        "A hyperspherical model has one layer of codes, and its prior is uniform on their sphere; got --prior auto,",
    ),
    f"fit real.npy {FIT} --model autoencoder --free-nats 0.1": (
        2,
        "got --objective reconstruction, --free-nats 0.1. Leave --free-nats 0.",
    ),
    f"fit real.npy {FIT} --objective iwae --free-nats 0.1": (
        2,
        "Free nats belong to the objective 'elbo'; got --objective iwae, --free-nats 0.1. Leave --free-nats 0",
    ),
    f"fit real.npy {FIT} --prior vamp --levels 2": (
        2,
        "The prior 'vamp' is a mixture of posteriors of one stochastic layer; got --levels 2. Use --prior auto",
    ),
    f"fit real.npy {FIT} --levels 3": (
        2,
        "Each of 3 stochastic layers needs a latent unit; got --latent-dim 2. Ask for more units, or fewer levels.",
    ),
    f"fit real.npy {FIT} --levels 0": (
        2,
        "The 'levels' parameter of VAE must be an int in the range [1, inf) or None.",
    ),
    f"fit real.npy {FIT} --draws 0": (2, "The 'draws' parameter of VAE must be an int in the range [1, inf) or None."),
    f"fit real.npy {FIT} --cycles 0": (2, "The 'cycles' parameter of VAE must be an int in the range [1, inf)."),
    f"fit real.npy {FIT} --free-nats -1": (
        2,
        "The 'free_nats' parameter of VAE must be a float in the range [0.0, inf)",
    ),
    f"fit real.npy {FIT} --objective mse": (
        2,
        "must be a str among {'auto', 'elbo', 'iwae', 'dreg', 'miwae', 'ciwae',",
    ),
    f"fit real.npy {FIT} --model odd": (
        2,
        "--model must be one of vae, autoencoder, fsq, vq, hyperspherical, conditional; got 'odd'.",
    ),
    f"fit real.npy {FIT} --model conditional": (2, "A conditional VAE reads the class of each row. Give --labels, or"),
    f"fit real.npy {FIT} --preset odd": (2, "must be a str among {'fast', 'balanced', 'best'}. Got 'odd' instead."),
    f"fit real.npy {FIT} --device tpu": (2, "must be a str among {'auto', 'cpu', 'cuda', 'mps'}. Got 'tpu' instead."),
    f"fit real.npy {FIT} --precision int8": (2, "must be a str among {'auto', 'float32', 'bfloat16'}. Got 'int8'"),
    f"fit real.npy {FIT} --rows 1-9": (2, "rows must be A:B, such as 0:1000, :500 or -100:; got '1-9'."),
    f"fit real.npy {FIT} --rows 60:": (
        1,
        "Rows 60: of real.npy hold nothing; there are 50 rows, so slice within 0:50.",
    ),
    f"fit real.npy {FIT} --rows 7:8": (1, "a single row; a model needs at least 2. Give more rows."),
    f"fit real.npy {FIT} --time soon": (2, "The time must be positive, as in 90s, 10m or 2h; got 'soon'."),
    f"fit real.npy {FIT} --time 0": (2, "The time must be positive, as in 90s, 10m or 2h; got '0'."),
    f"fit real.npy {FIT} --time -3m": (2, "The time must be positive, as in 90s, 10m or 2h; got '-3m'."),
    f"fit real.npy {FIT} --epochs 0": (
        2,
        "The 'epochs' parameter of VAE must be an int in the range [1, inf) or None.",
    ),
    f"fit real.npy {FIT} --batch-size 0": (2, "The 'batch_size' parameter of VAE must be an int in the range [1, inf)"),
    f"fit real.npy {FIT} --threads 0": (2, "The 'threads' parameter of VAE must be an int in the range [1, inf)"),
    f"fit real.npy {FIT} --learning-rate 0": (2, "a float in the range (0.0, inf). Got 0.0 instead."),
    f"fit real.npy {FIT} --learning-rate nan": (2, "a float in the range (0.0, inf). Got nan instead."),
    f"fit real.npy {FIT} --beta -1": (2, "The 'beta' parameter of VAE must be a float in the range [0.0, inf)."),
    f"fit real.npy {FIT} --warmup 2": (2, "The 'warmup' parameter of VAE must be a float in the range [0.0, 1.0]."),
    f"fit real.npy {FIT} --valid 1.5": (2, "--valid must be a share from 0 up to below 1, or DATA; got 1.5."),
    f"fit real.npy {FIT} --valid 0.999": (1, "valid"),
    f"fit real.npy {FIT} --valid grey.npy": (1, "A row of the array has shape (6, 6), but"),
    f"fit real.npy {FIT} --valid no.npy": (1, "no.npy does not exist"),
    f"fit real.npy {FIT} --seed -1": (
        2,
        "The 'random_state' parameter of VAE must be an int in the range [0, 4294967295]",
    ),
    f"fit real.npy {FIT} --latent-dim 0": (2, "The 'latent_dim' parameter of VAE must be an int in the range [1, inf)"),
    f"fit real.npy {FIT} --latent-dim two": (2, "--latent-dim must be a whole number or auto; got 'two'."),
    f"fit real.npy {FIT} --latent-dim ''": (2, "--latent-dim must be a whole number or auto; got ''."),
    f"fit real.npy {FIT} --hidden wide": (2, "--hidden must be whole numbers, as in 300,300; got 'wide'."),
    f"fit real.npy {FIT} --hidden 8,0": (2, "hidden must list widths of at least 1, as in (300, 300); got [8, 0]."),
    "fit real.npy -o -": (2, "A model needs a file, beside which its checkpoint lies; got '-'. Give -o NAME.vae."),
    "interpolate real.vae real.npy --between 0 50": (2, "between names row 50, but the data have rows 0 to 49."),
    "interpolate real.vae real.npy --between -1 2": (2, "between names row -1, but the data have rows 0 to 49."),
    "interpolate real.vae real.npy --between 0 1 --steps 1": (2, "steps must be at least 2, the two ends; got 1."),
    "sample real.vae -n 0": (2, "The number of samples must be at least 1; got 0."),
    "sample real.vae --temperature 0": (2, "The temperature must be positive; got 0.0."),
    "sample real.vae --temperature nan": (2, "The temperature must be positive; got nan."),
    "sample real.vae --seed -1": (2, "The seed must be a whole number from 0 on; got -1."),
    "score real.vae real.npy --importance-samples 0": (2, "importance_samples must be at least 1; got 0."),
}

MISUSES = {
    "frobnicate": "No such command 'frobnicate'.",
    "fit": "Missing argument 'DATA'.",
    "fit real.npy": "Missing option '-o' / '--output'.",
    "fit real.npy -o new.vae --epochs many": "Invalid value for '--epochs'",
    "fit real.npy -o new.vae --colour": "No such option: --colour",
    "interpolate real.vae real.npy": "Missing option '--between'.",
    "interpolate real.vae real.npy --between 1": "Option '--between' requires 2 arguments.",
    "sample real.vae -n few": "Invalid value for '-n'",
}


@pytest.mark.parametrize("command", CASES)
def test_bad_input_gets_one_sentence_and_touches_nothing(vaekit, here, command):
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    status, words = CASES[command]
    quiet = ["--quiet"] if command.startswith("fit ") else []
    answer = vaekit(*shlex.split(command), *quiet)
    assert words in answer.err
    assert answer.err.startswith("vaekit: ")
    assert answer.err.count("\n") == 1
    assert "unforeseen" not in answer.err
    assert answer.out == b""
    assert answer.status == status
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("command", MISUSES)
def test_misuse_is_answered_with_the_usage(vaekit, here, command):
    answer = vaekit(*shlex.split(command))
    assert MISUSES[command] in answer.err
    assert "Traceback" not in answer.err
    assert (answer.status, answer.out) == (2, b"")


@pytest.mark.parametrize("command", ["--debug info no.vae", "info no.vae --debug"])
def test_debug_lets_the_error_through(vaekit, command):
    with pytest.raises(vk.ModelFileError, match=r"no\.vae"):
        vaekit(*command.split())  # Python shows it


# -- Python ------------------------------------------------------------------------------------------------------------


def small() -> vk.VAE:
    return vk.VAE(2, epochs=1, hidden=(8,))


def vae(**settings) -> vk.VAE:
    return small().set_params(**settings).fit(ROWS)


def ae(**settings) -> vk.Autoencoder:
    return vk.Autoencoder(2, epochs=1, hidden=(8,), **settings).fit(ROWS)


# what is done: (exception, built-in base, what it says)
PYTHON: dict[str, tuple[Callable[[], object], type[Exception], type[Exception], str]] = {
    "missing file": (lambda: small().fit("no.npy"), vk.SourceError, ValueError, r"no\.npy does not exist"),
    "wrong array name": (lambda: small().fit("two.npz::y"), vk.SourceError, ValueError, "none called 'y'"),
    "truncated file": (lambda: small().fit("cut_table.parquet"), vk.SourceError, ValueError, "cannot be read"),
    "empty": (lambda: small().fit(ROWS[:0]), vk.DataError, ValueError, r"0 sample\(s\)"),
    "no columns": (lambda: small().fit(ROWS[:, :0]), vk.DataError, ValueError, r"0 feature\(s\)"),
    "one row": (lambda: small().fit(ROWS[:1]), vk.DataError, ValueError, "a single row"),
    "one value": (lambda: small().fit(ROWS * 0), vk.DataError, ValueError, "is constant"),
    "inf": (lambda: small().fit(with_value(np.inf)), vk.DataError, ValueError, "value inf in row 3"),
    "texts": (lambda: small().fit([["a", "b"], ["c", "d"]]), vk.DataError, ValueError, "not numbers"),
    "ragged": (lambda: small().fit([[1.0], [1.0, 2.0]]), vk.DataError, ValueError, "rows of equal length"),
    "gap": (lambda: vk.load("real.vae").transform(with_value(np.nan)), vk.DataError, ValueError, "a missing value"),
    "narrow": (lambda: vk.load("real.vae").transform(ROWS[:, :2]), vk.DataError, ValueError, "X has 2 features"),
    "channels": (
        lambda: vk.load("grey.vae").transform("colour.npy"),
        vk.DataError,
        ValueError,
        r"shape \(6, 6, 3\)",
    ),
    "bright": (lambda: vk.load("unit.vae").transform("twice_as_bright.npy"), vk.DataError, ValueError, "0 to 1"),
    "category": (lambda: vk.load("table.vae").transform("paris.csv"), vk.DataError, ValueError, "value Paris in row 0"),
    "column": (lambda: vk.load("table.vae").transform("lacks_city.csv"), vk.DataError, ValueError, "lacks 'city'"),
    "codes": (lambda: vk.load("real.vae").inverse_transform(ROWS), vk.DataError, ValueError, r"shape \(n, 2\)"),
    "labels": (
        lambda: vk.load("real.vae").evaluate(ROWS, np.zeros(7)),
        vk.DataError,
        ValueError,
        "for 30 rows. Give one label a row",
    ),
    "between": (
        lambda: vk.load("real.vae").interpolate(ROWS, (0, 30)),
        vk.ParameterError,
        ValueError,
        "row 30, but the data have rows 0 to 29",
    ),
    "no samples": (lambda: vk.load("real.vae").sample(0), vk.ParameterError, ValueError, "at least 1; got 0"),
    "seed": (lambda: vk.load("real.vae").sample(random_state=-1), vk.ParameterError, ValueError, "from 0 on; got -1"),
    "autoencoder's prior": (lambda: ae(prior="flow"), vk.ParameterError, ValueError, "An autoencoder has one layer"),
    "autoencoder's levels": (lambda: ae(levels=2), vk.ParameterError, ValueError, "Leave both, or use a VAE"),
    "autoencoder's free nats": (lambda: ae(free_nats=0.1), vk.ParameterError, ValueError, "objective 'elbo'; got"),
    "layers of a vamp": (lambda: vae(prior="vamp", levels=2), vk.ParameterError, ValueError, "one stochastic layer"),
    "strength of nothing": (lambda: vae(strength=2), vk.ParameterError, ValueError, "'elbo' has no strength; got"),
    "share": (lambda: ae(objective="denoising", strength=2), vk.ParameterError, ValueError, "a number from 0 to 1"),
    "VAE's penalty": (
        lambda: ae(objective="dip"),
        vk.ParameterError,
        ValueError,
        "'dip' is for a VAE; got model",
    ),
    "code's penalty": (
        lambda: vae(objective="rae"),
        vk.ParameterError,
        ValueError,
        "for an autoencoder; got",
    ),
    "tcvae's layers": (lambda: vae(objective="tcvae", levels=2), vk.ParameterError, ValueError, "or levels=1"),
    "wae's prior": (lambda: vae(objective="wae", prior="flow"), vk.ParameterError, ValueError, "got prior='flow'"),
    "second derivative": (
        lambda: ae(objective="contractive", compile="yes"),
        vk.ParameterError,
        ValueError,
        "does not compile; got compile='yes'",
    ),
    "free nats": (lambda: vae(objective="dreg", free_nats=1), vk.ParameterError, ValueError, "got objective='dreg'"),
    "levels": (lambda: vae(levels=3), vk.ParameterError, ValueError, "Each of 3 stochastic layers needs a latent unit"),
    "setting": (lambda: small().set_params(beta=-1).fit(ROWS), vk.ParameterError, ValueError, "'beta' parameter"),
    "damaged model": (lambda: vk.load("cut.vae"), vk.ModelFileError, ValueError, "is damaged"),
    "newer model": (lambda: vk.load("newer.vae"), vk.ModelFileError, ValueError, "has format 99"),
    "no model": (lambda: vk.load("no.vae"), vk.ModelFileError, ValueError, "There is no file"),
    "folder": (lambda: vk.load("real.vae").save("pictures"), vk.OutputError, OSError, "is a folder"),
    "no folder": (lambda: vk.load("real.vae").save("no/m.vae"), vk.OutputError, OSError, "mkdir -p no"),
}


@pytest.mark.parametrize("case", PYTHON)
def test_bad_input_raises_what_python_people_expect(here, case):
    act, own, builtin, words = PYTHON[case]
    with pytest.raises(own, match=words) as raised:
        act()
    assert isinstance(raised.value, builtin)


def test_an_unfitted_model_says_so():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError, match="not fitted"):
        small().transform(ROWS)


# -- a damaged model file ----------------------------------------------------------------------------------------------


def assert_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(vk.ModelFileError, match=f"{path.name} is "):
        vk.load(path)


def test_a_model_cut_at_any_of_its_first_bytes_is_refused(room, tmp_path):
    content = (room / "real.vae").read_bytes()
    for length in range(200):
        assert_refused(tmp_path / "m.vae", content[:length])


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_model_cut_anywhere_is_refused(room, tmp_path_factory, share):
    content = (room / "real.vae").read_bytes()
    assert_refused(tmp_path_factory.getbasetemp() / "m.vae", content[: int(share * len(content))])


def test_a_model_with_any_of_its_first_bytes_flipped_is_refused(room, tmp_path):
    content = (room / "real.vae").read_bytes()
    for at in range(200):
        assert_refused(tmp_path / "m.vae", content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


@given(share=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_model_with_any_byte_changed_is_refused(room, tmp_path_factory, share, flip):
    content = (room / "real.vae").read_bytes()
    at = int(share * len(content))
    changed = content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :]
    assert_refused(tmp_path_factory.getbasetemp() / "m.vae", changed)


def test_a_model_with_bytes_added_is_refused(room, tmp_path):
    assert_refused(tmp_path / "m.vae", (room / "real.vae").read_bytes() + b"\0")


# -- a full or forbidden disk ------------------------------------------------------------------------------------------


@pytest.fixture
def work(room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with data and an older model; checkpoints are written after every epoch."""
    (tmp_path / "real.npy").write_bytes((room / "real.npy").read_bytes())
    (tmp_path / "m.vae").write_bytes((room / "grey.vae").read_bytes())
    monkeypatch.setattr("vaekit.training.checkpoints.Checkpoint.is_due", lambda self: True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fill_the_disk_after(monkeypatch: pytest.MonkeyPatch, n_files: int) -> None:
    real, left = os.fsync, iter(range(2 * n_files))  # each file is synced, and so is its folder

    def fsync(descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr("vaekit.data.files.os.fsync", fsync)


TRAIN = ("fit", "real.npy", "-o", "m.vae", "--epochs", 4, "--hidden", 8, "--latent-dim", 2, "--quiet")


def test_a_disk_full_at_a_checkpoint_leaves_the_last_one_and_the_older_model(vaekit, work, room, monkeypatch):
    fill_the_disk_after(monkeypatch, 2)
    answer = vaekit(*TRAIN)
    assert answer.err == (
        "vaekit: m.vae.checkpoint cannot be written: No space left on device; free some space or choose another disk.\n"
    )
    assert answer.status == 1
    assert (work / "m.vae").read_bytes() == (room / "grey.vae").read_bytes()
    assert sorted(os.listdir(work)) == ["m.vae", "m.vae.checkpoint", "real.npy"]
    read_tensors(work / "m.vae.checkpoint")  # whole


def test_a_disk_full_at_the_model_leaves_the_run_and_the_older_model(vaekit, work, room, monkeypatch):
    fill_the_disk_after(monkeypatch, 3)  # the last of four epochs leaves no checkpoint
    answer = vaekit(*TRAIN)
    assert "vaekit: m.vae cannot be written: No space left on device" in answer.err
    assert answer.status == 1
    assert (work / "m.vae").read_bytes() == (room / "grey.vae").read_bytes()
    assert sorted(os.listdir(work)) == ["m.vae", "m.vae.checkpoint", "real.npy"]


def test_a_full_disk_hurts_no_result_that_is_there(vaekit, work, monkeypatch):
    (work / "z.csv").write_text("precious")
    fill_the_disk_after(monkeypatch, 0)
    answer = vaekit("sample", "m.vae", "-o", "z.npy")
    assert "z.npy cannot be written: No space left on device; free some space" in answer.err
    assert (work / "z.csv").read_text() == "precious"
    assert sorted(os.listdir(work)) == ["m.vae", "real.npy", "z.csv"]


def test_an_output_that_may_not_be_written_is_refused_before_the_work(vaekit, here, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    answer = vaekit("fit", "no.npy", "-o", "real.vae")
    assert answer.err.startswith("vaekit: real.vae is read-only; choose another path or make it writable: chmod u+w")
    assert answer.status == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", ["info real.vae", "score real.vae real.npy"])
def test_standard_output_on_a_full_disk_is_told(room, command):
    with open("/dev/full", "wb") as full:
        words = [sys.executable, "-m", "vaekit", *command.split()]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, cwd=room, check=False)
    assert done.returncode == 1
    assert done.stderr.lower().startswith("vaekit: standard output")
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


def test_read_is_what_the_cases_stand_on(here):
    assert read("two.npz::x_test").shape == (9, 6, 6)
