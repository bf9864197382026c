"""Disentangling: how well single units of a code tell single factors of the data.

Four figures of codes [n, d] and the factors they should tell, [n, k]. All are 1 at best. None changes when units change
places, are scaled, or when units that never vary are added (these are left out first, also of the logarithm's base
in `dci`); of negative scales that holds up to the ends of bins and the luck of forests. All are of one sample, so
compare figures of equal n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaekit.data.sprites import FACTORS, Sprites
from vaekit.errors import DataError
from vaekit.models.fitted import Fitted
from vaekit.tasks.embed import embed
from vaekit.training.measures import ACTIVE_VARIANCE

Array = NDArray[Any]

TINY = np.finfo(float).tiny

BINS = 20  # of a unit's range
DEPTHS = (3, 6, 12)  # of trees, one of which is chosen for each factor
TREES = 20
ROWS = 10_000
VOTES, VOTE_ROWS, VOTES_AT_ONCE = 800, 64, 64


class DCI(NamedTuple):
    """What `dci` answers."""

    disentanglement: float
    completeness: float
    informativeness: float


def mig(codes: ArrayLike, factors: ArrayLike) -> float:
    """Return the mutual information gap, 1/k Σⱼ (I(z₍₁₎; vⱼ) − I(z₍₂₎; vⱼ)) / H(vⱼ).

    z₍₁₎ and z₍₂₎ are the units that tell most and second most about factor vⱼ. Each unit's range is cut into 20 bins of
    equal width, and information is that of the counts. With a single unit the second tells nothing.

    Parameters
    ----------
    codes : array of shape (n, d)
        Posterior means.
    factors : array of shape (n, k)
        Whole numbers, each a category.

    Raises
    ------
    DataError
        When codes and factors do not belong together, or a factor has one value only.

    Notes
    -----
    Counts overstate information by about (20 − 1) (values − 1) / 2n nats a unit; the gap takes the difference of two. A
    few far codes widen the bins of all others. The paper draws z from q(z | x) and knows p(x | v); bins of means are
    the estimate of Locatello et al. (2019), arXiv:1811.12359, and give other figures.

    References
    ----------
    R. Chen, X. Li, R. Grosse, D. Duvenaud (2018). Isolating Sources of Disentanglement in Variational Autoencoders.
    arXiv:1802.04942, eq. 6.

    Examples
    --------
    >>> factors = np.random.default_rng(0).integers(5, size=(1_000, 2))
    >>> mig(factors, factors) > 0.95, mig(factors @ [[1, 1], [1, -1]], factors) < 0.05
    (True, True)
    """
    from sklearn.metrics import mutual_info_score

    z, v = _checked(codes, factors)
    low, high = z.min(0), z.max(0)
    binned = (BINS * (z - low) / np.where(high > low, high - low, 1)).astype(int).clip(max=BINS - 1)  # [n, d]
    told = np.array([[mutual_info_score(unit, factor) for factor in v.T] for unit in binned.T])  # [d, k]
    entropy = np.array([mutual_info_score(factor, factor) for factor in v.T])  # [k]
    return float((_gap(told) / entropy).mean())


def sap(codes: ArrayLike, factors: ArrayLike, categorical: Sequence[int] = ()) -> float:
    """Return the separated attribute predictability, 1/k Σⱼ (S₍₁₎ⱼ − S₍₂₎ⱼ), of the best two units for each factor.

    Sᵢⱼ is how well unit i alone tells factor j: of numbers the squared correlation; of categories the balanced accuracy
    of as many intervals as there are categories, found by a tree. Of units that never vary it is 0.

    Parameters
    ----------
    codes : array of shape (n, d)
    factors : array of shape (n, k)
        Whole numbers.
    categorical : sequence of int, default=()
        Factors whose values have no order.

    Raises
    ------
    DataError
        When codes and factors do not belong together, or a factor has one value only.

    Notes
    -----
    A unit that knows nothing is right about m categories with balanced accuracy 1/m, so a categorical factor's gap
    is at most 1 − 1/m where there is a second unit. Correlation sees straight lines only. Many programs take each
    factor for categories, told by a linear support vector machine, and give other figures.

    References
    ----------
    A. Kumar, P. Sattigeri, A. Balakrishnan (2018). Variational Inference of Disentangled Latent Concepts from Unlabeled
    Observations. arXiv:1711.00848, section 3.

    Examples
    --------
    >>> factors = np.random.default_rng(0).integers(5, size=(1_000, 2))
    >>> sap(factors, factors) > 0.95, sap(factors @ [[1, 1], [1, -1]], factors) < 0.05
    (True, True)
    """
    z, v = _checked(codes, factors)
    tells = [_balanced_accuracy if j in categorical else _squared_correlation for j in range(v.shape[1])]
    scores = np.array([[told(unit, factor) for told, factor in zip(tells, v.T, strict=True)] for unit in z.T])
    return float(_gap(scores).mean())


def dci(codes: ArrayLike, factors: ArrayLike, seed: int = 0) -> DCI:
    """Return disentanglement, completeness and informativeness.

    A random forest tells each factor, as categories, from all units. Rᵢⱼ is how much unit i matters to that of factor j
    (mean decrease in Gini impurity; the sum over i is 1), k the number of factors, d that of units that vary.

    - Disentanglement: Σᵢ ρᵢ (1 − H_k(Rᵢⱼ / Σⱼ Rᵢⱼ)), ρᵢ = Σⱼ Rᵢⱼ / Σᵢⱼ Rᵢⱼ, H_k the entropy to base k: whether a unit
      matters to one factor alone.
    - Completeness: 1/k Σⱼ (1 − H_d(Rᵢⱼ)): whether one unit alone matters to a factor; 1 if there is one unit.
    - Informativeness: the mean over factors of the share of rows that forests are right about. A guess has the share
      of the commonest value, 0.12 on sprites.

    Half of the rows, drawn at random, grow 20 trees of each depth 3, 6 and 12; a quarter chooses the likeliest depth
    for each factor; on the last quarter informativeness is measured.

    Parameters
    ----------
    codes : array of shape (n, d)
    factors : array of shape (n, k)
        Whole numbers.
    seed : int, default=0
        Of parts and forests.

    Raises
    ------
    DataError
        When codes and factors do not belong together, or a factor has one value only.

    Notes
    -----
    The depth matters most: deep trees split on units that tell nothing, and the same codes then look entangled. The
    paper chooses it by validation, too, but regresses, and its informativeness is an error. Gradient boosting, as in
    Locatello et al. (2019), gives other figures. A forest that has learned next to nothing still shares out an
    importance of 1.

    References
    ----------
    C. Eastwood, C. Williams (2018). A Framework for the Quantitative Evaluation of Disentangled Representations. ICLR,
    https://openreview.net/forum?id=By-7dz-AZ, section 2.

    Examples
    --------
    >>> factors = np.random.default_rng(0).integers(5, size=(1_000, 2))
    >>> dci(factors, factors).disentanglement > 0.95, dci(factors @ [[1, 1], [1, -1]], factors).disentanglement < 0.1
    (True, True)
    """
    z, v = _checked(codes, factors)
    z = z / z.std(0).clip(TINY)
    z = z[:, np.lexsort(z)]  # trees prefer units by their places; so these follow from the codes
    parts = np.split(np.random.default_rng(seed).permutation(len(z)), [len(z) // 2, 3 * len(z) // 4])
    forests = [_forest(z, factor, parts, seed) for factor in v.T]
    importance = np.stack([forest.feature_importances_ for forest, _ in forests], axis=1)  # [d, k]
    weights = importance.sum(1) / max(importance.sum(), TINY)  # [d]
    return DCI(
        disentanglement=float(weights @ _concentration(importance)),
        completeness=float(_concentration(importance.T).mean()),
        informativeness=float(np.mean([accuracy for _, accuracy in forests])),
    )


def factor_vae_score(
    codes_of: Callable[[NDArray[np.int64]], Array],
    sizes: Sequence[int],
    seed: int = 0,
    votes: int = VOTES,
) -> float:
    """Return how often the unit that varies least tells which factor was held.

    A vote: draw a factor and a value of it at random; draw 64 rows that have it, the other factors at random; divide
    the variance of each unit over these rows by its variance over all data; note the unit with the smallest share. From
    `votes` votes follows, for each unit, the factor that was held most often. The score is the share of as many further
    votes that this table is right about. A guess is right about 1/k; units that never vary are never noted.

    Parameters
    ----------
    codes_of : callable
        From factors [n, k] to codes [n, d].
    sizes : sequence of int
        The number of values of each factor.
    seed : int, default=0
    votes : int, default=800

    Notes
    -----
    The variance over all data is that of 10,000 rows drawn at random. Two units that share a factor cost nothing here,
    nor does a unit that tells a factor badly, if it is the best for it.

    References
    ----------
    H. Kim, A. Mnih (2018). Disentangling by Factorising. arXiv:1802.05983, section 4.

    Examples
    --------
    >>> factor_vae_score(lambda factors: factors, (5, 5, 5), votes=100)
    1.0
    """
    rng, k = np.random.default_rng(seed), len(sizes)
    anywhere = np.asarray(codes_of(rng.integers(sizes, size=(ROWS, k))), dtype=np.float64)
    variance = np.where(np.ptp(anywhere, axis=0) > 0, anywhere.var(0), 0)  # [d]
    held, units = rng.integers(k, size=2 * votes), np.zeros(2 * votes, dtype=int)
    for some in np.array_split(np.arange(2 * votes), -(-2 * votes // VOTES_AT_ONCE)):
        factors = rng.integers(sizes, size=(len(some), VOTE_ROWS, k))
        np.put_along_axis(factors, held[some, None, None], rng.integers(np.array(sizes)[held[some]])[:, None, None], -1)
        codes = np.asarray(codes_of(factors.reshape(-1, k)), dtype=np.float64).reshape(len(some), VOTE_ROWS, -1)
        share = np.divide(codes.var(1), variance, out=np.full((len(some), len(variance)), np.inf), where=variance > 0)
        units[some] = share.argmin(1)
    table = np.zeros((len(variance), k))
    np.add.at(table, (units[:votes], held[:votes]), 1)
    return float((table.argmax(1)[units[votes:]] == held[votes:]).mean())


def disentangling(
    model: Fitted | Callable[[Any], Any], sprites: Sprites, seed: int = 0, rows: int = ROWS, votes: int = VOTES
) -> dict[str, float | int]:
    """Return all figures of a model on sprites; units whose codes have a variance of at most 0.01 are left out.

    Parameters
    ----------
    model : Fitted or callable
        A fitted model, or what turns pictures [n, 64, 64] into codes [n, d], such as `vae.transform`.
    sprites : Sprites
    seed : int, default=0
        Of rows, votes and forests.
    rows : int, default=10_000
        Drawn at random for all figures but the FactorVAE score.
    votes : int, default=800
        Of the FactorVAE score, which takes 128 pictures for each.

    Returns
    -------
    dict
        mig, dci_disentanglement, dci_completeness, dci_informativeness, sap (the shape is a category, all else a
        number), factor_vae_score, active_units, n.

    Notes
    -----
    Squares and ellipses look the same in several orientations, so no model reaches 1. Pictures are drawn from all
    sprites, so some may be those that the model was fitted on; take another seed than theirs.
    """
    encode = partial(embed, model) if isinstance(model, Fitted) else model
    pictures, factors = sprites.sample(rows, seed)
    codes = np.asarray(encode(pictures))
    active = codes.var(0) > ACTIVE_VARIANCE  # [d]
    found = dci(codes * active, factors, seed)
    return {
        "mig": mig(codes * active, factors),
        **{f"dci_{name}": value for name, value in found._asdict().items()},
        "sap": sap(codes * active, factors, categorical=[list(FACTORS).index("shape")]),
        "factor_vae_score": factor_vae_score(
            lambda asked: encode(sprites[sprites.index(asked)]) * active, tuple(FACTORS.values()), seed, votes
        ),
        "active_units": int(active.sum()),
        "n": rows,
    }


def _checked(codes: ArrayLike, factors: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return codes without units that never vary, [n, ≥ 1], and factors [n, k]."""
    z, v = np.asarray(codes, dtype=np.float64), np.asarray(factors)
    if z.ndim != 2 or v.ndim != 2 or len(z) != len(v) or not np.isfinite(z).all():
        raise DataError(
            f"Codes must be finite numbers [n, d] and factors [n, k] of the same rows; got shapes {list(z.shape)} and "
            f"{list(v.shape)}. Give a row of each for each picture."
        )
    single = np.flatnonzero(np.ptp(v, axis=0) == 0)
    if len(single):
        raise DataError(f"Factor {single[0]} has one value in all rows, so nothing tells it. Leave its column out.")
    varies = np.ptp(z, axis=0) > 0
    return z[:, varies] if varies.any() else np.zeros((len(z), 1)), v


