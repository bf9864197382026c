"""What is made ahead of the one who takes it, by a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")
Waiting: TypeAlias = "queue.Queue[tuple[T | None, BaseException | None]]"

PATIENCE = 0.1  # seconds between two looks at whether anybody still waits


class Ahead(Generic[T]):
    """An iterator whose next items are made while others are used.

    Parameters
    ----------
    items : iterator
        What it raises is raised to the one who takes.
    most : int
        So many items are held at most.

    Examples
    --------
    >>> ahead = Ahead(iter(range(3)), most=2)
    >>> next(ahead), list(ahead)
    (0, [1, 2])
    """

    def __init__(self, items: Iterator[T], most: int) -> None:
        self._ready: Waiting[T] = queue.Queue(most)
        self._closed = threading.Event()
        threading.Thread(target=_make, args=(items, self._ready, self._closed), daemon=True).start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item, error = self._ready.get()
        if error is not None:
            self._ready.put((None, error))  # for those who ask again
            raise error
        return item  # type: ignore[return-value]

    def close(self) -> None:
        """Let the thread end; nothing is to be taken afterwards."""
        self._closed.set()


def _make(items: Iterator[T], ready: Waiting[T], closed: threading.Event) -> None:
    try:
        for item in items:
            if not _put(ready, (item, None), closed):
                return
        raise StopIteration
    except BaseException as error:  # it is the taker's
        _put(ready, (None, error), closed)


def _put(ready: Waiting[T], item: tuple[T | None, BaseException | None], closed: threading.Event) -> bool:
    """Put an item once there is room; return False when nobody waits any more."""
    while not closed.is_set():
        try:
            ready.put(item, timeout=PATIENCE)
        except queue.Full:
            continue
        return True
    return False
