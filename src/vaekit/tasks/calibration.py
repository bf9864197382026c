"""What rows held out say of a model's intervals: some of their values are hidden, and looked for among the draws."""

from __future__ import annotations

import torch
from torch import Tensor

from vaekit.data.batches import seed_of, spread
from vaekit.data.schema import Schema
from vaekit.models.base import LatentModel
from vaekit.models.calibration import Calibration
from vaekit.tasks.impute import DRAWS, drawing, is_told_by_chance
from vaekit.tasks.tiles import in_tiles

ENOUGH_ROWS, MOST_ROUNDS = 200, 10  # that values are hidden in; how often in each
N_AS_SAID = 50  # values that are taken to lie as intervals say, beside those that are hidden: few tell little
LEAST_SHARE = 0.1  # of values that are hidden


def calibrated(model: LatentModel, schema: Schema, held_out: Tensor, share: float, seed: int) -> Calibration | None:
    """Return how far among draws the numbers of rows held out are that were hidden, None where there are none.

    So intervals hold as many numbers of new rows as they say, whatever the model has over-fitted: split conformal
    prediction (Lei et al., 2018, doi:10.1080/01621459.2017.1307116), with the share of draws that are nearer to the
    median as its score.

    Parameters
    ----------
    model : LatentModel
    schema : Schema
    held_out : Tensor of shape (n, *event_shape)
        Codes.
    share : float
        Of gaps in the rows that the model was fitted on; as many values are hidden.
    seed : int
    """
    fields = schema.fields * schema.n_dims if schema.is_block else schema.fields
    are_numbers = torch.tensor([not is_told_by_chance(field) for field in fields]).view(held_out.shape[1:])
    rows = held_out[spread(len(held_out), ENOUGH_ROWS)].float().cpu()
    rows = rows.repeat(max(1, min(MOST_ROUNDS, ENOUGH_ROWS // len(rows))), *[1] * (rows.dim() - 1))
    uniform = torch.rand(rows.shape, generator=torch.Generator().manual_seed(seed_of(seed, 10)))
    hidden = (uniform < max(share, LEAST_SHARE)) & are_numbers & ~rows.isnan()
    drawn = in_tiles(drawing(model.eval(), DRAWS), rows.masked_fill(hidden, torch.nan).to(model.device), 1)
    below = [(drawn < rows[:, None]).float().mean(1), (drawn <= rows[:, None]).float().mean(1)]  # [n, *event_shape]
    levels = (below[0] + below[1] - 1).abs()[hidden]
    return Calibration(torch.cat([levels, torch.linspace(0, 1, N_AS_SAID)]).sort().values) if len(levels) else None
