"""How far the intervals of a small table must reach: what values that were hidden on purpose say of draws."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Calibration:
    """What share of draws lay nearer to their median than a value that was hidden, by many such values.

    Parameters
    ----------
    levels : Tensor of shape (m,)
        Between 0 and 1, in rising order: uniform where draws are as far from the median as values are.
    """

    levels: Tensor

    def level(self, coverage: float) -> float:
        """Return what share of draws holds a value with the probability `coverage`; never less than that.

        Examples
        --------
        >>> import torch
        >>> round(Calibration(torch.linspace(0, 1, 101) ** 0.5).level(0.81), 3)
        0.9
        """
        return max(coverage, float(self.levels.quantile(coverage)))
