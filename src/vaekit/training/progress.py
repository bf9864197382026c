"""One stream of events about a run, and who listens to it."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Note:
    """Something worth saying, such as what was decided before training: one plain sentence."""

    sentence: str


@dataclass(frozen=True)
class Began:
    """Training starts: what was chosen, in words, and by name as plain values."""

    sentence: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Advanced:
    """Some steps of a long epoch are done; nats are per row, since the epoch began."""

    epoch: int
    epochs: int
    progress: float
    seconds: float
    elbo_nats: float
    rows_per_second: float


@dataclass(frozen=True)
class EpochEnded:
    """One pass over the rows is done; nats are per row, the bound on held-out rows is of the averaged weights."""

    epoch: int
    epochs: int
    progress: float
    seconds: float
    elbo_nats: float
    reconstruction_nats: float
    kl_nats: float
    valid_elbo_nats: float
    valid_bits_per_dim: float
    kl_weight: float
    learning_rate: float
    rows_per_second: float


@dataclass(frozen=True)
class RolledBack:
    """A step gave no finite number; the run goes on from its last good state with half the learning rate."""

    epoch: int
    rate_factor: float


@dataclass(frozen=True)
class Ended:
    """The run is over."""

    reason: str
    seconds: float


Event = Note | Began | Advanced | EpochEnded | RolledBack | Ended
Listener = Callable[[Event], None]


class History:
    """A listener that keeps the epochs' numbers."""

    def __init__(self, rows: list[dict[str, float]] | None = None) -> None:
        self.rows = rows if rows is not None else []

    def __call__(self, event: Event) -> None:
        """Keep an epoch."""
        if isinstance(event, EpochEnded):
            self.rows.append(asdict(event))


class Lines:
    """A listener that writes plain lines, for a pipe or a log: at most one epoch every `every` seconds, and the last.

    Parameters
    ----------
    stream : file, optional
        Standard error where none is given.
    every : float
        Seconds.
    """

    def __init__(self, stream: IO[str] | None = None, every: float = 5.0) -> None:
        self.stream, self.every, self.said_at = stream or sys.stderr, every, -math.inf
        self.unsaid: EpochEnded | None = None

    def __call__(self, event: Event) -> None:
        """Say an event, or keep it for when the run ends."""
        if isinstance(event, Advanced | EpochEnded) and time.monotonic() - self.said_at < self.every:
            self.unsaid = event if isinstance(event, EpochEnded) else self.unsaid
            return
        if isinstance(event, Ended) and self.unsaid is not None:
            self._say(sentence(self.unsaid))
        self._say(sentence(event))
        if isinstance(event, Advanced | EpochEnded):
            self.said_at, self.unsaid = time.monotonic(), None

    def _say(self, words: str) -> None:
        print(words, file=self.stream, flush=True)


class Bar:
    """A listener that draws a bar with nats, bits per dimension, KL, speed and time left, within 80 columns."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self.progress = Progress(BarColumn(10), TextColumn("{task.description}"), console=Console(stderr=True))
        self.task = self.progress.add_task("starting", total=1.0)

    def __call__(self, event: Event) -> None:
        """Draw an event."""
        if isinstance(event, Advanced | EpochEnded):
            self.progress.start()
            self.progress.update(self.task, completed=event.progress, description=short(event))
            return
        if isinstance(event, Ended):
            self.progress.stop()
        self.progress.console.print(sentence(event), highlight=False)


class Doing:
    """What a verb tells its progress to: silent for two seconds, then a bar on a terminal or a line every five seconds.

    Parameters
    ----------
    words : str
        What is being done.
    """

    def __init__(self, words: str) -> None:
        self.words, self.began, self.said_at = words, time.monotonic(), 0.0
        self.bar: Any = None

    def __enter__(self) -> Doing:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, share: float) -> None:
        """Show the share that is done."""
        seconds = time.monotonic() - self.began
        if seconds < 2:
            return
        if sys.stderr.isatty():
            self._draw(share)
        elif seconds - self.said_at >= 5:
            self.said_at = seconds
            left = duration(seconds * (1 - share) / max(share, 1e-9))
            print(f"{self.words}: {share:.0%}, {left} left", file=sys.stderr, flush=True)

    def _draw(self, share: float) -> None:
        if self.bar is None:
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.bar.start()
            self.task = self.bar.add_task(self.words, total=1.0)
        self.bar.update(self.task, completed=share)


class JsonLines:
    """A listener that appends each event to a file as one JSON object a line."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __call__(self, event: Event) -> None:
        """Append an event."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n")


def sentence(event: Event) -> str:
    """Return an event in words.

    Examples
    --------
    >>> sentence(Ended("finished", 3.2))
    'finished after 3.2 s'
    """
    if isinstance(event, Note | Began):
        return event.sentence
    if isinstance(event, RolledBack):
        return (
            f"epoch {event.epoch}: a step gave no finite number; went back to the last good weights and "
            f"on with {event.rate_factor:g} of the learning rate"
        )
    if isinstance(event, Ended):
        return f"{event.reason} after {duration(event.seconds)}"
    if isinstance(event, Advanced):
        return (
            f"epoch {_count(event)}, {event.progress:.0%} of the run  elbo {event.elbo_nats:.2f} nats  "
            f"{event.rows_per_second:,.0f} rows/s  {seconds_left(event)} left"
        )
    return (
        f"epoch {_count(event)}  elbo {event.elbo_nats:.2f}  "
        f"held-out {event.valid_elbo_nats:.2f} nats ({event.valid_bits_per_dim:.4f} bits/dim)  kl {event.kl_nats:.2f}  "
        f"{event.rows_per_second:,.0f} rows/s  {seconds_left(event)} left"
    )


def short(event: Advanced | EpochEnded) -> str:
    """Return an epoch in at most 68 characters, for a terminal of 80."""
    if isinstance(event, Advanced):
        speed = f"{event.rows_per_second:,.0f}/s"
        return f"epoch {_count(event)} {event.elbo_nats:.2f} nats {speed} {seconds_left(event)} left"
    return (
        f"epoch {_count(event)} {event.valid_elbo_nats:.2f} nats {event.valid_bits_per_dim:.3f} b/d "
        f"kl {event.kl_nats:.1f} {event.rows_per_second:,.0f}/s {seconds_left(event)} left"
    )


def seconds_left(event: Advanced | EpochEnded) -> str:
    """Return the time the rest of the run should take, in words."""
    return duration(event.seconds * (1 - event.progress) / max(event.progress, 1e-9))


def _count(event: Advanced | EpochEnded) -> str:
    return f"{event.epoch}/{event.epochs}" if event.epochs else str(event.epoch)


def duration(seconds: float) -> str:
    """Return seconds as people say them.

    Examples
    --------
    >>> duration(3.21), duration(200), duration(7300)
    ('3.2 s', '3 min 20 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def on_screen() -> Listener:
    """Return what tells on standard error how a run goes: a bar on a terminal, lines elsewhere."""
    return Bar() if sys.stderr.isatty() else Lines()
