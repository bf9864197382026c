"""A run killed at any moment, or interrupted, goes on to the same weights as one never stopped."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaekit.cli import main
from vaekit.errors import TrainingError
from vaekit.storage.header import read_header
from vaekit.storage.model_file import weights_digest
from vaekit.storage.tensor_file import read_tensors
from vaekit.training.checkpoints import Checkpoint
from vaekit.training.loop import Run

ROWS = np.random.default_rng(0).normal(size=(1000, 6)) @ np.random.default_rng(1).normal(size=(6, 6))
OPTIONS = ("--epochs", "40", "--hidden", "16", "--latent-dim", "auto", "--batch-size", "32", "--threads", "1")

# The command as it is, but for checkpoints so frequent that a kill often meets one being written.
PROGRAM = """
import sys
from vaekit.training.checkpoints import Checkpoint
Checkpoint.__init__.__defaults__ = (0.02,)
from vaekit.cli import main
sys.argv[0] = "vaekit"
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    np.save(folder / "x.npy", ROWS)
    return folder


@pytest.fixture(scope="module")
def never_stopped(folder):
    """The header of the model of a run that was never stopped."""
    run_here(folder, "fit", "x.npy", "-o", "whole.vae", *OPTIONS, "--quiet")
    return read_header(folder / "whole.vae")


def run_here(folder: Path, *words: str) -> None:
    """Run the command in this process, to its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["vaekit", *words])
        with pytest.raises(SystemExit, match="0"):
            main()


def start(folder: Path, *words: str) -> subprocess.Popen:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *words], cwd=folder, text=True, **pipes)


def wait_for_a_checkpoint(path: Path, process: subprocess.Popen) -> None:
    before = path.stat().st_mtime_ns if path.exists() else 0
    deadline = time.monotonic() + 60
    while not path.exists() or path.stat().st_mtime_ns == before:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def without_clock(header):
    """Return a run's history but for what the machine's speed decides."""
    clock = {"seconds", "rows_per_second"}
    return [{k: v for k, v in row.items() if k not in clock} for row in header["record"]["history"]]


def assert_same_run(header, reference):
    assert header["weights_sha256"] == reference["weights_sha256"]
    assert without_clock(header) == without_clock(reference)
    assert header["record"]["metrics"] == reference["record"]["metrics"]
    assert header["record"]["held_out_rows"] == reference["record"]["held_out_rows"]


# -- for real, in child processes --------------------------------------------------------------------------------------


def test_a_run_killed_again_and_again_ends_with_the_same_weights(folder, never_stopped, capsys):
    fit = ("fit", "x.npy", "-o", "killed.vae", *OPTIONS, "--resume")
    checkpoint, reached = folder / "killed.vae.checkpoint", []
    for moment in (0.0, 0.013, random.uniform(0, 0.15)):
        with start(folder, *fit) as process:
            wait_for_a_checkpoint(checkpoint, process)
            time.sleep(moment)
            assert process.poll() is None, "the run is too short to be killed"
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert not (folder / "killed.vae").exists()
        facts = read_tensors(checkpoint)[1]["facts"]  # whole, whenever the kill came
        reached.append((facts["epoch"], facts["step"]))
    assert reached == sorted(reached)
    assert len(set(reached)) == len(reached)

    run_here(folder, *fit)
    assert f"going on after epoch {reached[-1][0]}, step {reached[-1][1]}" in capsys.readouterr().err
    assert_same_run(read_header(folder / "killed.vae"), never_stopped)
    assert not checkpoint.exists()


def test_ctrl_c_keeps_the_best_model_and_the_way_on(folder, never_stopped):
    fit = ("fit", "x.npy", "-o", "stopped.vae", *OPTIONS)
    with start(folder, *fit) as process:
        wait_for_a_checkpoint(folder / "stopped.vae.checkpoint", process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 1
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (
        "vaekit: interrupted; the best model so far is in stopped.vae. Go on with the same command and --resume."
    )
    header = read_header(folder / "stopped.vae")
    assert header["record"]["reason"] == "interrupted"
    assert header["weights_sha256"] != never_stopped["weights_sha256"]
    best = max(row["valid_elbo_nats"] for row in header["record"]["history"])
    assert header["record"]["metrics"]["valid_elbo_nats"] == pytest.approx(best, abs=0.5)  # with other noise

    run_here(folder, *fit, "--resume")
    assert_same_run(read_header(folder / "stopped.vae"), never_stopped)
    leftovers = {name for name in os.listdir(folder) if name.startswith((".", "stopped"))}
    assert leftovers == {"stopped.vae"}


# -- the same in this process, where every moment can be chosen --------------------------------------------------------


@pytest.fixture
def vaekit(tmp_path, monkeypatch, capsys):
    """Run the command in this process, in a folder of its own; a checkpoint is written after every round."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Checkpoint, "is_due", lambda self: True)
    np.save("x.npy", ROWS[:60])

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["vaekit", *words])
        with pytest.raises(SystemExit) as left:
            main()
        shown = capsys.readouterr()
        return left.value.code, shown.out, shown.err

    return run


