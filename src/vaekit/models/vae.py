"""The variational autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaekit.distributions.likelihood import bounded
from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.models.encoder_decoder import EncoderDecoder


class VAE(EncoderDecoder):
    r"""q(z | x) = N(z; μ(x), diag σ²(x)), p(z) p(x | z), trained on the evidence lower bound.

    References
    ----------
    Kingma and Welling (2014), Auto-encoding variational Bayes, arXiv:1312.6114.
    """

    n_statistics = 2

    def _posterior(self, x: Tensor) -> DiagonalNormal:
        loc, log_scale = self._statistics(x).chunk(2, dim=1)  # each [n, d]
        return DiagonalNormal(loc, bounded(log_scale, -6, 2).exp())

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
