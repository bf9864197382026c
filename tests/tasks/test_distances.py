"""Distances to few rows: what they are near to, and what odd rows in company cannot hide behind."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

import vaekit
from vaekit.tasks.distances import MOST_KEPT, distance, distances


def some(n: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


@given(st.integers(2, 300), st.integers(1, 6), st.integers(1, 70), st.floats(0.01, 100), st.floats(-10, 10))
def test_a_distance_does_not_depend_on_units(m, width, sample, scale, shift):
    x, others = some(5, width), some(m, width, seed=m)
    units = torch.logspace(0, 1, width) * scale
    moved = distance(x * units + shift, others * units + shift, sample)
    torch.testing.assert_close(moved, distance(x, others, sample), rtol=1e-2, atol=1e-3)


def test_a_row_is_not_near_to_itself():
    others = some(100, 3)
    with_itself = distance(others[:1], others, 100)
    without = distance(others[:1], others[1:], 100) * others[1:].std(0).mean() / others.std(0).mean()
    torch.testing.assert_close(with_itself, without, rtol=0.05, atol=0)


def test_rows_that_are_all_the_same_are_near():
    assert distance(torch.ones(3, 2), torch.ones(200, 2), 64).tolist() == [0, 0, 0]
    assert distance(torch.ones(3, 2), torch.ones(1, 2), 64).tolist() == [0, 0, 0]


def test_the_larger_the_sample_the_nearer_is_its_nearest():
    x, others = some(50, 4), some(512, 4, seed=1)
    few, many = (distance(x, others, size).mean() for size in (8, 64))
    assert few > 1.3 * many


@pytest.fixture(scope="module")
def company() -> tuple[np.ndarray, np.ndarray, vaekit.VAE]:
    """Rows of five columns, a twentieth of them alike and far out, which of them are odd, and a model of them all."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, 2)) @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(1000, 5))
    rows[950:] = rows.mean(0) + 2.5 * rows.std(0) * [1, -1, 1, 1, -1] + 0.05 * rng.normal(size=(50, 5))
    return rows, np.arange(1000) >= 950, vaekit.VAE(latent_dim=2, epochs=30, valid=0.3).fit(rows)


def test_odd_rows_in_company_are_far_from_the_rows_that_are_kept(company):
    """A model learns them as if they were ordinary, so that likelihoods tell them less well. None is a usual row."""
    rows, is_odd, vae = company
    fitted = vae.fitted_
    far = distances(fitted.model, fitted.references, fitted.rows(rows)).numpy()
    by_likelihood = roc_auc_score(is_odd, -vae.score_samples(rows))
    assert roc_auc_score(is_odd, far[:, 0]) > max(0.95, by_likelihood)
    assert roc_auc_score(is_odd, vae.score_rows(rows).oddity_nats) > by_likelihood
    kept, clump = fitted.references, fitted.model.inputs(fitted.rows(rows[950:])).mean(0)
    is_of_it = (kept.values - clump).norm(dim=1) < 0.5
    assert is_of_it.sum() > 10
    assert not (is_of_it & kept.usual).any()


@pytest.mark.parametrize(("side", "n_kept"), [(20, MOST_KEPT // (400 + 2 + 401)), (120, 8)])
def test_of_wide_rows_few_are_kept(side, n_kept):
    rows = np.random.default_rng(0).integers(0, 256, (200, side, side)).astype(np.uint8)
    vae = vaekit.VAE(latent_dim=2, epochs=1, hidden=(4,), network="mlp").fit(rows)
    assert {len(part) for part in vars(vae.fitted_.references).values()} == {n_kept}
    assert np.isfinite(vae.score_rows(rows[:3]).oddity_nats).all()
