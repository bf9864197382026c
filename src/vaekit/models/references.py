"""The rows beside which others are near or far."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class References:
    """Some rows that a model was fitted on: see `vaekit.tasks.distances`.

    Parameters
    ----------
    values : Tensor of shape (m, F)
        As the encoder reads them.
    codes : Tensor of shape (m, latent_dim)
        Means of q(z | x).
    nats : Tensor of shape (m, n_dims + 1)
        What each value takes, and the code.
    usual : Tensor of bool, of shape (m,)
        Whether a row is none of the oddest.
    """

    values: Tensor
    codes: Tensor
    nats: Tensor
    usual: Tensor
