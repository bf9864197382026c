"""New pictures: ours beside Pythae's VAE and RAE, and real pictures beside real ones.

Protocol: each method is trained for the same time on one thread of a processor, on the first rows of the training
pictures, with the same network: gated layers of 512 and 512, 16 latent units, mirrored; the next 3,000 rows choose the
weights. Ours have the likelihood `bernoulli` and all else as it comes. Pythae's have vaekit's layers, pixels between 0
and 1, its VAE the cross-entropy and its RAE the squared error, Adam and batches of 128; its mixture has its ten
components. Each makes 10,000 pictures (means of p(x | z), rounded to grey levels), which stand against the 10,000 test
pictures; so do the last 10,000 training pictures, which nothing was trained on: "real". Features are the 64 of a small
convolutional classifier of the training rows; precision and recall are of 3 neighbours, density and coverage of 5.
"AUROC" is that of classifiers trained on one half of made and held-out pictures to tell them apart in the other:
gradient boosting of features, and a network like the classifier of pixels. "sliced Wasserstein" is the root mean square
over 500 directions of the distance along each, pixels being 0 to 1. "nearest ratio" is the median distance of made
pictures to the nearest of the training rows, over that of held-out ones: 0 for copies. "epochs" are passes within the
time, "seconds" those of fit and samples together, all seconds being the processor's. Nothing is chosen on test rows.
Seeds are 0. What was measured is kept, and a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import _pythae
import matplotlib as mpl
import numpy as np
import torch
from _generation import as_input, figures, fingerprint, logits, trained
from _report import CACHE, RESULTS, publish
from likelihood import DATA, FASHION, MNIST

import vaekit

mpl.use("agg")
from matplotlib import pyplot as plt

N, N_VALID, SHOWN = 10_000, 3_000, 16
HIDDEN, LATENT = (512, 512), 16
SETS = {"MNIST": MNIST, "Fashion-MNIST": FASHION}
OURS = {"latent_dim": LATENT, "hidden": HIDDEN, "network": "mlp", "likelihood": "bernoulli", "threads": 1}
REAL = {"epochs": 0, "seconds": 0.0}

Method = Callable[[np.ndarray, np.ndarray, float], tuple[np.ndarray, dict[str, Any]]]  # train, valid, seconds


def ours(train: np.ndarray, valid: np.ndarray, seconds: float, *, model: Any = vaekit.VAE, **settings: Any) -> Any:
    fitted = model(**OURS, **settings, valid=valid, time=seconds, random_state=0).fit(train)
    return fitted.sample(N, random_state=0), {"epochs": len(fitted.fitted_.record["history"])}


def pythae(train: np.ndarray, valid: np.ndarray, seconds: float, *, kind: str, sampler: str) -> Any:
    x, held = (as_input(pictures).flatten(1) for pictures in (train, valid))
    model, epochs = _pythae.train(kind, x, held, HIDDEN, LATENT, seconds)
    made = _pythae.sample(model, sampler, x, N)
    return (255 * made).round().astype(np.uint8).reshape(-1, *train.shape[1:]), {"epochs": epochs}


METHODS: dict[str, Method] = {
    "vaekit VAE, normal": partial(ours, prior="normal"),
    "vaekit VAE, normal, then mixture": partial(ours, prior="normal", second_stage="mixture"),
    "vaekit VAE, normal, then flow": partial(ours, prior="normal", second_stage="flow"),
    "vaekit VAE, vamp": partial(ours, prior="vamp"),
    "vaekit VAE, autoregressive": partial(ours, prior="autoregressive"),
    "vaekit WAE": partial(ours, objective="wae"),
    "vaekit autoencoder, mixture": partial(ours, model=vaekit.Autoencoder),
    "vaekit RAE, mixture": partial(ours, model=vaekit.Autoencoder, objective="rae"),
    "Pythae VAE, normal": partial(pythae, kind="VAE", sampler="normal"),
    "Pythae VAE, mixture": partial(pythae, kind="VAE", sampler="mixture"),
    "Pythae RAE_L2, mixture": partial(pythae, kind="RAE_L2", sampler="mixture"),
}


def made_by(name: str, seconds: float, train: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return a method's pictures, and what its fit took."""
    began = time.process_time()
    # both kits go by this clock; with the processor's time in it, programs beside them take nothing from a method
    with mock.patch("time.monotonic", time.process_time):
        made, facts = METHODS[name](train, valid, seconds)
    return made, facts | {"seconds": time.process_time() - began}


