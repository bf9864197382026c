"""What rows held out say of a model's intervals: some of their values are hidden, and looked for among the draws."""

from __future__ import annotations

import torch
from torch import Tensor

from vaekit.data.batches import seed_of, spread
from vaekit.data.schema import Schema
from vaekit.models.base import LatentModel
from vaekit.models.calibration import Calibration
from vaekit.models.self_masking import SelfMasking
from vaekit.tasks.impute import DRAWS, drawing, is_told_by_chance
from vaekit.tasks.tiles import in_tiles

ENOUGH_ROWS, MOST_ROUNDS = 200, 10  # that values are hidden in; how often in each
N_AS_SAID = 50  # values that are taken to lie as intervals say, beside those that are hidden: few tell little
LEAST_SHARE = 0.1  # of values that are hidden
SHARE_BY_SIZE = 0.15  # where that depends on their size


def calibrated(
    model: LatentModel, schema: Schema, held_out: Tensor, share: float, seed: int, masking: SelfMasking | None = None
) -> Calibration | None:
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
    masking : SelfMasking, optional
        How gaps depend on the missing value: the values hidden are then such as those missing.
    """
    fields = schema.fields * schema.n_dims if schema.is_block else schema.fields
    are_numbers = torch.tensor([not is_told_by_chance(field) for field in fields]).view(held_out.shape[1:])
    rows = held_out[spread(len(held_out), ENOUGH_ROWS)].float().cpu()
    rows = rows.repeat(max(1, min(MOST_ROUNDS, ENOUGH_ROWS // len(rows))), *[1] * (rows.dim() - 1))
    uniform = torch.rand(rows.shape, generator=torch.Generator().manual_seed(seed_of(seed, 10)))
    hidden = (uniform < chance_to_hide(rows, max(share, LEAST_SHARE), masking)) & are_numbers & ~rows.isnan()
    left = rows.masked_fill(hidden, torch.nan).to(model.device)
    drawn = in_tiles(drawing(model.eval(), DRAWS, masking=masking), left, 1)
    below = [(drawn < rows[:, None]).float().mean(1), (drawn <= rows[:, None]).float().mean(1)]  # [n, *event_shape]
    levels = (below[0] + below[1] - 1).abs()[hidden]
    return Calibration(torch.cat([levels, torch.linspace(0, 1, N_AS_SAID)]).sort().values) if len(levels) else None


def chance_to_hide(rows: Tensor, share: float, masking: SelfMasking | None) -> Tensor:
    """Return the chance of each value [n, *event_shape] to be hidden.

    Where P(gap | x) = π(x), values seen that are hidden with a chance of c π(x) / (1 − π(x)) are distributed as those
    missing are, and what is then left of a row is as if there were (1 + c) times as many gaps.

    Parameters
    ----------
    rows : Tensor of shape (n, *event_shape)
        NaN is a gap.
    share : float
        Of gaps, and of values hidden in columns of which no more is known.
    masking : SelfMasking or None
        π of some columns.

    Examples
    --------
    >>> masking = SelfMasking(torch.tensor([1]), torch.zeros(1), torch.ones(1))
    >>> chance_to_hide(torch.tensor([[5.0, 0.0], [5.0, -3.0]]), 0.5, masking)
    tensor([[0.5000, 0.1500],
            [0.5000, 0.0075]])
    """
    chance = torch.full_like(rows, share)
    if masking is not None:
        own = rows[:, masking.columns]
        c = SHARE_BY_SIZE * (1 - share) / share  # so small that c π / (1 − π) seldom is no chance
        chance[:, masking.columns] = c * (masking.offset + masking.slope * own).exp()
    return chance
