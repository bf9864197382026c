"""Reconstruction alone, the objective of a plain autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor

from vaekit.models.base import LatentModel
from vaekit.objectives.bound import Bound


def reconstruction(model: LatentModel, x: Tensor) -> Bound:
    """Log p(x | E_q[z]): no noise and no KL.

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)

    Returns
    -------
    Bound
    """
    log_likelihood = model.log_likelihood(x, model.posterior(x).mean)
    return Bound(log_likelihood, torch.zeros_like(log_likelihood))
