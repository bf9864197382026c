"""The variational autoencoder with several stochastic layers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from vaekit.distributions.chain import Chain
from vaekit.models.encoder_decoder import EncoderDecoder
from vaekit.networks.conditional import Beside, ConditionalNormal
from vaekit.networks.mlp import MLP


def layer_sizes(latent_dim: int, levels: int) -> list[int]:
    """Return the widths of stochastic layers, the top one first.

    Examples
    --------
    >>> layer_sizes(80, 2), layer_sizes(7, 3)
    ([40, 40], [3, 2, 2])
    """
    return [latent_dim // levels + (i < latent_dim % levels) for i in range(levels)]


class HierarchicalVAE(EncoderDecoder):
    r"""q(z | x) = Π_l N(z_l; loc_l(z_<l, x), diag scale_l(z_<l, x)²), the layers z = [z_0, z_1, …] from the top down.

    Features climb from the encoder to the top layer; then each layer reads its features and all layers above it. The
    prior has the same order, and the decoder reads all layers at once (skip connections).

    Parameters
    ----------
    *parts
        Those of `EncoderDecoder`, with a `TopDownPrior`.
    n_hidden : int
        Width of the networks between layers.
    activation : str

    References
    ----------
    Sønderby et al. (2016), Ladder variational autoencoders, arXiv:1602.02282. Tomczak and Welling (2018), section 4.2,
    arXiv:1705.07120.
    """

    n_statistics = 0

    def __init__(self, *parts: Any, n_hidden: int, activation: str = "gated") -> None:
        super().__init__(*parts)
        self.sizes: list[int] = self.prior.sizes  # type: ignore[assignment]
        widths = [self.n_features, *[n_hidden] * (len(self.sizes) - 1)]  # of features, the lowest layer's first
        above = [sum(self.sizes[:i]) for i in range(len(self.sizes))]
        self.climb = nn.ModuleList(MLP(width, (n_hidden,), activation) for width in widths[:-1])
        self.layers = nn.ModuleList(
            ConditionalNormal(width + a, (n_hidden,), d, activation)
            for width, a, d in zip(reversed(widths), above, self.sizes, strict=True)
        )

    def _posterior_of(self, inputs: Tensor) -> Chain:
        features = [self.encoder(inputs).flatten(1)]  # [n, width] each
        for climb in self.climb:
            features.append(climb(features[-1]))
        return Chain(self.sizes, [Beside(net, h) for net, h in zip(self.layers, reversed(features), strict=True)])  # type: ignore[arg-type]
