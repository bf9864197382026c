"""Blocks that wait come back in order, from memory or from a file; work is asked for only as its answers are taken."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from vaekit.codec import spool, workers
from vaekit.codec.container import Block


@pytest.mark.parametrize("most_in_memory", [1, 1 << 20])
def test_blocks_come_back_in_order(monkeypatch, most_in_memory):
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", most_in_memory)
    blocks = [Block(k % 4, k, bytes(8), bytes([k]) * k) for k in range(40)]
    with spool.Spool() as waiting:
        waiting.add(blocks[:10])
        assert list(waiting) == blocks[:10]
        waiting.add(iter(blocks[10:]))
        assert list(waiting) == blocks
        assert (len(waiting), waiting.n_bytes, waiting.methods) == (40, sum(range(40)), {0, 1, 2, 3})
        waiting.clear()
        waiting.add(blocks[5:7])
        assert list(waiting) == blocks[5:7]


def test_no_more_is_asked_for_than_some():
    asked = []

    def things():
        for k in range(20):
            asked.append(k)
            yield k

    with ThreadPoolExecutor(2) as pool:
        for taken, square in enumerate(workers._each(pool, 4, lambda k: k * k, things())):
            assert square == taken * taken
            assert len(asked) <= taken + 4
    assert len(asked) == 20
