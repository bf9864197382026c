"""Odd rows: `vaekit.OutlierDetector` as it is beside PyOD's detectors as they are, in one run.

Protocol: the 22 tables of the folder. Of more than 2,000 rows 2,000 are drawn, at least ten anomalies among them or all
there are. Unsupervised: a detector is fitted on all rows, without labels, and scores them all. Normals: it is fitted on
half of the normal rows, drawn at random, and scores the other half and all anomalies. Five seeds draw rows, halves, and
whatever a detector draws. PyOD's detectors read columns standardised by the rows they are fitted on, without constant
ones; ours reads the rows as they are. Each detector has one thread. The table tells the mean over sets and seeds of
AUROC and of average precision (AP), in per cent, the standard error of the difference to ours over sets, and the mean
time of fit and score in seconds. What was measured is kept, and a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _report import CACHE, publish
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

TABLES = Path(__file__).parents[2] / "shared/data/adbench"
MOST_ROWS, LEAST_ANOMALIES = 2_000, 10
SEEDS = range(5)
PROTOCOLS = ("unsupervised", "normals")
OURS = "vaekit"


def detectors(seed: int) -> dict[str, Any]:
    """Return PyOD's detectors by name."""
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN
    from pyod.models.lof import LOF
    from pyod.models.pca import PCA
    from pyod.models.vae import VAE

    return {
        "kNN": KNN(),
        "IForest": IForest(random_state=seed),
        "PCA": PCA(random_state=seed),
        "ECOD": ECOD(),
        "LOF": LOF(),
        "VAE (PyOD)": VAE(random_state=seed, verbose=0),
    }


def rows_of(name: str, protocol: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows to fit on, those to score, and which of the latter are anomalies."""
    with np.load(TABLES / f"{name}.npz") as file:
        rows, labels = file["X"], file["y"]
    rng = np.random.default_rng(seed)
    normals, anomalies = (rng.permutation(np.flatnonzero(labels == k)) for k in (0, 1))
    if len(rows) > MOST_ROWS:
        n = min(len(anomalies), max(LEAST_ANOMALIES, round(MOST_ROWS * len(anomalies) / len(rows))))
        normals, anomalies = normals[: MOST_ROWS - n], anomalies[:n]
    half = len(normals) // 2
    fit, scored = (normals[:half], normals[half:]) if protocol == "normals" else (normals, normals)
    fit = fit if protocol == "normals" else np.sort(np.concatenate([normals, anomalies]))
    scored = np.sort(np.concatenate([scored, anomalies]))
    return rows[fit], rows[scored], labels[scored]


def measure(name: str, protocol: str, seed: int) -> list[dict[str, Any]]:
    """Return what each detector is worth."""
    import torch

    import vaekit

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    train, test, truth = rows_of(name, protocol, seed)
    varies = train.min(0) < train.max(0)
    scaler = StandardScaler().fit(train[:, varies])
    plain, plain_test = (scaler.transform(x[:, varies]) for x in (train, test))
    found = []
    for detector, model in {OURS: vaekit.OutlierDetector(random_state=seed), **detectors(seed)}.items():
        begin = time.perf_counter()
        if detector == OURS:
            scores = -model.fit(train).score_samples(test)
        elif protocol == "unsupervised":
            scores = model.fit(plain).decision_scores_
        else:
            scores = model.fit(plain).decision_function(plain_test)
        scores = np.nan_to_num(np.asarray(scores, np.float64), posinf=1e300)  # as PCA gives them
        found.append(
            {
                "table": name,
                "protocol": protocol,
                "seed": seed,
                "detector": detector,
                "AUROC": 100 * float(roc_auc_score(truth, scores)),
                "AP": 100 * float(average_precision_score(truth, scores)),
                "seconds": time.perf_counter() - begin,
            }
        )
    return found


def summary(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return means by protocol and detector, with the standard errors of their differences to ours."""
    rows = []
    for protocol, detector in product(PROTOCOLS, dict.fromkeys(p["detector"] for p in points)):
        row: dict[str, Any] = {"protocol": protocol, "detector": detector}
        for figure in ("AUROC", "AP"):
            by_table, ours = (_by_table(points, protocol, d, figure) for d in (detector, OURS))
            error = float((by_table - ours).std(ddof=1) / np.sqrt(len(ours))) if len(ours) > 1 else 0.0
            row |= {figure: round(float(by_table.mean()), 2), f"± {figure}": round(error, 2)}
        row["seconds"] = float(_by_table(points, protocol, detector, "seconds").mean())
        rows.append(row)
    return rows


def _by_table(points: list[dict[str, Any]], protocol: str, detector: str, figure: str) -> np.ndarray:
    chosen = [p for p in points if (p["protocol"], p["detector"]) == (protocol, detector)]
    return np.array(
        [np.mean([p[figure] for p in chosen if p["table"] == t]) for t in sorted({p["table"] for p in chosen})]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kept", type=Path, default=CACHE / "anomaly.jsonl", help="where points are kept")
    words = parser.parse_args()
    words.kept.parent.mkdir(parents=True, exist_ok=True)
    points = [json.loads(line) for line in words.kept.read_text().splitlines()] if words.kept.exists() else []
    done = {(p["table"], p["protocol"], p["seed"]) for p in points}
    names = sorted((path.stem for path in TABLES.glob("*.npz")), key=lambda name: int(name.split("_")[0]))
    asked = [task for task in product(names, PROTOCOLS, SEEDS) if task not in done]
    pool = ProcessPoolExecutor(words.processes, get_context("spawn"))
    try:
        for future in as_completed([pool.submit(measure, *task) for task in asked]):
            points += future.result()
            with words.kept.open("a") as kept:
                kept.writelines(json.dumps(p) + "\n" for p in future.result())
            print({p["detector"]: round(p["AUROC"], 1) for p in future.result()}, future.result()[0], flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    publish(
        "anomaly",
        __doc__.split("Protocol: ")[1].strip().replace("\n", " "),
        summary(points),
        pyod=version("pyod"),
        points=points,
    )


if __name__ == "__main__":
    main()
