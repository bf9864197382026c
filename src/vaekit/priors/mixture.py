"""A mixture of Gaussians as prior, fitted on codes or trained with the rest."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

from vaekit.distributions.likelihood import bounded
from vaekit.priors.base import Prior


class GaussianMixture(Prior):
    """p(z) = Σ_k w_k N(z; m_k, L_k L_kᵀ), L_k lower triangular, its diagonal kept as a logarithm.

    Parameters
    ----------
    latent_dim : int
        d, the number of units of z.
    n_components : int
        The number of Gaussians.
    """

    def __init__(self, latent_dim: int, n_components: int = 10) -> None:
        super().__init__(latent_dim)
        self.n_components = n_components
        self.logits = nn.Parameter(torch.zeros(n_components))
        self.locs = nn.Parameter(torch.randn(n_components, latent_dim))
        self.lower = nn.Parameter(torch.zeros(n_components, latent_dim, latent_dim))

    @property
    def scale_tril(self) -> Tensor:
        """The factors L, [K, d, d]."""
        diagonal = bounded(self.lower.diagonal(dim1=1, dim2=2), -16, 16).exp()
        return self.lower.tril(-1) + torch.diag_embed(diagonal)

    def forward(self) -> Distribution:
        """Return p(z), a distribution with event shape (d,)."""
        parts = MultivariateNormal(self.locs, scale_tril=self.scale_tril, validate_args=False)
        return MixtureSameFamily(Categorical(logits=self.logits, validate_args=False), parts, validate_args=False)

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d], each Gaussian's spread scaled by the temperature."""
        return self.draws(Categorical(logits=self.logits.cpu()).sample(torch.Size((n,))), temperature)

    def draws(self, parts: Tensor, temperature: float = 1.0) -> Tensor:
        """Return a draw of each of the Gaussians of the numbers `parts` [n], its spread scaled: [n, d]."""
        parts = parts.to(self.logits.device)
        noise = torch.randn(len(parts), self.latent_dim, 1).to(self.locs)
        return self.locs[parts] + temperature * (self.scale_tril[parts] @ noise)[..., 0]

    @torch.no_grad()
    def fit(self, codes: Tensor, seed: int = 0) -> GaussianMixture:
        """Fit by expectation maximisation on codes [n, d]; fewer rows than components leave the rest without weight."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture as Fitter

        k = max(1, min(self.n_components, len(codes) // (2 * self.latent_dim + 2)))
        fitter = Fitter(k, random_state=seed, reg_covar=1e-4 * float(codes.var()) + 1e-8, max_iter=200)
        with warnings.catch_warnings():  # a mixture that has not quite converged is still a density
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitter.fit(codes.double().cpu().numpy())
        factors = torch.linalg.cholesky(torch.from_numpy(fitter.covariances_))  # [k, d, d]
        self.logits.fill_(-torch.inf)
        self.logits[:k] = torch.from_numpy(fitter.weights_).log()
        self.locs[:k] = torch.from_numpy(fitter.means_)
        self.lower[:k] = factors.tril(-1) + torch.diag_embed(factors.diagonal(dim1=1, dim2=2).log())
        return self

    @torch.no_grad()
    def keep_units(self, units: Tensor, centre: Tensor) -> bool:
        """Become the marginal of `units`."""
        covariance = (self.scale_tril @ self.scale_tril.mT)[:, units][:, :, units]
        factors = torch.linalg.cholesky(covariance)
        self.locs = nn.Parameter(self.locs[:, units])
        self.lower = nn.Parameter(factors.tril(-1) + torch.diag_embed(factors.diagonal(dim1=1, dim2=2).log()))
        self.latent_dim = len(units)
        return True
