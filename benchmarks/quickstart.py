"""Two minutes of `vaekit fit` on MNIST: likelihood, and what the codes are worth beside PCA and raw pixels.

Protocol: fit on the 60,000 training pictures (a tenth of them held out for early stopping), --preset fast --time 2m
--likelihood bernoulli --seed 0, grey levels binarised afresh at every use. The test pictures are binarised once with
numpy's seed 777; NLL is the importance bound of 500 draws. Neighbours: 10, uniform, Euclidean, of 60,000 training rows.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _report import publish
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

MNIST = Path(__file__).parents[2] / "shared/data/mnist.npz"


def vaekit(*words: str) -> str:
    """Run the command and return what it prints."""
    command = [sys.executable, "-m", "vaekit", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def neighbours_accuracy(train: np.ndarray, y_train: np.ndarray, test: np.ndarray, y_test: np.ndarray) -> float:
    return float(KNeighborsClassifier(10).fit(train, y_train).score(test, y_test))


def main() -> None:
    data = dict(np.load(MNIST))
    y_train, y_test = data["y_train"], data["y_test"]
    flat_train, flat_test = (data[k].reshape(-1, 784).astype(np.float32) for k in ("x_train", "x_test"))
    binarised = np.random.RandomState(777).binomial(1, data["x_test"] / 255).astype(np.uint8) * 255
    with tempfile.TemporaryDirectory() as folder:
        model, test, codes = f"{folder}/mnist.vae", f"{folder}/test.npy", f"{folder}/codes.npy"
        np.save(test, binarised)
        began = time.monotonic()
        fit = f"fit {MNIST}::x_train -o {model} --preset fast --time 2m --likelihood bernoulli --seed 0 --json"
        fitted = json.loads(vaekit(*fit.split()))
        seconds = time.monotonic() - began
        figures = json.loads(vaekit("evaluate", model, test, "--importance-samples", "500", "--json"))
        z = {}
        for part in ("x_train", "x_test"):
            vaekit("embed", model, f"{MNIST}::{part}", "-o", codes)
            z[part] = np.load(codes)
    d = fitted["latent_dim"]
    pca = PCA(d, random_state=0).fit(flat_train)
    features = {
        f"vaekit codes, d = {d}": (z["x_train"], z["x_test"]),
        f"PCA, d = {d}": (pca.transform(flat_train), pca.transform(flat_test)),
        "raw pixels, d = 784": (flat_train, flat_test),
    }
    table = [
        {"features": name, "10-NN accuracy": neighbours_accuracy(train, y_train, test, y_test)}
        for name, (train, test) in features.items()
    ]
    figures |= {"training_seconds": fitted["seconds"], "command_seconds": seconds}
    publish("quickstart", __doc__.split("Protocol: ")[1].strip().replace("\n", " "), table, figures=figures)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
