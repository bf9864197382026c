"""A training step beside its floor: what its products and its passes over the weights must take on this machine.

Protocol: steps of `Run`, everything included but the held-out bound. Products are counted by torch's flop counter over
forward and backward pass; their floor is that count over the speed of 2048 × 2048 products in the step's precision.
Bytes are those of the optimiser (four arrays read, three written, float32) and of the weights' and gradients' change of
precision; their floor is the count over the speed of y += a x on arrays of 64 MB. Floors add up. Fifteen steps of each
kind in turn, five times; medians.
"""

from __future__ import annotations

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command does for itself

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _report import publish
from torch.utils.flop_counter import FlopCounterMode

from vaekit.data.batches import Batches
from vaekit.tasks.fit import Options, choose_architecture, choose_settings, make_model
from vaekit.tasks.loading import load_rows
from vaekit.training.loop import Run

DATA = Path(__file__).parents[2] / "shared/data"
STEPS, TURNS, ROWS = 15, 5, 10_000
BERNOULLI = {"likelihood": "bernoulli"}
TWO_LEVELS = {"preset": "best", "network": "mlp"}
PLAIN = {"hidden": (400,), "activation": "relu", "latent_dim": 20, "prior": "normal", "batch_size": 128, "threads": 2}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "784-400-20 ReLU, batch 128": ("mnist", PLAIN | BERNOULLI),
    "fast, 784-300-300, batch 256": ("mnist", {"preset": "fast", "batch_size": 256} | BERNOULLI),
    "balanced, 784-512-512, batch 256": ("mnist", {"batch_size": 256} | BERNOULLI),
    "two stochastic layers, 784-512-512, batch 256": ("mnist", {"batch_size": 256} | TWO_LEVELS | BERNOULLI),
    "convolutions, 32 × 32 × 3, batch 128": ("gtsrb_32", {"network": "conv", "batch_size": 128}),
    "table of 10 columns, batch 128": ("", {"batch_size": 128}),
}


def rows_of(name: str) -> np.ndarray:
    if name:
        return np.load(DATA / f"{name}.npz")["x_train"][:ROWS]
    return np.random.default_rng(0).normal(size=(ROWS, 10)) @ np.random.default_rng(1).normal(size=(10, 10))


def make_run(rows: np.ndarray, said: dict[str, Any], compile: str) -> Run:
    options = Options(epochs=1000, compile=compile, **said)
    train, held_out, schema, *_ = load_rows(rows, options)
    architecture = choose_architecture(options, schema, train)
    model = make_model(architecture, schema, train, options)
    settings = choose_settings(options, len(train), model, architecture.network)
    run = Run(model.train(), Batches(train, settings.batch_size, 0), torch.from_numpy(held_out), settings)
    torch.set_num_threads(settings.threads)
    return run


def milliseconds(run: Run, steps: int = STEPS) -> float:
    torch.set_num_threads(run.settings.threads)
    batches = [batch for _, batch in zip(range(steps), run.batches.epoch(0), strict=False)]
    return 1e3 * seconds(lambda: [run._step(batch) for batch in batches]) / steps


def seconds(f: Callable[[], object]) -> float:
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


def products_per_second(dtype: torch.dtype) -> float:
    a, b = torch.randn(2, 2048, 2048).to(dtype)
    return 2 * 2048**3 / statistics.median(seconds(lambda: a @ b) for _ in range(10))


def bytes_per_second() -> float:
    x, y = torch.randn(2, 2**24)
    return 3 * 4 * 2**24 / statistics.median(seconds(lambda: y.add_(x, alpha=1e-3)) for _ in range(10))


def floor(run: Run) -> dict[str, float]:
    """Return the counts of a step and the milliseconds they must take."""
    x = next(iter(run.batches.epoch(0)))
    with FlopCounterMode(display=False) as counter, run._autocast():
        loss, _ = run._loss_of(x, run.weight)
        loss.backward()
    run.model.zero_grad(set_to_none=True)
    n_weights = sum(p.numel() for p in run.model.parameters())
    half = run.settings.precision == "bfloat16"
    moved = n_weights * (7 * 4 + (2 * 6 if half else 0))
    torch.set_num_threads(run.settings.threads)
    products = 1e3 * counter.get_total_flops() / products_per_second(torch.bfloat16 if half else torch.float32)
    passes = 1e3 * moved / bytes_per_second()
    return {"GFLOP": counter.get_total_flops() / 1e9, "MB": moved / 1e6, "products ms": products, "passes ms": passes}


def main() -> None:
    table = []
    for name, (data, said) in CASES.items():
        rows = rows_of(data)
        runs = {how: make_run(rows, said, how) for how in ("no", "yes")}
        first = {how: seconds(lambda run=run: milliseconds(run, 2)) for how, run in runs.items()}
        times: dict[str, list[float]] = {how: [] for how in runs}
        for _ in range(TURNS):
            for how, run in runs.items():
                times[how].append(milliseconds(run))
        plain, compiled = (statistics.median(times[how]) for how in runs)
        least = floor(runs["no"])
        share = (least["products ms"] + least["passes ms"]) / plain
        table.append(
            {"step": name, "threads": runs["no"].settings.threads, "precision": runs["no"].settings.precision}
            | least
            | {"ours ms": plain, "floor / ours": share, "compiled ms": compiled, "compilation s": first["yes"]}
        )
        print(table[-1], flush=True)
    publish("step", __doc__.split("Protocol: ")[1].strip().replace("\n", " "), table)


if __name__ == "__main__":
    main()