SMALL = ("fit", "x.npy", "-o", "m.vae", "--epochs", "6", "--hidden", "4", "--latent-dim", "2")


def stop_at_round(monkeypatch, number, error=KeyboardInterrupt):
    rounds, real = itertools.count(1), Run._round

    def _round(self):
        if next(rounds) == number:
            raise error
        real(self)

    monkeypatch.setattr(Run, "_round", _round)


def digest_of(path):
    return read_header(path)["weights_sha256"]


@pytest.fixture
def whole(vaekit):
    assert vaekit(*SMALL, "--quiet")[0] == 0
    reference = digest_of("m.vae")
    os.remove("m.vae")
    return reference


def test_an_interruption_before_the_first_checkpoint_can_be_resumed(vaekit, whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "is_due", lambda self: False)
        stop_at_round(patch, 3)
        assert vaekit(*SMALL)[0] == 1
    assert os.path.exists("m.vae")
    assert not os.path.exists("m.vae.checkpoint")
    assert vaekit(*SMALL, "--resume")[0] == 0
    assert digest_of("m.vae") == whole


def test_a_finished_run_says_so_and_stays(vaekit, whole):
    vaekit(*SMALL)
    content = Path("m.vae").read_bytes()
    assert vaekit(*SMALL, "--resume") == (0, "", "m.vae is finished; there is nothing to resume.\n")
    status, out, _ = vaekit(*SMALL, "--resume", "--json", "--quiet")
    assert (status, json.loads(out)["reason"]) == (0, read_header("m.vae")["record"]["reason"])
    assert Path("m.vae").read_bytes() == content


