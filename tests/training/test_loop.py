"""The loop's promises: what it does on bad numbers, when it stops, what it averages, what it leaves alone."""

import random
from dataclasses import asdict

import numpy as np
import pytest
import sklearn.mixture  # noqa: F401 - the import itself draws from `random`
import torch
from hypothesis import given
from hypothesis import strategies as st

import vaekit
from vaekit.errors import TrainingError
from vaekit.estimators.vae import ESTIMATORS
from vaekit.objectives import OBJECTIVES
from vaekit.storage.model_file import weights_digest
from vaekit.training.loop import AVERAGE_EVERY, Run
from vaekit.training.progress import Began, Ended, EpochEnded, Note, RolledBack
from vaekit.training.schedules import average_decay, kl_weight, one_cycle

N_STEPS = 8  # in an epoch of the small run


def digest(model):
    return weights_digest(model.state_dict())


def epochs_of(events):
    return [event for event in events if isinstance(event, EpochEnded)]


# -- numbers that are not finite ---------------------------------------------------------------------------------------


@pytest.fixture
def nan_at(monkeypatch):
    """Make the objective "poisoned" answer `value` at some of its calls in training, counted from 0."""

    def nan_at(*calls, value=float("nan")):
        taken = iter(range(10**9))

        def poisoned(model, x, beta=1.0):
            bound = OBJECTIVES["elbo"](model, x, beta)
            bad = model.training and next(taken) in calls
            return bound._replace(value=bound.value * value) if bad else bound

        monkeypatch.setitem(OBJECTIVES, "poisoned", poisoned)
        return "poisoned"

    return nan_at


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_bad_step_is_rolled_back_once_with_half_the_rate_and_the_run_goes_on(make_run, nan_at, monkeypatch, value):
    monkeypatch.setattr("vaekit.training.loop.PATIENCE", 1)  # ten held-out rows are no ground to stop early on
    events = []
    run = make_run([events.append], objective=nan_at(2 * N_STEPS + 3, value=value))
    assert run.train() == "finished"
    assert [e for e in events if isinstance(e, RolledBack)] == [RolledBack(epoch=3, rate_factor=0.5)]
    rates = [e.learning_rate for e in epochs_of(events)]
    last_steps = [(epoch + 7 / 8) / 5 for epoch in range(5)]
    factors = [1, 1, 0.5, 0.5, 0.5]
    expected = [f * 1e-2 * one_cycle(p) for f, p in zip(factors, last_steps, strict=True)]
    assert rates == pytest.approx(expected)
    assert all(np.isfinite(e.elbo_nats) and np.isfinite(e.valid_elbo_nats) for e in epochs_of(events))
    assert all(p.isfinite().all() for p in run.model.parameters())


def test_a_gradient_that_is_not_finite_is_caught_though_the_loss_is(make_run, monkeypatch):
    calls = iter(range(10**9))

    def steep(model, x, beta=1.0):
        bound = OBJECTIVES["elbo"](model, x, beta)
        bad = model.training and next(calls) == 3
        return bound._replace(value=bound.value + (0 * bound.kl).sqrt()) if bad else bound  # √0 has no finite slope

    monkeypatch.setitem(OBJECTIVES, "steep", steep)
    events = []
    assert make_run([events.append], objective="steep").train() == "finished"
    assert sum(isinstance(e, RolledBack) for e in events) == 1


def test_rolling_back_forgets_the_bad_round_wholly(make_run, nan_at):
    whole, poisoned = make_run(epochs=2), make_run(epochs=2, objective=nan_at(N_STEPS + 5))
    for run in (whole, poisoned):
        run.clock = 0.0
        run._round()
    before = {k: v.clone() for k, v in poisoned.tensors().items()}
    poisoned._round()  # the bad one
    assert poisoned.tensors().keys() == before.keys()
    assert all(torch.equal(v, before[k]) for k, v in poisoned.tensors().items())
    poisoned.facts.rate_factor = 1.0  # but for the rate it takes the very steps of a run without an accident
    poisoned._round()
    whole._round()
    assert digest(poisoned.model) == digest(whole.model)


