"""A sweep keeps the best of its models, goes on where it stopped, and is the same for the same seed."""

import json
import math
import sys

import numpy as np
import pytest

import vaekit
from vaekit.data.builtin import load
from vaekit.errors import MissingExtraError, ParameterError, TrainingError
from vaekit.storage.model_file import load_model
from vaekit.tasks import sweep as room
from vaekit.tasks.sweep import SEARCHED, best_of, drawn, study_path

ROWS = load("digits").astype(np.uint8)[:200]


def made(path, trials=3, **more):
    return vaekit.VAE(epochs=2, preset="fast").sweep(ROWS, path, trials=trials, **more)


def plain(trials):
    return [(t.number, t.settings, t.valid_elbo_nats, t.state) for t in trials]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "m.vae"
    return path, made(path)


def test_the_file_holds_the_best_model(swept):
    path, vae = swept
    best = best_of(vae.sweep_)
    assert best.valid_elbo_nats == max(t.valid_elbo_nats for t in vae.sweep_ if t.state == "finished")
    assert load_model(path).record["metrics"]["valid_elbo_nats"] == best.valid_elbo_nats
    assert vae.latent_dim_ == best.settings["latent_dim"]
    assert np.array_equal(vaekit.load(path).transform(ROWS), vae.transform(ROWS))


def test_a_stopped_sweep_goes_on_to_the_very_trials(swept, tmp_path):
    half = made(tmp_path / "m.vae", trials=2)
    whole = made(tmp_path / "m.vae", trials=3, resume=True)
    assert plain(half.sweep_) == plain(swept[1].sweep_)[:2]
    assert plain(whole.sweep_) == plain(swept[1].sweep_)


def test_a_trial_that_was_broken_off_is_tried_anew_and_no_other(swept, tmp_path, monkeypatch):
    fits, real = [], room.fit

    def stopped_at_the_second(*words):
        fits.append(words[1].latent_dim)
        if len(fits) == 2:
            raise KeyboardInterrupt
        return real(*words)

    monkeypatch.setattr(room, "fit", stopped_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "m.vae")
    assert plain(made(tmp_path / "m.vae", resume=True).sweep_) == plain(swept[1].sweep_)
    assert fits[1] == fits[2]
    assert len(fits) == 4


def test_a_kill_leaves_a_running_trial_that_is_tried_anew(swept, tmp_path):
    made(tmp_path / "m.vae", trials=1)
    with room._study(study_path(tmp_path / "m.vae"), _stamp(tmp_path), resume=True) as study:
        study.ask()  # and never told
    assert plain(made(tmp_path / "m.vae", resume=True).sweep_) == plain(swept[1].sweep_)


def _stamp(folder):
    logs = map(json.loads, study_path(folder / "m.vae").read_text().splitlines())
    return next(log["user_attr"]["of"] for log in logs if "of" in log.get("user_attr", {}))


def test_a_model_that_was_removed_is_fitted_again(swept, tmp_path):
    made(tmp_path / "m.vae", trials=2)
    before = (tmp_path / "m.vae").read_bytes()
    (tmp_path / "m.vae").unlink()
    made(tmp_path / "m.vae", trials=2, resume=True)
    assert load_model(tmp_path / "m.vae").record["metrics"] == _record(before, tmp_path)["metrics"]


def _record(content, folder):
    (folder / "before.vae").write_bytes(content)
    return load_model(folder / "before.vae").record


def test_other_data_or_settings_are_no_sweep_to_go_on_with(swept, tmp_path):
    made(tmp_path / "m.vae", trials=1)
    with pytest.raises(ParameterError, match="other data or settings"):
        vaekit.VAE(epochs=2, preset="fast").sweep(ROWS[:150], tmp_path / "m.vae", resume=True)
    with pytest.raises(ParameterError, match="other data or settings"):
        made(tmp_path / "m.vae", tuned=("beta",), resume=True)


def test_what_gives_no_finite_numbers_is_pruned(tmp_path, monkeypatch):
    def fails(*_):
        raise TrainingError("no")

    monkeypatch.setattr(room, "fit", fails)
    with pytest.raises(TrainingError, match="No trial ended"):
        made(tmp_path / "m.vae", trials=2)


def test_every_setting_can_be_searched_and_drawn(tmp_path):
    vae = vaekit.VAE(epochs=1, preset="fast").sweep(ROWS, tmp_path / "m.vae", tuned=tuple(SEARCHED), trials=2)
    assert vae.sweep_[0].settings.keys() == SEARCHED.keys()
    assert all(math.isfinite(t.valid_elbo_nats) for t in vae.sweep_)
    assert drawn(vae.sweep_).startswith(b"\x89PNG")


def test_no_trial_begins_after_the_time_but_the_first(tmp_path):
    assert len(made(tmp_path / "m.vae", time=1e-6).sweep_) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"tuned": ("size",)}, "one or more of latent_dim, hidden"),
        ({"tuned": ()}, "one or more of"),
        ({"tuned": ("beta", "beta")}, "each once"),
        ({"trials": 0}, "at least 1 trial; got 0"),
        ({"time": "soon"}, "The time must be positive"),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path, words, message):
    with pytest.raises(ParameterError, match=message):
        made(tmp_path / "m.vae", **words)


def test_without_optuna_the_line_that_installs_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"vaekit\[sweep\]"):
        made(tmp_path / "m.vae")
