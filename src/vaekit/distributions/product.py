"""The product of likelihoods, for tables of mixed columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.types import _size

from vaekit.distributions.likelihood import Likelihood
from vaekit.distributions.uniform import coarse_uniform


class ProductLikelihood(Likelihood):
    """Π over groups of columns, each with a likelihood of its own; the decoder's output is cut among them.

    Parameters
    ----------
    parts : sequence of (Likelihood, list of int)
        A likelihood and the columns it is for; a column in no part is constant and scores 0.
    n_columns : int
    """

    def __init__(self, parts: Sequence[tuple[Likelihood, list[int]]], n_columns: int) -> None:
        super().__init__((n_columns,))
        self.parts = nn.ModuleList(part for part, _ in parts)
        self.columns = [columns for _, columns in parts]
        self.density = any(part.density for part, _ in parts)
        for part, columns in parts:
            self.log_unit[columns] = part.log_unit.flatten()
        self.units_vary = any(part.units_vary for part, _ in parts)
        self.shapes = [part.parameter_shape for part, _ in parts]
        self.widths = [math.prod(shape) for shape in self.shapes]

    def log_units(self, codes: Tensor) -> Tensor:
        """Return the log of how many of the user's units one unit of each column's code is, at codes [n, n_columns]."""
        if not self.units_vary:
            return self.log_unit
        found = self.log_unit.expand_as(codes).clone()
        for part, columns in self._pairs():
            found[..., columns] = part.log_units(codes[..., columns])
        return found

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """The shape of one row of parameters: (all parts' together,)."""
        return (sum(self.widths),)

    def forward(self, parameters: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | parameters), batch shape [n, n_columns]."""
        pieces = parameters.split(self.widths, dim=1)
        parts = [
            part(piece.reshape(-1, *shape), exposure)
            for part, piece, shape in zip(self.parts, pieces, self.shapes, strict=True)
        ]
        return Product(parts, self.columns, self.event_shape[0])

    def exposure(self, codes: Tensor) -> Tensor | None:
        """Return what the one part of relative counts must know, [n], or None where there is no such part."""
        found = [part.exposure(codes[:, columns]) for part, columns in self._pairs()]
        return next((exposure for exposure in found if exposure is not None), None)

    def observe(self, codes: Tensor, uniform: Callable[[Tensor], Tensor] = coarse_uniform) -> Tensor:
        """Return what each part observes of its columns, float32."""
        seen = codes.float().clone()
        for part, columns in self._pairs():
            seen[:, columns] = part.observe(codes[:, columns], uniform)
        return seen

    def _initial(self, codes: Tensor) -> Tensor:
        """Return each part's initial parameters, one after the other."""
        return torch.cat([part.initial(codes[:, columns]).flatten() for part, columns in self._pairs()])

    def _prepare(self, codes: Tensor) -> None:
        """Prepare each part."""
        for part, columns in self._pairs():
            part.prepare(codes[:, columns])

    def _pairs(self) -> Iterator[tuple[Likelihood, list[int]]]:
        return zip(self.parts, self.columns, strict=True)  # type: ignore[arg-type]


class Product(Distribution):
    """Independent columns, each group under a distribution of its own."""

    arg_constraints: dict[str, Any] = {}

    def __init__(self, parts: list[Distribution], columns: list[list[int]], n_columns: int) -> None:
        self.parts, self.columns, self.n_columns = parts, columns, n_columns
        super().__init__(torch.Size((parts[0].batch_shape[0], n_columns)), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(value) in nats, [n, n_columns]."""
        return self.gathered([part.log_prob(value[:, c]) for part, c in zip(self.parts, self.columns, strict=True)])

    @property
    def mean(self) -> Tensor:
        """E[x], the mode of categories: [n, n_columns]."""
        return self.gathered([part.mean for part in self.parts])

    def sample(self, sample_shape: _size = torch.Size()) -> Tensor:
        """Return draws, [*sample_shape, n, n_columns]."""
        return self.gathered([part.sample(sample_shape) for part in self.parts])

    def gathered(self, pieces: list[Tensor]) -> Tensor:
        """Return what belongs to each part's columns, [..., n, its columns], in the table's order."""
        order = [c for columns in self.columns for c in columns]
        joined = torch.cat(pieces, -1)
        out = joined.new_zeros((*joined.shape[:-1], self.n_columns))
        return out.index_copy(-1, torch.as_tensor(order, device=joined.device), joined)
