"""The verb sweep."""

import json

import numpy as np

from vaekit.data.writers import write
from vaekit.storage.model_file import load_model

OPTIONS = ("--epochs", 2, "--preset", "fast")


def test_it_prints_a_table_draws_and_goes_on(vaekit, room, tmp_path):
    words = ("sweep", room / "real.npy", "-o", tmp_path / "m.vae", *OPTIONS)
    first = vaekit(*words, "--trials", 2, "--tune", "latent-dim,beta", "--picture", tmp_path / "s.png")
    assert first.status == 0, first.err
    lines = first.text.splitlines()
    assert lines[0].split() == ["trial", "latent_dim", "beta", "elbo_nats", "seconds"]
    assert len(lines) == 3
    assert sum("best" in line for line in lines) == 1
    assert "trial 2/2" in first.err
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")

    more = vaekit(*words, "--trials", 3, "--tune", "latent-dim,beta", "--resume", "--json", "--quiet")
    found = json.loads(more.text)
    assert more.err == ""
    assert [trial["number"] for trial in found["trials"]] == [1, 2, 3]
    assert load_model(tmp_path / "m.vae").record["metrics"]["valid_elbo_nats"] == found["best"]["valid_elbo_nats"]

    other = vaekit(*words, "--tune", "hidden", "--resume")
    assert other.status == 2
    assert "other data or settings" in other.err

    anew = vaekit(*words, "--trials", 1)
    assert "starting anew" in anew.err
    assert len(anew.text.splitlines()) == 2


def test_ctrl_c_keeps_what_is_there(vaekit, room, tmp_path, monkeypatch):
    from vaekit.tasks import sweep

    real, fits = sweep.fit, []

    def stopped(*words):
        fits.append(words)
        if len(fits) == 2:
            raise KeyboardInterrupt
        return real(*words)

    monkeypatch.setattr(sweep, "fit", stopped)
    done = vaekit("sweep", room / "real.npy", "-o", tmp_path / "m.vae", *OPTIONS)
    assert done.status == 1
    assert "interrupted; what is over is kept. Go on with the same command and --resume" in done.err
    assert load_model(tmp_path / "m.vae")


def test_misuse_is_said_before_any_work(vaekit, tmp_path):
    write(np.eye(2), tmp_path / "x.npy")
    for words, message in (
        (("-o", "-"), "Give -o NAME.vae"),
        (("-o", tmp_path / "m.vae", "--tune", "size"), "one or more of latent_dim"),
        (("-o", tmp_path / "m.vae", "--trials", 0), "at least 1 trial"),
        (("-o", tmp_path / "m.vae", "--valid", "2"), "--valid must be a share"),
    ):
        done = vaekit("sweep", tmp_path / "x.npy", *words)
        assert done.status == 2, done.err
        assert message in done.err