def test_two_bad_rounds_in_a_row_are_said_once(make_run, nan_at):
    events = []
    run = make_run([events.append], objective=nan_at(3, 9))
    assert run.train() == "finished"
    assert [e for e in events if isinstance(e, RolledBack)] == [RolledBack(epoch=1, rate_factor=0.5)]
    assert run.facts.rate_factor == 0.25


def test_three_bad_rounds_in_a_row_stop_the_run_with_advice(make_run, nan_at):
    run = make_run(objective=nan_at(*range(1000)))
    advice = r"no finite number three times in a row in epoch 1.*Look for extreme values.*lower learning_rate"
    with pytest.raises(TrainingError, match=advice):
        run.train()


def test_bad_rounds_with_good_ones_between_do_not_stop_the_run(make_run, nan_at):
    events = []
    bad = [k * 2 * N_STEPS for k in range(4)]  # each is repeated by a good one
    assert make_run([events.append], objective=nan_at(*bad)).train() == "finished"
    assert [e.rate_factor for e in events if isinstance(e, RolledBack)] == [0.5, 0.25, 0.125, 0.0625]


class Fragile(torch.nn.Linear):
    """A network of the user's own that fails at its third call in training."""

    calls = 0

    def forward(self, x):
        type(self).calls += self.training
        return super().forward(x) * (float("nan") if type(self).calls == 3 and self.training else 1)


def test_a_user_s_network_that_gives_nan_once_is_survived():
    heard = []
    Fragile.calls = 0
    rows = np.random.default_rng(0).normal(size=(60, 3))
    vae = vaekit.VAE(2, epochs=3, encoder=Fragile(3, 4)).fit(rows, listeners=(heard.append,))
    assert [e.rate_factor for e in heard if isinstance(e, RolledBack)] == [0.5]
    assert np.isfinite(vae.transform(rows)).all()


# -- when it stops -----------------------------------------------------------------------------------------------------


def test_it_stops_early_and_keeps_the_weights_of_the_best_epoch(make_run, monkeypatch):
    nats = iter([*range(5), *range(3, -50, -1)])  # best in epoch 5 of 20
    monkeypatch.setattr(Run, "held_out_nats", lambda self: float(next(nats)))
    averages = {}
    run = make_run(epochs=20)
    run.listeners.append(
        lambda e: (
            averages.update({e.epoch: {k: v.clone() for k, v in run.average.items()}})
            if isinstance(e, EpochEnded)
            else None
        )
    )
    assert run.train() == "stopped early: the held-out bound no longer rose"
    assert max(averages) == 10  # a fifth of the run after the best epoch's end, and not before two fifths
    assert digest(run.model) == weights_digest(averages[5])
    assert digest(run.model) != weights_digest(averages[10])


def test_a_rising_bound_is_not_stopped(make_run, monkeypatch):
    nats = iter(range(100))
    monkeypatch.setattr(Run, "held_out_nats", lambda self: float(next(nats)))
    run = make_run(epochs=20)
    assert run.train() == "finished"
    assert len(run.history.rows) == 20
    assert digest(run.model) == weights_digest(run.average)


def test_a_budget_of_time_is_kept_and_ends_at_a_rate_of_nearly_zero(make_run, monkeypatch):
    monkeypatch.setattr("vaekit.training.loop.PATIENCE", 1.0)
    events = []
    run = make_run([events.append], epochs=100_000, seconds=1.0)
    assert run.train() == "finished"
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert 0.9 < ended.seconds < 3
    rates = [e.learning_rate for e in epochs_of(events)]
    assert max(rates) > 0.9e-2
    assert rates[-1] < 1e-3
    assert epochs_of(events)[-1].progress == 1


def test_a_budget_shorter_than_an_epoch_is_kept(make_run):
    run = make_run(epochs=100_000, seconds=1e-4, batch_size=1)
    assert run.train() == "finished"
    assert len(run.history.rows) == 1


