"""Rows a second of `embed` and `score` over the cores of one machine: by the command as it is, and by --engine ray.

Each is a command of its own, from the start of its process to its exit: python benchmarks/bulk.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from _report import publish

import vaekit

VERBS = {"embed": (200_000, ()), "score": (4_000, ("--importance-samples", "16"))}  # rows, options


def seconds(*words: str) -> float:
    """Return what a command takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "vaekit", *words, "--quiet"], check=True)
    return time.perf_counter() - began


def measured(verb: str, engine: str, folder: Path) -> dict[str, Any]:
    n_rows, options = VERBS[verb]
    out = folder / f"{verb}-{engine}{'.npy' if engine == 'local' else ''}"
    own = () if engine == "local" else ("--engine", "ray", "--part-rows", str(n_rows // 8))
    words = (verb, f"{folder}/m.vae", f"{folder}/x.npy", "--rows", f":{n_rows}", "-o", str(out), *options, *own)
    taken = seconds(*words)
    return {"verb": verb, "engine": engine, "rows": n_rows, "seconds": taken, "rows_per_second": n_rows / taken}


def main() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (max(n for n, _ in VERBS.values()), 64), dtype=np.uint8)
    with TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "x.npy", rows)
        vaekit.VAE(preset="fast", epochs=1).fit(rows[:5_000]).save(folder / "m.vae")
        table = [measured(verb, engine, folder) for verb in VERBS for engine in ("local", "ray")]
    publish("bulk", f"vectors of 64 levels; whole commands; load {os.getloadavg()[0]:.1f} of {os.cpu_count()}", table)


if __name__ == "__main__":
    main()
