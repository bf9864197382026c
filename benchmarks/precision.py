"""Where bfloat16 pays on a processor: milliseconds a training step, beside float32.

Protocol: random pictures, default networks of --preset fast; steps of both precisions in turn, ten at a time, five
times; medians. Ratios under 1 favour bfloat16.
"""

from __future__ import annotations

import dataclasses
import statistics
import time

import numpy as np
import torch
from _report import publish

from vaekit.data.batches import Batches
from vaekit.tasks.fit import Options, choose_architecture, choose_settings, make_model
from vaekit.tasks.loading import load_rows
from vaekit.training.loop import Run

SHAPES = {"vectors of 64": (64,), "pictures 28 × 28": (28, 28), "pictures 32 × 32 × 3": (32, 32, 3)}
STEPS, TURNS, ROWS = 10, 5, 4096


def make_run(shape: tuple[int, ...], precision: str) -> Run:
    data = np.random.default_rng(0).integers(0, 256, (ROWS, *shape), dtype=np.uint8)
    options = Options(preset="fast", precision=precision)
    train, held_out, schema, *_ = load_rows(data, options)
    architecture = choose_architecture(options, schema, train)
    model = make_model(architecture, schema, train, options)
    settings = choose_settings(options, len(train), model, architecture.network)
    settings = dataclasses.replace(settings, epochs=1000, batch_size=128)
    run = Run(model, Batches(train, 128, 0), torch.from_numpy(held_out), settings)
    torch.set_num_threads(settings.threads)
    return run


def milliseconds(run: Run) -> float:
    batches = [batch for _, batch in zip(range(STEPS), run.batches.epoch(0), strict=False)]
    began = time.perf_counter()
    for batch in batches:
        run._step(batch)
    return (time.perf_counter() - began) / STEPS * 1e3


def main() -> None:
    table = []
    for name, shape in SHAPES.items():
        runs = {precision: make_run(shape, precision) for precision in ("float32", "bfloat16")}
        times = {precision: [] for precision in runs}
        for _ in range(TURNS + 1):
            for precision, run in runs.items():
                times[precision].append(milliseconds(run))
        single, half = (statistics.median(times[precision][1:]) for precision in runs)
        table.append({"data": name, "float32 ms": single, "bfloat16 ms": half, "ratio": half / single})
    publish("precision", __doc__.split("Protocol: ")[1].strip().replace("\n", " "), table)


if __name__ == "__main__":
    main()
