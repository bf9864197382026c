"""64 × 64 pictures in three colours through convolutions and two stochastic layers: speed, bits and memory.

Protocol: sprites of random colour on a ground that passes from one random colour to another, with a little noise, as
uint8 [3, 64, 64]; a tenth held out. One fit for each way of saving memory, in a process of its own, with the same seed:
none, `recompute`, `micro_batch` of a quarter of a batch. Pictures a second are those of training; bits a value those of
the held-out bound at the end, and the three differ by rounding alone; peak memory is torch's on a GPU, on a processor
what the process grew by during the fit. A processor gets a run of a minute or two that shows the ways; a GPU one that
learns.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

import numpy as np
import torch
from _report import publish

from vaekit.data.batches import Batches
from vaekit.data.sprites import Sprites
from vaekit.tasks.fit import Options, choose_architecture, choose_settings, make_model
from vaekit.tasks.loading import load_rows
from vaekit.training.loop import Run

SIZES: dict[str, dict[str, Any]] = {
    "cpu": {"pictures": 160, "batch_size": 32, "epochs": 2, "channels": 8, "units": 32},
    "cuda": {"pictures": 50_000, "batch_size": 256, "epochs": 60, "channels": 64, "units": 128},
}
WAYS: dict[str, dict[str, Any]] = {
    "none": {},
    "recompute": {"recompute": True},
    "micro-batch": {"micro_batch": 4},  # the number of pieces, for `options_of` to divide by
}


def pictures(n: int) -> np.ndarray:
    """Return n pictures, uint8 [n, 3, 64, 64]."""
    draw = np.random.default_rng(0)
    sprites = Sprites()
    shapes = sprites[draw.integers(len(sprites), size=n)][:, None]  # [n, 1, 64, 64]
    colours = draw.uniform(0, 255, (3, n, 3, 1, 1))
    share = np.linspace(0, 1, 64)[:, None]
    ground = share * colours[0] + (1 - share) * colours[1]
    clean = np.where(shapes > 0, colours[2], ground)
    return np.clip(clean + draw.normal(0, 4, clean.shape), 0, 255).astype(np.uint8)


def options_of(size: dict[str, Any], way: str, device: str) -> Options:
    said = dict(WAYS[way])
    if "micro_batch" in said:
        said["micro_batch"] = size["batch_size"] // said["micro_batch"]
    hidden, latent = (size["channels"], 16 * size["channels"]), size["units"]
    plain = {"network": "conv", "levels": 2, "prior": "normal", "compile": "no", "device": device}
    sizes = {"hidden": hidden, "latent_dim": latent, "batch_size": size["batch_size"], "epochs": size["epochs"]}
    return Options(likelihood="discretized-logistic", **plain, **sizes, **said)


def work(way: str) -> dict[str, Any]:
    """Return what training in one way took and gave."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = SIZES[device]
    options = options_of(size, way, device)
    train, held_out, schema, *_ = load_rows(pictures(size["pictures"]), options)
    architecture = choose_architecture(options, schema, train)
    model = make_model(architecture, schema, train, options)
    settings = choose_settings(options, len(train), model, architecture.network)
    batches = Batches(train, settings.batch_size, settings.seed, device)
    run = Run(model, batches, torch.from_numpy(held_out).to(device), settings)
    before = memory(device)
    run.train()
    last = run.facts.rows[-1]
    return {
        "spared by": way,
        "device": f"{device}, {settings.precision}",
        "weights": sum(p.numel() for p in model.parameters()),
        "pictures/s": last["rows_per_second"],
        "bits/dim": last["valid_bits_per_dim"],
        "peak MB": memory(device) - before,
    }


def memory(device: str) -> float:
    """Return the most that was in use so far, in MB."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def in_a_process(way: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, way], check=True, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="", flush=True)
    return json.loads(done.stdout)


def main() -> None:
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish("pictures64", protocol, [in_a_process(way) for way in WAYS])


if __name__ == "__main__":
    print(json.dumps(work(sys.argv[1]))) if len(sys.argv) > 1 else main()
