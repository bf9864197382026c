"""What a fit is of: rows to train on, rows held out, and what they are; in memory, or a stream of which some are."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np

from vaekit.data.batches import Batches, split
from vaekit.data.fields import Array
from vaekit.data.frames import is_frame
from vaekit.data.labels import Labels
from vaekit.data.readers import opened
from vaekit.data.schema import Schema, as_array
from vaekit.data.streamed import StreamedBatches
from vaekit.data.streams import Sampled
from vaekit.tasks.options import Options
from vaekit.training.settings import Settings

MOST_HELD_OUT = 10_000  # rows that the final bounds are measured on


class Loaded(NamedTuple):
    """Rows to train on, rows held out, what they are, where among the user's the former are, and how many there are.

    Of a stream the first are some of those to train on, and the last number is of all.
    """

    train: Array
    held_out: Array
    schema: Schema
    places: Array
    n_rows: int


def load_rows(raw: Any, options: Options, classes: Labels | None = None) -> Loaded:
    """Return the codes of an array, a frame, or the sample of a stream.

    Where few classes are known, no row with one is held out. Of a stream at most half of the sample is held out.
    """
    rows = looked_at(raw)
    schema = Schema.infer(rows, options.kinds, options.likelihood)
    codes = schema.encode(rows)
    numbers, n_all = (raw.rows, raw.stream.n_rows) if isinstance(raw, Sampled) else (np.arange(len(codes)), len(codes))
    if isinstance(options.valid, float | int):
        precious = None if classes is None else classes.index >= 0
        train, held_out = split(len(codes), _share(options.valid, len(codes), n_all), options.seed, precious)
        n_left_out = len(np.setdiff1d(held_out, train))
        return Loaded(codes[train], codes[held_out], schema, numbers[train], n_all - n_left_out)
    valid = opened(options.valid) if isinstance(options.valid, str | os.PathLike) else options.valid
    return Loaded(codes, schema.encode(looked_at(valid)), schema, numbers, n_all)


def make_batches(
    raw: Any, loaded: Loaded, settings: Settings, share: tuple[int, int] = (0, 1)
) -> Batches | StreamedBatches:
    """Return one process's share of the batches of a run: of rows in memory, or as they are read."""
    if not isinstance(raw, Sampled):
        return Batches(loaded.train, settings.batch_size, settings.seed, settings.device, share)
    return StreamedBatches(
        raw.stream,
        loaded.schema,
        loaded.train,
        settings.batch_size,
        settings.seed,
        settings.device,
        left_out=np.setdiff1d(raw.rows, loaded.places),
        share=share,
    )


def looked_at(raw: Any) -> Any:
    """Return rows in memory: of a stream its sample."""
    rows = raw.data if isinstance(raw, Sampled) else raw
    return rows if is_frame(rows) else as_array(rows)


def _share(valid: float, nlooked_at: int, n_rows: int) -> float:
    """Return the share of the rows looked at that makes as many held-out ones as a share of all rows, or up to half."""
    return valid if nlooked_at == n_rows else min(0.5, valid * n_rows / nlooked_at, MOST_HELD_OUT / nlooked_at)
