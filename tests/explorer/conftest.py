"""Two small models and their sessions."""

import numpy as np
import polars as pl
import pytest

import vaekit
from vaekit.data import builtin
from vaekit.explorer.session import Session


def measurements(n: int = 300) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    site = rng.choice(["east", "north", "south"], n)
    warmth = rng.normal(15, 2, n) + 8 * (site == "south") - 6 * (site == "north")
    height = np.where(rng.random(n) < 0.05, np.nan, 50 + 2 * warmth + rng.normal(0, 2, n))
    return pl.DataFrame({
        "site": site,
        "warmth": warmth.round(1),
        "visits": rng.poisson(np.exp(0.1 * warmth)),
        "smokes": rng.random(n) < 0.5,
        "height": height.round(1),
    }).with_columns(pl.col("height").fill_nan(None))  # fmt: skip


@pytest.fixture(scope="session")
def digits():
    """An estimator of digits, 400 of them and their classes."""
    data = builtin.load("digits")[:400]
    vae = vaekit.VAE(8, preset="fast", epochs=5).fit(data)
    return vae, data, builtin.labels("digits")[:400]


@pytest.fixture(scope="session")
def table():
    """An estimator of a mixed table with gaps, and its rows."""
    data = measurements()
    return vaekit.VAE(2, preset="fast", epochs=15).fit(data), data, None


@pytest.fixture(scope="session")
def sessions(digits, table):
    return {
        name: Session(vae.fitted_, data, labels) for name, (vae, data, labels) in [("digits", digits), ("table", table)]
    }
