"""The sparse autoencoder."""

from __future__ import annotations

from torch import Tensor

from vaekit.models.base import LatentModel
from vaekit.objectives.bound import Bound
from vaekit.objectives.terms import penalised_code


def sparse(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1, strength: float = 1.0) -> Bound:
    """Log p(x | z) − β λ Σ_j |z_j|, z = f(x): but for a constant log p(x, z) with a Laplace prior of scale 1/λ.

    Source: Goodfellow, Bengio and Courville (2016), Deep learning, section 14.2.1, eq. 14.5.

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : ignored
    strength : float
        λ, in nats a unit of |z|.

    Returns
    -------
    Bound
    """
    code = model.posterior(x).mean  # [n, d]
    return penalised_code(model, x, code, beta * strength * code.abs().sum(1))