def _gap(scores: Array) -> Array:
    """Return how far the best unit is before the second for each factor, [k], of scores [d, k]."""
    best = np.sort(np.vstack([scores, np.zeros_like(scores[:1])]), axis=0)
    return best[-1] - best[-2]


def _squared_correlation(unit: Array, factor: Array) -> float:
    return float(np.corrcoef(unit, factor)[0, 1] ** 2) if np.ptp(unit) > 0 else 0.0


def _balanced_accuracy(unit: Array, factor: Array) -> float:
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    if np.ptp(unit) == 0:
        return 0.0
    tree = DecisionTreeClassifier(max_leaf_nodes=len(np.unique(factor)), class_weight="balanced", random_state=0)
    return float(balanced_accuracy_score(factor, tree.fit(unit[:, None], factor).predict(unit[:, None])))


def _forest(z: Array, factor: Array, parts: Sequence[Array], seed: int) -> tuple[Any, float]:
    """Return the forest of the likeliest depth on the second part, and how often it is right about the third."""
    from sklearn.ensemble import RandomForestClassifier

    grow, choose, test = parts
    values, v = np.unique(factor, return_inverse=True)

    def nats(forest: Any) -> float:
        chances = np.full((len(choose), len(values)), 1 / len(values))  # as if of one more tree, so that none is 0
        chances[:, forest.classes_] += TREES * forest.predict_proba(z[choose])
        return -float(np.log(chances[np.arange(len(choose)), v[choose]]).mean())

    forests = [
        RandomForestClassifier(TREES, max_depth=depth, max_features=None, random_state=seed).fit(z[grow], v[grow])
        for depth in DEPTHS
    ]
    best = min(forests, key=nats)
    return best, float(best.score(z[test], v[test]))


def _concentration(importance: Array) -> Array:
    """Return 1 − entropy of each row of [m, l], to base l: 1 if one entry has all, 0 if all have as much or nothing."""
    total = importance.sum(1, keepdims=True)  # [m, 1]
    share = importance / total.clip(TINY)
    nats = -(share * np.log(share.clip(TINY))).sum(1)
    return np.where(total[:, 0] > 0, 1 - nats / np.log(max(2, importance.shape[1])), 0.0)
