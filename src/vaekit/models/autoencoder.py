"""The deterministic autoencoder, made a full density after training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vaekit.distributions.divergences import kl_divergence
from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.models.encoder_decoder import EncoderDecoder
from vaekit.priors.mixture import GaussianMixture


class Autoencoder(EncoderDecoder):
    r"""z = f(x), trained on log p(x | f(x)) alone; then p(z) is a mixture of Gaussians fitted on the codes.

    A density on the codes lets it sample (Ghosh et al., 2020, section 4, arXiv:1903.12436). Its posterior is taken to
    be N(z; f(x), w² diag v), v the variances of the codes and w the one width that gives the highest bound on
    training rows, so that scores and bounds mean for this model what they mean for any other.
    """

    default_objective = "reconstruction"
    priors = {"mixture": GaussianMixture}
    noun, its_prior = "An autoencoder", "a mixture fitted on them"
    width: Tensor

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.prior.requires_grad_(requires_grad=False)  # it is fitted, not trained
        self.register_buffer("width", torch.full((self.latent_dim,), 1e-3))

    def _posterior_of(self, inputs: Tensor) -> DiagonalNormal:
        loc = self._statistics(inputs)  # [n, d]
        return DiagonalNormal(loc, self.width.expand_as(loc))

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
