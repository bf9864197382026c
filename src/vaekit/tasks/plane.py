"""The plane that codes are drawn on, and the code of each of its points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

GOLDEN = 0.618033988749895  # a share that no two of many rows have alike


@dataclass(frozen=True)
class Plane:
    """A plane through latent space: z ↦ (z − centre) Aᵀ, and a point p of it is the code centre + p A.

    Parameters
    ----------
    centre : ndarray of shape (d,)
    axes : ndarray of shape (2, d)
        A, orthonormal; of a single unit the second is 0.
    names : tuple of two str
        What goes across and what goes up.

    Examples
    --------
    >>> codes = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    >>> plane = Plane.of(codes)
    >>> points = plane.flat(codes)
    >>> bool(np.allclose(plane.flat(plane.codes(points)), points, atol=1e-5))
    True
    """

    centre: Floats
    axes: Floats
    names: tuple[str, str]

    @classmethod
    def of(cls, codes: NDArray[Any]) -> Plane:
        """Return the plane of codes [n, d]: their own for two units, else that of the largest variance (PCA)."""
        d = codes.shape[1]
        if d <= 2:
            return cls(np.zeros(d, np.float32), np.eye(2, d, dtype=np.float32), ("unit 0", "unit 1" if d == 2 else ""))
        centre = codes.mean(0, dtype=np.float64)
        variance, vectors = np.linalg.eigh(np.cov(codes - centre, rowvar=False))
        axes = vectors[:, ::-1][:, :2].T  # [2, d]
        axes = axes * np.sign(axes[[0, 1], np.abs(axes).argmax(1)])[:, None]  # a sign of their own
        share = variance[::-1][:2] / variance.sum()
        first, second = (f"principal component {k} ({part:.0%} of the variance)" for k, part in enumerate(share, 1))
        return cls(centre.astype(np.float32), axes.astype(np.float32), (first, second))

    def flat(self, codes: NDArray[Any]) -> Floats:
        """Return the points of codes, [n, 2]; those of a single unit are spread upwards, to be told apart."""
        points = (codes - self.centre) @ self.axes.T
        if len(self.centre) == 1:
            points[:, 1] = np.arange(len(codes)) * GOLDEN % 1 - 0.5
        return points.astype(np.float32)

    def codes(self, points: NDArray[Any]) -> Floats:
        """Return the codes of points of the plane, [n, d]."""
        return (self.centre + points @ self.axes).astype(np.float32)
