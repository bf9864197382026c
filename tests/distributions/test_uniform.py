"""Sixteen bits of uniformity: every value is as likely as another, and neighbours know nothing of each other."""

import torch

from vaekit.distributions.uniform import coarse_uniform


def test_numbers_are_uniform_and_independent():
    torch.manual_seed(0)
    numbers = coarse_uniform(torch.zeros(1000, 1001)).double()
    n = numbers.numel()
    assert 0 <= numbers.min() < 1e-4
    assert 1 - 1e-4 < numbers.max() < 1
    counts = torch.histc(numbers, 64, 0, 1)
    assert ((counts - n / 64) ** 2 / (n / 64)).sum() < 110  # χ² of 63 degrees, 99.98 %
    flat = numbers.flatten() - 0.5
    for shift in (1, 2, 3, 4):
        assert abs(float((flat[:-shift] * flat[shift:]).mean()) * 12) < 4.5 / n**0.5


def test_the_same_seed_gives_the_same_numbers():
    draws = []
    for _ in range(2):
        torch.manual_seed(3)
        draws.append(coarse_uniform(torch.zeros(7, 3)))
    assert torch.equal(*draws)
