"""Small models that compress, one of each sort, and rows for them."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import vaekit

DIGITS_ROWS = 300


def digits() -> np.ndarray:
    from vaekit.data.builtin import load

    return load("digits")[:DIGITS_ROWS].astype(np.uint8)


def colours() -> np.ndarray:
    rng = np.random.default_rng(0)
    shade = rng.integers(0, 256, (60, 1, 1, 1))
    return np.clip(shade + rng.integers(-20, 20, (60, 7, 9, 3)), 0, 255).astype(np.uint8)


def columns() -> np.ndarray:
    """A table of whole numbers: hundredths, counts, integers, with gaps."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 300)
    rows = np.stack(
        [rng.poisson(3.0 ** (2 * group)), 40 - 9 * group + rng.integers(0, 9, 300), rng.integers(0, 2, 300)], 1
    )
    price = np.round(20 + 5 * group + rng.normal(size=300), 2)
    return np.column_stack([rows, np.where(rng.random(300) < 0.2, np.nan, price)])


SMALL = {"epochs": 3, "latent_dim": 3, "hidden": (16, 16), "prior": "normal"}
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "autoregressive": (digits, SMALL | {"prior": "autoregressive", "latent_dim": 4}),
    "mixture prior": (digits, SMALL | {"prior": "mixture"}),
    "vamp prior": (digits, SMALL | {"prior": "vamp"}),
    "bernoulli": (lambda: digits() > 7, SMALL),
    "mixture with ends, silu": (
        digits,
        SMALL | {"likelihood": "discretized-logistic-mixture-ends", "activation": "silu"},
    ),
    "mixture, elu": (digits, SMALL | {"likelihood": "discretized-logistic-mixture", "activation": "elu"}),
    "ends, tanh": (digits, SMALL | {"likelihood": "discretized-logistic-ends", "activation": "tanh"}),
    "context": (colours, SMALL | {"likelihood": "discretized-logistic-context"}),
    "sixteenths, relu": (
        lambda: (digits() / 16).astype(np.float32),
        SMALL | {"likelihood": "discretized-logistic", "activation": "relu"},
    ),
    "two layers": (digits, SMALL | {"levels": 2, "prior": "autoregressive", "latent_dim": 5}),
    "columns": (columns, SMALL | {"kinds": {"x3": "real"}}),
    "autoencoder": (digits, {"epochs": 3, "latent_dim": 3, "hidden": (16, 16)}),
    "convolutions": (colours, SMALL | {"network": "conv", "hidden": (4, 8)}),
}


@pytest.fixture(scope="session")
def models() -> dict[str, Any]:
    """Fitted models by case, each fitted when it is first asked for."""

    class Fitted(dict):
        def __missing__(self, name: str) -> Any:
            data, settings = CASES[name]
            estimator = vaekit.Autoencoder if name == "autoencoder" else vaekit.VAE
            self[name] = estimator(**settings).fit(data())
            return self[name]

        @staticmethod
        def rows(name: str) -> np.ndarray:
            return CASES[name][0]()

    return Fitted()


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, models: dict[str, Any]) -> tuple[Any, np.ndarray]:
    """A fitted model and its rows."""
    return models[request.param], CASES[request.param][0]()


@pytest.fixture(scope="session")
def digits_model(models: dict[str, Any]) -> Any:
    return models["autoregressive"]


@pytest.fixture(scope="session")
def plain() -> ModuleType:
    """The decoder that was written from the format's page alone."""
    spec = importlib.util.spec_from_file_location("plain_decoder", Path(__file__).with_name("plain_decoder.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