def test_ctrl_c_keeps_the_best_weights(make_run, monkeypatch):
    nats = iter([1.0, 5.0, 2.0, 1.0])
    monkeypatch.setattr(Run, "held_out_nats", lambda self: float(next(nats)))
    averages = []

    def interrupt(event):
        if isinstance(event, EpochEnded):
            averages.append(weights_digest(run.average))
            if event.epoch == 3 and len(averages) == 3:
                raise KeyboardInterrupt

    run = make_run([interrupt], epochs=20)
    assert run.train() == "interrupted"
    assert digest(run.model) == averages[1]


# -- what it computes --------------------------------------------------------------------------------------------------


def test_the_average_of_weights_is_the_one_its_decay_says(make_run, monkeypatch):
    run = make_run(epochs=2)
    expected = {k: v.double() for k, v in run.average.items()}
    original = run._average

    def record():
        original()
        steps = run.facts.epoch * N_STEPS + run.facts.step + 1
        every = AVERAGE_EVERY if steps > AVERAGE_EVERY else 1
        if steps % every:
            return
        decay = average_decay(steps, 2 * N_STEPS) ** every
        for k, v in run.model.state_dict().items():
            expected[k] = decay * expected[k] + (1 - decay) * v.double()

    monkeypatch.setattr(run, "_average", record)
    run.train()
    for k, v in run.average.items():
        torch.testing.assert_close(v.double(), expected[k], rtol=1e-5, atol=1e-6)


def test_a_run_of_two_steps_has_learned_something(make_run):
    run = make_run(epochs=1, batch_size=40)
    before = digest(run.model)
    run.train()
    assert digest(run.model) != before


def test_training_raises_the_bound(make_run):
    run = make_run(epochs=40)
    run.train()
    first, last = run.history.rows[0], run.history.rows[-1]
    assert last["valid_elbo_nats"] > first["valid_elbo_nats"] + 0.2
    assert last["elbo_nats"] > first["elbo_nats"] + 0.2


def test_an_epoch_tells_the_mean_over_all_its_rows(make_run, monkeypatch):
    seen = []

    def recorded(model, x, beta=1.0):
        bound = OBJECTIVES["elbo"](model, x, beta)
        if model.training:
            seen.append(bound.elbo.detach().double())
        return bound

    monkeypatch.setitem(OBJECTIVES, "recorded", recorded)
    run = make_run(epochs=1, batch_size=30, objective="recorded")
    run.train()
    told = run.history.rows[0]
    assert told["elbo_nats"] == pytest.approx(float(torch.cat(seen).mean()))
    assert told["elbo_nats"] == pytest.approx(told["reconstruction_nats"] - told["kl_nats"])
    assert told["valid_bits_per_dim"] == pytest.approx(-told["valid_elbo_nats"] / 3 / np.log(2))


def test_the_weight_of_the_kl_rises_over_the_warm_up(make_run):
    run = make_run(epochs=10, warmup=0.5, beta=2.0)
    run.train()
    weights = [row["kl_weight"] for row in run.history.rows]
    assert weights[:5] == sorted(weights[:5])
    assert weights[0] < 1
    assert weights[-1] == 2


def test_the_weight_of_the_kl_rises_in_each_cycle(make_run, monkeypatch):
    monkeypatch.setattr("vaekit.training.loop.PATIENCE", 1.0)
    run, weights = make_run(epochs=4, warmup=0.5, beta=2.0, cycles=2), []
    average = run._average
    monkeypatch.setattr(run, "_average", lambda: weights.append(float(run.weight)) or average())
    run.train()
    n = 2 * N_STEPS  # steps of a cycle
    assert weights[:n] == weights[n:]
    assert weights[:n] == pytest.approx([min(2.0, 4 * k / n) for k in range(n)])
    assert [row["kl_weight"] for row in run.history.rows] == pytest.approx(weights[N_STEPS - 1 :: N_STEPS])


@given(st.floats(0, 0.999), st.floats(0.01, 1), st.floats(0.1, 10), st.integers(1, 5))
def test_each_cycle_of_the_weight_of_the_kl_is_one_warm_up(progress, warmup, beta, cycles):
    for cycle in range(cycles):
        found = kl_weight((cycle + progress) / cycles, warmup, beta, cycles)
        assert found == pytest.approx(kl_weight(progress, warmup, beta), abs=1e-9 * beta / warmup)
    assert kl_weight(1.0, warmup, beta, cycles) == beta
    assert kl_weight(progress, 0.0, beta, cycles) == beta


