"""The variational autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaekit.distributions.likelihood import Likelihood, bounded
from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.distributions.priors import Prior
from vaekit.models.base import LatentModel
from vaekit.models.decoder import Decoder, output_size
from vaekit.models.inputs import BlockInputs, TableInputs


class VAE(LatentModel):
    r"""q(z | x) = N(z; μ(x), diag σ²(x)), p(z) p(x | z), trained on the evidence lower bound.

    Parameters
    ----------
    inputs : module
        From codes to what the encoder reads; has a `shape`.
    encoder : nn.Module
        From inputs to features [n, ...].
    decoder : nn.Module
        From codes z [n, latent_dim] to features or parameters.
    prior : Prior
    observation : Likelihood

    References
    ----------
    Kingma and Welling (2014), Auto-encoding variational Bayes, arXiv:1312.6114.
    """

    def __init__(
        self,
        inputs: BlockInputs | TableInputs,
        encoder: nn.Module,
        decoder: nn.Module,
        prior: Prior,
        observation: Likelihood,
    ) -> None:
        super().__init__(prior, observation)
        self.inputs, self.encoder = inputs, encoder
        self.head = nn.Linear(output_size(encoder, inputs.shape), 2 * prior.latent_dim)
        self.decoder = Decoder(decoder, prior.latent_dim, observation.parameter_shape)

    def _posterior(self, x: Tensor) -> DiagonalNormal:
        h = self.encoder(self.inputs(x)).flatten(1)
        loc, log_scale = self.head(h).float().chunk(2, dim=1)  # each [n, d]
        return DiagonalNormal(loc, bounded(log_scale, -6, 2).exp())

    def _decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)

    def prepare(self, codes: Tensor) -> None:
        """Make it the best model without a latent (Burda et al., 2016, arXiv:1509.00519)."""
        self.observation.prepare(codes)
        with torch.no_grad():
            self.decoder.bias.copy_(self.observation.initial(codes))

    def keep_units(self, units: Tensor) -> None:
        """Drop all latent units but `units`; the decoder reads the others as zeros, their prior mean."""
        d = self.latent_dim
        rows = torch.cat([units, units + d])
        head = nn.Linear(self.head.in_features, 2 * len(units), device=self.device)
        with torch.no_grad():
            head.weight.copy_(self.head.weight[rows])
            head.bias.copy_(self.head.bias[rows])
        self.head = head
        self.decoder.units = self.decoder.units[units]
        self.prior = type(self.prior)(len(units)).to(self.device)
