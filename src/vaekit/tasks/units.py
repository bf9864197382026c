"""Latent units: which are in use, and what each says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.models.fitted import Fitted
from vaekit.training.measures import ACTIVE_VARIANCE


def active_units(fitted: Fitted, codes: NDArray[Any]) -> tuple[list[int], NDArray[Any]]:
    """Return the units whose means vary over codes [n, d], those that say most first, and what each unit says: [d].

    What a unit says is its KL in nats, or, where the model has none by unit, the variance of its mean.
    """
    variance = codes.var(0)
    kl = fitted.record["metrics"]["kl_by_unit_nats"]
    worth = np.array(kl if kl and len(kl) == len(variance) else variance)
    least = ACTIVE_VARIANCE * fitted.model.unit_variance
    return [int(k) for k in np.argsort(-worth) if variance[k] > least], worth
