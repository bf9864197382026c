"""Binarising grey levels the same way at every call: a row's random numbers follow from the row's own content."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vaekit.models.base import LatentModel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def observed(model: LatentModel, codes: Tensor) -> Tensor:
    """Return what the model observes of codes [n, *event_shape]; grey levels are binarised by content."""
    return model.observation.observe(codes, uniform=content_uniform)


def content_uniform(codes: Tensor) -> Tensor:
    """Return numbers uniform on [0, 1), one for each value, that depend on the content of the value's own row alone.

    Parameters
    ----------
    codes : Tensor of shape (n, ...)

    Examples
    --------
    >>> x = torch.tensor([[3, 1], [2, 2]])
    >>> bool((content_uniform(x)[1] == content_uniform(x[1:])[0]).all())
    True
    """
    flat = codes.float().flatten(1).cpu().numpy().view(np.uint32).astype(np.uint64)  # [n, D], the floats' bits
    place = np.arange(1, flat.shape[1] + 1, dtype=np.uint64)
    row = (flat * _mix(place * GOLDEN)).sum(axis=1, dtype=np.uint64)  # wraps around, as hashes do
    bits = _mix(row[:, None] + place * GOLDEN) >> np.uint64(40)  # 24 bits, what a float32 holds
    uniform = bits.astype(np.float32) * np.float32(2**-24)
    return torch.from_numpy(uniform).view(codes.shape).to(codes.device)


def _mix(
    x: np.ndarray[tuple[int, ...], np.dtype[np.uint64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    """Return SplitMix64's finaliser of x (Steele, Lea and Flood, 2014, doi:10.1145/2660193.2660195)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
