"""An epoch is a permutation of the rows that follows from seed and epoch alone, and goes on from any step."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from vaekit.data.batches import Batches, seed_of, split

sizes = st.integers(1, 300)
batch_sizes = st.integers(1, 70)
seeds = st.integers(0, 2**31)
epochs = st.integers(0, 1000)


def rows(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int32)[:, None]


def order(batches: Batches, epoch: int, start: int = 0) -> list[int]:
    return [int(x) for batch in batches.epoch(epoch, start) for x in batch]


@given(sizes, batch_sizes, seeds, epochs)
def test_each_epoch_is_a_permutation_in_batches_of_nearly_equal_size(n, batch_size, seed, epoch):
    batches = Batches(rows(n), batch_size, seed)
    lengths = [len(batch) for batch in batches.epoch(epoch)]
    assert sorted(order(batches, epoch)) == list(range(n))
    assert len(lengths) == len(batches)
    assert max(lengths) <= batch_size
    assert max(lengths) - min(lengths) <= 1


@given(sizes, batch_sizes, seeds, epochs, st.integers(0, 2**20))
def test_order_follows_from_seed_and_epoch_alone(n, batch_size, seed, epoch, noise):
    torch.manual_seed(noise)
    first = Batches(rows(n), batch_size, seed)
    for other in range(noise % 3):
        order(first, other)
    assert order(first, epoch) == order(Batches(rows(n), 1 + noise % 70, seed), epoch)


@given(st.integers(20, 300), seeds, epochs)
def test_other_seeds_and_epochs_have_other_orders(n, seed, epoch):
    found = order(Batches(rows(n), 32, seed), epoch)
    assert found != order(Batches(rows(n), 32, seed), epoch + 1)
    assert found != order(Batches(rows(n), 32, seed + 1), epoch)


@given(sizes, batch_sizes, seeds, epochs, st.data())
def test_an_epoch_goes_on_from_any_step(n, batch_size, seed, epoch, data):
    batches = Batches(rows(n), batch_size, seed)
    start = data.draw(st.integers(0, len(batches)))
    whole = [batch.tolist() for batch in batches.epoch(epoch)]
    assert [batch.tolist() for batch in Batches(rows(n), batch_size, seed).epoch(epoch, start)] == whole[start:]


def test_batches_leave_global_random_numbers_alone():
    before = torch.get_rng_state()
    order(Batches(rows(50), 8, 0), 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_rows_keep_their_dtype():
    for dtype in (np.uint8, np.int32, np.float32):
        assert next(Batches(rows(5).astype(dtype), 2, 0).epoch(0)).numpy().dtype == dtype


@given(st.integers(20, 500), st.floats(0.01, 0.9), seeds)
def test_a_split_parts_the_rows(n, valid, seed):
    train, held_out = split(n, valid, seed)
    assert sorted([*train, *held_out]) == list(range(n))
    assert len(held_out) == max(2, round(valid * n))
    assert all((a == b).all() for a, b in zip(split(n, valid, seed), (train, held_out), strict=True))


@given(st.integers(1, 19), seeds)
def test_few_rows_are_not_split(n, seed):
    train, held_out = split(n, 0.1, seed)
    assert train.tolist() == held_out.tolist() == list(range(n))


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=4), st.integers(0, 3), st.integers(1, 5))
def test_seeds_of_other_words_differ(words, at, step):
    other = [*words]
    other[at % len(words)] += step
    assert seed_of(*words) == seed_of(*words)
    assert seed_of(*words) != seed_of(*other)
    assert 0 <= seed_of(*words) < 2**63
