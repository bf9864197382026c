"""What all contestants share: the task, its pictures, and one JSON line for each thing measured."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

PIXELS, HIDDEN, LATENT = 784, 400, 20
BATCH, RATE, THREADS = 128, 1e-3, 2


def arguments(**more: type) -> argparse.Namespace:
    """Return the words of the command line: the pictures, how many, epochs, and `more` options by their type."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=2, help="the first warms up, the others are timed")
    for name, kind in more.items():
        parser.add_argument(f"--{name}", type=kind)
    return parser.parse_args()


def training_pixels(words: argparse.Namespace) -> np.ndarray:
    """Return the grey levels to train on, float32 in [0, 1]: [n, 784]."""
    with np.load(words.data) as file:
        return file["x_train"][: words.rows].reshape(-1, PIXELS).astype(np.float32) / 255


def binarised_test(words: argparse.Namespace) -> np.ndarray:
    """Return the test pictures binarised once, uint8 of 0 and 1: [n, 28, 28]."""
    with np.load(words.data) as file:
        return np.random.RandomState(777).binomial(1, file["x_test"] / 255)[: words.rows].astype(np.uint8)


def say(**facts: Any) -> None:
    """Print facts as one JSON line."""
    print(json.dumps(facts), flush=True)


def say_epochs(ends: Sequence[float], **facts: Any) -> None:
    """Print the seconds of each epoch after the first, given when each ended."""
    for before, after in itertools.pairwise(ends):
        say(seconds=after - before, **facts)
