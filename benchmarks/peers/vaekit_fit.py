"""vaekit on MNIST: timed epochs of the task's network, or with --budget the test bound of the preset "fast"."""

from __future__ import annotations

import time
from argparse import Namespace
from importlib.metadata import version

import numpy as np
from _common import BATCH, HIDDEN, LATENT, RATE, THREADS, arguments, binarised_test, say, say_epochs

from vaekit import VAE

HELD_OUT, DRAWS = 600, 16


def time_epochs(words: Namespace, pictures: dict[str, np.ndarray]) -> None:
    vae = VAE(
        LATENT,
        network="mlp",
        hidden=(HIDDEN,),
        activation="relu",
        likelihood="bernoulli",
        prior="normal",
        batch_size=BATCH,
        learning_rate=RATE,
        epochs=words.epochs,
        threads=THREADS,
        valid=pictures["x_test"][:HELD_OUT],
    ).fit(pictures["x_train"])
    about = {"versions": {"vaekit": version("vaekit")}, "settings": vae.fitted_.record["settings"]}
    say_epochs(vae.history_["seconds"].to_list(), **about)


def reach(words: Namespace, pictures: dict[str, np.ndarray]) -> None:
    began = time.perf_counter()
    vae = VAE(preset="fast", likelihood="bernoulli", time=words.budget).fit(pictures["x_train"])
    seconds = time.perf_counter() - began
    figures = vae.evaluate(binarised_test(words) * 255, importance_samples=DRAWS)
    say(
        budget=words.budget,
        training_seconds=float(vae.history_["seconds"][-1]),
        seconds=seconds,
        epochs=len(vae.history_),
        elbo_nats=figures["elbo_nats"],
        latent_dim=vae.latent_dim_,
    )


def main() -> None:
    words = arguments(budget=float)
    with np.load(words.data) as file:
        pictures = {"x_train": file["x_train"][: words.rows], "x_test": file["x_test"]}
    (reach if words.budget else time_epochs)(words, pictures)


if __name__ == "__main__":
    main()
