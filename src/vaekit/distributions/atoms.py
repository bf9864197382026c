"""Atoms: numbers that many rows share, each with a probability of its own beside a smooth distribution of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, constraints
from torch.types import _size

from vaekit.distributions.elementwise import logaddexp
from vaekit.distributions.likelihood import Likelihood

A_LITTLE = 0.05  # mass that inflated values begin with, to 1 of all
ENOUGH = 10  # values that are no atoms


class WithAtoms(Distribution):
    r"""P(x) = π_0 S(x) + Σ_a π_a [x = a], where S is a smooth distribution.

    Where S is a density, no mass of it lies on an atom: P(a) = π_a, and between atoms the density is π_0 S(x).

    Parameters
    ----------
    smooth : Distribution
        S, of batch shape (...).
    logits : Tensor of shape (..., A + 1)
        Unnormalised log weights of the atoms and, at the end, of S.
    atoms : Tensor of shape (..., A)
        Codes of the atoms, all different.
    half : Tensor of shape (...)
        Half the distance of two neighbouring whole numbers in codes; of reals, how near an atom's code is one.
    density : bool
        Whether S is one.

    Examples
    --------
    >>> geometric = torch.distributions.Geometric(torch.tensor([0.5]))
    >>> d = WithAtoms(geometric, torch.zeros(1, 2), torch.tensor([[3.0]]), torch.tensor([0.5]))
    >>> d.log_prob(torch.tensor([3.0])).exp()  # 1/2 · 1/16 + 1/2
    tensor([0.5312])
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(
        self, smooth: Distribution, logits: Tensor, atoms: Tensor, half: Tensor, *, density: bool = False
    ) -> None:
        self.smooth, self.atoms, self.half, self.density = smooth, atoms, half, density
        self.log_weights = logits.log_softmax(-1)
        super().__init__(smooth.batch_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(value) in nats, elementwise."""
        rest = self.log_weights[..., -1] + self.smooth.log_prob(value)
        is_at = (value[..., None] - self.atoms).abs() < self.half[..., None]  # [..., A], one at most
        which = is_at.to(torch.uint8).argmax(-1, keepdim=True)
        log_weights = self.log_weights.expand(*which.shape[:-1], -1)
        atom = log_weights.gather(-1, which)[..., 0]
        return torch.where(is_at.any(-1), atom if self.density else logaddexp(rest, atom), rest)

    @property
    def mean(self) -> Tensor:
        """E[x], elementwise."""
        weights = self.log_weights.exp()
        return (weights[..., :-1] * self.atoms).sum(-1) + weights[..., -1] * self.smooth.mean

    def sample(self, sample_shape: _size = torch.Size()) -> Tensor:
        """Return draws, [*sample_shape, ...]."""
        smooth = self.smooth.sample(sample_shape)
        which = Categorical(logits=self.log_weights, validate_args=False).sample(sample_shape)[..., None]
        either = torch.cat([self.atoms.expand(*smooth.shape, -1), smooth[..., None]], -1)  # [..., A + 1]
        return either.gather(-1, which)[..., 0]


class AtomsLikelihood(Likelihood):
    """A likelihood of numbers to which single values are added that many rows share.

    Ages, hours a week, gains that are mostly 0: tables' numbers are seldom smooth (as spikes and slabs, Mitchell and
    Beauchamp, 1988, doi:10.1080/01621459.1988.10478694).

    Parameters
    ----------
    smooth : callable
        Makes the likelihood of the numbers, from the event shape and settings.
    event_shape : sequence of int
    atoms : Tensor of shape (*event_shape, A)
        Codes of the values.
    half : Tensor
        Half the distance of two neighbouring whole numbers in codes; of reals, how near an atom's code is one.
    inflated : bool
        Whether the smooth one begins as that of all values, of which atoms take a little more, not as that of others.
    settings
        Of the likelihood of the numbers.
    """

    atoms: Tensor
    half_cell: Tensor

    def __init__(
        self,
        smooth: Callable[..., Likelihood],
        event_shape: Sequence[int],
        atoms: Tensor,
        half: Tensor,
        *,
        inflated: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(event_shape)
        self.inflated = inflated
        self.smooth: Likelihood = smooth(event_shape, **settings)
        self.register_buffer("atoms", atoms.float(), persistent=False)
        self.register_buffer("half_cell", half.expand(self.event_shape).clone(), persistent=False)
        self.n_parameters = self.smooth.n_parameters + atoms.shape[-1] + 1
        self.density = self.smooth.density
        self.units_vary = self.density

    def forward(self, parameters: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | parameters), batch shape [n, *event_shape]; the smooth one's parameters come first."""
        of_smooth, logits = parameters.split([self.smooth.n_parameters, self.atoms.shape[-1] + 1], dim=1)
        smooth = self.smooth(of_smooth, exposure)
        return WithAtoms(smooth, logits.movedim(1, -1), self.atoms, self.half_cell, density=self.density)

    def log_units(self, codes: Tensor) -> Tensor:
        """Return the log of how many of the user's units one unit of a code is: an atom's probability has no unit."""
        return self.smooth.log_units(codes).masked_fill(self._is_at(codes).any(-1), 0.0)

    def exposure(self, codes: Tensor) -> Tensor | None:
        """Return what the smooth one must know of a row beside z."""
        return self.smooth.exposure(codes)

    def _initial(self, codes: Tensor) -> Tensor:
        """Return the logarithm of the atoms' frequencies, and what fits the other values."""
        is_at = self._is_at(codes)
        shares = (torch.cat([is_at, ~is_at.any(-1, keepdim=True)], -1).float().sum(0) + 0.5) / len(codes)
        if self.inflated:
            shares = torch.tensor([A_LITTLE] * self.atoms.shape[-1] + [1.0]).expand_as(shares)
        return torch.cat([self.smooth.initial(self._others(codes)), shares.log().movedim(-1, 0)])

    def _prepare(self, codes: Tensor) -> None:
        """Prepare the smooth one for the values that are no atoms."""
        self.smooth.prepare(self._others(codes))

    def _is_at(self, codes: Tensor) -> Tensor:
        """Return which atom each value is, [n, *event_shape, A]."""
        return (codes.float()[..., None] - self.atoms).abs() < self.half_cell[..., None]

    def _others(self, codes: Tensor) -> Tensor:
        """Return codes whose atoms are gaps, unless there are too few others to say how they spread."""
        if self.inflated:
            return codes.float()
        is_atom = self._is_at(codes).any(-1)
        enough = (~is_atom).sum(0) >= ENOUGH
        return codes.float().masked_fill(is_atom & enough, torch.nan)


def zero_inflated(smooth: Callable[..., Likelihood], event_shape: Sequence[int], **settings: Any) -> AtomsLikelihood:
    """Return a likelihood of counts to whose zeros mass is added, of each value its own share.

    Source: Lambert (1992), doi:10.1080/00401706.1992.10485228.
    """
    zero, half = torch.zeros(*event_shape, 1), torch.tensor(0.5)
    return AtomsLikelihood(smooth, event_shape, zero, half, inflated=True, **settings)
