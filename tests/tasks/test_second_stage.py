"""Priors that are fitted on the codes of a trained model, and samples of the likeliest codes alone."""

import numpy as np
import pytest
import torch

import vaekit
from vaekit.data import builtin
from vaekit.priors import flow
from vaekit.priors.flow import FlowPrior

DIGITS = builtin.load("digits")[:600]


@pytest.fixture(scope="module")
def rings():
    """Rows on two circles, whose codes are far from normal."""
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, 1500), rng.choice([1.0, 3.0], 1500)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]) + 0.05 * rng.normal(size=(1500, 2))


@pytest.fixture(scope="module")
def fitted(rings):
    settings = {"latent_dim": 2, "prior": "normal", "epochs": 30, "second_stage": "auto"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "STEPS", 200)
        return vaekit.VAE(**settings).fit(rings)


def test_a_flow_is_fitted_on_codes_of_any_place_and_scale(monkeypatch):
    monkeypatch.setattr(flow, "STEPS", 200)
    z = 100 + 20 * torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    fitted_flow = FlowPrior(3).fit(z)
    exact = torch.distributions.Normal(100.0, 20.0).log_prob(z).sum(1).mean()
    with torch.no_grad():
        assert abs(float(fitted_flow().log_prob(z).mean() - exact)) < 0.1
        torch.testing.assert_close(fitted_flow.sample(4000).mean(0), z.mean(0), atol=3.0, rtol=0)


def test_the_prior_with_the_highest_held_out_bound_is_taken_and_said(fitted):
    found = fitted.fitted_.record["second_stage"]
    assert set(found["nats"]) == {"normal", "mixture", "flow"}
    assert found["chosen"] == max(found["nats"], key=found["nats"].get) == fitted.fitted_.architecture.prior
    assert fitted.fitted_.record["metrics"]["valid_elbo_nats"] == pytest.approx(
        found["nats"][found["chosen"]], abs=1e-3
    )


def test_it_is_heard(rings):
    heard = []
    vae = vaekit.VAE(2, prior="normal", epochs=2, second_stage="mixture").fit(rings, listeners=(heard.append,))
    assert any("second stage" in getattr(event, "sentence", "") for event in heard)
    assert vae.fitted_.record["options"]["second_stage"] == "mixture"


def test_a_prior_that_explains_less_is_not_taken(rings):
    vae = vaekit.VAE(2, prior="autoregressive", epochs=30, second_stage="mixture").fit(rings)
    found = vae.fitted_.record["second_stage"]
    assert found["nats"]["autoregressive"] > found["nats"]["mixture"]
    assert found["chosen"] == "autoregressive"


@pytest.mark.parametrize("make", [
    lambda: vaekit.VAE(3, prior="normal", epochs=2, second_stage="flow"),
    lambda: vaekit.VAE(prior="vamp", epochs=2, second_stage="mixture"),
    lambda: vaekit.VAE(epochs=2, prior="normal", second_stage="mixture"),
    lambda: vaekit.Autoencoder(3, epochs=2, second_stage="flow"),
], ids=["flow", "vamp and mixture", "units dropped", "autoencoder and flow"])  # fmt: skip
def test_a_file_keeps_the_prior(make, tmp_path, monkeypatch):
    monkeypatch.setattr(flow, "STEPS", 20)  # it is kept, however good it is
    vae = make().fit(DIGITS)
    loaded = vaekit.load(vae.save(tmp_path / "m.vae"))
    assert np.array_equal(loaded.score_samples(DIGITS[:20]), vae.score_samples(DIGITS[:20]))
    assert np.array_equal(loaded.sample(5), vae.sample(5))


def test_several_layers_have_no_second_stage():
    with pytest.raises(vaekit.ParameterError, match="one stochastic layer"):
        vaekit.VAE(4, levels=2, epochs=1, second_stage="auto").fit(DIGITS)


# -- truncation --------------------------------------------------------------------------------------------------------


def test_the_likeliest_codes_are_decoded_alone(fitted):
    whole, kept = (fitted.score_samples(fitted.sample(400, truncation=share)).mean() for share in (1.0, 0.3))
    assert kept > whole
    assert fitted.sample(7, truncation=0.3).shape == (7, 2)


def test_all_codes_are_decoded_by_default(fitted):
    assert np.array_equal(fitted.sample(20), fitted.sample(20, truncation=1.0))


@pytest.mark.parametrize("share", [0, -0.1, 1.5, np.nan])
def test_a_share_is_one(fitted, share):
    with pytest.raises(vaekit.ParameterError, match="truncation"):
        fitted.sample(3, truncation=share)
