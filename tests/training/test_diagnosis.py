"""Each finding can be good and can be a warning, by what was measured."""

import numpy as np
import pytest

import vaekit
from vaekit.training.diagnosis import diagnose

METRICS = {
    "latent_dim": 8,
    "n_units_tried": 8,
    "active_units": 6,
    "train_elbo_nats": -90.0,
    "valid_elbo_nats": -92.0,
    "without_latent_nats": -200.0,
}


def history(*nats):
    return [{"progress": (k + 1) / len(nats), "valid_elbo_nats": value} for k, value in enumerate(nats)]


LEVEL = history(*[-150.0] * 10, *[-92.0] * 10)
RISING = history(*[-150.0 + 3 * k for k in range(20)])

# case: (topic, level, what it says, metrics, history, reason)
CASES = {
    "some units": ("latent units", "good", "6 of 8 units are active. A latent_dim of 6 would do", {}, LEVEL),
    "all units": ("latent units", "good", "all 8 units are active. A larger latent_dim", {"active_units": 8}, LEVEL),
    "pruned": ("latent units", "good", "8 of 48 units carry information and were kept", {"n_units_tried": 48}, LEVEL),
    "collapse": ("latent units", "warning", "the posterior has collapsed", {"active_units": 0}, LEVEL),
    "gain": ("use of the latent", "good", "the latent is worth 108.00 nats", {}, LEVEL),
    "no gain": ("use of the latent", "warning", "is worth nothing", {"without_latent_nats": -91.0}, LEVEL),
    "no gap": ("over-fitting", "good", "little or none", {}, LEVEL),
    "gap": ("over-fitting", "warning", "-120.00 on held-out rows. Use more rows", {"valid_elbo_nats": -120.0}, LEVEL),
    "done": ("training", "good", "finished after 20 epochs", {}, LEVEL),
    "rising": ("training", "warning", "still rising at the end. Give it more epochs or time.", {}, RISING),
}


@pytest.mark.parametrize("case", CASES)
def test_a_finding_is_what_the_measures_say(case):
    topic, level, words, changes, rows = CASES[case]
    findings = {f.topic: f for f in diagnose(METRICS | changes, rows, "finished")}
    assert list(findings) == ["latent units", "use of the latent", "over-fitting", "training"]
    assert findings[topic].level == level
    assert words in str(findings[topic])
    assert str(findings[topic]).startswith("ok  " if level == "good" else "!!  ")
    assert findings[topic].advice or level == "good"  # a warning never comes without advice


def test_an_interrupted_run_is_told_with_the_way_on():
    said = str(diagnose(METRICS, LEVEL, "interrupted")[-1])
    assert said.startswith("!!  training: it was interrupted")
    assert said.endswith("Go on with --resume.")


def test_a_collapsed_model_is_found_out():
    rows = np.random.default_rng(0).normal(size=(200, 4))  # independent columns: nothing to share
    collapsed = vaekit.VAE(2, epochs=30, beta=50.0, hidden=(8,)).fit(rows)
    assert collapsed.diagnosis_[0].startswith("none of 2 units is active: the posterior has collapsed")
    assert "lower beta" in collapsed.diagnosis_[0]
    assert collapsed.evaluate(rows)["active_units"] == 0


def test_a_model_that_learns_is_told_so():
    z = np.random.default_rng(0).normal(size=(400, 1))
    rows = np.hstack([z, -z, 2 * z]) + 0.05 * np.random.default_rng(1).normal(size=(400, 3))
    vae = vaekit.VAE(1, epochs=40, hidden=(16,), learning_rate=1e-2).fit(rows)
    assert "the latent is worth" in vae.findings_[1]
    assert vae.findings_[1].startswith("ok  use of the latent")
    assert vae.findings_[0].startswith("ok  latent units: all 1 units are active")
