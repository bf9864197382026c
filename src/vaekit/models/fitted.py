"""A fitted model with all that was learned beside its weights: what a model file holds and every verb works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vaekit.data.schema import Schema
from vaekit.models.base import LatentModel
from vaekit.models.build import Architecture


@dataclass
class Fitted:
    """A model, the schema that judges data for it, and the record of its training.

    Parameters
    ----------
    model : LatentModel
    schema : Schema
    architecture : Architecture
    record : dict
        Plain JSON values: settings, history, metrics, diagnosis, calibration, compression.
    integer_model : bytes or None
        The model in whole numbers, which archives are made and read with; None where it has no such form.
    """

    model: LatentModel
    schema: Schema
    architecture: Architecture
    record: dict[str, Any] = field(default_factory=dict)
    integer_model: bytes | None = None

    @property
    def calibration(self) -> NDArray[np.float64]:
        """Sorted log-likelihoods of held-out rows, in nats."""
        return np.asarray(self.record["calibration"], dtype=np.float64)

    def rows(self, data: Any) -> torch.Tensor:
        """Return the codes of user data on the model's device, [n, *event_shape]."""
        return torch.from_numpy(np.ascontiguousarray(self.schema.encode(data))).to(self.model.device)