@pytest.mark.parametrize(("objective", "options"), [
    ("elbo", {"free_nats": 0.5}), ("elbo", {"draws": 4}), ("iwae", {"draws": 2}), ("dreg", {}),
    ("miwae", {"draws": 4}), ("ciwae", {}), ("piwae", {}), ("tcvae", {"strength": 1.0}), ("factor", {}), ("dip", {}),
    ("wae", {"strength": 1.0}),
])  # fmt: skip
def test_training_raises_the_bound_whatever_the_objective(make_run, objective, options):
    run = make_run(epochs=25, objective=objective, prior="autoregressive", **options)
    run.train()
    assert run.history.rows[-1]["valid_elbo_nats"] > run.history.rows[0]["valid_elbo_nats"] + 0.2


def test_a_huge_gradient_is_clipped(make_run):
    clipped, free = make_run(epochs=1, clip_norm=1e-6), make_run(epochs=1, clip_norm=1e6)
    clipped.train()
    free.train()
    assert digest(clipped.model) != digest(free.model)


# -- seeds, and what is left alone -------------------------------------------------------------------------------------


def test_a_run_is_a_function_of_its_seed_alone(make_run):
    digests = []
    for around, seed in ((1, 0), (2, 0), (1, 7)):
        torch.manual_seed(around)
        run = make_run(seed=seed)
        run.train()
        digests.append(digest(run.model))
    assert digests[0] == digests[1] != digests[2]


def state_of_the_world():
    return torch.get_rng_state().tolist(), repr(np.random.get_state()), random.getstate(), torch.get_num_threads()


@pytest.mark.parametrize("estimator", ESTIMATORS.values())
def test_a_fit_leaves_global_random_numbers_and_threads_alone(estimator):
    rows = np.random.default_rng(0).normal(size=(60, 3))
    before = state_of_the_world()
    fitted = estimator(2, epochs=2, hidden=(8,), threads=2).fit(rows, np.arange(60) % 2)
    fitted.score_samples(rows)
    fitted.sample(3)
    fitted.evaluate(rows)
    assert state_of_the_world() == before


def test_a_fit_that_fails_leaves_them_alone_too(make_run, nan_at):
    run = make_run(objective=nan_at(*range(1000)), threads=2)
    before = state_of_the_world()
    with pytest.raises(TrainingError):
        run.train()
    assert state_of_the_world() == before


def test_the_user_s_own_networks_are_not_changed():
    encoder = torch.nn.Linear(3, 4)
    before = weights_digest(encoder.state_dict())
    vae = vaekit.VAE(2, epochs=2, encoder=encoder).fit(np.random.default_rng(0).normal(size=(60, 3)))
    assert weights_digest(encoder.state_dict()) == before
    assert weights_digest(vae.model_.encoder.state_dict()) != before


def test_every_listener_hears_every_event_in_order(make_run):
    heard, too = [], []
    run = make_run([heard.append, too.append], epochs=3)
    run.train()
    assert heard == too
    assert [type(e) for e in heard] == [EpochEnded] * 3 + [Ended]
    assert [asdict(e) for e in epochs_of(heard)] == run.history.rows


def test_what_was_chosen_is_told_before_the_first_epoch():
    heard = []
    vaekit.VAE(1, epochs=1).fit(np.random.default_rng(0).normal(size=(60, 3)), listeners=(heard.append,))
    assert [type(e) for e in heard] == [Note, Note, Began, EpochEnded, Ended]
    assert "60 rows were looked at" in heard[0].sentence
    assert "gaussian" in heard[1].sentence


def test_the_recorded_bound_of_an_autoencoder_is_a_bound():
    rows = np.random.default_rng(0).normal(size=(200, 3))
    heard = []
    fitted = vaekit.Autoencoder(1, epochs=3, hidden=(8,)).fit(rows, listeners=(heard.append,))
    trained_on = max(event.valid_elbo_nats for event in epochs_of(heard))
    assert fitted.fitted_.record["metrics"]["valid_elbo_nats"] < trained_on - 0.01  # which left out the KL
