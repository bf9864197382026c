"""Embed: rows to codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.data.progress import Tell
from vaekit.models.fitted import Fitted
from vaekit.tasks.tiles import in_tiles


def embed(fitted: Fitted, data: Any, tell: Tell | None = None) -> NDArray[np.float32]:
    """Return the posterior means of rows, E[z | x], the same at every call and in any company.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    tell : callable, optional
        Is told the share that is done.

    Returns
    -------
    ndarray of shape (n_samples, latent_dim)
    """
    model = fitted.model.eval()
    return in_tiles(lambda x: model.posterior(x).mean, fitted.rows(data), tell=tell).numpy()
