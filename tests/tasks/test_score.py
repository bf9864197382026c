"""Scores: what they are close to, and what a tail probability promises."""

import numpy as np
import pytest
import torch
from scipy import stats

import vaekit
from vaekit.errors import DataError, ParameterError
from vaekit.models.fitted import Usual
from vaekit.tasks.likelihood import terms
from vaekit.tasks.observe import content_uniform
from vaekit.tasks.score import WEIGHTS, surprise_nats


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """1,500 rows of five correlated columns."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(1500, 2)) @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(1500, 5))


@pytest.fixture(scope="module")
def vae(rows: np.ndarray) -> vaekit.VAE:
    """A model of the first thousand."""
    return vaekit.VAE(latent_dim=2, epochs=30, valid=0.3).fit(rows[:1000])


def test_tail_probability_of_new_rows_is_uniform(vae: vaekit.VAE, rows: np.ndarray) -> None:
    tail = vae.score_rows(rows[1000:]).tail_probability
    assert stats.kstest(tail, "uniform").pvalue > 0.01


def test_tail_probability_of_an_anomaly_is_small(vae: vaekit.VAE, rows: np.ndarray) -> None:
    broken = rows[1000:1100].copy()
    broken[:, 0] *= -8
    assert np.median(vae.score_rows(broken).tail_probability) < 0.05


def test_an_oddity_is_that_of_the_product_of_four_shares() -> None:
    ranks = np.arange(1.0, 100.0)[:, None].repeat(4, axis=1)  # of 99 rows held out, alike in the four ways
    usual = Usual(codes=torch.zeros(1, 1), oddities=torch.from_numpy(ranks), nats=torch.zeros(1))
    oddity = surprise_nats(usual, np.array([[0.0, 0, 0, 0], [51, 81, 0, 0], [81, 81, 81, 51], [1e9, 0, 0, 0]]))
    shares = [[1, 1, 1, 1], [0.5, 0.2, 1, 1], [0.2, 0.2, 0.2, 0.5]]
    assert np.exp(-oddity[:3]) == pytest.approx(np.prod(np.power(shares, WEIGHTS), axis=1))
    assert oddity[3] > 1e6  # far out in one way is far out


def test_more_draws_are_closer_to_the_likelihood(vae: vaekit.VAE, rows: np.ndarray) -> None:
    few, many, most = (vae.score_samples(rows[1000:], k).mean() for k in (1, 64, 1024))
    assert abs(many - most) < abs(few - most)


def test_bound_lies_below_the_likelihood(vae: vaekit.VAE, rows: np.ndarray) -> None:
    figures = vae.evaluate(rows[1000:])
    assert figures["elbo_nats"] <= -figures["nll_nats"]
    assert figures["elbo_nats"] == pytest.approx(figures["reconstruction_nats"] - figures["kl_nats"], abs=1e-4)


def test_draws_in_chunks_are_the_draws_at_once(vae: vaekit.VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(8, 5)
    whole = terms(vae.model_, x, 64).log_likelihood
    monkeypatch.setattr("vaekit.tasks.likelihood.MOST_VALUES", 4 * 5 * 7)  # four rows, seven draws at once
    np.testing.assert_allclose(terms(vae.model_, x, 64).log_likelihood, whole, atol=1e-4)


def test_content_uniform_is_uniform_and_independent_between_rows() -> None:
    u = content_uniform(torch.randint(0, 256, (300, 784), generator=torch.Generator().manual_seed(0))).numpy()
    assert stats.kstest(u.ravel(), "uniform").pvalue > 0.01
    assert abs(np.corrcoef(u[::2].ravel(), u[1::2].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(u[:, :-1].ravel(), u[:, 1:].ravel())[0, 1]) < 0.02


def test_grey_levels_are_binarised_by_their_probability() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2000, 4, 4)).astype(np.uint8)
    vae = vaekit.VAE(latent_dim=1, epochs=1, likelihood="bernoulli").fit(grey)
    seen = vae.model_.observation.observe(vae.fitted_.rows(grey), uniform=content_uniform)
    assert set(np.unique(seen.numpy())) == {0.0, 255.0}
    assert float(seen.mean()) == pytest.approx(grey.mean(), abs=2)


def test_labels_add_the_accuracy_of_neighbours(vae: vaekit.VAE, rows: np.ndarray) -> None:
    figures = vae.evaluate(rows, labels=rows[:, 0] > 0, importance_samples=1)
    assert 0.7 < figures["knn_accuracy"] <= 1


@pytest.mark.parametrize("labels", [[0, 1, 0], np.zeros(1500)])
def test_labels_that_do_not_fit_are_refused(vae: vaekit.VAE, rows: np.ndarray, labels: object) -> None:
    with pytest.raises(DataError, match="label|class"):
        vae.evaluate(rows, labels=labels, importance_samples=1)


def test_no_draws_are_refused(vae: vaekit.VAE, rows: np.ndarray) -> None:
    with pytest.raises(ParameterError, match="importance_samples must be at least 1; got 0"):
        vae.score_samples(rows, 0)
