"""What to use where the user says nothing: sizes and budgets from the data's shape and one word."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from vaekit.data.schema import Schema
from vaekit.errors import ParameterError
from vaekit.models.build import MODELS


@dataclass(frozen=True)
class Preset:
    """A budget.

    Parameters
    ----------
    rows_seen : int
        Rows that training looks at, epochs times rows.
    most_epochs : int
        The limit for small data.
    widths : tuple of int
        Of layers, for under 16, under 128, and more inputs.
    largest_flat : int
        The most values of a picture that an MLP reads; larger ones are convolved.
    levels : int
        Stochastic layers of a VAE.
    most_units : int
        The most latent units to start with.
    """

    rows_seen: int
    most_epochs: int
    widths: tuple[int, int, int]
    largest_flat: int
    levels: int
    most_units: int


PRESETS = {
    "fast": Preset(1_200_000, most_epochs=100, widths=(64, 128, 300), largest_flat=1024, levels=1, most_units=40),
    "balanced": Preset(5_000_000, most_epochs=200, widths=(64, 128, 512), largest_flat=1024, levels=1, most_units=40),
    "best": Preset(20_000_000, most_epochs=400, widths=(128, 256, 512), largest_flat=256, levels=2, most_units=80),
}
CHANNELS = 16  # after a convolutional network's first layer
ENOUGH_ROWS = 1_000  # for what is learned beside encoder and decoder


def default_epochs(preset: str, n_rows: int, network: str = "mlp") -> int:
    """Return how often to pass over the rows; a convolution is worth its cost on a quarter of the passes.

    Examples
    --------
    >>> default_epochs("fast", 60_000), default_epochs("fast", 100)
    (20, 100)
    """
    budget = PRESETS[preset]
    epochs = min(budget.most_epochs, max(5, round(budget.rows_seen / n_rows)))
    return max(5, epochs // 4) if network == "conv" else epochs


def default_batch_size(n_rows: int) -> int:
    """Return a power of two between 16 and 256 that gives an epoch about fifty steps or more.

    Examples
    --------
    >>> default_batch_size(150), default_batch_size(60_000)
    (16, 256)
    """
    return int(min(256, max(16, 2 ** round(math.log2(max(1, n_rows) / 50)))))


def default_hidden(preset: str, network: str, n_inputs: int) -> tuple[int, ...]:
    """Return the widths of layers; for a convolutional network its first channels and its last features."""
    budget = PRESETS[preset]
    if network == "conv":
        return (CHANNELS, 16 * CHANNELS)
    few, some, many = budget.widths
    width = few if n_inputs < 16 else some if n_inputs < 128 else many
    return (width, width)


def default_network(preset: str, schema: Schema) -> str:
    """Return "conv" for pictures too large for an MLP, or with "best" large enough to repay the time, else "mlp"."""
    return "conv" if schema.is_picture and schema.n_dims > PRESETS[preset].largest_flat else "mlp"


def default_latent_dim(model: str, n_inputs: int, preset: str = "balanced") -> int:
    """Return how many units to start with: a VAE drops those it does not use, others keep all.

    Examples
    --------
    >>> default_latent_dim("vae", 784), default_latent_dim("vae", 4), default_latent_dim("autoencoder", 64)
    (40, 2, 16)
    """
    units: int = MODELS[model].usual_units(n_inputs, PRESETS[preset].most_units)
    return max(MODELS[model].least_units, units)


def default_prior(n_rows: int) -> str:
    """Return the prior that is worth its cost: a learned one, where there are rows to learn it from.

    Examples
    --------
    >>> default_prior(150), default_prior(60_000)
    ('normal', 'autoregressive')
    """
    return "autoregressive" if n_rows >= ENOUGH_ROWS else "normal"


def default_levels(preset: str, model: str, latent_dim: int, n_rows: int) -> int:
    """Return the number of stochastic layers: more than one only with units and rows to fill them.

    Examples
    --------
    >>> default_levels("best", "vae", 80, 60_000), default_levels("best", "vae", 2, 150)
    (2, 1)
    """
    return PRESETS[preset].levels if MODELS[model].layered and latent_dim >= 32 and n_rows >= ENOUGH_ROWS else 1


def parse_seconds(time: Any) -> float | None:
    """Return seconds of "90", "90s", "10m", "2h" or a number.

    Examples
    --------
    >>> parse_seconds("10m"), parse_seconds(90), parse_seconds(None)
    (600.0, 90.0, None)
    """
    if time is None:
        return None
    units = {"s": 1, "m": 60, "h": 3600}
    text = str(time).strip()
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < math.inf:
        raise ParameterError(f"The time must be positive, as in 90s, 10m or 2h; got '{time}'.")
    return seconds
