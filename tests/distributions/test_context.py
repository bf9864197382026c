"""What a chain over the values of a row must be, beside the laws of all likelihoods."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from vaekit.distributions.context import ContextLogisticLikelihood

SHAPES = [(3,), (2, 2), (2, 1, 2)]
LEVELS = 3


def made(shape, seed=0):
    torch.manual_seed(seed)
    likelihood = ContextLogisticLikelihood(shape, LEVELS)
    with torch.no_grad():
        likelihood.weight.normal_()
        return likelihood(torch.randn(1, *likelihood.parameter_shape))


def every_row(shape):
    rows = list(itertools.product(range(LEVELS), repeat=int(np.prod(shape))))
    return torch.tensor(rows, dtype=torch.float32).view(-1, *shape)


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_probabilities_of_all_rows_sum_to_one(shape):
    probabilities = made(shape).log_prob(every_row(shape)).flatten(1).sum(1).exp()
    assert float(probabilities.sum()) == pytest.approx(1, abs=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_draws_of_rows_are_distributed_as_log_prob_says(shape):
    distribution, n = made(shape), 20_000
    draws = distribution.sample(torch.Size((n,)))[:, 0].flatten(1).long()
    expected = n * distribution.log_prob(every_row(shape)).flatten(1).sum(1).exp().double().numpy()
    places = (draws * LEVELS ** torch.arange(draws.shape[1]).flip(0)).sum(1)
    observed = np.bincount(places.numpy(), minlength=len(expected))
    kept = expected > 5
    statistic = ((observed - expected)[kept] ** 2 / expected[kept]).sum()
    assert stats.chi2.sf(statistic, kept.sum() - 1) > 1e-4


@torch.no_grad()
def test_a_value_is_told_from_those_before_it_alone():
    torch.manual_seed(0)
    likelihood = ContextLogisticLikelihood((2, 5, 6), 256)
    likelihood.weight.normal_()
    p, x = likelihood(torch.randn(1, *likelihood.parameter_shape)), torch.randint(0, 256, (1, 2, 5, 6)).float()
    other = x.clone()
    other[0, 0, 2, 3] += 1
    moved = (p.log_prob(other) != p.log_prob(x))[0].nonzero().tolist()
    at = {(y, x) for _, y, x in moved}
    assert at <= {(2, 3), (2, 4), (2, 5)} | {(y, x) for y in (3, 4) for x in (1, 2, 3, 4, 5)}
    assert {(1, 2, 3), (0, 2, 4), (1, 4, 5)} <= {tuple(place) for place in moved}
