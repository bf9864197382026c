"""What codes are worth to a classifier that knows few labels, beside raw pixels, PCA and UMAP.

Protocol: each method learns from all training pictures without labels (MNIST and Fashion-MNIST: 60,000; digits: 1,437,
and 360 are the test), in 16 units; PCA and UMAP read pixels over their largest. Then 10, 100, 1,000 or all training
pictures are labelled, as many of each class as of any other, drawn by the seed. "linear" is the accuracy on the test
pictures of logistic regression on features of unit variance, "10-NN" that of ten neighbours. With all labels 10-NN and
the linear model see 20,000 of them. "semi-supervised" is `vaekit.Classifier` on the same labels, the others being -1.
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
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

UNITS, COUNTS, MOST = 16, (10, 100, 1000, 0), 20_000  # 0: all labels
Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def pictures(name: str) -> Split:
    """Return training pictures and classes, test pictures and classes."""
    if name == "digits":
        from vaekit.data import builtin

        x, y = builtin.load(name), builtin.labels(name)
        order = np.random.default_rng(0).permutation(len(x))
        return x[order[360:]], y[order[360:]], x[order[:360]], y[order[:360]]
    with np.load(DATA / f"{name}.npz") as file:
        return tuple(file[k] for k in ("x_train", "y_train", "x_test", "y_test"))  # type: ignore[return-value]


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1) / np.float32(x.max())


def ours(train: np.ndarray, test: np.ndarray, preset: str) -> tuple[np.ndarray, np.ndarray]:
    import vaekit

    vae = vaekit.VAE(UNITS, preset=preset, random_state=0).fit(train)
    return vae.transform(train), vae.transform(test)


def umap(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from umap import UMAP

    fitted = UMAP(n_components=UNITS, random_state=0).fit(flat(train))
    return fitted.transform(flat(train)), fitted.transform(flat(test))


def pca(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fitted = PCA(UNITS, random_state=0).fit(flat(train))
    return fitted.transform(flat(train)), fitted.transform(flat(test))


def features(preset: str) -> dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]]:
    return {
        "vaekit": lambda a, b: ours(a, b, preset),
        "pixels": lambda a, b: (flat(a), flat(b)),
        "PCA": pca,
        "UMAP": umap,
    }


def labelled(y: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the places of `count` labelled rows, as many of each class; of up to 20,000 where all are asked for."""
    rng = np.random.default_rng(seed)
    if not count or count >= len(y):
        return rng.permutation(len(y))[:MOST]
    classes = np.unique(y)
    return np.concatenate([rng.choice(np.flatnonzero(y == c), count // len(classes), replace=False) for c in classes])


def probed(train: np.ndarray, y: np.ndarray, test: np.ndarray, y_test: np.ndarray) -> dict[str, float]:
    """Return the accuracies of both classifiers."""
    mean, scale = train.mean(0), train.std(0).clip(1e-6)
    a, b = (train - mean) / scale, (test - mean) / scale
    linear = LogisticRegression(max_iter=300).fit(a, y).score(b, y_test)
    near = KNeighborsClassifier(min(10, len(y) // len(np.unique(y)))).fit(train, y).score(test, y_test)
    return {"linear": float(linear), "10-NN": float(near)}


def unsupervised(data: str, method: str, preset: str, seeds: int) -> list[dict[str, Any]]:
    """Return a point for each number of labels and seed."""
    x, y, x_test, y_test = pictures(data)
    begin = time.perf_counter()
    train, test = features(preset)[method](x, x_test)
    seconds = time.perf_counter() - begin
    points = []
    for count, seed in product(COUNTS, range(seeds)):
        if seed and not count:
            continue
        at = labelled(y, count, seed)
        found = probed(train[at], y[at], test, y_test)
        points.append({"data": data, "method": method, "labels": count, "seed": seed, "seconds": seconds, **found})
    return points


def semi_supervised(data: str, count: int, seed: int, epochs: int) -> dict[str, Any]:
    """Return the point of `vaekit.Classifier`, whose accuracy stands for that of both classifiers."""
    import vaekit

    x, y, x_test, y_test = pictures(data)
    labels = np.full(len(y), -1)
    at = labelled(y, count, seed)
    labels[at] = y[at]
    begin = time.perf_counter()
    classifier = vaekit.Classifier(epochs=epochs or None, random_state=seed).fit(x, labels)
    accuracy = classifier.score(x_test, y_test)
    seconds = time.perf_counter() - begin
    point = {"data": data, "method": "semi-supervised", "labels": count, "seed": seed, "seconds": seconds}
    return {**point, "linear": accuracy, "10-NN": accuracy}


def _mean(points: list[dict[str, Any]]) -> dict[str, Any]:
    first = points[0]
    row = {"data": first["data"], "labels": first["labels"] or "all", "method": first["method"], "seeds": len(points)}
    for name in ("linear", "10-NN"):
        values = np.array([p[name] for p in points])
        row[name] = f"{values.mean():.4f} ± {values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0:.4f}"
    return row | {"seconds": round(float(np.mean([p["seconds"] for p in points])), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="*", default=["digits", "mnist", "fashion_mnist"])
    parser.add_argument("--preset", default="fast", help="of the VAE without labels")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--semi", nargs="*", type=int, default=[100], help="numbers of labels, 0 for all")
    parser.add_argument("--epochs", type=int, default=0, help="of the semi-supervised model")
    words = parser.parse_args()
    warnings.filterwarnings("ignore")
    kept = CACHE / "features.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    points = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []

    def keep(new: list[dict[str, Any]]) -> None:
        points.extend(new)
        with kept.open("a") as file:
            file.writelines(json.dumps(point) + "\n" for point in new)
        print(*new, sep="\n", flush=True)

    for data, method in product(words.data, features(words.preset)):
        if (data, method) not in {(p["data"], p["method"]) for p in points}:
            keep(unsupervised(data, method, words.preset, words.seeds))
    for data, count, seed in product(words.data, words.semi, range(words.seeds)):
        done = {(p["data"], p["labels"], p["seed"]) for p in points if p["method"] == "semi-supervised"}
        if (data, count, seed) not in done:
            keep([semi_supervised(data, count, seed, words.epochs)])
    groups: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for p in points:
        groups.setdefault((p["data"], p["labels"], p["method"]), []).append(p)
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish("features", protocol, [_mean(groups[key]) for key in sorted(groups)], points=points)


if __name__ == "__main__":
    main()
