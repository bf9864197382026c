"""Entropy coding: what is pushed is popped, at the price that the distribution names."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaekit.codec import entropy, tables
from vaekit.codec.entropy import Located, Stacks, Uniform, Weighted


def made_sites(kind, n, n_cells, rng):
    if kind == "uniform":
        return Uniform(n_cells)
    if kind == "weighted":
        return Weighted(rng.integers(0, 1 << 20, (n_cells, n)).astype(float))
    m = 1 if kind == "normal" else 3
    table = tables.normal_cdf() if "normal" in kind else tables.logistic_cdf()
    loc = rng.integers(-16 * n_cells, 32 * n_cells, (m, n)).astype(float)
    inverse = np.rint(2.0**21 / np.exp(rng.uniform(-4, 6, (m, n))))
    weight = entropy.shares(rng.integers(-300, 300, (m, n)).astype(float)) if m > 1 else None
    return Located(table, loc, inverse, weight, n_cells)


KINDS = ("uniform", "weighted", "normal", "mixture of normals", "mixture of logistics")


@given(
    kind=st.sampled_from(KINDS),
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    n_cells=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_pushed_is_popped(kind, sizes, n_cells, seed):
    rng = np.random.default_rng(seed)
    sites, indices = made_sites(kind, sum(sizes), n_cells, rng), rng.integers(0, n_cells, sum(sizes))
    before = [rng.integers(1, 1 << 32, int(rng.integers(0, 50)), np.uint32) for _ in sizes]
    stacks = Stacks(before)
    entropy.push(stacks, sites, indices, sizes)
    assert (entropy.pop(Stacks(stacks.words()), sites, sizes) == indices).all()
    assert (entropy.pop(stacks, sites, sizes) == indices).all()
    assert all((a == b).all() for a, b in zip(stacks.words(), before, strict=True))


@given(kind=st.sampled_from(KINDS), n_cells=st.integers(1, 300), seed=st.integers(0, 2**32 - 1))
def test_bits_that_are_popped_come_back(kind, n_cells, seed):
    rng = np.random.default_rng(seed)
    sites, sizes = made_sites(kind, 20, n_cells, rng), [20]
    before = rng.integers(1, 1 << 32, int(rng.integers(0, 12)), np.uint32)  # too few at times
    stacks = Stacks([before])
    entropy.push(stacks, sites, entropy.pop(stacks, sites, sizes), sizes)
    assert (stacks.words()[0] == before).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_cells", [1, 2, 5, 64, 254])
def test_chances_sum_to_one(kind, n_cells):
    sites = made_sites(kind, 40, n_cells, np.random.default_rng(0))
    total = sum(2.0 ** -entropy.n_bits(sites, np.full(40, i)) for i in range(n_cells))
    digits = math.ceil(math.log(max(n_cells, 2), 4))
    assert np.all(total <= 1 + 1e-9)
    assert np.all(total >= (1 - 4 / 65536) ** digits - 1e-9)  # cells beyond the last keep a crumb in each digit


@pytest.mark.parametrize("kind", KINDS)
def test_bits_are_what_the_stack_grows_by(kind):
    rng = np.random.default_rng(0)
    sites, indices = made_sites(kind, 5000, 64, rng), rng.integers(0, 64, 5000)
    stacks = Stacks([np.empty(0, np.uint32)])
    entropy.push(stacks, sites, indices, [5000])
    assert stacks.n_bits()[0] == pytest.approx(entropy.n_bits(sites, indices).sum(), rel=1e-3, abs=64)


@given(data=st.data(), k=st.integers(2, 4))
def test_the_stack_is_that_of_whole_numbers(plain, data, k):
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, (1 << 24) - k, (60, k - 1)), axis=1)
    bounds = np.concatenate([np.zeros((60, 1), int), cuts, np.full((60, 1), (1 << 24) - k)], axis=1)
    frequencies, symbols = np.diff(bounds, axis=1) + 1, rng.integers(0, k, 60)
    stacks, whole = Stacks([np.empty(0, np.uint32)]), plain.Stack([])
    stacks.push(symbols[None], frequencies[None].astype(float), [60])
    for f, s in list(zip(frequencies.tolist(), symbols.tolist(), strict=True))[::-1]:
        whole.push(s, f)
    head = [whole.head >> 32 * i & 0xFFFFFFFF for i in range(2) if whole.head >> 32 * i]
    assert stacks.words()[0].tolist() == whole.words + head
    assert [whole.pop(f) for f in frequencies.tolist()] == symbols.tolist()
