"""All rows as one Gaussian, by its principal components."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Components:
    """N(μ, S (W diag(λ − σ²) Wᵀ + σ² I) S) of what an encoder reads of a row: principal components, then noise.

    Source: Tipping and Bishop (1999), doi:10.1111/1467-9868.00196.

    Parameters
    ----------
    centre, scale : Tensor of shape (F,)
        μ and the diagonal of S.
    axes : Tensor of shape (k, F)
        The columns of W.
    variances : Tensor of shape (k + 1,)
        λ of each component, and σ².

    Examples
    --------
    >>> import torch
    >>> line = Components(torch.zeros(2), torch.ones(2), torch.tensor([[1.0, 0.0]]), torch.tensor([4.0, 0.25]))
    >>> line.squared_distance(torch.tensor([[2.0, 0.0], [0.0, 2.0]]))
    tensor([ 1., 16.])
    """

    centre: Tensor
    scale: Tensor
    axes: Tensor
    variances: Tensor

    def squared_distance(self, features: Tensor) -> Tensor:
        """Return how far features [n, F] are from the centre, squared, in standard deviations (Mahalanobis): [n]."""
        x = (features - self.centre) / self.scale
        along = x @ self.axes.T  # [n, k]
        beside = ((x**2).sum(1) - (along**2).sum(1)).clamp_min(0)
        return (along**2 / self.variances[:-1]).sum(1) + beside / self.variances[-1]
