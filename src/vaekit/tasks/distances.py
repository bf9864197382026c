"""Distances: how far rows are from a few that the model was fitted on, in values, in codes and in nats by value.

Odd rows that are many and alike are near to each other, and a model learns them as if they were ordinary. Few of them
are in a small sample of all rows, though: far is who is far from the nearest row of a sample, on average over samples
(Sugiyama and Borgwardt, 2013, "Rapid Distance-Based Outlier Detection via Sampling", NeurIPS; Bandaragoda et al., 2018,
doi:10.1111/coin.12156). Of the rows to draw samples from, the tenth that is farthest from samples of eight is left out
first, as estimates of what is usual are trimmed. Where no odd row was fitted on, the nearest of all rows tells more, of
values and of what the codes leave unexplained of them together.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from vaekit.data.batches import seed_of
from vaekit.data.progress import Tell
from vaekit.models.base import LatentModel
from vaekit.models.references import References
from vaekit.tasks.likelihood import nats_by_value
from vaekit.tasks.observe import observed
from vaekit.tasks.tiles import in_tiles

MOST = 512  # rows kept
MOST_KEPT = 2**17  # numbers of theirs, half a megabyte, but of eight rows
SAMPLE = 64  # rows
SMALL_SAMPLE = 8
SAMPLES = 7  # at least: of few rows they are smaller
LEFT_OUT = 0.1  # of all rows
DRAWS = 16  # for nats by value
AT_ONCE = 16  # rows whose distances are taken together: more are no faster, and one alone is soon filled
FARTHEST = 1e15  # whose square is a float


def references(model: LatentModel, rows: Tensor) -> References:
    """Return some of the rows of codes [n, *event_shape] that a model was fitted on, drawn at random."""
    width = sum(part.shape[1] for part in told(model, rows[:1]))
    most = min(MOST, max(SMALL_SAMPLE, MOST_KEPT // width))
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed_of(13)))
    values, codes, nats = told(model, rows[order[:most]])
    far = distance(values, values, SMALL_SAMPLE)
    return References(values, codes, nats, far <= far.quantile(1 - LEFT_OUT))


def told(model: LatentModel, rows: Tensor, tell: Tell | None = None) -> list[Tensor]:
    """Return what the encoder reads of rows [n, *event_shape], their codes and their nats by value: [n, ...] each."""
    values = in_tiles(lambda x: model.inputs(observed(model, x)).flatten(1).float().cpu(), rows)  # type: ignore[operator]
    codes = in_tiles(lambda x: model.posterior(observed(model, x)).mean.cpu(), rows)
    nats = torch.from_numpy(nats_by_value(model, rows, tell, DRAWS)).float()
    return [part.nan_to_num(FARTHEST).clamp(-FARTHEST, FARTHEST) for part in (values, codes, nats)]


def distances(model: LatentModel, others: References, rows: Tensor, tell: Tell | None = None) -> Tensor:
    """Return how far rows of codes [n, *event_shape] are from others: [n, 3].

    In their values and in their codes from samples of those that are usual, and in values and nats together from the
    nearest of all.
    """
    values, codes, nats = told(model, rows, tell)
    sample = min(SAMPLE, max(SMALL_SAMPLE, int(others.usual.sum()) // SAMPLES))
    return torch.stack(
        [
            distance(values, others.values[others.usual], sample),
            distance(codes, others.codes[others.usual], sample),
            distance(torch.cat([values, nats], 1), torch.cat([others.values, others.nats], 1), len(others.values)),
        ],
        dim=1,
    )


def distance(x: Tensor, others: Tensor, sample: int) -> Tensor:
    """Return how far x [n, F] are from the nearest of a sample of others [m, F], on average over samples: [n].

    Each number counts by the others' standard deviation. Of a sample, one row that is the same is not counted: it may
    be the row itself.

    Examples
    --------
    >>> others = torch.tensor([[-1.0], [1.0], [0.0], [0.0]])
    >>> distance(torch.tensor([[0.0], [1.0], [10.0]]), others, sample=2) * others.std(correction=0)
    tensor([0.5000, 1.5000, 9.5000])
    """
    scale = others.std(0, correction=0)
    x, others = (part / torch.where(scale > 0, scale, 1.0) for part in (x, others))
    n_samples = max(1, len(others) // sample)
    cdist = partial(torch.cdist, compute_mode="donot_use_mm_for_euclid_dist")  # which is 0 for the same
    each = in_tiles(lambda tile: cdist(tile, others), x, AT_ONCE)  # [n, m]
    in_sample = each[:, : len(others) // n_samples * n_samples].unflatten(1, (n_samples, -1))
    near = in_sample.topk(min(2, in_sample.shape[2]), largest=False).values  # [n, n_samples, 2]
    return torch.where(near[..., 0] == 0, near[..., -1], near[..., 0]).mean(1)
