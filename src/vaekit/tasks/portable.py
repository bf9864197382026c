"""A fitted model as two functions of numbers alone, in the data's own units: what every export carries over."""

from __future__ import annotations

import json
from copy import deepcopy
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.data.fields import Categorical
from vaekit.data.schema import Schema
from vaekit.models.base import LatentModel
from vaekit.models.fitted import Fitted
from vaekit.models.units import Units
from vaekit.storage.model_file import weights_digest
from vaekit.training.precision import own_randomness

GAPS = 0.1  # of drawn values, where a model takes gaps


class Whole(nn.Module):
    """Rows to their codes and reconstructions: what `embed` and `reconstruct` answer, the latter not rounded.

    Parameters
    ----------
    model : LatentModel
    units : Units
    """

    def __init__(self, model: LatentModel, units: Units) -> None:
        super().__init__()
        self.model, self.units = model, units

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes [n, latent_dim] and rows [n, *raw_shape] of rows [n, *raw_shape]."""
        x = self.units.codes(rows)
        z = self.model.posterior(x).mean
        mean = self.model.likelihood(z, self.model.observation.exposure(x)).mean
        return z, self.units.rows(mean)


class Decoding(nn.Module):
    """Codes to rows: what `decode` answers, not rounded.

    Parameters
    ----------
    model : LatentModel
    units : Units
    """

    def __init__(self, model: LatentModel, units: Units) -> None:
        super().__init__()
        self.model, self.units = model, units

    def forward(self, codes: Tensor) -> Tensor:
        """Return rows [n, *raw_shape] of codes [n, latent_dim]."""
        return self.units.rows(self.model.likelihood(codes).mean)


def portable(fitted: Fitted) -> tuple[Whole, Decoding]:
    """Return both halves on the processor, sharing a copy of the model."""
    model, units = deepcopy(fitted.model).cpu().eval(), Units(fitted.schema)
    return Whole(model, units), Decoding(model, units)


@torch.no_grad()
def drawn_rows(whole: Whole, schema: Schema, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return codes z from the prior [n, latent_dim], and rows drawn from p(x | z) with gaps where the model takes them.

    Parameters
    ----------
    whole : Whole
    schema : Schema
    n : int
    seed : int

    Returns
    -------
    z : Tensor of shape (n, latent_dim)
    rows : Tensor of shape (n, *raw_shape)
    """
    with own_randomness(seed):
        z = whole.model.prior.sample(n)
        x = whole.model.likelihood(z).sample()
        gaps = torch.rand(x.shape) < GAPS
    takes = torch.tensor([field.missing for field in schema.fields])  # of columns, or of the one block
    return z, whole.units.rows(torch.where(gaps & takes, torch.nan, x))


def described(fitted: Fitted) -> dict[str, str]:
    """Return what a reader of an exported file must know of rows and codes, each a text or JSON."""
    return {
        "vaekit": version("vaekit"),
        "model": fitted.architecture.model,
        "latent_dim": str(fitted.model.latent_dim),
        "weights_sha256": weights_digest(fitted.model.state_dict()),
        "layout": fitted.schema.layout,
        "fields": json.dumps([_of_field(field) for field in fitted.schema.fields], default=str),
    }


def _of_field(field: Any) -> dict[str, Any]:
    told = {"name": field.name, "kind": field.kind, "dtype": field.dtype, "gaps": field.missing}
    return told | ({"levels": list(field.categories)} if isinstance(field, Categorical) else {})
