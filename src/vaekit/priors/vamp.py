"""The VampPrior: a mixture of the model's own posteriors at learned pseudo-inputs."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Size, Tensor, nn

from vaekit.distributions.posteriors import LOG_2PI, DiagonalNormal, Reparametrised
from vaekit.priors.base import Prior


class MixtureOfDiagonals:
    """Σ_k w_k N(z; loc_k, diag scale_k²), for many components.

    Parameters
    ----------
    log_weight : Tensor of shape (K,)
    loc, scale : Tensor of shape (K, d)
    """

    def __init__(self, log_weight: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.log_weight, self.loc, self.scale = log_weight, loc, scale

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, [...], of z [..., d].

        Squares are multiplied out, which takes two matrix products instead of K d numbers for each row; in float64,
        because the terms cancel.
        """
        wide = torch.float32 if z.device.type == "mps" else torch.float64
        with torch.autocast(z.device.type, enabled=False):
            z, loc, precision = z.to(wide), self.loc.to(wide), self.scale.to(wide) ** -2
            square = z.square() @ precision.T - 2 * z @ (loc * precision).T + (loc.square() * precision).sum(1)
        log_norm = self.scale.log().sum(1) + 0.5 * self.loc.shape[1] * LOG_2PI  # [K]
        return (self.log_weight - log_norm - 0.5 * square).logsumexp(-1).float()  # [..., K] inside

    def sample(self, sample_shape: Size = torch.Size(), temperature: float = 1.0) -> Tensor:
        """Return draws, [*sample_shape, d], each Gaussian's spread scaled by the temperature."""
        k = torch.multinomial(self.log_weight.exp().cpu(), math.prod(sample_shape), replacement=True)
        noise = torch.randn(len(k), self.loc.shape[1]).to(self.loc)
        k = k.to(self.loc.device)
        return (self.loc[k] + temperature * self.scale[k] * noise).view(*sample_shape, -1)


class VampPrior(Prior):
    r"""p(z) = 1/K Σ_k q(z | u_k) with learned pseudo-inputs u_k (Tomczak and Welling, 2018, eq. 9, arXiv:1705.07120).

    Pseudo-inputs begin near the data and stay inside the data's range, as the paper's stay in [0, 1].

    Parameters
    ----------
    latent_dim : int
        d, the number of units of z.
    n_components : int
        K, the number of pseudo-inputs.
    """

    pseudo_inputs: nn.Parameter
    low: Tensor
    high: Tensor

    def __init__(self, latent_dim: int, n_components: int = 500) -> None:
        super().__init__(latent_dim)
        self.n_components = n_components

    def attach(self, posterior: Callable[[Tensor], Reparametrised], in_shape: tuple[int, ...]) -> None:
        """Make known the model's own posterior of encoder inputs [n, *in_shape]."""
        self._posterior = posterior
        self.pseudo_inputs = nn.Parameter(torch.rand(self.n_components, *in_shape))
        self.register_buffer("low", torch.zeros(in_shape))
        self.register_buffer("high", torch.ones(in_shape))

    @torch.no_grad()
    def prepare(self, inputs: Tensor) -> None:
        """Begin at means of four rows of encoder inputs [n, *in_shape], and bound each input by its range."""
        rows = torch.randint(len(inputs), (4, self.n_components))
        self.pseudo_inputs.copy_(inputs[rows].mean(0))  # not at rows themselves: a model file holds no row of the data
        self.low.copy_(inputs.amin(0))
        self.high.copy_(inputs.amax(0))

    def forward(self) -> MixtureOfDiagonals:
        """Return p(z), a density with event shape (d,)."""
        q = self._posterior(torch.minimum(torch.maximum(self.pseudo_inputs, self.low), self.high))
        assert isinstance(q, DiagonalNormal), "the settings' gate lets a VampPrior stand on one stochastic layer alone"
        weight = torch.full((self.n_components,), -math.log(self.n_components), device=q.loc.device)
        return MixtureOfDiagonals(weight, q.loc, q.scale)

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d], each posterior's spread scaled by the temperature."""
        return self().sample(Size((n,)), temperature)

    def keep_units(self, units: Tensor, centre: Tensor) -> bool:
        """Nothing is to be done: the posteriors themselves drop their units."""
        self.latent_dim = len(units)
        return True
