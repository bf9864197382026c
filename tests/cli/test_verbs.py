"""Every verb, end to end, on every sort of data; what goes to standard output, what to standard error."""

import contextlib
import io
import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_iris

from vaekit.cli.app import VERBS
from vaekit.data.readers import read
from vaekit.data.writers import write

FIT = ("--epochs", 2, "--hidden", 8, "--latent-dim", 2)

# verb: the names its JSON must have, by the interface
EVALUATE_KEYS = {
    *("n", "elbo_nats", "nll_nats", "bits_per_dim", "reconstruction_nats", "kl_nats", "active_units", "latent_dim"),
    "mse",
}
SCORE_COLUMNS = ["log_likelihood_nats", "bits_per_dim", "oddity_nats", "tail_probability"]


@pytest.fixture
def here(room, monkeypatch):
    monkeypatch.chdir(room)
    return room


@pytest.fixture(scope="session")
def pictures(room, vaekit):
    """A folder of PNGs and the model fitted on it."""
    write(np.load(room / "grey.npy"), f"{room}/folder/")
    assert vaekit("fit", room / "folder", "-o", room / "folder.vae", *FIT).status == 0
    return room


def table_of(answer):
    return pl.read_csv(answer.out)


def array_of(answer):
    return np.load(io.BytesIO(answer.out))


# -- one chain for each sort of data -----------------------------------------------------------------------------------

# data: (suffix of its results, shape of a row, model)
SORTS = {
    "builtin:digits": ("npy", (8, 8), "digits.vae"),
    "two.npz::x_train": ("npy", (6, 6), "npz.vae"),
    "folder": ("npy", (6, 6), "folder.vae"),
    "table.csv": ("csv", (4,), "table.vae"),
    "table.parquet": ("parquet", (4,), "parquet.vae"),
    "real.npy": ("npy", (3,), "real.vae"),
}


@pytest.mark.parametrize("data", SORTS)
def test_every_verb_on_every_sort_of_data(vaekit, pictures, here, tmp_path, data):
    suffix, shape, model = SORTS[data]
    if not (here / model).exists():
        fitted = vaekit("fit", data, "-o", model, *FIT, "--rows", "0:200")
        assert (fitted.status, fitted.out) == (0, b"")
        assert f"wrote {model}" in fitted.err
    out = tmp_path / f"out.{suffix}"

    for words, n_rows in (
        (("reconstruct", model, data, "--rows", "0:9"), 9),
        (("sample", model, "-n", 5), 5),
        (("interpolate", model, data, "--between", 0, 7, "--steps", 4), 4),
    ):
        answer = vaekit(*words, "-o", out)
        assert (answer.status, answer.out, answer.err) == (0, b"", ""), words
        result = read(out)
        assert result.shape == (n_rows, *shape)
        if suffix != "npy":
            learned = pl.read_parquet("table.parquet")
            assert result.columns == learned.columns
            assert set(result["city"]) <= {"Bern", "Oslo", "Rome"}
            if suffix == "parquet":
                assert result.dtypes == learned.dtypes

    codes = array_of(vaekit("embed", model, data, "--rows", "0:9"))
    assert codes.shape == (9, 2)
    assert vaekit("embed", model, data, "--rows", "0:9", "-o", tmp_path / "codes.csv").status == 0
    table = read(tmp_path / "codes.csv")
    assert table.columns == ["z0", "z1"]
    np.testing.assert_array_equal(table.to_numpy().astype(np.float32), codes)

    scores = table_of(vaekit("score", model, data, "--rows", "0:9", "--importance-samples", 4))
    assert scores.columns == SCORE_COLUMNS
    assert len(scores) == 9
    assert scores["tail_probability"].is_between(0, 1, closed="right").all()

    figures = json.loads(vaekit("evaluate", model, data, "--json", "--rows", "0:30").text)
    assert figures.keys() >= EVALUATE_KEYS
    assert (figures["n"], figures["latent_dim"]) == (30, 2)
    assert figures["elbo_nats"] == pytest.approx(figures["reconstruction_nats"] - figures["kl_nats"], abs=1e-3)
    assert -figures["nll_nats"] >= figures["elbo_nats"]
    assert figures["bits_per_dim"] == pytest.approx(figures["nll_nats"] / np.prod(shape) / np.log(2))

    told = vaekit("info", model).text
    assert "2 units" in told
    assert "latent units:" in told


