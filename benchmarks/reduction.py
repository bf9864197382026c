"""Maps of two dimensions beside principal components, UMAP and t-SNE, and how fast new rows are embedded.

Protocol: each method sees 5,000 training rows (the first of MNIST's and Fashion-MNIST's, 1,400 of scikit-learn's
digits in an order of seed 0), without labels, and makes a map of two dimensions; then it places 2,000 test rows (the
first; 397 of digits) without being fitted again, which t-SNE cannot. Principal components, UMAP (umap-learn) and t-SNE
have their default settings, pixels divided by the largest. Ours is the preset fast with latent_dim=2, 40 epochs and
what `--choose` found on MNIST's training rows alone: prior and beta of the candidate, fitted on the first four fifths
in 20 epochs, whose trustworthiness and continuity on the rest had the highest mean; the same for all three sets.
Trustworthiness, continuity and the share of neighbours kept are of 10 neighbours, Euclidean in pixels and in the map,
among up to 2,000 rows: "fitted" of training rows spread evenly, "new" of the test rows. "10-NN new" is the share of
test rows whose class the 10 nearest training rows of the map tell. Seconds are of the processor, one thread, seed 0,
without what UMAP takes to compile at its first call.
Speed: rows a second of `transform` in memory, and of `vaekit embed` from .npy to .npy by the clock and by the
processor, start of the program included, of a million rows: MNIST's training pictures over and over with the default
network, 50 reals, and 50 columns of a Parquet file; models of one epoch, since weights make no difference.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
import polars as pl
from _report import CACHE, RESULTS, publish
from likelihood import DATA
from sklearn.neighbors import KNeighborsClassifier

import vaekit
from vaekit.data import builtin
from vaekit.data.batches import spread
from vaekit.tasks.neighbourhoods import MOST_ROWS, neighbourhoods

Array = np.ndarray
Place = Callable[[Array], Array]
Fit = Callable[[Array], tuple[Array, Place | None]]  # rows [n, ...] to their map [n, 2], and what places others

SETTINGS: dict[str, Any] = {"preset": "fast", "epochs": 40, "prior": "normal", "beta": 0.3}
CANDIDATES: dict[str, tuple[type, dict[str, Any]]] = {
    "as it comes": (vaekit.VAE, {}),
    "normal prior": (vaekit.VAE, {"prior": "normal"}),
    "normal prior, beta 0.3": (vaekit.VAE, {"prior": "normal", "beta": 0.3}),
    "vamp prior": (vaekit.VAE, {"prior": "vamp"}),
    "autoencoder": (vaekit.Autoencoder, {}),
}
CHOICE_EPOCHS = 20
FIGURES = ("trustworthiness", "continuity", "knn_preservation")
MILLION = 1_000_000
WANTED = MILLION / 60  # rows a second


# -- data --------------------------------------------------------------------------------------------------------------

Data = tuple[Array, Array, Array, Array]  # training rows and their classes, new rows and theirs


def pictures(name: str) -> Data:
    with np.load(DATA / f"{name}.npz") as file:
        train, new = slice(5_000), slice(2_000)
        return file["x_train"][train], file["y_train"][train], file["x_test"][new], file["y_test"][new]


def digits() -> Data:
    order = np.random.default_rng(0).permutation(1_797)
    x, y = builtin.load("digits")[order], builtin.labels("digits")[order]
    return x[:1_400], y[:1_400], x[1_400:], y[1_400:]


SETS: dict[str, Callable[[], Data]] = {
    "MNIST": lambda: pictures("mnist"),
    "Fashion-MNIST": lambda: pictures("fashion_mnist"),
    "digits": digits,
}


def flat(rows: Array, top: float) -> Array:
    """Return rows [n, D], their largest possible value 1."""
    return (rows.reshape(len(rows), -1) / top).astype(np.float32)


# -- methods -----------------------------------------------------------------------------------------------------------


def ours(rows: Array, kind: type = vaekit.VAE, **settings: Any) -> tuple[Array, Place]:
    model = kind(latent_dim=2, random_state=0, threads=1, **settings).fit(rows)
    return model.transform(rows), model.transform


def components(rows: Array) -> tuple[Array, Place]:
    from sklearn.decomposition import PCA

    top = float(rows.max())
    model = PCA(2, random_state=0)
    return model.fit_transform(flat(rows, top)), lambda x: model.transform(flat(x, top))


def umap(rows: Array) -> tuple[Array, Place]:
    from umap import UMAP

    top = float(rows.max())
    model = UMAP(random_state=0, n_jobs=1)
    return model.fit_transform(flat(rows, top)), lambda x: model.transform(flat(x, top))


def tsne(rows: Array) -> tuple[Array, None]:
    from sklearn.manifold import TSNE

    return TSNE(random_state=0, n_jobs=1).fit_transform(flat(rows, float(rows.max()))), None


METHODS: dict[str, Fit] = {
    "vaekit": lambda rows: ours(rows, **SETTINGS),
    "PCA": components,
    "UMAP": umap,
    "t-SNE": tsne,
}


# -- maps --------------------------------------------------------------------------------------------------------------


def kept(rows: Array, codes: Array) -> dict[str, float]:
    """Return how well a map keeps the neighbourhoods of up to 2,000 of its rows."""
    some = spread(len(rows), MOST_ROWS)
    found = neighbourhoods(flat(rows[some], float(rows.max())), codes[some])
    return {name: round(found[name], 4) for name in FIGURES}


def measure(data: str, method: str) -> tuple[dict[str, Any], Array]:
    """Return a row of the table and the map that is drawn: of new rows, where they can be placed."""
    train, classes, new, new_classes = SETS[data]()
    if method == "UMAP":  # whose parts are compiled when they are first asked for
        METHODS[method](train)
    begin = time.process_time()
    codes, place = METHODS[method](train)
    seconds = time.process_time() - begin
    point: dict[str, Any] = {"data": data, "method": method, "seconds": round(seconds, 1)}
    point |= {f"{name} fitted": value for name, value in kept(train, codes).items()}
    if place is None:
        return point, np.column_stack([codes, classes])[spread(len(codes), MOST_ROWS)]
    placed = place(new)
    point["new rows/s"] = round(len(new) / _seconds(lambda: place(new)))
    point |= {f"{name} new": value for name, value in kept(new, placed).items()}
    point["10-NN new"] = round(KNeighborsClassifier(10).fit(codes, classes).score(placed, new_classes), 4)
    return point, np.column_stack([placed, new_classes])


def choose(data: str, name: str) -> dict[str, Any]:
    """Return what a candidate is worth on training rows that it was not fitted on."""
    rows = SETS[data]()[0]
    cut = len(rows) * 4 // 5
    kind, settings = CANDIDATES[name]
    begin = time.process_time()
    _, place = ours(rows[:cut], kind, preset="fast", epochs=CHOICE_EPOCHS, **settings)
    seconds = round(time.process_time() - begin, 1)
    return {"data": data, "settings": name, **kept(rows[cut:], place(rows[cut:])), "seconds": seconds}


def drawn(maps: dict[tuple[str, str], Array]) -> None:
    """Write benchmarks/results/reduction.png."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(METHODS), 3 * len(SETS)), layout="constrained")
    grid = figure.subplots(len(SETS), len(METHODS), squeeze=False)
    for axes, (data, method) in zip(grid.flat, product(SETS, METHODS), strict=True):
        axes.set(xticks=[], yticks=[])
        if (data, method) in maps:
            x, y, label = maps[data, method].T
            axes.scatter(x, y, c=label, s=3, cmap="tab10", linewidths=0)
        words = "rows it was fitted on" if method == "t-SNE" else "new rows"
        axes.set_title(f"{data}: {method}, {words}", fontsize=8)
    figure.savefig(RESULTS / "reduction.png", dpi=90)


