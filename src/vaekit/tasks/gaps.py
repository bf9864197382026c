"""The pattern of gaps: learned of the rows that a model was fitted on, and drawn for new ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from vaekit.models.base import LatentModel
from vaekit.models.fitted import Fitted
from vaekit.models.gaps import Gaps
from vaekit.models.inputs import BlockInputs, TableInputs
from vaekit.tasks.observe import observed
from vaekit.tasks.tiles import in_tiles
from vaekit.training.adamw import AdamW

FARTHEST = 10.0  # that a feature counts
ENOUGH_ROWS = 5_000
HIDDEN, STEPS, RATE, DECAY = 64, 300, 0.01, 1e-3


def learned_gaps(model: LatentModel, rows: Tensor) -> Gaps | None:
    """Return how gaps depend on the rest of a row, of rows of codes [n, *event_shape]; None where there are none.

    The values in gaps are not known, and draws of p(x | z) stand for them: P(gap | x) is as in Ipsen, Mattei and
    Frellsen (2021, not-MIWAE, arXiv:2006.12871), but learned after the model, whose bound stays that of the values.
    """
    rows = rows[:: -(-len(rows) // ENOUGH_ROWS)]
    is_gap = rows.float().isnan().flatten(1).cpu()  # [n, n_dims]
    patterns, unit_of = is_gap.T.unique(dim=0, return_inverse=True)
    has_gaps = patterns.any(1)
    if not has_gaps.any():
        return None
    place = has_gaps.cumsum(0) - 1
    unit_of = torch.where(has_gaps[unit_of], place[unit_of], -1)
    return _fitted(in_tiles(lambda x: _completed(model, x), rows), patterns[has_gaps].T.float(), unit_of)


def _completed(model: LatentModel, codes: Tensor) -> Tensor:
    """Return the features of rows of codes whose gaps are filled by draws."""
    x = observed(model, codes)
    z = model.posterior(x).rsample()
    drawn = model.likelihood(z, model.observation.exposure(x.nan_to_num())).sample()
    return _features(model, torch.where(x.isnan(), drawn, x), z)


def _features(model: LatentModel, rows: Tensor, z: Tensor) -> Tensor:
    """Return what gaps are told from: rows as an encoder reads them, and their codes; [n, n_features]."""
    assert isinstance(model.inputs, BlockInputs | TableInputs)
    return torch.cat([model.inputs(rows).flatten(1), z], 1).clamp(-FARTHEST, FARTHEST).cpu()


@torch.enable_grad()
def _fitted(features: Tensor, is_gap: Tensor, unit_of: Tensor) -> Gaps:
    """Return the network of the largest likelihood, of features [n, n_features] and gaps [n, units]."""
    frequency = (is_gap.sum(0) + 0.5) / (len(is_gap) + 1)
    weights = {
        "hidden.weight": torch.randn(HIDDEN, features.shape[1]) / features.shape[1] ** 0.5,
        "hidden.bias": torch.zeros(HIDDEN),
        "out.weight": torch.zeros(is_gap.shape[1], HIDDEN),
        "out.bias": torch.logit(frequency),
    }
    parameters = {name: torch.nn.Parameter(part) for name, part in weights.items()}
    found, optimizer = Gaps(unit_of, *parameters.values()), AdamW(parameters, DECAY)
    for _ in range(STEPS):
        binary_cross_entropy_with_logits(found.logits(features), is_gap).backward()
        optimizer.step(RATE, clip_norm=math.inf)
    return Gaps(unit_of, *(part.detach() for part in parameters.values()))


def with_gaps(fitted: Fitted, z: Tensor, rows: Tensor) -> Tensor:
    """Return rows of codes [n, *event_shape] drawn given z [n, d], with gaps where such rows of a frame have them.

    An array's gaps are NaN, which few who ask for new rows expect; these stay whole.
    """
    if fitted.gaps is None or not fitted.schema.is_frame:
        return rows
    is_gap = fitted.gaps.sample(_features(fitted.model, rows, z)).view_as(rows)
    return rows.masked_fill(is_gap.to(rows.device), torch.nan)
