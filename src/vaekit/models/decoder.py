"""The half that every model shares: from z to the parameters of the likelihood, on top of a bias set from the data."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vaekit.networks.mlp import MLP


class Decoder(nn.Module):
    """parameters = head(body(z)) + bias, where the bias alone is the best model without a latent.

    Parameters
    ----------
    body : nn.Module
        From [n, latent_dim] to [n, ...]; an output with as many values as there are parameters is taken as it is, any
        other, and that of an MLP, which ends in an activation, goes through a linear head.
    latent_dim : int
        The width of z that the body reads.
    parameter_shape : tuple of int
        The shape of one row of the likelihood's parameters.
    """

    units: Tensor
    centre: Tensor

    def __init__(self, body: nn.Module, latent_dim: int, parameter_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.body, self.width, self.parameter_shape = body, latent_dim, parameter_shape
        n_parameters, n_features = math.prod(parameter_shape), output_size(body, (latent_dim,))
        ready = n_features == n_parameters and not isinstance(body, MLP)
        self.head = nn.Identity() if ready else nn.Linear(n_features, n_parameters, bias=False)
        self.bias = nn.Parameter(torch.zeros(parameter_shape))
        self.register_buffer("units", torch.arange(latent_dim))
        self.register_buffer("centre", torch.zeros(latent_dim))  # where units that were dropped are held

    def forward(self, z: Tensor) -> Tensor:
        """Return parameters [n, *parameter_shape] of codes [n, d]."""
        if len(self.units) < self.width:
            z = self.centre.expand(z.shape[0], -1).index_copy(1, self.units, z)
        h = self.head(self.body(z).flatten(1))
        return h.float().view(-1, *self.parameter_shape) + self.bias

    def keep_units(self, units: Tensor, centre: Tensor) -> None:
        """Read from now on `units` alone, the others held at `centre` [d]."""
        self.centre.index_copy_(0, self.units, centre)
        self.units = self.units[units]


def output_size(body: nn.Module, in_shape: tuple[int, ...]) -> int:
    """Return how many values a module gives for one row of shape `in_shape`."""
    was_training = body.training
    with torch.no_grad():
        size = body.eval()(torch.zeros(2, *in_shape)).flatten(1).shape[1]
    body.train(was_training)
    return size
