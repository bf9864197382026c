"""A small run, built from the parts that a fit is built from."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from vaekit.data.batches import Batches
from vaekit.data.schema import Schema
from vaekit.models.build import Architecture, build
from vaekit.training.checkpoints import Checkpoint
from vaekit.training.distributed import World
from vaekit.training.loop import Run
from vaekit.training.settings import Settings

ROWS = np.random.default_rng(0).normal(size=(90, 3)) @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 0.2]])
PICTURES = np.random.default_rng(0).integers(0, 256, (24, 3, 12, 12)).astype(np.uint8)


def make_run(listeners=(), checkpoint: Checkpoint | None = None, world: World | None = None, **settings) -> Run:
    """Return a run of 80 rows in batches of 10, ten rows held out; `settings` may name parts of the architecture."""
    parts = {name: settings.pop(name) for name in ("model", "latent_dim", "prior", "levels") if name in settings}
    settings = {"epochs": 5, "batch_size": 10, "learning_rate": 1e-2} | settings
    schema = Schema.infer(ROWS)
    codes = schema.encode(ROWS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build(
            Architecture(**{"model": "vae", "latent_dim": 2, "likelihoods": ("gaussian",), "hidden": (8,)} | parts),
            schema,
        )
        model.prepare(torch.from_numpy(codes))
    world = world or World()
    batches = Batches(codes[:80], settings["batch_size"], seed=0, share=(world.rank, world.size))
    return Run(model, batches, torch.from_numpy(codes[80:]), Settings(**settings), listeners, checkpoint, world=world)


def make_run_of_pictures(checkpoint: Checkpoint | None = None, world: World | None = None, **settings) -> Run:
    """Return a run of 20 pictures through convolutions and two stochastic layers, four pictures held out."""
    schema = Schema.infer(PICTURES)
    codes = schema.encode(PICTURES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        architecture = Architecture("vae", 4, ("discretized-logistic",), network="conv", hidden=(2, 8), levels=2)
        model = build(architecture, schema)
    world = world or World()
    batches = Batches(codes[:20], 8, seed=0, share=(world.rank, world.size))
    settings = Settings(batch_size=8, **({"epochs": 2} | settings))
    return Run(model, batches, torch.from_numpy(codes[20:]), settings, (), checkpoint, world=world)


@pytest.fixture(name="make_run", scope="session")
def make_run_fixture() -> Callable[..., Run]:
    return make_run


@pytest.fixture(name="make_run_of_pictures", scope="session")
def make_run_of_pictures_fixture() -> Callable[..., Run]:
    return make_run_of_pictures
