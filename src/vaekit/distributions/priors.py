"""Priors p(z): modules whose call returns a distribution over codes of shape (d,)."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)


class Prior(nn.Module):
    """A density p(z) over codes of shape (latent_dim,).

    Parameters
    ----------
    latent_dim : int
        d, the number of units of z.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def forward(self) -> Distribution:
        """Return p(z), a distribution with event shape (d,)."""
        raise NotImplementedError

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d], their spread scaled by the temperature."""
        raise NotImplementedError


class StandardNormal(Prior):
    """p(z) = N(z; 0, I).

    Examples
    --------
    >>> StandardNormal(2)().log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    where: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)
        self.register_buffer("where", torch.zeros(latent_dim), persistent=False)  # carries device and dtype

    def forward(self) -> Distribution:
        """Return p(z), a distribution with event shape (d,)."""
        return Independent(Normal(self.where, torch.ones_like(self.where), validate_args=False), 1, validate_args=False)

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d], their spread scaled by the temperature."""
        return temperature * torch.randn(n, self.latent_dim).to(self.where)


class GaussianMixture(Prior):
    """p(z) = Σ_k w_k N(z; m_k, L_k L_kᵀ), fitted on codes rather than trained.

    Parameters
    ----------
    latent_dim : int
        d, the number of units of z.
    n_components : int
        The number of Gaussians.
    """

    logits: Tensor
    locs: Tensor
    scale_tril: Tensor

    def __init__(self, latent_dim: int, n_components: int = 10) -> None:
        super().__init__(latent_dim)
        self.n_components = n_components
        self.register_buffer("logits", torch.zeros(n_components))
        self.register_buffer("locs", torch.zeros(n_components, latent_dim))
        self.register_buffer("scale_tril", torch.eye(latent_dim).repeat(n_components, 1, 1))

    def forward(self) -> Distribution:
        """Return p(z), a distribution with event shape (d,)."""
        parts = MultivariateNormal(self.locs, scale_tril=self.scale_tril, validate_args=False)
        return MixtureSameFamily(Categorical(logits=self.logits, validate_args=False), parts, validate_args=False)

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d], each Gaussian's spread scaled by the temperature."""
        part = Categorical(logits=self.logits.cpu()).sample(torch.Size((n,))).to(self.logits.device)
        noise = torch.randn(n, self.latent_dim, 1).to(self.locs)
        return self.locs[part] + temperature * (self.scale_tril[part] @ noise)[..., 0]

    def fit(self, codes: Tensor, seed: int = 0) -> GaussianMixture:
        """Fit by expectation maximisation on codes [n, d]; fewer rows than components leave the rest without weight."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture as Fitter

        k = max(1, min(self.n_components, len(codes) // (2 * self.latent_dim + 2)))
        fitter = Fitter(k, random_state=seed, reg_covar=1e-4 * float(codes.var()) + 1e-8, max_iter=200)
        with warnings.catch_warnings():  # a mixture that has not quite converged is still a density
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitter.fit(codes.double().cpu().numpy())
        self.logits.fill_(-torch.inf)
        self.logits[:k] = torch.from_numpy(fitter.weights_).log()
        self.locs[:k] = torch.from_numpy(fitter.means_)
        self.scale_tril[:k] = torch.linalg.cholesky(torch.from_numpy(fitter.covariances_))
        return self


PRIORS: dict[str, type[Prior]] = {"normal": StandardNormal, "mixture": GaussianMixture}
