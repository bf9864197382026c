"""The regularised autoencoder."""

from __future__ import annotations

from torch import Tensor, nn

from vaekit.models.base import LatentModel
from vaekit.objectives.bound import Bound
from vaekit.objectives.terms import penalised_code

SHARE = 1e-3  # λ / β in the paper's experiments on MNIST


def rae(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1, strength: float = 1.0) -> Bound:
    """Log p(x | z) − β s (½ ‖z‖² + 10⁻³ ‖θ‖²), z = f(x), θ the decoder's weights: codes near 0 and a smooth decoder.

    Source: Ghosh et al. (2020), section 3, arXiv:1903.12436; of its variants, RAE-L2.

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : ignored
    strength : float
        s; with 1 the first penalty is, but for a constant, −log N(z; 0, I) in nats.

    Returns
    -------
    Bound
    """
    code = model.posterior(x).mean  # [n, d]
    penalty = 0.5 * code.square().sum(1) + SHARE * squared_weights(model.decoder)
    return penalised_code(model, x, code, beta * strength * penalty)


def squared_weights(module: nn.Module) -> Tensor:
    """Return the sum of squares of all that a module multiplies its inputs with: []."""
    squares = [p.square().sum() for name, p in module.named_parameters() if name.endswith("weight")]
    total: Tensor = sum(squares)  # type: ignore[assignment]
    return total
