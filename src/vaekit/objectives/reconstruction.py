"""Reconstruction alone, the objective of a plain autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor

from vaekit.models.base import LatentModel
from vaekit.objectives.bound import Bound


def reconstruction(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1) -> Bound:
    """Log p(x | E_q[z]): no noise and no KL.

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta, draws : ignored

    Returns
    -------
    Bound
    """
    log_likelihood = model.log_likelihood(x, model.posterior(x).mean)
    return Bound(log_likelihood, torch.zeros_like(log_likelihood), log_likelihood)
