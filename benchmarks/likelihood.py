"""Test likelihoods beside published ones, each under its paper's protocol.

Protocol: dynamic MNIST and Fashion-MNIST train on the first 50,000 pictures, binarised afresh at every use, a pixel's
grey level over 255 being its probability; the next 10,000 choose the weights; those and the 10,000 test pictures are
binarised once with numpy's seed 777. Static MNIST is the published fixed binarisation. The IWAE paper's network has
that paper's split, 59,600 and 400, and plain Adam. Frey faces are shuffled with seed 0 and split 1565/200/200.
NLL is the importance-sampled bound in float32 with the number of draws in the row, over all test rows; bits per
dimension are NLL / (dimensions · ln 2). Nothing is chosen on the test rows. Seeds are 0.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command does for itself

import numpy as np
from _report import CACHE, RESULTS, machine, publish

import vaekit

DATA = Path(__file__).parents[2] / "shared/data"
Split = tuple[np.ndarray, np.ndarray, np.ndarray]  # train, valid, test


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    data : callable
        Gives train, valid and test rows.
    settings : dict
        Of `vaekit.VAE`; no more is said than the row's name says.
    unit : {"nats", "bits/dim"}
    published : str
    bar : float or None
    draws : int
        Importance samples of the evaluation.
    """

    data: Callable[[], Split]
    settings: dict[str, Any]
    published: str
    bar: float | None = None
    unit: str = "nats"
    draws: int = 5000


def binarised(pictures: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    return random.binomial(1, pictures / 255).astype(np.uint8) * 255


def pictures(name: str, n_train: int = 50_000) -> Split:
    data = np.load(DATA / f"{name}.npz")
    return data["x_train"][:n_train], data["x_train"][n_train:], data["x_test"]


def dynamic(name: str, n_train: int = 50_000) -> Split:
    random, (train, valid, test) = np.random.RandomState(777), pictures(name, n_train)
    return train, binarised(valid, random), binarised(test, random)


def static_mnist() -> Split:
    data = np.load(DATA / "mnist_static_binarized.npz")
    parts = (np.unpackbits(data[f"{part}_packed"], axis=1) for part in ("train", "valid", "test"))
    train, valid, test = (part.reshape(-1, 28, 28) * np.uint8(255) for part in parts)
    return train, valid, test


def frey() -> Split:
    x = np.load(DATA / "freyfaces.npz")["x"]
    order = np.random.RandomState(0).permutation(len(x))
    train, valid, test = np.split(x[order], [1565, 1765])
    return train, valid, test


IWAE_NET = {"hidden": (200, 200), "activation": "tanh", "latent_dim": 50, "prior": "normal", "levels": 1}
IWAE_RUN = {"batch_size": 100, "learning_rate": 1e-3, "weight_decay": 0.0, "time": "60m"}
BALANCED = {"preset": "balanced", "time": "10m"}
BERNOULLI = {"likelihood": "bernoulli"}
MNIST, FASHION = "mnist", "fashion_mnist"

ROWS = {
    "dynamic MNIST, balanced, 10 min": Row(
        partial(dynamic, MNIST), BALANCED | BERNOULLI, "VampPrior VAE 82.43, N(0,I) 84.45", 83.2
    ),
    "dynamic MNIST, best, 60 min": Row(
        partial(dynamic, MNIST),
        {"preset": "best", "time": "60m"} | BERNOULLI,
        "HVAE Vamp 81.56, ConvHVAE Vamp 79.67",
        81.2,
    ),
    "dynamic MNIST, IWAE paper's network, k = 1, 60 min": Row(
        partial(dynamic, MNIST, 59_600), BERNOULLI | IWAE_NET | IWAE_RUN, "VAE k=1 86.76", 86.8
    ),
    "static MNIST, balanced, 10 min": Row(
        static_mnist, BALANCED | BERNOULLI, "VampPrior VAE 85.57, N(0,I) 88.56", 85.8
    ),
    "Fashion-MNIST, balanced, 10 min": Row(
        partial(dynamic, FASHION), BALANCED | BERNOULLI, "VampPrior VAE 227.35, Exemplar 226.75", 227.4
    ),
    "Frey faces, balanced, 3 min": Row(
        frey, BALANCED | {"time": "3m"}, "VAE 4.63, ConvHVAE Vamp 4.45", unit="bits/dim"
    ),
    "8-bit Fashion-MNIST, balanced, 10 min": Row(
        partial(pictures, FASHION), BALANCED, "Bit-Swap 3.35 (a code)", unit="bits/dim", draws=64
    ),
    "8-bit MNIST, balanced, 10 min": Row(
        partial(pictures, MNIST), BALANCED, "Bit-Swap 1.29, BB-ANS 1.41 (codes)", unit="bits/dim", draws=64
    ),
}


def measure(name: str, row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit, evaluate on the test rows; return the table's line and what the run was. The model stays in the cache."""
    train, valid, test = row.data()
    vae = vaekit.VAE(valid=valid, random_state=0, verbose=True, **row.settings).fit(train)
    CACHE.mkdir(parents=True, exist_ok=True)
    vae.save(CACHE / f"{name}.vae")
    began = time.monotonic()
    figures = vae.evaluate(test, importance_samples=row.draws)
    record = vae.fitted_.record
    line = {
        "row": name,
        "found": figures["nll_nats"] if row.unit == "nats" else figures["bits_per_dim"],
        "unit": row.unit,
        "bar": "" if row.bar is None else row.bar,
        "published": row.published,
        "elbo_nats": figures["elbo_nats"],
        "draws": row.draws,
        "epochs": len(record["history"]),
        "training s": record["seconds"],
        "evaluation s": time.monotonic() - began,
    }
    run = {"figures": figures, "settings": record["settings"], "architecture": vae.fitted_.architecture.to_json()}
    return line, run | {"machine": machine()}


def keep(name: str, line: dict[str, Any], run: dict[str, Any]) -> None:
    """Publish a line beside those that are known as soon as it is measured: the rows take hours together."""
    path = RESULTS / "likelihood.json"
    known = json.loads(path.read_text()) if path.exists() else {"rows": [], "runs": {}}
    lines = {kept["row"]: kept for kept in known["rows"]} | {name: line}
    in_order = [lines[known_name] for known_name in ROWS if known_name in lines]
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish("likelihood", protocol, in_order, runs=known["runs"] | {name: run})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="*", help="how the names of the rows to measure begin; all by default")
    parser.add_argument("--draws", type=int, help="at most so many, where hours are too long: a looser bound")
    words = parser.parse_args()
    for name, row in ROWS.items():
        if not words.rows or name.startswith(tuple(words.rows)):
            keep(name, *measure(name, replace(row, draws=min(row.draws, words.draws or row.draws))))


if __name__ == "__main__":
    main()