# -- speed -------------------------------------------------------------------------------------------------------------


def speeds() -> list[dict[str, Any]]:
    """Return rows a second of `transform` and of the command."""
    with np.load(DATA / "mnist.npz") as file:
        mnist = np.resize(file["x_train"], (MILLION, 28, 28))  # over and over
    rng = np.random.default_rng(0)
    table = rng.normal(size=(MILLION, 50)) @ rng.normal(size=(50, 50))
    frame = pl.DataFrame(table, schema=[f"c{j}" for j in range(50)])
    sources = {"MNIST 28 × 28": mnist, "50 reals, array": table, "50 columns, table": frame}
    return [speed(name, rows) for name, rows in sources.items()]


def speed(name: str, rows: Any) -> dict[str, Any]:
    model = vaekit.VAE(epochs=1, threads=1).fit(rows[:3_000])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.parquet" if isinstance(rows, pl.DataFrame) else "rows.npy")
        rows.write_parquet(path) if isinstance(rows, pl.DataFrame) else np.save(path, rows)
        model.save(f"{folder}/m.vae")
        model.transform(rows[:10_000])
        memory = _seconds(lambda: model.transform(rows))
        words = ["embed", f"{folder}/m.vae", str(path), "-o", f"{folder}/codes.npy", "-q"]
        clock, processor = _command(words)
    per_second = {"in memory": memory, "file to file, clock": clock, "file to file, processor": processor}
    return {"data": name, "rows": len(rows), **{k: round(len(rows) / v) for k, v in per_second.items()}}


