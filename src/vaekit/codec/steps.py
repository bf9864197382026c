"""What the whole numbers of densities stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.codec import tables

Array = NDArray[Any]

LOG_STEPS = 32  # of logarithms of scales, of logits and of weights, to one
PLACES = 16  # of locations, to a cell
LOWEST_LOG, HIGHEST_LOG = -10 * LOG_STEPS, 10 * LOG_STEPS
REACH = 1 << 18  # of parameters


def inverse_scales(bounded_log_scale: Callable[[Tensor], Tensor], cell: float) -> Array:
    """Return steps of a table to 1/16 of a cell, in units of 2^−16, by log-scale from `LOWEST_LOG` on."""
    logs = torch.arange(LOWEST_LOG, HIGHEST_LOG + 1, dtype=torch.float64) / LOG_STEPS
    steps = 2.0**16 * tables.CDF_STEPS * cell / PLACES / bounded_log_scale(logs).exp()
    return np.maximum(np.rint(steps.numpy()), 1).astype(np.int64)
