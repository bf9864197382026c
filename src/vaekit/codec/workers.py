"""Blocks side by side: some at a time, in this process or in several."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

from threadpoolctl import threadpool_limits

from vaekit.data.progress import Tell

BLOCKS_AT_ONCE = 8  # together they are as fast as more

Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def side_by_side(
    function: Callable[[Sequence[Any]], Iterable[Any]],
    blocks: Callable[[range], Sequence[Any]],
    n_blocks: int,
    *,
    processes: int = 1,
    tell: Tell | None = None,
) -> Iterator[Any]:
    """Yield what a function of some blocks makes of each, in their order.

    Parameters
    ----------
    function : callable
        Takes some blocks, gives an answer for each. Several processes need to be able to unpickle it.
    blocks : callable
        Gives the blocks of some numbers, which are taken as they are asked for.
    n_blocks : int
    processes : int
        How many work at a time.
    tell : callable, optional
        Is told the share that is done.

    Examples
    --------
    >>> list(side_by_side(lambda some: [2 * n for n in some], list, 3))
    [0, 2, 4]
    """
    at_once = max(1, min(BLOCKS_AT_ONCE, math.ceil(n_blocks / processes)))
    groups = (blocks(range(i, min(i + at_once, n_blocks))) for i in range(0, n_blocks, at_once))
    with _mapper(processes) as each:
        for done, found in enumerate(each(function, groups), 1):
            yield from found
            if tell is not None:
                tell(min(1.0, done * at_once / n_blocks))


@contextmanager
def _mapper(processes: int) -> Iterator[Each]:
    """Give what applies a function to each of some things, in this process or in several, answers in order."""
    if processes == 1:
        yield map
        return
    environment = get_context("spawn")  # a fork would share the threads of what was computed before
    with ProcessPoolExecutor(processes, environment, initializer=threadpool_limits, initargs=(1,)) as pool:
        yield partial(_each, pool, 2 * processes)


def _each(pool: Executor, most: int, function: Callable[[Any], Any], things: Iterable[Any]) -> Iterator[Any]:
    """Yield a function's answers in order, at most some of them asked for before they are taken."""
    asked: deque[Future[Any]] = deque()
    for thing in things:
        asked.append(pool.submit(function, thing))
        if len(asked) == most:
            yield asked.popleft().result()
    for future in asked:
        yield future.result()
