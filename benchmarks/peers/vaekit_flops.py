"""vaekit's networks: operations counted in one training step, and the seconds that a step takes, all included."""

from __future__ import annotations

import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import BATCH, HIDDEN, LATENT, THREADS, arguments, say
from torch.utils.flop_counter import FlopCounterMode

from vaekit import VAE
from vaekit.objectives import OBJECTIVES

SIDE, PRODUCTS, HELD_OUT, DEFAULT_LATENT = 2048, 10, 100, 48
PRECISIONS = ("float32", "bfloat16")
NETWORKS: dict[str, dict[str, Any]] = {
    "784-400-20, ReLU": {"latent_dim": LATENT, "hidden": (HIDDEN,), "activation": "relu", "batch_size": BATCH},
    "784-300-300-48, gated": {"latent_dim": DEFAULT_LATENT, "hidden": (300, 300), "batch_size": 256},
    "convolutions, 32 × 32 × 3": {"latent_dim": DEFAULT_LATENT, "network": "conv", "batch_size": BATCH},
}


def product_flops(precision: str) -> float:
    """Return the operations a second of the fastest of some square matrix products."""
    a, b = torch.randn(2, SIDE, SIDE).to(getattr(torch, precision))
    times = []
    for _ in range(PRODUCTS + 1):
        began = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - began)
    return 2 * SIDE**3 / min(times)


def step_flops(vae: VAE, rows: np.ndarray) -> int:
    """Return the operations of the bound and its gradients for one batch; two for each multiplication with addition."""
    model = vae.model_.train()
    with FlopCounterMode(display=False) as counter:
        bound = OBJECTIVES["elbo"](model, model.observation.observe(torch.from_numpy(rows)))
        (-bound.elbo.mean()).backward()
    return counter.get_total_flops()


def step_seconds(vae: VAE, n_rows: int, batch_size: int) -> float:
    ends = vae.history_["seconds"].to_list()
    epoch = statistics.median(after - before for before, after in itertools.pairwise(ends))
    return epoch / -(-n_rows // batch_size)


def measure(name: str, precision: str, pictures: np.ndarray, held_out: np.ndarray, epochs: int) -> None:
    options = {"network": "mlp", "likelihood": "auto" if pictures.ndim == 4 else "bernoulli", **NETWORKS[name]}
    vae = VAE(**options, prior="normal", precision=precision, threads=THREADS, epochs=epochs, valid=held_out)
    vae.fit(pictures)
    batch_size = options["batch_size"]
    rows = vae.schema_.encode(pictures[:batch_size])
    say(
        network=name,
        batch=batch_size,
        precision=precision,
        flops=step_flops(vae, rows),
        seconds=step_seconds(vae, len(pictures), batch_size),
    )


def main() -> None:
    words = arguments(colour=Path)
    torch.set_num_threads(THREADS)
    for name, precision in itertools.product(NETWORKS, PRECISIONS):
        say(peak=precision, flops_per_second=product_flops(precision))
        with np.load(words.colour if "conv" in name else words.data) as file:
            measure(name, precision, file["x_train"][: words.rows], file["x_test"][:HELD_OUT], words.epochs)


if __name__ == "__main__":
    main()
