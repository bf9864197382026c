"""The hyperspherical variational autoencoder: codes are directions."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import normalize

from vaekit.distributions.likelihood import bounded
from vaekit.distributions.sphere import PowerSpherical
from vaekit.models.encoder_decoder import EncoderDecoder
from vaekit.priors.sphere import UniformSphere


class HypersphericalVAE(EncoderDecoder):
    r"""q(z | x) = PowerSpherical(z; μ(x), κ(x)) on the unit sphere, p(z) uniform, p(x | z) of z/‖z‖.

    The decoder reads a direction, so that any z but 0 is a code, as those between two codes are.

    References
    ----------
    Davidson et al. (2018), Hyperspherical variational auto-encoders, arXiv:1804.00891, with the posterior of De Cao and
    Aziz (2020), arXiv:2006.04437, in place of the von Mises–Fisher one.
    """

    n_statistics = 0
    least_units = 2
    priors = {"uniform": UniformSphere}
    noun, its_prior = "A hyperspherical model", "uniform on their sphere"

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.head = nn.Linear(self.n_features, self.latent_dim + 1)  # of μ, not yet of unit length, and log κ/d

    @property
    def unit_variance(self) -> float:
        """1/d."""
        return 1 / self.latent_dim

    def _posterior_of(self, inputs: Tensor) -> PowerSpherical:
        statistics = self._statistics(inputs)  # [n, d + 1]
        loc, log_ratio = normalize(statistics[:, :-1], dim=-1), statistics[:, -1]
        return PowerSpherical(loc, self.latent_dim * bounded(log_ratio, -6, 6).exp())  # at κ = d draws halve in length

    def _decode(self, z: Tensor) -> Tensor:
        return self.decoder(normalize(z, dim=-1))
