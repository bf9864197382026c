"""What a user may say of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Options:
    """What a user may say of a fit; None and "auto" leave it to the preset and the data. See `vaekit.VAE`."""

    model: str = "vae"
    preset: str = "balanced"
    purpose: str = "any"
    latent_dim: int | str = "auto"
    likelihood: str = "auto"
    kinds: Mapping[str, str] | None = None
    network: str = "auto"
    hidden: Sequence[int] | None = None
    activation: str = "gated"
    prior: str = "auto"
    second_stage: str = "none"
    levels: int | None = None
    objective: str = "auto"
    draws: int | None = None
    strength: float | None = None
    beta: float = 1.0
    free_nats: float = 0.0
    warmup: float = 0.1
    cycles: int = 1
    epochs: int | None = None
    time: str | float | None = None
    batch_size: int | None = None
    micro_batch: int | None = None
    recompute: bool = False
    shard: bool = False
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    valid: Any = 0.1
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    compile: str = "auto"
    encoder: nn.Module | None = None
    decoder: nn.Module | None = None
