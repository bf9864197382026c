"""What whole numbers cost a fitted model, and what is done where they cost too much."""

import numpy as np
import pytest

import vaekit
from vaekit.codec import export, quantise
from vaekit.codec.model_bytes import to_bytes
from vaekit.codec.quantise import Width
from vaekit.data.builtin import load
from vaekit.tasks import whole_numbers

COARSE = Width(weight=2, activation=15, sum_bits=22)
SMALL = {"latent_dim": 4, "hidden": (32, 32), "epochs": 20, "prior": "normal"}


def digits(n=None):
    return load("digits")[:n].astype(np.uint8)


def fitted(rows, **settings):
    return vaekit.VAE(**SMALL | settings).fit(rows)


@pytest.fixture
def made(monkeypatch):
    """The forms in coarse numbers that fits make of their models, in turn: before more training, and after it."""
    for module in (export, quantise):
        monkeypatch.setattr(module, "WIDTHS", (COARSE,))
    found, best = [], export.best_export

    def kept(*model_and_rows):
        found.append(best(*model_and_rows))
        return found[-1]

    monkeypatch.setattr(export, "best_export", kept)
    return found


def lost(facts):
    return facts["bits_per_dim"] / facts["float_bits_per_dim"] - 1


@pytest.mark.parametrize("settings", [{}, {"network": "conv", "hidden": (4, 32)}, {"latent_dim": "auto"}])
def test_a_model_that_loses_much_is_trained_with_rounded_numbers(made, settings):
    rows = digits()
    trained = fitted(rows, **settings)
    before, after = made
    assert lost(after.facts) < 0.7 * lost(before.facts)
    assert trained.fitted_.integer_model == to_bytes(after)
    assert trained.fitted_.record["compression"] == after.facts
    assert np.array_equal(trained.decompress(trained.compress(rows)), rows)


@pytest.mark.parametrize("too_fast", [30.0, 1e30])
def test_training_that_gains_nothing_is_undone(made, monkeypatch, too_fast):
    monkeypatch.setattr(whole_numbers, "SLOWER", too_fast)
    model = fitted(digits(600)).fitted_
    before, _ = made
    assert model.integer_model == to_bytes(before)
    assert model.record["compression"] == before.facts


@pytest.mark.parametrize(
    "settings",
    [
        {"latent_dim": 32},
        {"latent_dim": 32, "prior": "autoregressive"},
        {"latent_dim": 64, "levels": 2, "prior": "autoregressive"},
        {"latent_dim": "auto"},
    ],
)
def test_layers_that_add_their_input_lose_little_where_it_is_the_code(settings):
    """The first layer of as many units as the code has adds the code itself, not how far it is from its middle."""
    model = fitted(digits(700), epochs=10, **settings).fitted_
    assert -0.2 < lost(model.record["compression"]) < 0.01  # by processors, 11 % are gained of the second
