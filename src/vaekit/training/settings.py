"""The settings of a run, all decided before it starts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """How a model is trained.

    Parameters
    ----------
    epochs : int
        Passes over the rows; with `seconds`, at most so many.
    seconds : float or None
        A budget of wall-clock time. It is the one setting that makes a result depend on the machine's speed.
    batch_size : int
    learning_rate : float
        The peak of the one-cycle schedule.
    objective : str
    beta : float
        The weight of the KL.
    warmup : float
        The share of the run over which the KL's weight rises.
    clip_norm : float
        The largest norm of the gradient.
    seed : int
    device : str
    precision : {"float32", "bfloat16"}
    threads : int
    """

    epochs: int
    seconds: float | None = None
    batch_size: int = 128
    learning_rate: float = 2e-3
    objective: str = "elbo"
    beta: float = 1.0
    warmup: float = 0.1
    clip_norm: float = 100.0
    seed: int = 0
    device: str = "cpu"
    precision: str = "float32"
    threads: int = 1

    def fingerprint(self, *more: Any) -> str:
        """Return a digest that tells a run with other settings, data or architecture apart."""
        words = json.dumps([dataclasses.asdict(self), *more], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()[:16]
