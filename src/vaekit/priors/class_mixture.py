"""A mixture of Gaussians each of which belongs to a class, as prior of rows some of whose classes are known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Categorical

from vaekit.distributions.posteriors import LOG_2PI
from vaekit.priors.base import PriorOfClasses
from vaekit.priors.mixture import GaussianMixture


class ClassMixture(GaussianMixture, PriorOfClasses):
    """p(z) = Σ_y p(y) p(z | y), p(z | y) = Σ_k p(k | y) N(z; m_yk, L_yk L_ykᵀ).

    Parameters
    ----------
    latent_dim : int
        d, the number of units of z.
    n_classes : int
        K, the number of values of y.
    per_class : int
        Gaussians of each class.

    Examples
    --------
    >>> prior = ClassMixture(latent_dim=2, n_classes=3)
    >>> z = torch.zeros(5, 2)
    >>> bool(torch.allclose(prior.log_joint(z).logsumexp(-1), prior().log_prob(z), atol=1e-5))
    True
    """

    def __init__(self, latent_dim: int, n_classes: int, per_class: int = 2) -> None:
        super().__init__(latent_dim, n_classes * per_class)
        self.n_classes = n_classes

    def log_joint(self, z: Tensor) -> Tensor:
        """Return log p(z, y) in nats for each class, [..., K], of codes z [..., d]."""
        by_part = self._log_parts(z) + self.logits.log_softmax(-1)  # [..., K · per_class]
        return by_part.unflatten(-1, (self.n_classes, -1)).logsumexp(-1)

    def _log_parts(self, z: Tensor) -> Tensor:
        """Return log N(z; m_yk, L_yk L_ykᵀ) in nats of all Gaussians, [..., K · per_class], by one product for all."""
        lower, eye = self.scale_tril, torch.eye(self.latent_dim).to(self.locs)
        whiten = torch.linalg.solve_triangular(lower, eye.expand_as(lower), upper=False)  # [K · per_class, d, d]
        centre = (whiten @ self.locs[..., None])[..., 0]  # [K · per_class, d]
        noise = (z @ whiten.flatten(0, 1).T).unflatten(-1, centre.shape) - centre  # [..., K · per_class, d]
        log_scale = lower.diagonal(dim1=1, dim2=2).log().sum(1)
        return -0.5 * noise.square().sum(-1) - log_scale - 0.5 * self.latent_dim * LOG_2PI

    def sample_of(self, classes: Tensor, temperature: float = 1.0) -> Tensor:
        """Return a draw of p(z | y) for each of the classes y [n]: [n, d]."""
        logits = self.logits.cpu().unflatten(-1, (self.n_classes, -1))  # [K, per_class]
        part = Categorical(logits=logits[classes]).sample()  # [n]
        return self.draws(classes * logits.shape[1] + part, temperature)
