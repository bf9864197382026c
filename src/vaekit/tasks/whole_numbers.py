"""A fitted model's form in whole numbers, and some more training where that loses too much."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from torch import Tensor

from vaekit.codec import export, quantise
from vaekit.codec.model_bytes import to_bytes
from vaekit.codec.straight_through import rounded_products
from vaekit.errors import TrainingError
from vaekit.models.fitted import Fitted
from vaekit.training.loop import Run
from vaekit.training.progress import Note

SHARE = 0.2  # of the run's epochs
SLOWER = 0.3  # than the run's learning rate


def add_integer_model(fitted: Fitted, held_out: Tensor, run: Run, some: Tensor) -> dict[str, Any]:
    """Give a fitted model its form in whole numbers, where it has one; return what it costs, or why it has none.

    A model that loses over 1 % by it is trained some more with rounded numbers, and keeps what that gains.

    Parameters
    ----------
    fitted : Fitted
    held_out : Tensor of shape (n, *event_shape)
    run : Run
        That the model was trained in.
    some : Tensor of shape (m, *event_shape)
        Rows of training, for what is fitted after it.
    """
    facts = _add(fitted, held_out)
    if "why_not" in facts or _loss(facts) <= export.MOST_LOSS:
        return facts
    model, best = fitted.model, fitted.integer_model
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _train_rounded(run, _loss(facts))
    model.finish(some, run.settings.seed)
    found = _add(fitted, held_out)
    if found["bits_per_dim"] < facts["bits_per_dim"]:
        return found
    model.load_state_dict(weights)
    fitted.integer_model = best
    return facts


def _add(fitted: Fitted, held_out: Tensor) -> dict[str, Any]:
    model = fitted.model
    device = model.device
    try:
        found = export.best_export(model.cpu(), fitted.schema, held_out.cpu())
    except NotImplementedError as error:
        return {"why_not": str(error)}
    finally:
        model.to(device)
    fitted.integer_model = to_bytes(found)
    return found.facts


def _loss(facts: dict[str, Any]) -> float:
    return float(facts["bits_per_dim"] / facts["float_bits_per_dim"] - 1)


def _train_rounded(run: Run, loss: float) -> None:
    """Train the run's model for some more epochs, all its products computing with rounded numbers."""
    epochs = max(1, round(SHARE * run.facts.epoch))
    rate = SLOWER * run.settings.learning_rate
    settings = replace(run.settings, epochs=epochs, seconds=None, learning_rate=rate, warmup=0.0, compiled=False)
    _, *listeners = run.listeners  # the first keeps the run's own history
    for listener in listeners:
        listener(Note(f"whole numbers lose {loss:.1%} of the bits: {epochs} more epochs with rounded numbers"))
    with rounded_products(run.model, quantise.WIDTHS[-1]), suppress(TrainingError):  # what came of it is compared
        Run(run.model, run.batches, run.held_out, settings, listeners, objective=run.objective).train()
    run.model.eval()
