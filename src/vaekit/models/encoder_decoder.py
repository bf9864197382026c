"""What models with one encoder and one decoder share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaekit.distributions.likelihood import Likelihood
from vaekit.distributions.posteriors import Reparametrised
from vaekit.models.base import LatentModel
from vaekit.models.decoder import Decoder, output_size
from vaekit.models.inputs import BlockInputs, TableInputs
from vaekit.priors.base import Prior


class EncoderDecoder(LatentModel):
    """A latent-variable model whose posterior's statistics are head(encoder(x)) and whose parameters are decoder(z).

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
    """

    n_statistics = 1  # numbers of the posterior for each unit of z, given by one linear head; 0 for no such head

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
        self.n_features = output_size(encoder, inputs.shape)
        self.head = nn.Linear(self.n_features, self.n_statistics * prior.latent_dim) if self.n_statistics else None
        self.decoder = Decoder(decoder, prior.latent_dim, observation.parameter_shape)
        prior.attach(self._posterior_of, tuple(inputs.shape))

    def prepare(self, codes: Tensor) -> None:
        """Make it the best model without a latent (Burda et al., 2016, arXiv:1509.00519)."""
        self.observation.prepare(codes)
        with torch.no_grad():
            self.decoder.bias.copy_(self.observation.initial(codes))
            self.prior.prepare(self.inputs(codes))

    def _posterior(self, x: Tensor) -> Reparametrised:
        return self._posterior_of(self.inputs(x))

    def _posterior_of(self, inputs: Tensor) -> Reparametrised:
        """Return the posterior of what the encoder reads, [n, *inputs.shape]."""
        raise NotImplementedError

    def _statistics(self, inputs: Tensor) -> Tensor:
        """Return the posterior's statistics, [n, n_statistics · d]."""
        assert self.head is not None
        return self.head(self.encoder(inputs).flatten(1)).float()

    def _decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)
