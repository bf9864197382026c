"""How far what comes back of a lossy archive is from what went in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.data.frames import columns_of, is_frame

Array = NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """What was lost of numbers.

    Parameters
    ----------
    mse, largest_error : float
        In the numbers' own units.
    psnr_db : float or None
        10 log10(range² / mse), the range being that of the numbers; None where nothing was lost, or all are one number.
    """

    mse: float
    largest_error: float
    psnr_db: float | None

    @classmethod
    def between(cls, data: Array, found: Array) -> Loss:
        """Return what was lost of data; numbers that are not finite come back as they are and count as 0.

        Examples
        --------
        >>> Loss.between(np.array([[0, 100]]), np.array([[0, 90]]))
        Loss(mse=50.0, largest_error=10.0, psnr_db=23.010299956639813)
        """
        known = np.isfinite(data)
        values = data[known].astype(np.float64)
        off = np.abs(found[known].astype(np.float64) - values)
        mse = float((off**2).sum()) / max(1, data.size)
        extent = float(values.max() - values.min()) if len(values) else 0.0
        psnr = 20 * math.log10(extent) - 10 * math.log10(mse) if mse > 0 < extent else None
        return cls(mse, float(off.max(initial=0.0)), psnr)

    def __str__(self) -> str:
        """Return the loss in words."""
        if self.largest_error == 0:
            return "nothing was lost"
        peak = "" if self.psnr_db is None else f", PSNR {self.psnr_db:.1f} dB"
        return f"largest error {self.largest_error:.4g}, root mean square {math.sqrt(self.mse):.4g}{peak}"


def lost(data: Any, found: Any) -> list[str]:
    """Return what was lost of an array, or of each column of a table that lost anything, in words.

    Examples
    --------
    >>> lost(np.array([[0, 255]]), np.array([[0, 251]]))
    ['largest error 4, root mean square 2.828, PSNR 39.1 dB']
    """
    if not is_frame(data):
        return [str(Loss.between(np.asarray(data), np.asarray(found)))]
    before, after = columns_of(data)[0], columns_of(found)[0]
    reals = [name for name, column in before.items() if column.dtype.kind == "f"]
    losses = {name: Loss.between(before[name], after[name]) for name in reals}
    return [f"{name}: {loss}" for name, loss in losses.items() if loss.largest_error > 0] or ["nothing was lost"]
