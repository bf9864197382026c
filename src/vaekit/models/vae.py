"""The variational autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.models.encoder_decoder import EncoderDecoder
from vaekit.networks.conditional import diagonal_normal


class VAE(EncoderDecoder):
    r"""q(z | x) = N(z; μ(x), diag σ²(x)), p(z) p(x | z), trained on the evidence lower bound.

    References
    ----------
    Kingma and Welling (2014), Auto-encoding variational Bayes, arXiv:1312.6114.
    """

    n_statistics = 2
    noun = "A VAE"
    layered = True

    @classmethod
    def usual_units(cls, n_inputs: int, most: int) -> int:
        """Return how many units to start with: plenty, since those not used are dropped."""
        return min(most, n_inputs // 2)

    def _posterior_of(self, inputs: Tensor) -> DiagonalNormal:
        return diagonal_normal(self._statistics(inputs))

    def keep_units(self, units: Tensor, centre: Tensor | None = None) -> None:
        """Drop all latent units but `units`, holding the others at `centre` [d], where the prior can do without."""
        d = self.latent_dim
        centre = torch.zeros(d, device=self.device) if centre is None else centre
        if not self.prior.keep_units(units, centre):
            return
        rows = torch.cat([units, units + d])
        assert self.head is not None
        head = nn.Linear(self.head.in_features, 2 * len(units), device=self.device)
        with torch.no_grad():
            head.weight.copy_(self.head.weight[rows])
            head.bias.copy_(self.head.bias[rows])
        self.head = head
        self.decoder.keep_units(units, centre)
