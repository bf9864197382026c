"""Who listens to a run, and what each makes of it."""

import dataclasses
import io
import json
import re

import numpy as np

import vaekit
from vaekit.training.progress import (
    Advanced,
    Bar,
    Ended,
    EpochEnded,
    History,
    JsonLines,
    Lines,
    Note,
    RolledBack,
    sentence,
    short,
)


def epoch(number, of=4):
    return EpochEnded(
        epoch=number,
        epochs=of,
        progress=number / 4,
        seconds=10.0 * number,
        elbo_nats=-90.0 + number,
        reconstruction_nats=-80.0,
        kl_nats=10.0,
        valid_elbo_nats=-95.0,
        valid_bits_per_dim=0.175,
        kl_weight=1.0,
        learning_rate=1e-3,
        rows_per_second=12_345.0,
    )


RUN = [Note("60 rows"), epoch(1), RolledBack(2, 0.5), epoch(2), epoch(3), epoch(4), Ended("finished", 40.0)]


def tell(listener):
    for event in RUN:
        listener(event)


def test_history_keeps_the_epochs():
    history = History()
    tell(history)
    assert [row["epoch"] for row in history.rows] == [1, 2, 3, 4]
    assert history.rows[0] == dataclasses.asdict(epoch(1))


def test_lines_say_an_epoch_now_and_then_and_always_the_last():
    stream = io.StringIO()
    tell(Lines(stream, every=1e9))
    said = [sentence(event) for event in RUN]
    assert stream.getvalue().splitlines() == [said[0], said[1], said[2], said[5], said[6]]


def test_lines_may_say_every_epoch():
    stream = io.StringIO()
    tell(Lines(stream, every=0))
    assert stream.getvalue().splitlines() == [sentence(event) for event in RUN]


def test_a_sentence_says_all_that_people_watch():
    said = sentence(epoch(1))
    for words in ("epoch 1/4", "elbo -89.00", "held-out -95.00 nats", "0.1750 bits/dim", "kl 10.00", "12,345 rows/s"):
        assert words in said
    assert said.endswith("30.0 s left")
    assert "epoch 1  " in sentence(epoch(1, of=0))  # under a budget of time nobody knows how many


def test_a_roll_back_is_said_in_words():
    assert "went back to the last good weights and on with 0.5 of the learning rate" in sentence(RUN[2])


def test_the_bar_shows_the_same_events(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    tell(Bar())
    shown = capsys.readouterr()
    assert shown.out == ""
    for words in ("60 rows", "went back to the last good weights", "epoch 4/4", "finished after 40.0 s"):
        assert words in shown.err
    bar = next(line for line in shown.err.splitlines() if "epoch 4/4" in line)
    assert "━" in bar
    assert bar.rstrip().endswith("left")  # nothing is cut off at 80 columns


def test_json_lines_hold_every_event_and_are_appended_to(tmp_path):
    for _ in range(2):
        tell(JsonLines(tmp_path / "run.jsonl"))
    lines = (tmp_path / "run.jsonl").read_text().splitlines()
    expected = [{"event": type(event).__name__, **dataclasses.asdict(event)} for event in RUN]
    assert [json.loads(line) for line in lines] == 2 * expected


def test_a_long_epoch_is_told_while_it_lasts(monkeypatch):
    monkeypatch.setattr("vaekit.training.loop.ROUND_STEPS", 2)
    heard: list[object] = []
    rows = np.random.default_rng(0).normal(size=(60, 3))
    vaekit.VAE(1, epochs=2, hidden=(4,), batch_size=10).fit(rows, listeners=(heard.append,))
    told = [event for event in heard if isinstance(event, Advanced)]
    assert [event.epoch for event in told] == [1, 1, 2, 2]
    assert [event.progress for event in told] == sorted(event.progress for event in told)
    stream = io.StringIO()
    lines = Lines(stream, every=0.0)
    lines(told[0])
    assert re.fullmatch(r"epoch 1/2, \d+% of the run  elbo \S+ nats  [\d,]+ rows/s  .* left\n", stream.getvalue())
    assert len(short(told[0])) <= 68
