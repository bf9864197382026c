"""From codes to what an encoder reads: numbers of order one, one-hot categories, and which values are gaps."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, one_hot

from vaekit.data.fields import Categorical, Constant, Count, Field, Levels
from vaekit.data.schema import Schema

MANY = 32  # categories, of which more are embedded


def top_code(field: Field) -> float:
    """Return the largest code of a field of levels, 1 of any other."""
    return float(field.n_levels - 1) if isinstance(field, Levels) else 1.0


class BlockInputs(nn.Module):
    """Codes [n, *event_shape] of one field to floats; gaps become 0 and a second set of channels tells them.

    Parameters
    ----------
    schema : Schema
        Of one field.
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.field = schema.fields[0]
        self.top = top_code(self.field)
        channels = schema.event_shape[0] * (2 if self.field.missing else 1)
        self.shape = (channels, *schema.event_shape[1:])

    def forward(self, codes: Tensor) -> Tensor:
        """Return floats [n, *shape] of codes [n, *event_shape]."""
        x = codes.float()
        x = torch.log1p(x) if isinstance(self.field, Count) else x / self.top
        if not self.field.missing:
            return x
        gaps = x.isnan()
        return torch.cat([x.masked_fill(gaps, 0.0), gaps.to(x.dtype)], dim=1)


class TableInputs(nn.Module):
    """Codes [n, n_columns] to floats [n, width]: numbers scaled, categories one-hot or embedded, gaps 0 and told apart.

    Where a column has many categories, each has a learned vector of a few numbers (Guo and Berkhahn, 2016,
    arXiv:1604.06737) in place of one number of its own.

    Parameters
    ----------
    schema : Schema
        Of several fields.
    """

    scale: Tensor
    numbers: Tensor
    gappy: Tensor

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        fields = list(enumerate(schema.fields))
        numbers = [j for j, f in fields if not isinstance(f, Categorical | Constant)]
        self.counts = [i for i, j in enumerate(numbers) if isinstance(schema.fields[j], Count)]
        self.categories = [(j, len(f.categories)) for j, f in fields if isinstance(f, Categorical)]
        gappy = [j for j, f in fields if f.missing]
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.long), persistent=False)
        self.register_buffer("gappy", torch.tensor(gappy, dtype=torch.long), persistent=False)
        scale = torch.tensor([top_code(schema.fields[j]) for j in numbers])
        self.register_buffer("scale", scale, persistent=False)
        self.embeddings = nn.ParameterDict({str(j): random_embedding(k) for j, k in self.categories if k > MANY})
        widths = [self.embeddings[str(j)].shape[1] if k > MANY else k for j, k in self.categories]
        self.shape = (len(numbers) + sum(widths) + len(gappy),)

    def forward(self, codes: Tensor) -> Tensor:
        """Return floats [n, width] of codes [n, n_columns]."""
        gaps = codes.isnan()
        filled = codes.masked_fill(gaps, 0.0)
        numbers = filled[:, self.numbers] / self.scale
        if self.counts:
            numbers[:, self.counts] = torch.log1p(numbers[:, self.counts])
        told = [self._told(j, k, filled[:, j].long()) * ~gaps[:, j : j + 1] for j, k in self.categories]
        return torch.cat([numbers, *told, gaps[:, self.gappy]], dim=1)  # of a category all 0 for a gap

    def _told(self, column: int, n_categories: int, index: Tensor) -> Tensor:
        """Return what tells of the categories [n] of a column, [n, its width]."""
        if n_categories > MANY:
            return embedding(index, self.embeddings[str(column)])
        return one_hot(index, n_categories)

    def of_one_hot(self) -> Tensor:
        """Return the matrix [width, wider] that makes the floats of those in which all categories are one-hot."""
        parts = [torch.eye(len(self.numbers))]
        parts += [self.embeddings[str(j)].T if k > MANY else torch.eye(k) for j, k in self.categories]
        return torch.block_diag(*parts, torch.eye(len(self.gappy)))


def random_embedding(n_categories: int) -> Tensor:
    """Return a random vector of length about 1, as a category's own one is, for each of many: [n, embedding_dim(n)]."""
    width = embedding_dim(n_categories)
    return torch.randn(n_categories, width) / math.sqrt(width)


def embedding_dim(n_categories: int) -> int:
    """Return how many numbers tell a category of many: 1.6 n^0.56, and at most 50 (Howard and Gugger, 2020, fastai).

    Examples
    --------
    >>> embedding_dim(42), embedding_dim(1000)
    (13, 50)
    """
    return min(50, round(1.6 * n_categories**0.56))


def make_inputs(schema: Schema) -> BlockInputs | TableInputs:
    """Return the module that turns the schema's codes into what an encoder reads."""
    return BlockInputs(schema) if schema.is_block else TableInputs(schema)


def n_inputs(inputs: BlockInputs | TableInputs) -> int:
    """Return the number of floats a row becomes."""
    return math.prod(inputs.shape)
