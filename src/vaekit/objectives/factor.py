"""FactorVAE: a critic tells codes from such whose units were shuffled among rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from vaekit.models.base import LatentModel
from vaekit.networks.frozen import frozen
from vaekit.networks.mlp import MLP
from vaekit.objectives.bound import Bound
from vaekit.objectives.terms import elbo_terms

HIDDEN = (256, 256, 256)


class Factor(nn.Module):
    """E_q[log p(x | z)] − β (KL(q(z | x) ‖ p(z)) + s TC), TC = E_q(z)[log D(z) / (1 − D(z))].

    The critic D is trained in the same step to tell draws of q(z) from draws of Π_j q(z_j); it is part of the
    objective, not of the model (Kim and Mnih, 2018, eq. 2 and 3, arXiv:1802.05983).

    Parameters
    ----------
    latent_dim : int
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.critic = nn.Sequential(MLP(latent_dim, HIDDEN, "silu"), nn.Linear(HIDDEN[-1], 1))

    def forward(
        self, model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1, strength: float = 10.0
    ) -> Bound:
        """Return the terms for observations x; the critic's own loss is in the gradient of the value alone.

        The value of held-out rows is the ELBO: it is compared over epochs, in which the critic does not stay as it is.

        Parameters
        ----------
        model : LatentModel
        x : Tensor of shape (n, *event_shape)
        beta : float
        draws : int
            Of z for each row; the critic sees the first.
        strength : float
            s.
        """
        terms = elbo_terms(model, x, draws)
        if not model.training:
            return terms.penalised(torch.zeros_like(terms.kl), beta)
        with frozen(self.critic):
            bound = terms.penalised(strength * self._log_odds(terms.z), beta)
        loss = self.loss(terms.z.detach())
        return bound._replace(value=bound.value + loss.detach() - loss)

    def loss(self, z: Tensor) -> Tensor:
        """Return the critic's cross-entropy in nats on codes z [n, d] and shuffled ones: []."""
        return 0.5 * (softplus(-self._log_odds(z)) + softplus(self._log_odds(shuffled(z)))).mean()

    def _log_odds(self, z: Tensor) -> Tensor:
        """Return log D / (1 − D) of codes [n, d]: [n]."""
        odds: Tensor = self.critic(z)
        return odds[:, 0].float()


def shuffled(z: Tensor) -> Tensor:
    """Return codes [n, d] with each unit shuffled among rows by itself: draws of Π_j q(z_j) (algorithm 1).

    Examples
    --------
    >>> z = torch.arange(6.0).view(3, 2)
    >>> bool((shuffled(z).sort(0).values == z).all())
    True
    """
    return z.gather(0, torch.rand_like(z).argsort(0))
