"""Reconstruct: rows, or codes, to the likelihood's mean in the data's own units."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from vaekit.data.progress import Tell
from vaekit.errors import DataError
from vaekit.models.fitted import Fitted
from vaekit.tasks.tiles import in_tiles


def reconstruct(fitted: Fitted, data: Any, tell: Tell | None = None) -> Any:
    """Return E[x | z = E[z | x]] of rows, in the container, dtypes and units of the data the model was fitted on.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    tell : callable, optional
        Is told the share that is done.

    Returns
    -------
    array or frame of n_samples rows
    """
    means = in_tiles(fitted.model.eval().reconstruct, fitted.rows(data), tell=tell)
    return fitted.schema.decode(means.numpy())


def decode(fitted: Fitted, codes: ArrayLike) -> Any:
    """Return E[x | z] of codes, in the container, dtypes and units of the data the model was fitted on.

    Parameters
    ----------
    fitted : Fitted
    codes : array of shape (n_samples, latent_dim)

    Returns
    -------
    array or frame of n_samples rows

    Raises
    ------
    DataError
        When the codes have another width or are not finite.
    """
    z = torch.as_tensor(np.array(codes, dtype=np.float32), device=fitted.model.device)
    d = fitted.model.latent_dim
    if z.dim() != 2 or z.shape[1] != d or not z.isfinite().all():
        raise DataError(
            f"Expected finite codes of shape (n, {d}); got {tuple(z.shape)}. Give what `transform` returned."
        )
    model = fitted.model.eval()
    return fitted.schema.decode(in_tiles(lambda tile: model.likelihood(tile).mean, z).numpy())
