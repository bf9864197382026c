"""What changes over a run, as functions of its progress in [0, 1]."""

from __future__ import annotations

import math


def one_cycle(progress: float, rise: float = 0.1) -> float:
    """Return the share of the learning rate: a linear rise over the first `rise` of the run, then a cosine to zero.

    Source: Smith and Topin (2018), arXiv:1708.07120.

    Examples
    --------
    >>> [round(one_cycle(p), 3) for p in (0.0, 0.1, 0.55, 1.0)]
    [0.04, 1.0, 0.5, 0.0]
    """
    if progress < rise:
        return 0.04 + 0.96 * progress / rise
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - rise) / (1 - rise))))


def kl_weight(progress: float, warmup: float, beta: float = 1.0, cycles: int = 1) -> float:
    """Return the weight of the KL: in each of `cycles` equal parts of the run a linear rise to beta, then beta.

    Sources: Sønderby et al. (2016), section 3.2, arXiv:1602.02282; in cycles, Fu et al. (2019), arXiv:1903.10145.

    Parameters
    ----------
    progress : float
        The share of the run that is done.
    warmup : float
        The share of each cycle over which the weight rises.
    beta : float
    cycles : int

    Examples
    --------
    >>> [kl_weight(p, warmup=0.1) for p in (0.0, 0.05, 0.5)]
    [0.0, 0.5, 1.0]
    >>> [kl_weight(p, warmup=0.5, cycles=2) for p in (0.0, 0.25, 0.5, 1.0)]
    [0.0, 1.0, 0.0, 1.0]
    """
    within = progress * cycles % 1 if progress < 1 else 1.0
    return beta * min(1.0, within / warmup) if warmup > 0 else beta


def average_decay(step: int, n_steps: int) -> float:
    """Return the decay of the running average of weights: it spans the last twentieth of the run, less at its start."""
    horizon = max(1.0, min(0.05 * n_steps, 1000.0))
    return min(1 - 1 / (1 + horizon), step / (step + 10.0))
