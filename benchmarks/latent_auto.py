"""latent_dim="auto" beside a sweep over latent_dim: how good a bound, at what share of the cost.

Protocol: one VAE is fitted with latent_dim="auto" and one with each of 2, 4, 8, 16, 32 and 64 latent units, all else
as it comes but for the epochs, which are the same for all of a set: 30 on the first 5,000 training pictures of MNIST,
100 on the others (1,400 of scikit-learn's digits, in an order of seed 0; seven tenths of ADBench's cardio and of 2,000
rows of its magic gamma, in an order of seed 0). The sweep's choice is the model whose bound on its validation rows, a
tenth of the training rows, is highest. "bound" is the ELBO of test rows in nats a row (the first 2,000 of MNIST's, what
is left of the others), by 16 draws; nothing is chosen on them. "below the sweep, %" is the share of the size of the
sweep's bound by which auto's is below it: negative where auto's is better. "best seen" is the highest bound on test
rows of all models, which nobody could have chosen. Seconds are of the processor, one thread, fit alone, seed 0.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _report import CACHE, publish
from likelihood import DATA

import vaekit
from vaekit.data import builtin

UNITS: tuple[int | str, ...] = ("auto", 2, 4, 8, 16, 32, 64)
Data = tuple[np.ndarray, np.ndarray]


def mnist() -> Data:
    with np.load(DATA / "mnist.npz") as file:
        return file["x_train"][:5_000], file["x_test"][:2_000]


def digits() -> Data:
    order = np.random.default_rng(0).permutation(1_797)
    x = builtin.load("digits")[order]
    return x[:1_400], x[1_400:]


def adbench(name: str) -> Data:
    with np.load(DATA / "adbench" / f"{name}.npz") as file:
        x = file["X"]
    x = x[np.random.default_rng(0).permutation(len(x))[:2_000]]
    cut = len(x) * 7 // 10
    return x[:cut], x[cut:]


SETS: dict[str, tuple[Callable[[], Data], int]] = {
    "MNIST": (mnist, 30),
    "digits": (digits, 100),
    "cardio": (lambda: adbench("6_cardio"), 100),
    "magic gamma": (lambda: adbench("22_magic.gamma"), 100),
}


def measure(data: str, units: int | str) -> dict[str, Any]:
    """Return the bounds of one model and what it took."""
    load, epochs = SETS[data]
    train, test = load()
    begin = time.process_time()
    model = vaekit.VAE(units, epochs=epochs, random_state=0, threads=1).fit(train)
    seconds = time.process_time() - begin
    return {
        "data": data,
        "latent_dim": units,
        "kept": model.latent_dim_,
        "valid": model.fitted_.record["metrics"]["valid_elbo_nats"],
        "test": model.evaluate(test, importance_samples=16)["elbo_nats"],
        "seconds": seconds,
    }


def summary(points: list[dict[str, Any]]) -> dict[str, Any]:
    """Return auto beside the sweep, of one data set."""
    auto, sweep = points[0], points[1:]
    chosen, best = max(sweep, key=lambda p: p["valid"]), max(sweep, key=lambda p: p["test"])
    total = sum(p["seconds"] for p in sweep)
    return {
        "data": auto["data"],
        "auto, units": auto["kept"],
        "auto, bound": round(auto["test"], 2),
        "sweep, units": chosen["latent_dim"],
        "sweep, bound": round(chosen["test"], 2),
        "below the sweep, %": round(100 * (chosen["test"] - auto["test"]) / abs(chosen["test"]), 2),
        "best seen": round(best["test"], 2),
        "auto, s": round(auto["seconds"], 1),
        "sweep, s": round(total, 1),
        "share of the cost": round(auto["seconds"] / total, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="*", default=list(SETS), choices=list(SETS))
    words = parser.parse_args()
    warnings.filterwarnings("ignore")
    log = CACHE / "latent_auto.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    known = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    found = {(p["data"], p["latent_dim"]): p for p in known}
    for data in words.data:
        for units in UNITS:
            if (data, units) in found:
                continue
            found[data, units] = measure(data, units)
            with log.open("a") as file:
                file.write(json.dumps(found[data, units]) + "\n")
            print(found[data, units], flush=True)
    points = [[found[data, units] for units in UNITS] for data in words.data]
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish("latent_auto", protocol, [summary(own) for own in points], points=[p for own in points for p in own])


if __name__ == "__main__":
    main()
