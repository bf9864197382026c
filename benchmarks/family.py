"""The family of objectives and models, each at the same small budget.

Protocol: the first rows of MNIST's training pictures, a tenth of them held out to choose the weights; an MLP of two
gated layers of 256, 16 latent units, a normal prior (an autoencoder's is its mixture), Bernoulli pixels binarised
afresh at every use; all else, strengths too, as it comes. Figures are of the first 2,000 test pictures: the ELBO and
the importance-sampled bound in nats a picture, the mean squared error of reconstructions in squared grey levels, active
units; then the accuracy of 10 nearest neighbours and of a logistic regression, both fitted on the codes of the training
pictures with their labels. Seconds are a processor's, of the whole fit on one thread. The bound is of 16 draws. Means
over seeds. Nothing is chosen on test rows.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _report import publish
from likelihood import DATA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vaekit.estimators.vae import ESTIMATORS
from vaekit.objectives import OF_AUTOENCODERS, OF_VAES

N_TEST, DRAWS = 2_000, 16
COMMON = {"latent_dim": 16, "network": "mlp", "hidden": (256, 256), "likelihood": "bernoulli", "threads": 1}

MEMBERS: dict[str, tuple[str, dict[str, Any]]] = {
    "VAE (elbo)": ("vae", {"objective": "elbo", "prior": "normal"}),
    "β-VAE (elbo, β = 4)": ("vae", {"objective": "elbo", "beta": 4.0, "prior": "normal"}),
    "IWAE (iwae)": ("vae", {"objective": "iwae", "prior": "normal"}),
    **{name: ("vae", {"objective": name, "prior": "normal"}) for name in OF_VAES},
    "autoencoder (reconstruction)": ("autoencoder", {"objective": "reconstruction"}),
    **{name: ("autoencoder", {"objective": name}) for name in OF_AUTOENCODERS},
    **{name: (name, {}) for name in ESTIMATORS if name not in ("vae", "autoencoder")},
}


def measure(member: str, seed: int, n_rows: int, epochs: int) -> dict[str, float]:
    """Return the figures of a member."""
    with np.load(DATA / "mnist.npz") as file:
        train, labels = file["x_train"][:n_rows], file["y_train"][:n_rows]
        test, truth = file["x_test"][:N_TEST], file["y_test"][:N_TEST]
    model, settings = MEMBERS[member]
    began = time.process_time()
    fitted = ESTIMATORS[model](**COMMON, **settings, epochs=epochs, random_state=seed).fit(train, labels)
    seconds = time.process_time() - began
    figures, codes = fitted.evaluate(test, importance_samples=DRAWS), fitted.transform(train)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probes = {"10-NN": KNeighborsClassifier(10), "linear probe": linear}
    return {
        "elbo nats": figures["elbo_nats"],
        "bound nats": -figures["nll_nats"],
        "mse": figures["mse"],
        "active": figures["active_units"],
        **{name: probe.fit(codes, labels).score(fitted.transform(test), truth) for name, probe in probes.items()},
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("members", nargs="*", help="how the names of those to measure begin; all by default")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=2)
    words = parser.parse_args()
    rows = []
    for member in MEMBERS:
        if words.members and not member.startswith(tuple(words.members)):
            continue
        found = [measure(member, seed, words.rows, words.epochs) for seed in range(words.seeds)]
        means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
        rows.append({"member": member, **means})
        print(rows[-1], flush=True)
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish("family", protocol, rows, n_rows=words.rows, epochs=words.epochs, seeds=words.seeds)


if __name__ == "__main__":
    main()