def test_the_command_answers_what_python_answers(vaekit, here):
    import vaekit as vk

    model, rows = vk.load("table.vae"), read("table.csv")
    np.testing.assert_array_equal(array_of(vaekit("embed", "table.vae", "table.csv")), model.transform(rows))
    told = table_of(vaekit("score", "table.vae", "table.csv"))["log_likelihood_nats"].to_numpy()
    np.testing.assert_allclose(told, model.score_samples(rows), rtol=1e-12)
    assert json.loads(vaekit("evaluate", "table.vae", "table.csv", "--json").text) == model.evaluate(rows)


def test_pictures_come_out_as_a_grid_and_as_a_folder(vaekit, pictures, here, tmp_path):
    assert vaekit("sample", "grey.vae", "-n", 4, "-o", tmp_path / "grid.png").status == 0
    assert read(tmp_path / "grid.png").shape == (1, 62, 62)  # two of 5 · 6 pixels and a gap of 2
    assert vaekit("interpolate", "grey.vae", "grey.npy", "--between", 0, 1, "-o", tmp_path / "path.png").status == 0
    assert read(tmp_path / "path.png").shape == (1, 30, 10 * 32 - 2)  # side by side
    assert vaekit("reconstruct", "folder.vae", "folder", "-o", f"{tmp_path}/again/").status == 0
    assert read(tmp_path / "again").shape == read("folder").shape


