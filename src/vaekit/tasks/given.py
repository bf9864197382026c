"""Rows of which some values are given, drawn from the rest of what the model knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data.batches import seed_of
from vaekit.data.fields import Categorical
from vaekit.data.filled import with_values
from vaekit.errors import ParameterError
from vaekit.models.fitted import Fitted
from vaekit.tasks.conditional import decoded, noises, weighted_codes
from vaekit.tasks.gaps import with_gaps
from vaekit.tasks.tiles import in_tiles
from vaekit.training.precision import own_randomness

N_DRAWS = (4096, 16384, 65536)  # of z, more where few of them agree with what is given
ENOUGH, FEWEST = 256, 8  # that agree: as many as are wanted, and without which there is no such row
MADE_ROWS, FEW_DRAWS = 64, 512  # of the model, beside which a row's likelihood is seen
FARTHEST_NATS = 20.0  # from the least likely of these


@torch.no_grad()
def sample_given(fitted: Fitted, n: int, given: Mapping[str, Any], seed: int = 0) -> Any:
    """Return n draws of p(x | some of x): z by importance, then what is not given by p(x | z).

    Parameters
    ----------
    fitted : Fitted
    n : int
    given : mapping of str to value
        Values by column, in the user's units; they come back as they are.
    seed : int

    Raises
    ------
    ParameterError
        When a column is unknown, or there is no such row as far as the model knows.
    DataError
        When a value is none that its column knows.
    """
    schema, model = fitted.schema, fitted.model.eval()
    x = torch.from_numpy(_row(fitted, given)).to(model.device)
    z = _agreeing(fitted, x, given)
    with own_randomness(seed_of(seed, 10)):
        chosen = z[torch.randint(len(z), (n,))]  # [n, d]
        rows = in_tiles(lambda tile: decoded(model, x, tile[:, None]).sample(), chosen)
        rows = with_gaps(fitted, chosen, rows)
    return with_values(schema.decode(rows.numpy(), drawn=True), schema, given)


def _row(fitted: Fitted, given: Mapping[str, Any]) -> Any:
    """Return the codes [1, *event_shape] of a row of gaps but for what is given."""
    schema = fitted.schema
    if schema.is_picture:
        raise ParameterError(f"given names columns; the model was fitted on {schema.noun}. Sample without it.")
    unknown = [name for name in given if name not in schema.names]
    if unknown:
        raise ParameterError(
            f"given names '{unknown[0]}', which the model does not know. It knows {', '.join(schema.names)}."
        )
    row = np.full((1, schema.n_dims), np.nan, np.float32)
    for name, value in given.items():
        row[0, schema.names.index(name)] = schema.encode_value(schema.names.index(name), value)
    return row


def _agreeing(fitted: Fitted, x: Tensor, given: Mapping[str, Any]) -> Tensor:
    """Return draws of p(z | x observed), [K, d]; some come more than once."""
    _refuse_the_impossible(fitted, x, given)
    for n_draws in N_DRAWS:
        z, log_weights = weighted_codes(fitted.model, x, *noises(fitted.model, n_draws))
        weights = log_weights[:, 0].softmax(0)
        agreeing = 1 / float(weights.square().sum())  # Kish's effective sample size
        if agreeing >= ENOUGH:
            break
    if not agreeing >= FEWEST:
        raise _no_such_row(given, f"of {n_draws:,} draws about {agreeing:.0f} agree")
    with own_randomness(seed_of(11)):
        return z[weights.multinomial(n_draws, replacement=True), 0]


def _refuse_the_impossible(fitted: Fitted, x: Tensor, given: Mapping[str, Any]) -> None:
    """Raise where what is given is far less likely than the same columns of any row that the model makes."""
    model = fitted.model
    with own_randomness(seed_of(12)):
        made = in_tiles(lambda tile: model.likelihood(tile).sample(), model.prior.sample(MADE_ROWS))
    like = made.to(x.device).masked_fill(x.isnan(), torch.nan)
    noise = noises(model, FEW_DRAWS)
    nats = [weighted_codes(model, rows, *noise)[1].logsumexp(0) for rows in (x, like)]
    below = float(nats[1].min() - nats[0])
    if not below <= FARTHEST_NATS:
        raise _no_such_row(given, f"it is {below:,.0f} nats less likely than any of {MADE_ROWS} that it makes")


def _no_such_row(given: Mapping[str, Any], why: str) -> ParameterError:
    said = ", ".join(f"{name} = {value}" for name, value in given.items())
    return ParameterError(
        f"given asks for {said}, and as far as the model knows there is no such row: {why}. "
        "Give fewer values, or such as the data have."
    )


def balanced(fitted: Fitted, n: int, column: str, seed: int = 0) -> list[tuple[Mapping[str, Any], int, int]]:
    """Return what to give, how many rows of it and with which seed, for as many rows of each category of a column."""
    names = fitted.schema.names
    field = fitted.schema.fields[names.index(column)] if column in names and not fitted.schema.is_block else None
    values = field.categories if isinstance(field, Categorical) else (False, True) if _is_binary(field) else ()
    if not values:
        raise ParameterError(f"balance must name a column of categories; got '{column}'.")
    counts = np.full(len(values), n // len(values)) + (np.arange(len(values)) < n % len(values))
    pairs = zip(values, counts, strict=True)
    return [({column: value}, int(count), seed_of(seed, k)) for k, (value, count) in enumerate(pairs) if count]


def _is_binary(field: Any) -> bool:
    return field is not None and field.kind == "binary"
