"""Pythae's BaseTrainer on MNIST: timed epochs, or with --pixels the test bound of the model it keeps.

Its "bce" is the Bernoulli cross-entropy summed over pixels. It is trained on grey levels as if they were probabilities,
or with `--pixels binarised` on pictures binarised afresh at every use.
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from importlib.metadata import version
from typing import Any

import torch
from _common import (
    BATCH,
    HIDDEN,
    LATENT,
    PIXELS,
    RATE,
    THREADS,
    arguments,
    binarised_test,
    say,
    say_epochs,
    training_pixels,
)
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor, nn

DRAWS = 16


class Encoder(BaseEncoder):
    """784-400-20 with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)

    def forward(self, x: Tensor) -> ModelOutput:
        """Return the posterior's mean and log-variance."""
        h = self.body(x)
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseDecoder):
    """20-400-784 with ReLU, and a sigmoid at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS), nn.Sigmoid())

    def forward(self, z: Tensor) -> ModelOutput:
        """Return the pixels' probabilities."""
        return ModelOutput(reconstruction=self.body(z))


class BinarisingVAE(VAE):
    """Pythae's VAE, its pictures binarised afresh at every use; 0 and 1 stay as they are."""

    def forward(self, inputs: Any, **kwargs: Any) -> ModelOutput:
        """Return the loss and its terms."""
        return super().forward({"data": torch.bernoulli(inputs["data"])}, **kwargs)


class Stamps(TrainingCallback):
    """Keeps when each epoch ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_epoch_end(self, training_config: BaseTrainerConfig, **kwargs: Any) -> None:
        """Keep the time."""
        self.ends.append(time.perf_counter())


def make_trainer(words: Namespace, folder: str, stamps: Stamps) -> BaseTrainer:
    kind = BinarisingVAE if words.pixels == "binarised" else VAE
    config = VAEConfig(input_dim=(PIXELS,), latent_dim=LATENT, reconstruction_loss="bce")
    x = torch.from_numpy(training_pixels(words))
    settings = BaseTrainerConfig(
        output_dir=folder,
        num_epochs=words.epochs,
        learning_rate=RATE,
        per_device_train_batch_size=BATCH,
        no_cuda=True,
    )
    return BaseTrainer(
        kind(config, Encoder(), Decoder()), BaseDataset(x, torch.zeros(len(x))), None, settings, [stamps]
    )


@torch.no_grad()
def mean_elbo_nats(model: VAE, x: Tensor) -> float:
    torch.manual_seed(0)
    return -sum(float(model.eval()({"data": x}).loss) for _ in range(DRAWS)) / DRAWS


def main() -> None:
    words = arguments(pixels=str)
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    stamps = Stamps()
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(words, folder, stamps)
        began = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - began
    versions = {name: version(name) for name in ("pythae", "torch")}
    if not words.pixels:
        say_epochs(stamps.ends, versions=versions)
        return
    x = torch.from_numpy(binarised_test(words)).float().flatten(1)
    say(seconds=seconds, elbo_nats=mean_elbo_nats(trainer._best_model, x), versions=versions)


if __name__ == "__main__":
    main()
