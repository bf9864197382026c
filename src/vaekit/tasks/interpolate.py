"""Interpolate: the rows between two rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from vaekit.data.rows import n_rows, take_rows
from vaekit.errors import ParameterError
from vaekit.models.fitted import Fitted
from vaekit.tasks.embed import embed
from vaekit.tasks.reconstruct import decode


def interpolate(fitted: Fitted, data: Any, between: tuple[int, int], steps: int = 10) -> Any:
    """Return the decoded rows on the straight line between the codes of two rows, both ends included.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    between : (int, int)
        The two rows, counted from 0.
    steps : int
        Rows to return, at least 2.

    Returns
    -------
    array or frame of `steps` rows
    """
    if steps < 2:
        raise ParameterError(f"steps must be at least 2, the two ends; got {steps}.")
    n = n_rows(data)
    for row in between:
        if not 0 <= row < n:
            raise ParameterError(f"between names row {row}, but the data have rows 0 to {n - 1}.")
    z = embed(fitted, take_rows(data, list(between)))  # [2, d]
    share = np.linspace(0, 1, steps)[:, None]
    return decode(fitted, (1 - share) * z[0] + share * z[1])
