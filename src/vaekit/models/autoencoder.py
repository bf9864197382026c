"""The deterministic autoencoder, made a full density after training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaekit.distributions.divergences import kl_divergence
from vaekit.distributions.likelihood import Likelihood
from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.distributions.priors import GaussianMixture
from vaekit.models.base import LatentModel
from vaekit.models.decoder import Decoder, output_size
from vaekit.models.inputs import BlockInputs, TableInputs


class Autoencoder(LatentModel):
    r"""z = f(x), trained on log p(x | f(x)) alone; then p(z) is a mixture of Gaussians fitted on the codes.

    A density on the codes lets it sample (Ghosh et al., 2020, section 4, arXiv:1903.12436). Its posterior is taken to
    be N(z; f(x), w² diag v), v the variances of the codes and w the one width that gives the highest bound on
    training rows, so that scores and bounds mean for this model what they mean for any other.

    Parameters
    ----------
    inputs : module
        From codes to what the encoder reads; has a `shape`.
    encoder : nn.Module
        From inputs to features [n, ...].
    decoder : nn.Module
        From codes z [n, latent_dim] to features or parameters.
    prior : GaussianMixture
    observation : Likelihood
    """

    default_objective = "reconstruction"
    width: Tensor

    def __init__(
        self,
        inputs: BlockInputs | TableInputs,
        encoder: nn.Module,
        decoder: nn.Module,
        prior: GaussianMixture,
        observation: Likelihood,
    ) -> None:
        super().__init__(prior, observation)
        self.inputs, self.encoder = inputs, encoder
        self.head = nn.Linear(output_size(encoder, inputs.shape), prior.latent_dim)
        self.decoder = Decoder(decoder, prior.latent_dim, observation.parameter_shape)
        self.register_buffer("width", torch.full((prior.latent_dim,), 1e-3))

    def _posterior(self, x: Tensor) -> DiagonalNormal:
        loc = self.head(self.encoder(self.inputs(x)).flatten(1)).float()  # [n, d]
        return DiagonalNormal(loc, self.width.expand_as(loc))

    def _decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)

    def prepare(self, codes: Tensor) -> None:
        """Make it the best model without a latent."""
        self.observation.prepare(codes)
        with torch.no_grad():
            self.decoder.bias.copy_(self.observation.initial(codes))

    def finish(self, codes: Tensor, seed: int) -> None:
        """Fit the mixture on the codes' means, then the posterior's width."""
        with torch.no_grad():
            z = torch.cat([self._posterior(x).mean for x in codes.split(1024)])
            self.prior.fit(z, seed)  # type: ignore[operator]
            self.width.copy_(self._best_width(codes[:1024], z.std(0).clamp_min(1e-6)))

    def _best_width(self, x: Tensor, spread: Tensor) -> Tensor:
        noise = torch.randn(len(x), self.latent_dim, generator=torch.Generator().manual_seed(0)).to(x.device)
        widths = [10 ** (-k / 4) * spread for k in range(17)]
        return max(widths, key=lambda width: self._bound(x, width, noise))

    def _bound(self, x: Tensor, width: Tensor, noise: Tensor) -> float:
        loc = self._posterior(x).mean
        q = DiagonalNormal(loc, width.expand_as(loc))
        z = q.transport(noise)
        return float((self.log_likelihood(x, z) - kl_divergence(q, self.prior(), z)).mean())
