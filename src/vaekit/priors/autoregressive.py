"""An autoregressive prior: each unit is a small mixture of Gaussians given the units before it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from vaekit.distributions.autoregressive import AutoregressiveDensity, MixtureOfNormals
from vaekit.distributions.elementwise import glu
from vaekit.distributions.likelihood import bounded
from vaekit.networks.masked import MaskedLinear, masks_in_order
from vaekit.priors.base import Prior

ROWS_AT_ONCE = 1024


class AutoregressivePrior(Prior):
    r"""p(z) = Π_j Σ_m w_jm(z_<j) N(z_j; loc_jm(z_<j), scale_jm(z_<j)²).

    One pair of masked layers gives all conditionals in one pass (Germain et al., 2015, MADE, arXiv:1502.03509; with
    mixtures of Gaussians, Uria et al., 2013, RNADE, arXiv:1306.0186). They are explicit, so that an entropy coder can
    use them one unit at a time.

    Parameters
    ----------
    latent_dim : int
        d, the number of units of z.
    n_components : int
        M, the Gaussians of each conditional.
    n_hidden : int
        Width of the gated hidden layer.

    Examples
    --------
    >>> prior = AutoregressivePrior(3)
    >>> prior().log_prob(torch.zeros(2, 3)).shape, prior.sample(5).shape
    (torch.Size([2]), torch.Size([5, 3]))
    """

    units: Tensor
    centre: Tensor

    def __init__(self, latent_dim: int, n_components: int = 8, n_hidden: int = 256) -> None:
        super().__init__(latent_dim)
        d, m = latent_dim, n_components
        self.n_components = m
        reads, feeds = masks_in_order(d, n_hidden)
        self.hidden = MaskedLinear(reads.repeat(2, 1))
        self.out = MaskedLinear(feeds.repeat(3 * m, 1))  # [3 M d, n_hidden]
        self.register_buffer("units", torch.arange(d))
        self.register_buffer("centre", torch.zeros(d))
        self._begin_near_the_standard_normal()

    @torch.no_grad()
    def _begin_near_the_standard_normal(self) -> None:
        self.out.weight.mul_(0.1)
        bias = self.out.bias.view(3, self.n_components, -1)  # of logits, locations and log-scales
        bias.zero_()
        if self.n_components > 1:
            bias[1] = torch.linspace(-1, 1, self.n_components)[:, None]

    def forward(self) -> AutoregressiveDensity:
        """Return p(z), a density with event shape (d,)."""
        return AutoregressiveDensity(self.conditionals)

    def conditionals(self, z: Tensor) -> MixtureOfNormals:
        """Return p(z_j | z_<j) of z [..., d], each with batch shape [..., d]; unit j does not depend on z_≥j."""
        mixtures = self._mixtures(self.out(glu(self.hidden(self._all_units(z)))))
        return mixtures if len(self.units) == len(self.centre) else mixtures.units(self.units)

    @torch.no_grad()  # columns of z are written in place
    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d], each Gaussian's spread scaled by the temperature.

        Unit by unit: each adds its column to what the hidden layer has seen and asks for the next conditional alone,
        so that all d steps together cost about one pass. Some rows at a time, whose hidden layer fits a cache.
        """
        pieces = torch.arange(n).split(ROWS_AT_ONCE)
        return torch.cat([self._draw(len(piece), temperature) for piece in pieces])

    def _draw(self, n: int, temperature: float) -> Tensor:
        z = self.centre.repeat(n, 1)  # [n, all units]
        seen = self.hidden.bias.repeat(n, 1)  # [n, 2 n_hidden]
        columns = (self.hidden.weight * self.hidden.mask).T  # [all units, 2 n_hidden]
        rows = (self.out.weight * self.out.mask).view(3 * self.n_components, -1, seen.shape[1] // 2)
        bias = self.out.bias.view(3 * self.n_components, -1)
        for j in range(int(self.units.max()) + 1):
            if j in self.units:
                z[:, j] = self._mixtures(linear(glu(seen), rows[:, j], bias[:, j])).units(0).sample(temperature)
            seen.addr_(z[:, j], columns[j])
        return z[:, self.units]

    def keep_units(self, units: Tensor, centre: Tensor) -> bool:
        """Become Π_j p(z_j | kept units before j, the others at `centre`)."""
        self.centre.index_copy_(0, self.units, centre)
        self.units = self.units[units]
        self.latent_dim = len(units)
        return True

    def _all_units(self, z: Tensor) -> Tensor:
        if len(self.units) == len(self.centre):
            return z
        return self.centre.expand(*z.shape[:-1], -1).index_copy(-1, self.units, z)

    def _mixtures(self, parameters: Tensor) -> MixtureOfNormals:
        """Return the mixtures of parameters [..., 3 M k] for k units, batch shape [..., k]."""
        by_part = parameters.float().unflatten(-1, (3, self.n_components, -1)).movedim((-3, -2), (0, 1))
        logits, loc, log_scale = by_part  # each [M, ..., k]
        return MixtureOfNormals(logits, loc, bounded(log_scale, -6, 3).exp())