def test_the_whitest_level_of_the_data_is_white(vaekit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sixteen = np.where(np.arange(30)[:, None, None] % 2, 16, 0) * np.ones((30, 4, 4), np.uint8)
    sixteen[0, 0, 0] = 9
    write(sixteen.astype(np.uint8), "x.npy")
    assert vaekit("fit", "x.npy", "-o", "m.vae", *FIT).status == 0
    assert vaekit("sample", "m.vae", "-n", 1, "-o", "x.png").status == 0
    levels = array_of(vaekit("sample", "m.vae", "-n", 1))[0]
    np.testing.assert_array_equal(read("x.png")[0], np.rint(levels * (255 / 16)))


def test_other_seeds_draw_other_rows_and_the_same_seed_the_same(vaekit, here):
    first, again, other = (vaekit("sample", "real.vae", "--seed", seed).out for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_low_temperature_draws_codes_nearer_to_the_middle(vaekit, here):
    spread = [
        array_of(vaekit("sample", "grey.vae", "-n", 200, "--temperature", t)).std(axis=0).mean() for t in (0.01, 3)
    ]
    assert spread[0] < spread[1]


def test_labels_add_the_accuracy_of_neighbours(vaekit, here, tmp_path):
    write(np.repeat([0, 1], 25), tmp_path / "y.npy")
    answer = vaekit("evaluate", "real.vae", "real.npy", "--labels", tmp_path / "y.npy", "--json")
    assert 0 <= json.loads(answer.text)["knn_accuracy"] <= 1
    assert "knn_accuracy" in vaekit("evaluate", "real.vae", "real.npy", "--labels", tmp_path / "y.npy").text


# -- pipes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["table.csv", "grey.npy", "table.parquet"])
def test_standard_input_is_data(vaekit, here, tmp_path, name):
    content = (here / name).read_bytes()
    assert vaekit("fit", "-", "-o", tmp_path / "m.vae", *FIT, stdin=content).status == 0
    piped = vaekit("embed", tmp_path / "m.vae", "-", stdin=content)
    assert array_of(piped).shape == (len(read(name)), 2)
    assert piped.out == vaekit("embed", tmp_path / "m.vae", name).out


def test_a_named_array_of_a_piped_archive(vaekit, here):
    content = (here / "two.npz").read_bytes()
    assert "name one, after --: -::x_train" in vaekit("embed", "grey.vae", "-", stdin=content).err
    piped = vaekit("embed", "grey.vae", "--", "-::x_test", stdin=content)
    assert array_of(piped).shape == (9, 2)


def test_a_dash_writes_to_standard_output(vaekit, here):
    assert vaekit("score", "real.vae", "real.npy", "-o", "-").out == vaekit("score", "real.vae", "real.npy").out
    assert not (here / "-").exists()


def test_a_reader_that_leaves_early_is_no_error(here):
    words = [sys.executable, "-m", "vaekit", "score", "real.vae", "real.npy"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as score:
        score.stdout.close()
        assert score.stderr.read() == b""
    assert score.returncode == 1


# -- streams, --json, --quiet, --log -----------------------------------------------------------------------------------


def test_fit_tells_its_progress_on_standard_error_in_plain_lines(vaekit, here, tmp_path):
    answer = vaekit("fit", "table.csv", "-o", tmp_path / "m.vae", *FIT)
    assert answer.out == b""
    assert "\x1b" not in answer.err
    assert "\r" not in answer.err
    for words in ("60 rows", "height  real", "2 epochs", "epoch 2/2", "nats", "bits/dim", "finished after", "wrote"):
        assert words in answer.err
    assert sum(line[:2] in ("ok", "!!") for line in answer.err.splitlines()) == 4  # the findings


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_fit_draws_a_bar_on_a_terminal(here, tmp_path):
    import pty

    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"}
    words = [sys.executable, "-m", "vaekit", "fit", "real.npy", "-o", tmp_path / "m.vae", *map(str, FIT), "--json"]
    fit = subprocess.run(words, stdout=subprocess.PIPE, stderr=theirs, env=environment, check=True)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    told = shown.decode()
    assert "━" in told
    assert "epoch 2/2" in told
    assert told.rindex("\x1b[?25h") > told.rindex("\x1b[?25l")  # the cursor is there again
    assert json.loads(fit.stdout)["reason"] == "finished"


def test_fit_states_the_likelihood_it_chose(vaekit, here, tmp_path):
    told = vaekit("fit", "grey.npy", "-o", tmp_path / "m.vae", *FIT).err
    assert "(0 to 255 in 256 levels) → discretized-logistic" in told
    assert "numbers below are nats per row and bits per pixel" in told


def test_quiet_is_silent(vaekit, here, tmp_path):
    answer = vaekit("fit", "table.csv", "-o", tmp_path / "m.vae", *FIT, "--quiet")
    assert (answer.status, answer.out, answer.err) == (0, b"", "")
    assert (tmp_path / "m.vae").exists()


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_fit_prints_one_json_object(vaekit, here, tmp_path, quiet):
    answer = vaekit("fit", "table.csv", "-o", tmp_path / "m.vae", *FIT, "--json", *quiet)
    figures = json.loads(answer.text)
    assert figures["model"] == str(tmp_path / "m.vae")
    assert figures["reason"] == "finished"
    assert figures["latent_dim"] == 2
    assert figures.keys() >= {"seconds", "active_units", "train_elbo_nats", "valid_elbo_nats", "without_latent_nats"}
    again = vaekit("fit", "table.csv", "-o", tmp_path / "m.vae", *FIT, "--json", "--resume")
    assert json.loads(again.text) == figures
    assert "is finished; there is nothing to resume" in again.err


def test_info_prints_one_json_object(vaekit, here):
    header = json.loads(vaekit("info", "table.vae", "--json").text)
    assert header.keys() == {"format", "vaekit", "architecture", "units", "schema", "record", "weights_sha256"}


def test_evaluate_prints_a_line_for_each_figure(vaekit, here):
    lines = vaekit("evaluate", "real.vae", "real.npy").text.splitlines()
    assert {line.split()[0] for line in lines} >= EVALUATE_KEYS


def test_the_log_is_one_event_a_line(vaekit, here, tmp_path):
    log = tmp_path / "run.jsonl"
    for _ in range(2):  # it is appended to
        assert vaekit("fit", "real.npy", "-o", tmp_path / "m.vae", *FIT, "--quiet", "--log", log).status == 0
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [e["event"] for e in events] == 2 * ["Note", "Note", "Began", "EpochEnded", "EpochEnded", "Ended"]
    assert [e["epoch"] for e in events if e["event"] == "EpochEnded"] == [1, 2, 1, 2]


def test_letters_that_the_terminal_lacks_are_no_failure(here):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    words = [sys.executable, "-m", "vaekit", "info", "grey.vae"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"pictures of 6 \xd7 6" in done.stdout


# -- options of fit ----------------------------------------------------------------------------------------------------


def fitted_header(vaekit, tmp_path, *words):
    answer = vaekit("fit", *words, "-o", tmp_path / "m.vae", "--epochs", 2, "--quiet")
    assert answer.status == 0, answer.err
    return json.loads(vaekit("info", tmp_path / "m.vae", "--json").text)


def test_every_option_of_fit_reaches_the_model(vaekit, here, tmp_path):
    header = fitted_header(
        *(vaekit, tmp_path, "real.npy", "--model", "autoencoder", "--latent-dim", 1, "--hidden", "9,5"),
        *("--activation", "relu", "--likelihood", "student-t", "--batch-size", 7, "--learning-rate", "1e-3"),
        *(
            "--weight-decay",
            0,
            "--warmup",
            0.3,
            "--beta",
            0.5,
            "--seed",
            5,
            "--threads",
            1,
            "--precision",
            "float32",
            "--valid",
            0.2,
        ),
    )
    architecture, settings = header["architecture"], header["record"]["settings"]
    assert architecture["model"] == "autoencoder"
    assert (architecture["latent_dim"], architecture["hidden"], architecture["activation"]) == (1, [9, 5], "relu")
    assert (architecture["likelihoods"], architecture["prior"]) == (["student-t"], "mixture")
    assert settings["objective"] == "reconstruction"
    assert [settings[k] for k in ("batch_size", "learning_rate", "warmup", "beta", "seed")] == [7, 1e-3, 0.3, 0.5, 5]
    assert settings["weight_decay"] == 0
    assert header["record"]["held_out_rows"] == 10


def test_kinds_are_declared_on_the_command_line(vaekit, here, tmp_path):
    header = fitted_header(vaekit, tmp_path, "table.csv", "--kinds", "visits=real, smokes=categorical")
    kinds = {field["name"]: field["kind"] for field in header["schema"]["fields"]}
    assert kinds == {"height": "real", "visits": "real", "smokes": "categorical", "city": "categorical"}


def test_held_out_rows_may_be_a_file(vaekit, here, tmp_path):
    header = fitted_header(vaekit, tmp_path, "two.npz::x_train", "--valid", "two.npz::x_test")
    assert header["record"]["held_out_rows"] == 9


def test_auto_keeps_the_active_units(vaekit, here, tmp_path):
    header = fitted_header(vaekit, tmp_path, "grey.npy", "--latent-dim", "auto")
    metrics = header["record"]["metrics"]
    assert len(header["units"]) == metrics["latent_dim"] <= metrics["n_units_tried"] == 18


# -- help --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [verb.__name__ for verb in VERBS])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_verb_has_help_with_an_example(vaekit, verb, option):
    answer = vaekit(verb, option)
    assert (answer.status, answer.err) == (0, "")
    assert f"Usage: vaekit {verb}" in answer.text
    assert f"Example: vaekit {verb}" in answer.text


def test_help_lists_every_verb(vaekit):
    answer = vaekit("--help")
    assert answer.status == 0
    assert all(f"  {verb.__name__} " in answer.text for verb in VERBS)
    assert vaekit().status == 2


@pytest.mark.parametrize("word", ["--help", "fit --help", "--version"])
def test_help_imports_nothing_heavy(word):
    program = (
        "import sys; from vaekit.cli import main\n"
        f"sys.argv = ['vaekit', *{word.split()!r}]\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(done.stderr.split())
    assert "vaekit.cli.fit" in modules
    assert not modules & {"torch", "numpy", "sklearn", "polars", "scipy", "PIL", "rich", "matplotlib"}


def test_version_is_the_package_s(vaekit):
    import vaekit as vk

    assert vaekit("--version").text == f"{vk.__version__}\n"


def test_demo_does_every_job(vaekit, tmp_path, monkeypatch):
    ran = []

    def run(words, check):
        ran.append(words[3:])
        return subprocess.CompletedProcess(words, 3 if len(ran) == 19 else 0)

    monkeypatch.setattr("vaekit.cli.demo.subprocess.run", run)
    answer = vaekit("demo", "-o", tmp_path / "demo")
    assert answer.status == 0
    kept_out = {"demo", "sweep", "export", "push", "pull", "serve"}  # but the first, these need an extra or the network
    assert {words[0] for words in ran} == {verb.__name__ for verb in VERBS} - kept_out
    assert answer.text.count("\n$ vaekit ") == len(ran) == 18
    assert (tmp_path / "demo").is_dir()
    assert vaekit("demo", "-o", tmp_path / "demo").status == 3  # the status of the step that failed


# -- classes -----------------------------------------------------------------------------------------------------------


def test_classes_are_learned_told_and_drawn(vaekit, tmp_path):
    flowers = load_iris(as_frame=True)
    table = flowers.frame.assign(target=flowers.target_names[flowers.target])
    table.loc[::3, "target"] = None
    table.to_csv(tmp_path / "iris.csv", index=False)
    model = tmp_path / "m.vae"
    assert vaekit("fit", tmp_path / "iris.csv", "-o", model, "--labels", "target", "--epochs", "30", "-q").status == 0
    assert "classes    target: setosa, versicolor, virginica" in vaekit("info", model).text
    told = vaekit("classify", model, tmp_path / "iris.csv", "-o", tmp_path / "classes.csv", "-q")
    assert told.status == 0
    classes = pl.read_csv(tmp_path / "classes.csv")
    assert classes.columns == ["target", "p(setosa)", "p(versicolor)", "p(virginica)"]
    assert (classes["target"].to_numpy() == flowers.target_names[flowers.target]).mean() > 0.8
    assert vaekit("sample", model, "-n", "3", "--given", "target=virginica", "-o", tmp_path / "new.csv").status == 0
    wrong = vaekit("sample", model, "-n", "3", "--given", "target=rose", "-o", tmp_path / "new.csv")
    assert wrong.status == 2
    assert "No row has target 'rose'. Its classes are setosa, versicolor, virginica." in wrong.err
