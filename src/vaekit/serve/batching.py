"""Requests in company: what waits while the one worker works is its next batch.

Torch is called by one thread. No request waits for others to join it: when the worker is free it takes all that came
meanwhile, so batches grow with the load by themselves. Verbs give a row the same bits in any company
(`tasks/tiles.py`), so nobody can tell from an answer who else was asking.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

from vaekit.data.frames import concatenated, is_frame
from vaekit.data.rows import take_rows
from vaekit.errors import VaekitError

Verb = Callable[[Any], Any]  # from rows to as many rows


@dataclass(eq=False)
class Job:
    """What one request asks the worker for.

    Parameters
    ----------
    verb : callable
        From `data` to the answer.
    data : Any
    merges : bool
        Whether data are rows, which may be answered together with those of other jobs of the same verb.
    """

    verb: Verb
    data: Any
    merges: bool = False
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def size(self) -> int:
        """Rows of a job that merges; others stand for one."""
        return len(self.data) if self.merges else 1

    @property
    def kind(self) -> Hashable:
        """What jobs must have in common to be answered together."""
        if not self.merges:
            return id(self)
        return self.verb, layout(self.data)


class Worker:
    """One thread that answers jobs, batch by batch.

    Parameters
    ----------
    batch_rows : int
        The most rows in a batch; a job that has more is a batch by itself.
    told : callable
        Is told the rows of each batch.
    """

    def __init__(self, batch_rows: int, told: Callable[[int], None] = lambda n: None) -> None:
        self.batch_rows, self.told = batch_rows, told
        self.waiting: deque[Job] = deque()
        self._came = asyncio.Event()

    async def ask(self, job: Job) -> Any:
        """Return the answer to a job, or raise what its verb raised."""
        self.waiting.append(job)
        self._came.set()
        return await job.answer

    async def work(self) -> None:
        """Answer jobs until cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "vaekit") as thread:
            while True:
                await self._came.wait()
                self._came.clear()
                while batch := self._next():
                    for job, answer in zip(batch, await loop.run_in_executor(thread, answers, batch), strict=True):
                        _deliver(job, answer)

    def _next(self) -> list[Job]:
        """Return the first job that waits, and those after it that can be answered with it."""
        batch: list[Job] = []
        left: list[Job] = []
        rows = 0
        while self.waiting:
            job = self.waiting.popleft()
            if job.answer.done():  # nobody waits for it any more
                continue
            if not batch or (job.kind == batch[0].kind and rows + job.size <= self.batch_rows):
                batch.append(job)
                rows += job.size
            else:
                left.append(job)
        self.waiting.extend(left)
        if batch:
            self.told(rows)
        return batch


def answers(batch: Sequence[Job]) -> list[Any]:
    """Return the answer to each job of one kind, or the exception it met."""
    if len(batch) == 1:
        return [_attempt(batch[0].verb, batch[0].data)]
    together = _attempt(batch[0].verb, concatenated([job.data for job in batch]))
    if isinstance(together, VaekitError):  # one job's rows are not to spoil the others'
        return [_attempt(job.verb, job.data) for job in batch]
    if isinstance(together, Exception):
        return [together] * len(batch)
    ends = accumulate((job.size for job in batch), initial=0)
    return [take_rows(together, list(range(a, b))) for a, b in pairwise(ends)]


def layout(data: Any) -> Hashable:
    """Return what arrays or frames must have in common to stand one below the other.

    Examples
    --------
    >>> import numpy as np
    >>> layout(np.zeros((3, 2)))
    ('float64', (2,))
    """
    if is_frame(data):
        import narwhals as nw

        return str(nw.from_native(data, eager_only=True).schema)
    return str(data.dtype), data.shape[1:]


def _attempt(verb: Verb, data: Any) -> Any:
    try:
        return verb(data)
    except Exception as error:
        return error


def _deliver(job: Job, answer: Any) -> None:
    if job.answer.done():
        return
    if isinstance(answer, Exception):
        job.answer.set_exception(answer)
    else:
        job.answer.set_result(answer)
