"""Streamed batches are a permutation that follows from seed and epoch alone, for any number of processes together."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vaekit.data.fields import Count
from vaekit.data.lanes import Lanes
from vaekit.data.schema import Schema
from vaekit.data.streamed import StreamedBatches
from vaekit.data.streams import Stream
from vaekit.errors import DataError, ParameterError

SCHEMA = Schema((Count(name="x", shape=(1,), dtype="int64"),))
LIKE = np.zeros((1, 1), np.int32)

seeds = st.integers(0, 2**31)
epochs = st.integers(0, 1000)
worlds = st.integers(1, 5)
batch_sizes = st.integers(1, 40)
streams = st.lists(st.integers(1, 60), min_size=1, max_size=4).map(lambda sizes: stream(*sizes))


@dataclass
class Rows:
    """A part whose rows are their own numbers."""

    first: int
    n_rows: int
    name: str = "rows"
    row: str = "one value"
    row_bytes: int = 1 << 15  # so that a chunk has two rows
    least_rows: int = 1

    def read(self, start: int, stop: int) -> np.ndarray:
        return np.arange(self.first + start, self.first + stop)[:, None]


def stream(*sizes: int) -> Stream:
    firsts = np.cumsum([0, *sizes])
    return Stream("rows", [Rows(int(a), n) for a, n in zip(firsts, sizes, strict=False)], 0, sum(sizes))


def batches(rows: Stream, batch_size: int, seed: int, **settings) -> StreamedBatches:
    return StreamedBatches(rows, SCHEMA, LIKE, batch_size, seed, **settings)


def lists(found) -> list[list[int]]:
    return [batch.flatten().tolist() for batch in found]


@given(streams, batch_sizes, seeds, epochs, st.data())
def test_each_epoch_has_every_row_once_but_those_left_out(rows, batch_size, seed, epoch, data):
    left_out = data.draw(st.sets(st.integers(0, rows.n_rows - 1), max_size=rows.n_rows - 1))
    found = batches(rows, batch_size, seed, left_out=np.array(sorted(left_out)))
    taken = lists(found.epoch(epoch))
    assert sorted(sum(taken, [])) == sorted(set(range(rows.n_rows)) - left_out)
    assert found.n_rows == rows.n_rows - len(left_out)
    assert len(taken) == len(found)
    assert max(map(len, taken)) <= batch_size
    assert max(map(len, taken)) - min(map(len, taken)) <= 1


@given(streams, batch_sizes, seeds, epochs, worlds)
def test_processes_share_the_batches_of_one(rows, batch_size, seed, epoch, world):
    alone = batches(rows, batch_size, seed)
    if world > alone.n_lanes:
        with pytest.raises(ParameterError, match=f"{world} processes cannot share data that are read in"):
            batches(rows, batch_size, seed, share=(0, world))
        return
    shares = [batches(rows, batch_size, seed, share=(rank, world)) for rank in range(world)]
    whole = lists(alone.epoch(epoch))
    for share in shares:
        places = [share.part(step) for step in range(len(share))]
        assert lists(share.epoch(epoch)) == [place.of(batch) for place, batch in zip(places, whole, strict=True)]
    for step, batch in enumerate(whole):
        places = [share.part(step) for share in shares]
        assert [place.first for place in places] == [sum(p.n_rows for p in places[:i]) for i in range(world)]
        assert sum(place.n_rows for place in places) == len(batch) == places[0].total


@given(streams, batch_sizes, seeds, epochs, st.integers(0, 2**20))
def test_order_follows_from_seed_and_epoch_alone(rows, batch_size, seed, epoch, noise):
    torch.manual_seed(noise)
    np.random.seed(noise)
    found = batches(rows, batch_size, seed)
    for other in range(noise % 3):
        next(found.epoch(other))
    assert lists(found.epoch(epoch)) == lists(batches(rows, batch_size, seed).epoch(epoch))


@given(streams, batch_sizes, seeds, epochs, st.data())
def test_an_epoch_goes_on_from_any_step_and_after_any_pause(rows, batch_size, seed, epoch, data):
    whole = batches(rows, batch_size, seed)
    expected = lists(whole.epoch(epoch))
    start = data.draw(st.integers(0, len(whole)))
    found = batches(rows, batch_size, seed)
    assert lists(found.epoch(epoch, start)) == expected[start:]
    pause = data.draw(st.integers(0, len(whole)))
    taken = lists(batch for batch, _ in zip(found.epoch(epoch), range(pause), strict=False))
    assert taken + lists(found.epoch(epoch, len(taken))) == expected


@given(st.integers(40, 200), seeds, epochs)
def test_other_seeds_and_epochs_have_other_orders(n, seed, epoch):
    found = lists(batches(stream(n), 8, seed).epoch(epoch))
    assert found != lists(batches(stream(n), 8, seed).epoch(epoch + 1))
    assert found != lists(batches(stream(n), 8, seed + 1).epoch(epoch))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30).filter(any), st.integers(1, 7), worlds, seeds)
def test_a_process_reads_its_own_chunks_alone(sizes, n_lanes, world, seed):
    lanes = Lanes(np.array(sizes), n_lanes, 5, seed)
    order = lanes.epoch(0)
    read = [
        {piece.chunk for step in range(len(lanes)) for piece in order.pieces(step, range(rank, n_lanes, world))}
        for rank in range(min(world, n_lanes))
    ]
    assert set.union(*read) == {chunk for chunk, size in enumerate(sizes) if size}
    assert sum(map(len, read)) < len(sizes) + n_lanes  # where one lane ends and the next begins, both read the chunk


def test_a_batch_has_rows_from_all_over_the_data():
    spread = [max(batch) - min(batch) for batch in lists(batches(stream(1000), 32, 0).epoch(0))]
    assert min(spread) > 500


def test_rows_of_a_chunk_are_apart_in_time():
    order = np.concatenate(lists(batches(stream(1000), 32, 0).epoch(0)))
    neighbours = np.abs(np.diff(np.argsort(order)))
    assert np.median(neighbours) > 10


def test_a_value_that_the_schema_refuses_ends_the_epoch_with_its_file_and_row():
    class Bad(Rows):
        def read(self, start, stop):
            return np.where((found := super().read(start, stop)) == 77, -5, found)

    rows = Stream("all", [Rows(0, 50), Bad(50, 50, name="second.npy")], 0, 100)
    found = batches(rows, 10, 0)
    for _ in range(2):  # asked again, it says so again
        with pytest.raises(DataError, match=r"second\.npy: .*value -5 in row 27, place \[0\]; it was learned as count"):
            list(found.epoch(0))


def test_a_part_of_a_batch_may_be_empty():
    found = lists(batches(stream(40), 5, 0, share=(3, 4), left_out=np.arange(38)).epoch(0))
    assert len(found) == 1
    assert sum(found, []) in ([], [38], [39])


@given(seeds, epochs, st.integers(0, 99))
def test_the_rows_of_a_chunk_have_another_order_in_every_epoch_and_chunk(seed, epoch, chunk):
    lanes = Lanes(np.full(101, 50), 4, 32, seed)
    orders = [lanes.epoch(epoch).within(chunk), lanes.epoch(epoch + 1).within(chunk), lanes.epoch(epoch).within(100)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9).filter(any), st.integers(1, 7), seeds)
def test_lanes_are_of_equal_length(sizes, n_lanes, seed):
    order = Lanes(np.array(sizes), n_lanes, sum(sizes), seed).epoch(0)
    lengths = np.zeros(n_lanes, int)
    for piece in order.pieces(0, range(n_lanes)):
        lengths[piece.lane] += piece.stop - piece.start
    assert lengths.sum() == sum(sizes)
    assert lengths.max() - lengths.min() <= 1
