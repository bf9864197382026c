"""How far codes of sprites tell their factors apart: VAEs by their objectives, beside principal components.

Protocol: of the 737,280 sprites 20,000 (or as many as are told) are drawn at random, by the seed, to train on, and
2,000 others to be scored. Each model has 10 latent units, the prior N(0, I), one stochastic layer and the same network,
epochs and batches; objectives with a penalty of their own have its usual strength. Principal components are
scikit-learn's, 10 of them, of the same pictures. MIG (20 bins of posterior means), DCI (random forests), SAP (the shape
as a category, all else as numbers) and the FactorVAE score (800 votes of 64 pictures) are of sprites drawn from all,
10,000 and for the last 112,400, as defined in vaekit.tasks.disentangling; on real dSprites, and by other definitions,
figures differ. "nats" is the importance-sampled bound on log p(x) of the held-out pictures, with 64 draws; "active" the
units whose codes have a variance above 0.01. Figures are means over seeds, after ± the standard deviation of MIG.
Squares and ellipses look the same in several orientations, so no code can reach 1.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from itertools import product
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _report import CACHE, publish
from sklearn.decomposition import PCA

import vaekit
from vaekit.data.sprites import Sprites
from vaekit.objectives import OBJECTIVES
from vaekit.tasks.disentangling import disentangling

LATENT, HELD_OUT, IMPORTANCE_SAMPLES = 10, 2_000, 64
MODELS: dict[str, dict[str, Any]] = {
    "VAE": {"objective": "elbo"},
    "β-VAE, β = 4": {"objective": "elbo", "beta": 4.0},
    "β-TCVAE": {"objective": "tcvae"},
    "FactorVAE": {"objective": "factor"},
    "DIP-VAE": {"objective": "dip"},
    "MMD-VAE": {"objective": "mmd"},
}
COMPONENTS = "principal components"
NAMES = [*(name for name, settings in MODELS.items() if settings["objective"] in OBJECTIVES), COMPONENTS]
FIGURES = {
    "MIG": "mig",
    "D": "dci_disentanglement",
    "C": "dci_completeness",
    "I": "dci_informativeness",
    "SAP": "sap",
    "FactorVAE": "factor_vae_score",
    "active": "active_units",
    "nats": "nats",
    "seconds": "seconds",
}


def measure(name: str, seed: int, words: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one model, trained from one seed."""
    sprites = Sprites()
    pictures, _ = sprites.sample(words["rows"] + HELD_OUT, seed)
    train, test = np.split(pictures, [words["rows"]])
    begin = time.perf_counter()
    encode, score = (components if name == COMPONENTS else trained)(name, train, seed, words)
    seconds = time.perf_counter() - begin
    return {
        "model": name,
        "seed": seed,
        **words,
        **disentangling(encode, sprites, seed),
        **score(test),
        "seconds": seconds,
    }


def trained(name: str, train: np.ndarray, seed: int, words: dict[str, Any]) -> Any:
    vae = vaekit.VAE(
        LATENT, prior="normal", levels=1, network=words["network"], hidden=words["hidden"], epochs=words["epochs"],
        threads=1, random_state=seed, **MODELS[name],
    ).fit(train)  # fmt: skip
    return vae.transform, lambda test: {"nats": float(vae.score_samples(test, IMPORTANCE_SAMPLES).mean())}


def components(name: str, train: np.ndarray, seed: int, words: dict[str, Any]) -> Any:
    pca = PCA(LATENT, random_state=seed).fit(train.reshape(len(train), -1))
    return lambda pictures: pca.transform(pictures.reshape(len(pictures), -1)), lambda test: {"nats": None}


def summary(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return means over seeds."""
    rows = []
    for name in NAMES:
        own = [point for point in points if point["model"] == name]
        if own:
            means = {k: mean([point[figure] for point in own]) for k, figure in FIGURES.items()}
            spread = round(float(np.std([point["mig"] for point in own])), 4)
            rows.append({"model": name, **means, "± MIG": spread, "seeds": len(own)})
    return rows


def mean(values: list[float | None]) -> float | None:
    return None if None in values else round(float(np.mean(values)), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="*", default=NAMES, choices=NAMES)
    parser.add_argument("--seeds", default="0,1,2", help="as in 0,1,2")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--network", default="mlp", choices=["mlp", "conv"])
    parser.add_argument("--hidden", default="256,256", help="widths of layers; of conv, first channels and features")
    given = parser.parse_args()
    hidden = [int(width) for width in given.hidden.split(",")]
    words = {"rows": given.rows, "epochs": given.epochs, "network": given.network, "hidden": hidden}
    kept = CACHE / "disentangling.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    known = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    points = [point for point in known if words.items() <= point.items()]
    done = {(point["model"], point["seed"]) for point in points}
    for seed, name in product(map(int, given.seeds.split(",")), given.models):
        if (name, seed) in done:
            continue
        points.append(measure(name, seed, words))
        with kept.open("a") as file:
            file.write(json.dumps(points[-1]) + "\n")
        print(points[-1], flush=True)
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish("disentangling", protocol, summary(points), settings=words, points=points)


if __name__ == "__main__":
    main()
