"""Pythae's autoencoders with vaekit's layers, trained for a time, and its samplers."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from typing import Any

import numpy as np
import torch
from pythae.models import RAE_L2, VAE, RAE_L2_Config, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.samplers import GaussianMixtureSampler, NormalSampler
from pythae.trainers import BaseTrainerConfig, CoupledOptimizerTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor, nn

from vaekit.networks.mlp import MLP

BATCH, RATE = 128, 1e-3
FOREVER = 10_000  # epochs
SHARED = {"per_device_train_batch_size": BATCH, "per_device_eval_batch_size": 1000, "num_epochs": FOREVER}
KINDS = {
    "VAE": (
        VAE,
        {"reconstruction_loss": "bce"},
        VAEConfig,
        BaseTrainerConfig,
        {"learning_rate": RATE},
    ),
    "RAE_L2": (
        RAE_L2,
        {},
        RAE_L2_Config,
        CoupledOptimizerTrainerConfig,
        {"encoder_learning_rate": RATE, "decoder_learning_rate": RATE},
    ),
}
SAMPLERS = {"normal": NormalSampler, "mixture": GaussianMixtureSampler}


class Encoder(BaseEncoder):
    """From pictures to the code's mean and log-variance; an autoencoder leaves the latter."""

    def __init__(self, n_pixels: int, hidden: tuple[int, ...], latent_dim: int) -> None:
        super().__init__()
        self.body = MLP(n_pixels, hidden)
        self.mean, self.log_variance = (nn.Linear(hidden[-1], latent_dim) for _ in range(2))

    def forward(self, x: Tensor) -> ModelOutput:
        """Return both, [n, d]."""
        h = self.body(x)
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseDecoder):
    """From codes to pixels between 0 and 1."""

    def __init__(self, n_pixels: int, hidden: tuple[int, ...], latent_dim: int) -> None:
        super().__init__()
        self.body = nn.Sequential(MLP(latent_dim, hidden[::-1]), nn.Linear(hidden[0], n_pixels), nn.Sigmoid())

    def forward(self, z: Tensor) -> ModelOutput:
        """Return pixels, [n, n_pixels]."""
        return ModelOutput(reconstruction=self.body(z))


class OutOfTime(Exception):
    """Training has lasted long enough."""


class Clock(TrainingCallback):
    """Counts epochs, and ends training with the one in which the time is up: Pythae has no such setting."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.epochs = seconds, 0

    def on_train_begin(self, training_config: Any, **kwargs: Any) -> None:
        """Begin to count."""
        self.began = time.monotonic()

    def on_epoch_end(self, training_config: Any, **kwargs: Any) -> None:
        """End training where its time is up."""
        self.epochs += 1
        if time.monotonic() - self.began >= self.seconds:
            raise OutOfTime


@contextlib.contextmanager
def silence() -> Any:
    """Keep Pythae's log and its bars from the screen."""
    logging.disable(logging.INFO)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            yield
    finally:
        logging.disable(logging.NOTSET)


def train(
    kind: str, train: Tensor, valid: Tensor, hidden: tuple[int, ...], latent_dim: int, seconds: float
) -> tuple[Any, int]:
    """Return a model trained on pixels [n, n_pixels], as it was when best on held-out rows, and its epochs."""
    model, settings, config, its_trainer, rates = KINDS[kind]
    torch.manual_seed(0)
    sizes = (train.shape[1], hidden, latent_dim)
    clock = Clock(seconds)
    with silence(), tempfile.TemporaryDirectory() as folder:
        built = model(
            config(input_dim=(train.shape[1],), latent_dim=latent_dim, **settings), Encoder(*sizes), Decoder(*sizes)
        )
        trainer_config = its_trainer(output_dir=folder, no_cuda=True, seed=0, **SHARED, **rates)
        pipeline = TrainingPipeline(model=built, training_config=trainer_config)
        with contextlib.suppress(OutOfTime):
            pipeline(train_data=train, eval_data=valid, callbacks=[clock])
    return pipeline.trainer._best_model.eval(), clock.epochs


def sample(model: Any, sampler: str, train: Tensor, n: int) -> np.ndarray:
    """Return n new rows of pixels between 0 and 1, [n, n_pixels]."""
    torch.manual_seed(0)
    np.random.seed(0)
    with silence():
        drawn = SAMPLERS[sampler](model)
        if sampler == "mixture":
            drawn.fit(train)
        return drawn.sample(num_samples=n).numpy()
