"""A fitted model with all that was learned beside its weights: what a model file holds and every verb works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data.schema import Schema
from vaekit.models.base import LatentModel
from vaekit.models.build import Architecture
from vaekit.models.calibration import Calibration
from vaekit.models.gaps import Gaps
from vaekit.models.linear_classes import LinearClasses
from vaekit.models.references import References
from vaekit.models.self_masking import SelfMasking


@dataclass(frozen=True)
class Usual:
    """What rows are usually like, against which others are odd: see `vaekit.tasks.score`.

    Parameters
    ----------
    codes : Tensor of shape (m, latent_dim)
        Means of q(z | x) of rows that the model was fitted on, to look at.
    oddities : Tensor of float64, of shape (h, 4)
        Of rows held out.
    nats : Tensor of shape (n_dims + 1,)
        What each value of a row held out takes on average, and its code.
    """

    codes: Tensor
    oddities: Tensor
    nats: Tensor


@dataclass
class Fitted:
    """A model, the schema that judges data for it, and the record of its training.

    Parameters
    ----------
    model : LatentModel
    schema : Schema
    architecture : Architecture
    record : dict
        Plain JSON values: settings, history, metrics, diagnosis, held_out_rows, compression, classes, gaps.
    integer_model : bytes or None
        The model in whole numbers, which archives are made and read with; None where it has no such form.
    usual : Usual or None
        None until the model is finished.
    references : References or None
        None until the model is finished, and in files of before.
    gaps : Gaps or None
        Where new rows have gaps; None where the rows that the model was fitted on have none.
    linear : LinearClasses or None
        What tells classes from codes, where they were learned after the model.
    calibration : Calibration or None
        How far intervals must reach; None where that was not measured.
    masking : SelfMasking or None
        How gaps depend on the values that are missing; None where they were not seen to.
    """

    model: LatentModel
    schema: Schema
    architecture: Architecture
    record: dict[str, Any] = field(default_factory=dict)
    integer_model: bytes | None = None
    usual: Usual | None = None
    references: References | None = None
    gaps: Gaps | None = None
    linear: LinearClasses | None = None
    calibration: Calibration | None = None
    masking: SelfMasking | None = None

    def rows(self, data: Any) -> torch.Tensor:
        """Return the codes of user data on the model's device, [n, *event_shape]."""
        return torch.from_numpy(np.ascontiguousarray(self.schema.encode(data))).to(self.model.device)
