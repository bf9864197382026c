"""Tune: a fitted model, trained some more for lossy archives of one quality."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from vaekit.codec.dial import Dial, slope, step_of
from vaekit.data.batches import Batches, split
from vaekit.data.fields import Levels
from vaekit.errors import DataError, ParameterError
from vaekit.models.fitted import Fitted
from vaekit.objectives.squared_error import squared_error
from vaekit.tasks.fit import finish
from vaekit.tasks.loading import MOST_HELD_OUT
from vaekit.training.loop import Run
from vaekit.training.presets import parse_seconds
from vaekit.training.progress import Listener, Note
from vaekit.training.settings import Settings

SHARE = 0.2  # of the epochs that the model was fitted for
KEPT = ("settings", "history", "reason", "seconds")  # of the record: how the model was fitted first


def tune(
    fitted: Fitted,
    data: Any,
    quality: float,
    *,
    epochs: int | None = None,
    time: str | float | None = None,
    valid: float = 0.1,
    listeners: Sequence[Listener] = (),
) -> Fitted:
    """Return a model that loses less at a quality of `compress`; the one given stays as it is.

    Parameters
    ----------
    fitted : Fitted
    data : array of n_samples rows
        Such as the model was fitted on.
    quality : float
        From 0 to 100; others are served too, those near it best.
    epochs : int, optional
        A fifth of those of the first training if neither they nor a time are said.
    time : str or float, optional
        A budget as "10m", or in seconds.
    valid : float
        The share of rows held out, by which the best epoch is chosen.
    listeners : sequence of Listener

    Raises
    ------
    ParameterError
        When quality, epochs or share are out of their range.
    DataError
        When the model is not of levels without gaps, as of pictures.
    """
    dial = Dial(quality=quality)
    _check(epochs, valid)
    _refuse_others(fitted)
    tuned = Fitted(copy.deepcopy(fitted.model), fitted.schema, fitted.architecture, copy.deepcopy(fitted.record))
    settings = _settings(fitted, epochs, time)
    codes = fitted.schema.encode(data)
    train, held_out = split(len(codes), valid, settings.seed)
    rows = torch.from_numpy(codes[held_out][:MOST_HELD_OUT])
    worth = slope(step_of(quality) * _top(fitted) / 255)
    for listener in listeners:
        listener(Note(f"squared errors against bits, at quality {quality:g}; the figures below are in nats of those"))
    run = Run(
        tuned.model,
        Batches(codes[train], settings.batch_size, settings.seed, settings.device),
        rows.to(settings.device),
        settings,
        listeners,
        objective=partial(squared_error, worth=worth),
    )
    run.train()
    finish(run, tuned, rows, fitted.record["metrics"]["without_latent_nats"], keep_active=False)
    tuned.record |= {key: fitted.record[key] for key in KEPT} | {"tuned": dial.said}
    return tuned


def _check(epochs: int | None, valid: float) -> None:
    if epochs is not None and epochs < 1:
        raise ParameterError(f"The epochs of a tuning must be at least 1; got {epochs}.")
    if not 0 <= valid < 1:
        raise ParameterError(f"The share of rows held out must be from 0 up to below 1; got {valid}.")


def _refuse_others(fitted: Fitted) -> None:
    schema = fitted.schema
    if not schema.is_block or not isinstance(schema.fields[0], Levels) or schema.has_missing:
        raise DataError(
            f"Models are tuned for pictures and vectors of levels without gaps; this one is of {schema.noun} of other "
            "values. Compress them with max_error."
        )


def _top(fitted: Fitted) -> int:
    field = fitted.schema.fields[0]
    assert isinstance(field, Levels)
    return field.n_levels - 1


def _settings(fitted: Fitted, epochs: int | None, time: str | float | None) -> Settings:
    first, seconds = Settings(**fitted.record["settings"]), parse_seconds(time)
    some = max(1, round(SHARE * len(fitted.record["history"])))
    return replace(
        first,
        epochs=epochs or (100_000 if seconds else some),
        seconds=seconds,
        warmup=0.0,
        cycles=1,
        free_nats=0.0,
        draws=None,
        strength=None,
        beta=1.0,
        device=str(fitted.model.device),
        compiled=False,
    )
