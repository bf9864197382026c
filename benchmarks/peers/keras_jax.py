"""Keras 3's `fit` on the JAX backend, compiled, with the loss of its VAE example."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"

import time
from importlib.metadata import version
from typing import Any

import keras
from _common import BATCH, HIDDEN, LATENT, PIXELS, RATE, arguments, say_epochs, training_pixels
from keras import layers, ops


class VAE(keras.Model):
    """784-400-20 with ReLU; answers the reconstruction's logits, the posterior's mean and its log-variance."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = layers.Dense(HIDDEN, activation="relu")
        self.mean, self.log_variance = layers.Dense(LATENT), layers.Dense(LATENT)
        self.decoder = keras.Sequential([layers.Dense(HIDDEN, activation="relu"), layers.Dense(PIXELS)])
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, x: Any) -> tuple[Any, Any, Any]:
        """Return logits [n, 784], mean and log-variance [n, 20]."""
        h = self.encoder(x)
        mean, log_variance = self.mean(h), self.log_variance(h)
        noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
        return self.decoder(mean + ops.exp(0.5 * log_variance) * noise), mean, log_variance

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> Any:
        """Return the negative bound in nats, averaged over rows."""
        logits, mean, log_variance = y_pred
        cross_entropy = ops.sum(ops.binary_crossentropy(x, logits, from_logits=True), axis=1)
        kl = -0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=1)
        return ops.mean(cross_entropy + kl)


class Stamps(keras.callbacks.Callback):
    """Keeps when each epoch ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the time."""
        self.ends.append(time.perf_counter())


def main() -> None:
    words = arguments()
    keras.utils.set_random_seed(0)
    model, stamps = VAE(), Stamps()
    model.compile(optimizer=keras.optimizers.Adam(RATE))
    model.fit(training_pixels(words), batch_size=BATCH, epochs=words.epochs, verbose=0, callbacks=[stamps])
    say_epochs(stamps.ends, versions={name: version(name) for name in ("keras", "jax")})


if __name__ == "__main__":
    main()