def _seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _command(words: list[str]) -> tuple[float, float]:
    """Return what a command takes, in seconds by the clock and of the processor."""
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])  # noqa: E731
    begin, before = time.perf_counter(), used()
    subprocess.run([sys.executable, "-m", "vaekit", *words], check=True)
    return time.perf_counter() - begin, used() - before


# -- all of it ---------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--choose", action="store_true", help="compare settings of ours on training rows alone")
    parser.add_argument("--data", nargs="*", default=list(SETS), choices=list(SETS))
    words = parser.parse_args()
    warnings.filterwarnings("ignore")
    CACHE.mkdir(parents=True, exist_ok=True)
    if words.choose:
        log = CACHE / "reduction_choice.jsonl"
        points = _points(log, ("data", "settings"), product(words.data, CANDIDATES), choose)
        publish("reduction_choice", "Settings of ours on training rows alone; see reduction.py.", points)
        return
    points = _points(CACHE / "reduction.jsonl", ("data", "method"), product(words.data, METHODS), _kept_map)
    fast = _points(CACHE / "reduction_speed.jsonl", ("data",), [("all",)], lambda _: {"data": "all", "rows": speeds()})
    maps = {key: np.load(_map_path(*key)) for key in product(words.data, METHODS)}
    drawn(maps)
    columns = list(dict.fromkeys(name for point in points for name in point))
    rows = [{name: point.get(name, "–") for name in columns} for point in points]
    versions = {name: version(name) for name in ("umap-learn", "scikit-learn")}
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish(
        "reduction", protocol, rows, speed=fast[0]["rows"], wanted=round(WANTED), settings=SETTINGS, versions=versions
    )
    for row in fast[0]["rows"]:
        print(row)


def _points(log: Path, names: tuple[str, ...], asked: Any, work: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what work answers to each key; answers are kept in a log, so that a stopped run goes on."""
    known = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    found = {tuple(point[name] for name in names): point for point in known}
    keys = list(asked)
    for key in keys:
        if key in found:
            continue
        found[key] = work(*key)
        with log.open("a") as file:
            file.write(json.dumps(found[key]) + "\n")
        print(found[key], flush=True)
    return [found[key] for key in keys]


def _kept_map(data: str, method: str) -> dict[str, Any]:
    point, drawn_map = measure(data, method)
    np.save(_map_path(data, method), drawn_map)
    return point


def _map_path(data: str, method: str) -> Path:
    return CACHE / f"reduction, {data}, {method}.npy"


if __name__ == "__main__":
    main()
