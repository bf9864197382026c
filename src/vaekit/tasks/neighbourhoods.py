"""Neighbourhoods: whether rows that are near each other have codes that are, and in how many dimensions rows lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NEIGHBOURS = 10
MOST_ROWS = 2_000
FEWEST_ROWS = 8  # that have neighbourhoods


def neighbourhoods(rows: Array, codes: Array) -> dict[str, float]:
    """Return how well codes keep the neighbourhoods of rows, and the rows' intrinsic dimension.

    With U(i) the k nearest codes of i that are none of its k nearest rows, and r(i, j) the rank of row j among the
    neighbours of row i, trustworthiness is 1 − 2 / (n k (2n − 3k − 1)) Σᵢ Σ_{j ∈ U(i)} (r(i, j) − k): 1 where no
    stranger comes near. Continuity is the same with rows and codes exchanged: 1 where no neighbour is lost.
    Preservation is the share of the k nearest rows that are among the k nearest codes.

    Parameters
    ----------
    rows : array of shape (n, D)
        What the encoder reads, so that numbers are in units of their spread.
    codes : array of shape (n, d)

    Returns
    -------
    dict
        trustworthiness, continuity, knn_preservation (k = 10, less where there are few rows), intrinsic_dimension; none
        of them where there are fewer than 8 rows.

    References
    ----------
    J. Venna, S. Kaski (2001). Neighborhood preservation in nonlinear projection methods. ICANN,
    doi:10.1007/3-540-44668-0_68.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(200, 5))
    >>> found = neighbourhoods(rows, 3 * rows)
    >>> found["trustworthiness"], found["continuity"], found["knn_preservation"]
    (1.0, 1.0, 1.0)
    """
    from sklearn.manifold import trustworthiness

    n = len(rows)
    if n < FEWEST_ROWS:
        return {}
    k = min(NEIGHBOURS, (n - 1) // 3)
    (_, near_rows), (_, near_codes) = (_nearest(x, k) for x in (rows, codes))
    return {
        "trustworthiness": float(trustworthiness(rows, codes, n_neighbors=k)),
        "continuity": float(trustworthiness(codes, rows, n_neighbors=k)),
        "knn_preservation": float(np.mean([_shared(a, b) for a, b in zip(near_rows, near_codes, strict=True)])),
        "intrinsic_dimension": intrinsic_dimension(rows, k),
    }


def intrinsic_dimension(rows: Array, k: int = NEIGHBOURS) -> float:
    r"""Return the dimension of what rows lie on: 1 / mean of log(T_k(x) / T_j(x)) over rows x and j < k.

    T_j(x) is the distance from x to its j-th nearest row. Near a row, as many rows as dimensions ask for are taken to
    be as likely anywhere. Rows that are there more than once count once. It is at most D, also where all neighbours are
    as far, as categories may be.

    Parameters
    ----------
    rows : array of shape (n, D)
    k : int

    References
    ----------
    E. Levina, P. Bickel (2004). Maximum likelihood estimation of intrinsic dimension. NIPS 17, eq. 8; averaged as by
    D. MacKay and Z. Ghahramani (2005), inference.org.uk/mackay/dimension.

    Examples
    --------
    >>> plane = np.random.default_rng(0).normal(size=(1_000, 2)) @ np.random.default_rng(1).normal(size=(2, 20))
    >>> 1.8 < intrinsic_dimension(plane) < 2.2
    True
    """
    once = np.unique(rows, axis=0)
    if len(once) <= k:
        return 0.0
    distance, _ = _nearest(once, k)
    logs = np.log(distance[:, -1:] / distance[:, :-1].clip(np.finfo(float).tiny))  # [n, k − 1]
    return float(min(rows.shape[1], 1 / max(logs.mean(), np.finfo(float).tiny)))


def _nearest(rows: Array, k: int) -> tuple[Array, Array]:
    """Return the distances to the k nearest other rows, and which they are: [n, k] each."""
    from sklearn.neighbors import NearestNeighbors

    distance, index = NearestNeighbors(n_neighbors=k).fit(rows).kneighbors()
    return distance, index


def _shared(a: Array, b: Array) -> float:
    return len(np.intersect1d(a, b)) / len(a)
