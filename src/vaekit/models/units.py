"""From rows in the data's own units to codes and back as tensor operations: what an exported network carries inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vaekit.data.fields import Constant, Field, Levels, Real
from vaekit.data.power import LONGEST, STRAIGHT
from vaekit.data.schema import Schema


class Units(nn.Module):
    """codes = bend((rows − loc) / scale), and back; a gap is NaN on both sides.

    Rows are numbers in the layout of the user's array, or the columns of a table in the schema's order, in which a
    category is its place among the field's categories and a date or time a whole number of the field's unit.

    Parameters
    ----------
    schema : Schema

    Examples
    --------
    >>> import numpy as np
    >>> units = Units(Schema.infer(np.arange(20, dtype=np.uint8).reshape(5, 2, 2) / 255))
    >>> codes = units.codes(torch.full((1, 2, 2), 7 / 255, dtype=torch.float64))
    >>> codes.flatten(), (255 * units.rows(codes)).flatten()
    (tensor([7., 7., 7., 7.]), tensor([7., 7., 7., 7.]))
    """

    loc: Tensor
    scale: Tensor
    powers: Tensor

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.layout = schema.layout
        self.dtype = torch.float32 if schema.is_picture else torch.float64  # a column may count seconds since 1970
        loc, scale = zip(*[_loc_and_scale(field) for field in schema.fields], strict=True)
        self.register_buffer("loc", _joined(loc, schema))
        self.register_buffer("scale", _joined(scale, schema))
        powers = [getattr(field, "powers", STRAIGHT) for field in schema.fields]
        self.is_bent = any(power != STRAIGHT for power in powers)
        self.register_buffer("powers", torch.tensor(powers, dtype=torch.float64).T)  # [2, columns]

    def codes(self, rows: Tensor) -> Tensor:
        """Return float32 codes [n, *event_shape] of rows [n, *raw_shape]."""
        v = (self._channels_first(rows.double()) - self.loc) / self.scale
        return (self._bent(v) if self.is_bent else v).float()

    def rows(self, codes: Tensor) -> Tensor:
        """Return rows [n, *raw_shape] of codes [n, *event_shape], not rounded where they are means."""
        v = codes.double()
        rows = (self._unbent(v) if self.is_bent else v) * self.scale + self.loc
        return self._as_given(rows).to(self.dtype)

    def _bent(self, v: Tensor) -> Tensor:
        """Return values with bent tails, as `vaekit.data.power.bent` does column by column."""
        log, power = v.abs().log1p(), self._power_at(v)
        size = torch.where(power == 0, log, torch.expm1(power * log) / _not_nought(power))
        return torch.where(v < 0, -size, size)

    def _unbent(self, codes: Tensor) -> Tensor:
        size, power = codes.abs(), self._power_at(codes)
        log = torch.where(power == 0, size, torch.log1p(power * size) / _not_nought(power))
        v = torch.expm1(log.clamp_max(LONGEST))
        return torch.where(codes < 0, -v, v)

    def _power_at(self, v: Tensor) -> Tensor:
        return torch.where(v < 0, self.powers[0], self.powers[1])

    def _channels_first(self, rows: Tensor) -> Tensor:
        if self.layout == "HW":
            return rows[:, None]
        return rows.movedim(-1, 1) if self.layout == "HWC" else rows

    def _as_given(self, rows: Tensor) -> Tensor:
        if self.layout == "HW":
            return rows[:, 0]
        return rows.movedim(1, -1) if self.layout == "HWC" else rows


def _loc_and_scale(field: Field) -> tuple[Any, Any]:
    """Return what a code of 0 is in the user's units, and how many of them one unit of a code is."""
    if isinstance(field, Levels):
        return field.first * field.numerator / field.denominator, field.numerator / field.denominator
    if isinstance(field, Real):
        return field.loc, field.scale
    if isinstance(field, Constant) and not isinstance(field.value, str):
        return float(field.value), 1.0
    return 0.0, 1.0


def _joined(parts: tuple[Any, ...], schema: Schema) -> Tensor:
    """Return a number for each column, or for each value of a block where they differ."""
    return torch.from_numpy(np.asarray(parts[0] if schema.is_block else parts, dtype=np.float64).copy())


def _not_nought(power: Tensor) -> Tensor:
    return torch.where(power == 0, 1.0, power)
