"""The contractive autoencoder."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from vaekit.distributions.shares import drawn
from vaekit.models.base import LatentModel
from vaekit.models.encoder_decoder import EncoderDecoder
from vaekit.objectives.bound import Bound
from vaekit.objectives.terms import penalised_code


def contractive(
    model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1, strength: float = 0.1
) -> Bound:
    """Log p(x | z) − β λ ‖∂f/∂h‖²_F, z = f(h), h what the encoder reads of x (Rifai et al., 2011, eq. 2, ICML).

    Its gradient is a second derivative, which torch does not compile.

    Parameters
    ----------
    model : EncoderDecoder
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : ignored
    strength : float
        λ.

    Returns
    -------
    Bound
    """
    assert isinstance(model, EncoderDecoder)
    with torch.enable_grad():  # of held-out rows too
        inputs = model.inputs(x).requires_grad_()
        code = model._posterior_of(inputs).mean
        norm = squared_norm(code, inputs)
    return penalised_code(model, x, code, beta * strength * norm)


def squared_norm(code: Tensor, inputs: Tensor) -> Tensor:
    """Return an unbiased estimate of ‖∂code_i/∂inputs_i‖²_F of each row i: [n].

    ‖J‖²_F = E‖Jᵀv‖² with E[v vᵀ] = I, here by one v of signs (Hutchinson, 1990, doi:10.1080/03610919008812866). Its own
    gradient is known, so it can be trained on.

    Parameters
    ----------
    code : Tensor of shape (n, d)
    inputs : Tensor of shape (n, ...)
        That the code was computed from, row by row.
    """
    v = drawn(partial(torch.randint, 2, device=code.device), code.shape) * 2.0 - 1.0
    (product,) = torch.autograd.grad(code, inputs, v, create_graph=True)  # Jᵀv, [n, ...]
    return product.flatten(1).square().sum(1)
