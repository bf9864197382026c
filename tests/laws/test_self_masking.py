"""Gaps that a value's own size causes: their probabilities, the bound with them, and the test that tells them."""

import numpy as np
import pytest
import torch
from torch.distributions import StudentT

from vaekit.data.schema import Schema
from vaekit.models.build import Architecture, build
from vaekit.models.self_masking import SelfMasking
from vaekit.objectives import iwae
from vaekit.objectives.not_miwae import NotMIWAE
from vaekit.tasks.calibration import chance_to_hide
from vaekit.tasks.self_masking import self_masked
from vaekit.training.precision import own_randomness

MASKING = SelfMasking(torch.tensor([0, 2]), torch.tensor([0.3, -1.0]), torch.tensor([1.5, -2.0]))
P = StudentT(torch.full((4, 3), 50.0), torch.linspace(-2, 2, 12).view(4, 3), torch.full((4, 3), 0.7))


def rows_with(kind, share, seed, n=400, n_columns=6):
    """Return rows whose columns tell of each other, with gaps in every second column, or in all."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, n_columns)) + 0.7 * rng.normal(size=(n, n_columns))
    x = x / x.std(0)
    cause = {"random": np.zeros_like(x), "own": x, "other": np.roll(x, 1, axis=1)}[kind]
    is_gap = rng.random(x.shape) < 2 * share / (1 + np.exp(-2 * cause))
    is_gap[:, ::2] &= kind != "other"
    return np.where(is_gap, np.nan, x).astype(np.float32)


def test_a_gaps_chance_and_mean_are_those_of_many_draws():
    with own_randomness(0):
        x = P.sample((200_000,))[..., MASKING.columns]
    chance = MASKING.log_chance(x).exp()
    log_chance, mean = MASKING.given_gap(P)
    assert torch.allclose(log_chance.exp(), chance.mean(0), atol=0.01)
    assert torch.allclose(mean, (chance * x).mean(0) / chance.mean(0), atol=0.08)  # of tails that are a little longer


def test_draws_of_gaps_have_the_mean_of_gaps_and_leave_other_columns():
    n, many = 5_000, P.expand((5_000, 4, 3))
    flat = StudentT(*(part.reshape(n * 4, 3) for part in (many.df, many.loc, many.scale)))
    with own_randomness(0):
        drawn = MASKING.sample(flat).view(n, 4, 3).mean(0)
    assert torch.allclose(drawn[:, MASKING.columns], MASKING.given_gap(P)[1], atol=0.15)  # few candidates a draw
    assert torch.allclose(drawn[:, 1], P.mean[:, 1], atol=0.04)


def test_the_probabilities_of_all_patterns_of_gaps_sum_to_one_on_average_over_values():
    with own_randomness(0):
        x = P.sample((20_000,))[:, 0]
    p = StudentT(*(part[:1].expand(len(x), 3) for part in (P.df, P.loc, P.scale)))
    total = 0.0
    for gaps in np.ndindex(2, 2):
        holed = x.clone()
        holed[:, MASKING.columns[torch.tensor(gaps, dtype=torch.bool)]] = torch.nan
        total += MASKING.log_prob(holed, p).exp().mean()
    assert total == pytest.approx(1, abs=0.01)


def test_without_a_slope_the_bound_is_that_of_values_and_of_chances_apart():
    x = torch.from_numpy(rows_with("random", 0.3, 0, n=50))
    schema = Schema.infer(x.numpy())
    with own_randomness(0):
        model = build(Architecture("vae", 2, ("student-t",), "mlp", (8,)), schema).eval()
        bound = NotMIWAE.of(x, torch.arange(6))
        together = bound(model, x, draws=7)
    with own_randomness(0):
        build(Architecture("vae", 2, ("student-t",), "mlp", (8,)), schema)
        alone = iwae(model, x, draws=7)
    share = x.isnan().float().mean(0)
    of_gaps = torch.where(x.isnan(), share.log(), (-share).log1p()).sum(1)
    assert torch.allclose(together.value, alone.value + of_gaps, atol=1e-4)


def test_values_hidden_for_a_trial_are_such_as_those_missing():
    rng, masking = np.random.default_rng(0), SelfMasking(torch.tensor([1]), torch.tensor([-1.0]), torch.tensor([1.0]))
    x = rng.normal(size=(100_000, 2))
    is_gap = rng.random(x.shape) < 1 / (1 + np.exp([-1, 1] - [0, 1] * x))
    chance = chance_to_hide(torch.from_numpy(np.where(is_gap, np.nan, x)), 0.3, masking).numpy()
    hidden = ~is_gap & (rng.random(x.shape) < chance)
    means = [[x[which[:, j], j].mean() for j in (0, 1)] for which in (hidden, is_gap)]
    assert means[0] == pytest.approx(means[1], abs=0.05)
    assert hidden.sum(0) / (~is_gap).sum(0) == pytest.approx([0.3, 0.15], abs=0.03)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_gaps_at_random_are_not_taken_for_gaps_by_their_own_value(share):
    assert not any(self_masked(rows_with("random", share, seed)).any() for seed in range(10))


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_gaps_by_their_own_value_are_told_and_by_another_column_seldom_taken_for_such(share):
    by = {
        kind: np.mean([self_masked(rows_with(kind, share, seed))[1::2] for seed in range(10)])
        for kind in ("own", "other")
    }
    assert by["own"] > 0.5
    assert by["other"] < 0.35


def test_gaps_by_their_own_value_are_told_where_no_straight_line_tells_of_the_value():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 6))[rng.integers(12, size=600)] + 0.2 * rng.normal(size=(600, 6))
    is_gap = rng.random(x.shape) < 1 / (1 + np.exp(-2 * x))
    assert self_masked(np.where(is_gap, np.nan, x)).all()


def test_tables_of_one_column_of_constants_or_of_gaps_alone_are_told_nothing_of():
    x = rows_with("own", 0.2, 1)
    assert not self_masked(x[:, :1]).any()
    odd = np.concatenate([x, np.full((len(x), 1), np.nan), np.full((len(x), 1), 3.0)], axis=1)
    assert not self_masked(odd)[-2:].any()
    assert self_masked(odd).any()
    assert not self_masked(x[:2]).any()
