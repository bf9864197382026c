"""Single-cell counts: ours beside scVI of scvi-tools.

Protocol: 2,638 blood cells (10x Genomics, pbmc3k) with the counts of 2,000 genes; a tenth is held out, at random by the
seed. Both model counts as negative binomials, also with inflated zeros, of means that are shares of the cell's total
over these genes, with 10 latent units and one dispersion a gene; all else is as each comes, scVI without early
stopping. "nats" is the mean importance-weighted log-likelihood of held-out cells under 1,000 draws (scVI's own is
`get_marginal_ll`). "ARI" and "NMI" compare k-means of as many clusters as there are cell types (ten starts) on the
codes of all cells with the given labels.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
from _report import CACHE, publish
from likelihood import DATA
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

SEEDS = (0, 1, 2)
DRAWS, UNITS = 1000, 10

Told = tuple[float, np.ndarray]  # nats of held-out cells, codes of all


def cells() -> tuple[np.ndarray, np.ndarray]:
    """Return counts [n, genes] and labels [n]."""
    with np.load(DATA / "pbmc3k_hvg2000.npz") as file:
        return file["counts"].astype(np.int64), file["label"]


def ours(train: np.ndarray, held: np.ndarray, every: np.ndarray, seed: int, **settings: Any) -> Told:
    import vaekit

    model = vaekit.VAE(latent_dim=UNITS, random_state=seed, **settings).fit(train)
    return float(model.score_samples(held, importance_samples=DRAWS).mean()), model.transform(every)


def scvi(train: np.ndarray, held: np.ndarray, every: np.ndarray, seed: int, likelihood: str) -> Told:
    import anndata
    import scvi as package

    package.settings.seed = seed
    tables = [anndata.AnnData(x.astype(np.float32)) for x in (train, held, every)]
    package.model.SCVI.setup_anndata(tables[0])
    model = package.model.SCVI(tables[0], n_latent=UNITS, gene_likelihood=likelihood)
    model.train(accelerator="cpu", enable_progress_bar=False, logger=False)
    nats = model.get_marginal_ll(tables[1], n_mc_samples=DRAWS)
    return float(nats), model.get_latent_representation(tables[2])


ZEROS = "zero-inflated-negative-binomial-library"
MODELS: dict[str, Callable[..., Told]] = {
    "vaekit": lambda *data: ours(*data),
    "vaekit, zeros inflated": lambda *data: ours(*data, likelihood=ZEROS),
    "scVI, negative binomial": lambda *data: scvi(*data, "nb"),
    "scVI, zeros inflated": lambda *data: scvi(*data, "zinb"),
}


def measure(name: str, seed: int) -> dict[str, float]:
    """Return what a model tells of cells held out, and how its codes cluster."""
    counts, labels = cells()
    order = np.random.default_rng(seed).permutation(len(counts))
    held, train = np.split(counts[order], [len(counts) // 10])
    begin = time.perf_counter()
    nats, codes = MODELS[name](train, held, counts, seed)
    seconds = time.perf_counter() - begin
    found = KMeans(len(np.unique(labels)), n_init=10, random_state=0).fit_predict(codes)
    return {
        "nats": nats,
        "ARI": float(adjusted_rand_score(labels, found)),
        "NMI": float(normalized_mutual_info_score(labels, found)),
        "seconds": seconds,
    }


def _mean(points: list[dict[str, Any]]) -> dict[str, Any]:
    means = {k: round(float(np.mean([p[k] for p in points])), 3) for k in ("nats", "ARI", "NMI", "seconds")}
    return {"model": points[0]["model"], "seeds": len(points), **means}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    words = parser.parse_args()
    warnings.filterwarnings("ignore")
    kept = CACHE / "counts.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    points = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {(p["model"], p["seed"]) for p in points}
    for seed, name in product(words.seeds, MODELS):
        if (name, seed) not in done:
            points.append({"model": name, "seed": seed, **measure(name, seed)})
            with kept.open("a") as file:
                file.write(json.dumps(points[-1]) + "\n")
            print(points[-1], flush=True)
    rows = [_mean([p for p in points if p["model"] == name]) for name in MODELS]
    publish("counts", __doc__.split("Protocol: ")[1].strip().replace("\n", " "), rows, points=points)


if __name__ == "__main__":
    main()
