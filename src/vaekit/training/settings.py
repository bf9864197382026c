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
    micro_batch : int or None
        The most rows of a batch that are computed at once, their gradients added up; None for all.
    recompute : bool
        Whether activations are computed anew in the backward pass, which takes less memory.
    shard : bool
        Whether several processes each hold a part of the weights alone.
    learning_rate : float
        The peak of the one-cycle schedule.
    weight_decay : float
        The share of each weight that is taken off a step, over the learning rate.
    objective : str
    draws : int or None
        Of z for each row; None for the objective's own number.
    strength : float or None
        The weight of the objective's own penalty; None for its usual one.
    beta : float
        The weight of the KL.
    free_nats : float
        The KL each unit may have for nothing; of the ELBO alone.
    warmup : float
        The share of each cycle over which the KL's weight rises.
    cycles : int
        How often over the run it rises.
    clip_norm : float
        The largest norm of the gradient.
    seed : int
    device : str
    precision : {"float32", "bfloat16"}
    threads : int
    compiled : bool
        Whether the step is compiled first.
    to_the_end : bool
        Whether the last weights are kept, not those of the epoch whose held-out bound was best: of a model that learns
        classes, which the bound says little of.
    """

    epochs: int
    seconds: float | None = None
    batch_size: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    objective: str = "elbo"
    draws: int | None = None
    strength: float | None = None
    beta: float = 1.0
    free_nats: float = 0.0
    warmup: float = 0.1
    cycles: int = 1
    clip_norm: float = 100.0
    seed: int = 0
    device: str = "cpu"
    precision: str = "float32"
    threads: int = 1
    compiled: bool = False
    micro_batch: int | None = None
    recompute: bool = False
    shard: bool = False
    to_the_end: bool = False

    def fingerprint(self, *more: Any) -> str:
        """Return a digest that tells a run with other settings, data or architecture apart.

        Threads and parts only round otherwise: a run may go on where there are more processors, or fewer.
        """
        words = json.dumps([dataclasses.asdict(self) | {"threads": None, "shard": None}, *more], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()[:16]