def test_without_resume_a_run_starts_anew_and_says_what_it_passes_over(vaekit, whole, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at_round(patch, 4)
        assert vaekit(*SMALL)[0] == 1
    status, _, err = vaekit(*SMALL)
    assert status == 0
    assert "m.vae.checkpoint is left of an interrupted run; starting anew (--resume would go on with it)." in err
    assert digest_of("m.vae") == whole


OTHER_DATA = "is the checkpoint of a run with other settings or other data. Give the same DATA and options, or start"


@pytest.mark.parametrize(
    "change",
    [
        ("--epochs", "7"),
        ("--seed", "1"),
        ("--hidden", "5"),
        ("--learning-rate", "1e-3"),
        ("--batch-size", "8"),
        ("--rows", "0:50"),
        ("--likelihood", "student-t"),
        ("--valid", "0.2"),
        ("--prior", "flow"),
        ("--levels", "2"),
        ("--objective", "iwae"),
        ("--draws", "2"),
        ("--objective", "mmd"),
        ("--free-nats", "0.1"),
        ("--cycles", "2"),
    ],
)
def test_resuming_with_other_settings_or_data_is_refused(vaekit, monkeypatch, change):
    with monkeypatch.context() as patch:
        stop_at_round(patch, 3)
        vaekit(*SMALL, "--quiet")
    before = Path("m.vae.checkpoint").read_bytes()
    status, out, err = vaekit(*SMALL, *change, "--resume", "--quiet")
    assert (status, out) == (1, "")
    assert err.startswith(f"vaekit: m.vae.checkpoint {OTHER_DATA}")
    assert err.count("\n") == 1
    assert Path("m.vae.checkpoint").read_bytes() == before


PICTURES = np.random.default_rng(2).integers(0, 256, (60, 3, 3), dtype=np.uint8)

CHANGES = {
    "one pixel": lambda rows: np.where(np.arange(540).reshape(60, 3, 3) == 7, 255 - rows, rows),
    "reversed": lambda rows: rows[::-1],
    "two rows swapped": lambda rows: rows[[0, 1, 3, 2, *range(4, 60)]],
    "transposed": lambda rows: rows.swapaxes(1, 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_resuming_with_changed_data_is_refused(vaekit, monkeypatch, change):
    np.save("x.npy", PICTURES)
    with monkeypatch.context() as patch:
        stop_at_round(patch, 3)
        vaekit(*SMALL, "--quiet")
    np.save("x.npy", CHANGES[change](PICTURES))
    status, _, err = vaekit(*SMALL, "--resume", "--quiet")
    assert status == 1
    assert OTHER_DATA in err


def test_a_damaged_checkpoint_is_refused_in_a_sentence(vaekit, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at_round(patch, 3)
        vaekit(*SMALL, "--quiet")
    content = Path("m.vae.checkpoint").read_bytes()
    Path("m.vae.checkpoint").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    status, _, err = vaekit(*SMALL, "--resume", "--quiet")
    assert status == 1
    assert err.startswith("vaekit: m.vae.checkpoint is missing or damaged. Start anew without --resume.")


class Killed(BaseException):
    """Stops a run without its knowing, as SIGKILL does."""


def assert_stopping_does_not_matter(make_run, path, moments, **settings):
    """Compare a run stopped after some rounds, and resumed each time, with one never stopped."""
    whole = make_run(epochs=6, **settings)
    whole.train()
    for stop in (*moments, 10**6):
        checkpoint = Checkpoint(path, "the same", least_seconds=0.0)
        checkpoint.wait = 0.0
        run = make_run(epochs=6, checkpoint=checkpoint, **settings)
        if checkpoint.exists():
            run.resume()
        try:
            with pytest.MonkeyPatch.context() as patch:
                stop_at_round(patch, stop, Killed)
                run.train()
        except Killed:
            continue
        break
    assert run.facts.reason == whole.facts.reason
    assert weights_digest(run.model.state_dict()) == weights_digest(whole.model.state_dict())
    assert [r["elbo_nats"] for r in run.history.rows] == [r["elbo_nats"] for r in whole.history.rows]
    path.unlink()


@given(moment=st.integers(1, 12), again=st.integers(1, 12))
@settings(max_examples=15)
def test_a_run_stopped_after_any_round_and_resumed_ends_with_the_same_weights(
    make_run, tmp_path_factory, moment, again
):
    path = tmp_path_factory.getbasetemp() / f"c{moment}-{again}"
    assert_stopping_does_not_matter(make_run, path, (moment, again))


LEARNED = {
    "layers": {"latent_dim": 4, "levels": 2, "prior": "autoregressive", "objective": "iwae"},
    "cycles": {"latent_dim": 3, "prior": "flow", "free_nats": 0.1, "draws": 2, "cycles": 3, "warmup": 0.5},
    "vamp": {"latent_dim": 2, "prior": "vamp", "objective": "dreg", "draws": 3},
    "critic": {"latent_dim": 3, "objective": "factor", "strength": 5.0},
}


@pytest.mark.parametrize("case", LEARNED)
def test_learned_priors_layers_and_objectives_resume_alike(make_run, tmp_path, case):
    assert_stopping_does_not_matter(make_run, tmp_path / "c", (3, 2), **LEARNED[case])


def test_a_roll_back_is_remembered_over_a_resume(make_run, tmp_path):
    first = make_run(epochs=2, checkpoint=Checkpoint(tmp_path / "c", "same", least_seconds=0.0))
    first.facts.rate_factor = 0.25
    first.checkpoint.write(first.tensors(), vars(first.facts))
    second = make_run(epochs=2, checkpoint=Checkpoint(tmp_path / "c", "same"))
    second.resume()
    assert second.facts.rate_factor == 0.25


def test_a_checkpoint_costs_little_of_the_time(tmp_path, monkeypatch):
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    checkpoint = Checkpoint(tmp_path / "c", "", least_seconds=2.0)
    checkpoint.write({}, {})  # takes three of this clock's seconds
    assert checkpoint.wait == 150


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    Checkpoint(tmp_path / "c", "one").write({}, {"epoch": 1})
    assert Checkpoint(tmp_path / "c", "one").read()[1] == {"epoch": 1}
    with pytest.raises(TrainingError, match="other settings or other data"):
        Checkpoint(tmp_path / "c", "two").read()


def test_a_missing_checkpoint_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="is missing or damaged"):
        Checkpoint(tmp_path / "c", "one").read()
