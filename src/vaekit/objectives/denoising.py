"""The denoising autoencoder."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from vaekit.distributions.shares import drawn
from vaekit.models.base import LatentModel
from vaekit.objectives.bound import Bound
from vaekit.objectives.terms import penalised_code


def denoising(
    model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1, strength: float = 0.25
) -> Bound:
    """Log p(x | f(x̃)): the clean row from the code of a corrupted one (Vincent et al., 2010, section 3.1, JMLR 11).

    Corruption is `swapped`, in training alone: held-out rows are read as they are, so their figures have no noise.

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta, draws : ignored
    strength : float
        The share of values that are corrupted, from 0 to 1.

    Returns
    -------
    Bound
    """
    read = swapped(x, strength) if model.training else x
    return penalised_code(model, x, model.posterior(read).mean)


def swapped(x: Tensor, share: float) -> Tensor:
    """Return rows of which a share of the values is those of other rows, in the same place.

    x̃ = m ⊙ x̄ + (1 − m) ⊙ x, x̄ drawn from each place's own values (Yoon et al., 2020, VIME, eq. 3, NeurIPS 33). Masking
    noise has no zero to set a category or a standardised real to, and additive noise leaves the levels; another row's
    value is one that its place can hold, a gap included, whatever the kind.

    Parameters
    ----------
    x : Tensor of shape (n, *event_shape)
    share : float

    Examples
    --------
    >>> x = torch.arange(6.0).view(3, 2)
    >>> bool((swapped(x, 1.0) % 2 == x % 2).all()), bool((swapped(x, 0.0) == x).all())
    (True, True)
    """
    other = x.gather(0, drawn(partial(torch.randint, len(x), device=x.device), x.shape))
    return torch.where(drawn(partial(torch.rand, device=x.device), x.shape) < share, other, x)