def measure(data: str, names: list[str], seconds: float, n_rows: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a data set's rows, and its classifier's facts with some pictures of each method."""
    with np.load(DATA / f"{SETS[data]}.npz") as file:
        rest, held_out, labels, truth = (file[k] for k in ("x_train", "x_test", "y_train", "y_test"))
    train, valid, real = rest[:n_rows], rest[n_rows : n_rows + N_VALID], rest[-N:]
    assert n_rows + N_VALID + N <= len(rest)
    net = trained(train, labels[:n_rows])
    accuracy = float((logits(net, held_out).argmax(1) == truth).mean())
    about = {"seed": 0, "sha256": fingerprint(net), "test accuracy": accuracy}
    print(f"{data}: the classifier {about}", flush=True)
    rows, shown = [], {"held out": held_out[:SHOWN]}
    for name in ("real", *names):
        path = CACHE / f"generation, {data}, {name}, {n_rows} rows, {seconds:g} s.npz"
        if not path.exists():
            made, facts = (real, REAL) if name == "real" else made_by(name, seconds, train, valid)
            CACHE.mkdir(parents=True, exist_ok=True)
            some = np.random.default_rng(0).choice(N, SHOWN, replace=False)  # a mixture's come component by component
            np.savez(path, shown=made[some], **figures(made, held_out, train, net), **facts)
        with np.load(path) as file:
            shown[name] = file["shown"]
            rows.append({"data": data, "method": name, **{k: file[k].item() for k in file.files if k != "shown"}})
        print(rows[-1], flush=True)
    return rows, {"classifier": about, "shown": shown}


def draw(shown: dict[str, dict[str, np.ndarray]]) -> None:
    """Draw some pictures of each method, a line each."""
    n_lines = max(map(len, shown.values()))
    figure, axes = plt.subplots(n_lines, len(shown), figsize=(9 * len(shown), 0.5 * n_lines + 0.4), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for (data, lines), column in zip(shown.items(), axes.T, strict=True):
        for (name, pictures), axis in zip(lines.items(), column, strict=False):
            axis.imshow(np.hstack(list(pictures)), cmap="gray_r", vmin=0, vmax=255)
            axis.text(-8, 14, name, ha="right", va="center")
        column[0].set_title(data)
    figure.subplots_adjust(0.32, 0, 1, 0.5 * n_lines / (0.5 * n_lines + 0.4), 0, 0)
    figure.savefig(RESULTS / "generation.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("methods", nargs="*", help="how the names of those to measure begin; all by default")
    parser.add_argument("--data", nargs="*", default=["MNIST"], choices=list(SETS))
    parser.add_argument("--time", type=float, default=60.0, help="seconds that each method is trained for")
    parser.add_argument("--rows", type=int, default=30_000, help="training pictures")
    words = parser.parse_args()
    torch.set_num_threads(1)
    names = [name for name in METHODS if not words.methods or name.startswith(tuple(words.methods))]
    rows, about = [], {}
    for data in words.data:
        found, about[data] = measure(data, names, words.time, words.rows)
        rows += found
    draw({data: facts.pop("shown") for data, facts in about.items()})
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish("generation", protocol, rows, classifiers=about, seconds=words.time, n_rows=words.rows)


if __name__ == "__main__":
    main()
