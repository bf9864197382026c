"""What a person says of a lossy archive."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.errors import ParameterError

STEPS_IN_DIAL = 8.0  # octaves of the step from quality 0 to 100
SLOPE = math.log(2) / 6  # λ / s²
LEVELS = 255  # that a step counts in, whatever the number of levels


@dataclass(frozen=True)
class Dial:
    """How much may be lost; one of the three is said.

    Parameters
    ----------
    quality : float, optional
        From 0, little more than what rows have in common, to 100, nothing is lost.
    max_error : float or str, optional
        The most that any value may be off: in the data's own units, or as "1%" of the range of an array's values or of
        a column's.
    target_bits : float, optional
        The most bits for a row, as an average over rows.

    Raises
    ------
    ParameterError
        When more or less than one is said, or a number is out of its range.
    """

    quality: float | None = None
    max_error: float | str | None = None
    target_bits: float | None = None

    def __post_init__(self) -> None:
        if len(self.said) != 1:
            words = " and ".join(self.said) or "none"
            raise ParameterError(
                f"A lossy archive needs one of quality, max_error and target_bits; got {words}. Say one of them."
            )
        if self.quality is not None and not 0 <= self.quality <= 100:
            raise ParameterError(f"quality must be from 0 to 100; got {self.quality:g}.")
        if self.max_error is not None and not 0 <= self._error() < math.inf:
            raise ParameterError(
                f"max_error must be 0 or more, in the data's units or as 1% of their range; got {self.max_error}."
            )
        if self.target_bits is not None and not 0 < self.target_bits < math.inf:
            raise ParameterError(f"target_bits must be more than 0; got {self.target_bits:g}.")

    @property
    def said(self) -> dict[str, float | str]:
        """What was said, by its name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def most_off(self, values: NDArray[Any]) -> float:
        """Return by how much values may be off, in their units; those that are not finite have no part in the range.

        A quality stands for half its step of 255 to the range.

        Examples
        --------
        >>> Dial(max_error="10%").most_off(np.array([5.0, 25.0])), Dial(max_error=3).most_off(np.array([5.0, 25.0]))
        (2.0, 3.0)
        >>> Dial(quality=50).most_off(np.array([0.0, 255.0])), Dial(quality=100).most_off(np.array([0.0, 255.0]))
        (8.0, 0.0)
        """
        if self.quality is None and not str(self.max_error).endswith("%"):
            return self._error()
        shares = self._share() * values[np.isfinite(values)].astype(np.float64)  # whose range is no infinity
        return float(shares.max() - shares.min()) if len(shares) else 0.0

    def _share(self) -> float:
        """Return the share of their range by which values may be off."""
        if self.quality is None:
            return self._error()
        return 0.0 if self.quality == 100 else step_of(self.quality) / LEVELS / 2

    def _error(self) -> float:
        """Return the number that was said, as a share where it has a per cent sign; below 0 where it is none."""
        said = str(self.max_error)
        try:
            return float(said.removesuffix("%")) / (100 if said.endswith("%") else 1)
        except ValueError:
            return -1.0


def step_of(quality: float) -> float:
    """Return the step in levels of 256 that a quality stands for: 1 at 100, doubled every 12.5.

    Examples
    --------
    >>> step_of(100.0), step_of(50.0), step_of(0.0)
    (1.0, 16.0, 256.0)
    """
    return float(2.0 ** (STEPS_IN_DIAL * (1 - quality / 100)))


def slope(step: float) -> float:
    """Return λ, the squared error that a bit is worth where values are told in steps."""
    return SLOPE * step**2
