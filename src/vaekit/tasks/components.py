"""Principal components of what an encoder reads of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor

from vaekit.models.base import LatentModel
from vaekit.models.components import Components
from vaekit.models.inputs import BlockInputs, TableInputs
from vaekit.tasks.observe import observed
from vaekit.tasks.tiles import in_tiles

MOST = 32
LEAST_VARIANCE = 0.01  # of a direction, where that of a value is 1: less would make what rows round to count most


def components_of(model: LatentModel, rows: Tensor) -> Components:
    """Return the components of rows of codes [n, *event_shape], of which each value counts alike."""
    x = in_tiles(lambda part: read(model, part), rows).double().numpy()  # [n, F]
    centre, deviation = x.mean(0), x.std(0)
    scale = np.where(deviation > 0, deviation, 1.0)
    pca = PCA(min(MOST, *x.shape), random_state=0).fit((x - centre) / scale)
    variances = np.append(pca.explained_variance_, pca.noise_variance_).clip(LEAST_VARIANCE)
    return Components(*(_floats(part) for part in (centre, scale, pca.components_, variances)))


def read(model: LatentModel, codes: Tensor) -> Tensor:
    """Return what the encoder reads of codes [n, *event_shape]: [n, F]."""
    assert isinstance(model.inputs, BlockInputs | TableInputs)
    return model.inputs(observed(model, codes)).flatten(1).cpu()


def _floats(numbers: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(numbers)).float()
