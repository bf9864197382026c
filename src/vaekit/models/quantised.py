"""Quantised models: every row is told by one code of a finite set, and the prior is a probability of codes."""

from __future__ import annotations

from torch import Tensor

from vaekit.distributions.point_mass import PointMass
from vaekit.models.encoder_decoder import EncoderDecoder
from vaekit.networks.codebooks import Codebook, Codebooks, FiniteScalars
from vaekit.priors.codes import CodesPrior


class Quantised(EncoderDecoder):
    r"""q(z | x) = 1 at z = quantise(f(x)), with an autoregressive prior on the choices k that make z.

    So the ELBO is log p(x | z) + log p(k), a bound on log p(x) that no draw makes tighter. The gradient passes the
    quantiser straight through; the prior learns from choices and gives none.
    """

    point_mass = True
    noun, its_prior = "A quantised model", "autoregressive over them"

    @property
    def codebook(self) -> Codebook:
        """The set of codes, which the prior keeps."""
        codebook: Codebook = self.prior.codebook  # type: ignore[assignment]
        return codebook

    def indices(self, x: Tensor) -> Tensor:
        """Return the choices that tell rows of codes x [n, *event_shape]: int64 [n, n_places]."""
        return self.codebook.indices(self.posterior(x).mean)

    def prepare(self, codes: Tensor) -> None:
        """Make it the best model without a latent, and have the codebook begin at rows."""
        super().prepare(codes)
        some = codes[:: max(1, len(codes) // self.codebook.n_codes)]
        self.codebook.prepare(self._statistics(self.inputs(some)))

    def _posterior_of(self, inputs: Tensor) -> PointMass:
        return PointMass(*self.codebook(self._statistics(inputs)))


class FSQ(Quantised):
    """A model whose units are each rounded to one of eight numbers.

    References
    ----------
    Mentzer et al. (2023), Finite scalar quantization: VQ-VAE made simple, arXiv:2309.15505.
    """

    priors = {"autoregressive": lambda latent_dim: CodesPrior(FiniteScalars(latent_dim))}


class VQVAE(Quantised):
    """A model whose units go in groups, each told by the nearest of 64 learned vectors.

    References
    ----------
    van den Oord et al. (2017), Neural discrete representation learning, arXiv:1711.00937.
    """

    one_process = True
    priors = {"autoregressive": lambda latent_dim: CodesPrior(Codebooks(latent_dim))}

    @classmethod
    def usual_units(cls, n_inputs: int, most: int) -> int:
        """Return how many units to start with: whole groups."""
        return Codebooks.WIDEST * max(1, min(8, n_inputs // 8))
