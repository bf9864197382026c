"""What whole numbers cost a fitted model, and what is done where they cost too much."""

from functools import cache

import numpy as np
import pytest

import vaekit
from vaekit.codec import export, quantise
from vaekit.codec.quantise import Width
from vaekit.data.builtin import load
from vaekit.tasks import whole_numbers

COARSE = Width(weight=2, activation=15, sum_bits=22)
SMALL = {"latent_dim": 4, "hidden": (32, 32), "epochs": 20, "prior": "normal"}


def fitted(**settings):
    return vaekit.VAE(**SMALL | settings).fit(load("digits").astype(np.uint8))


def coarse(monkeypatch):
    for module in (export, quantise):
        monkeypatch.setattr(module, "WIDTHS", (COARSE,))


@cache
def left_as_it_is(network="mlp", hidden=(32, 32), latent_dim=4):
    """A model in coarse numbers that is not trained on, however much it loses; each is fitted once."""
    with pytest.MonkeyPatch.context() as patch:
        coarse(patch)
        patch.setattr(export, "MOST_LOSS", np.inf)
        return fitted(network=network, hidden=hidden, latent_dim=latent_dim)


def lost(vae):
    facts = vae.fitted_.record["compression"]
    return facts["bits_per_dim"] / facts["float_bits_per_dim"] - 1


@pytest.mark.parametrize("settings", [{}, {"network": "conv", "hidden": (4, 32)}, {"latent_dim": "auto"}])
def test_a_model_that_loses_much_is_trained_with_rounded_numbers(monkeypatch, settings):
    rows = load("digits").astype(np.uint8)
    coarse(monkeypatch)
    trained = fitted(**settings)
    assert lost(trained) < 0.7 * lost(left_as_it_is(**settings))
    assert np.array_equal(trained.decompress(trained.compress(rows)), rows)


@pytest.mark.parametrize("too_fast", [30.0, 1e30])
def test_training_that_gains_nothing_is_undone(monkeypatch, too_fast):
    coarse(monkeypatch)
    monkeypatch.setattr(whole_numbers, "SLOWER", too_fast)
    assert fitted().fitted_.integer_model == left_as_it_is().fitted_.integer_model


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
    assert -0.1 < lost(fitted(**settings)) < 0.01
