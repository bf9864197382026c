"""Score: how likely each row is, by importance sampling, and how odd beside rows held out.

A row is odd in four ways: it is unlikely, −log p(x); its values are far from those of usual rows; its code is far from
theirs; its values and what its code leaves unexplained of them are like those of no other row. Each is told as nats of
surprise, −log of the share of rows held out that are odder, and the four are added with weights (Good, 1955, Journal of
the Royal Statistical Society B 17, 264–265), as Fisher adds independent tests. What the sum is worth is again the share
of rows held out that have as much: a chance of false alarm, whatever the parts depend on.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from vaekit.data.progress import Tell, within
from vaekit.errors import ModelFileError
from vaekit.models.base import LatentModel
from vaekit.models.fitted import Fitted, Usual
from vaekit.models.references import References
from vaekit.tasks.distances import distances
from vaekit.tasks.likelihood import IMPORTANCE_SAMPLES, Floats, log_likelihood

NEAR = 1e-6  # of the largest: oddities no farther apart are alike
BEYOND = 1e30  # nats of rows so far out that floats do not tell how far
TAIL = 0.1  # of rows held out, beyond which surprise goes on as the mean excess does
LEAST_IN_TAIL = 10
WEIGHTS = (1.0, 3.0, 1.0, 2.0)  # of each way
OF_LIKELIHOOD = 0.75  # of the time that a row takes


class Scores(NamedTuple):
    """What is known of each row, [n_samples] each."""

    log_likelihood_nats: Floats
    bits_per_dim: Floats
    oddity_nats: Floats
    tail_probability: Floats


def score(fitted: Fitted, data: Any, importance_samples: int = IMPORTANCE_SAMPLES, tell: Tell | None = None) -> Scores:
    """Return the log-likelihood and the oddity of each row, the same at every call and in any company.

    log p(x) ≥ E log (1/K) Σ_k p(x, z_k) / q(z_k | x), z_k ~ q(z | x) (Burda, Grosse and Salakhutdinov, 2016, eq. 8,
    arXiv:1509.00519); the K noises are drawn once, with a fixed seed, and shared by all rows.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    importance_samples : int
        K; more is closer to log p(x).
    tell : callable, optional
        Is told the share that is done.

    Returns
    -------
    Scores
        `oddity_nats` is large for an anomaly, whichever way it is one; `tail_probability` is the share of held-out rows
        that are at least as odd: small for an anomaly, and uniform on [0, 1] for rows like those held out.
    """
    rows, usual, others = fitted.rows(data), known(fitted), references_of(fitted)
    nats = log_likelihood(fitted.model, rows, importance_samples, within(tell, 0, OF_LIKELIHOOD))
    oddity = surprise_nats(usual, oddities(fitted.model, others, rows, nats, within(tell, OF_LIKELIHOOD, 1)))
    n_observed = (~rows.float().isnan()).flatten(1).sum(1).cpu().numpy().clip(1)
    return Scores(nats, -nats / n_observed / math.log(2), oddity, _share_as_odd(usual_oddity(fitted), oddity))


def known(fitted: Fitted) -> Usual:
    """Return what rows are usually like.

    Raises
    ------
    ModelFileError
        When the model's file is of before files held this.
    """
    if fitted.usual is None:
        raise ModelFileError("The model file does not tell what rows are usually like. Fit the model again.")
    return fitted.usual


def references_of(fitted: Fitted) -> References:
    """Return the rows beside which others are near or far.

    Raises
    ------
    ModelFileError
        When the model's file is of before files held these.
    """
    if fitted.references is None:
        raise ModelFileError("The model file holds no rows that others could be odd beside. Fit the model again.")
    return fitted.references


def oddities(
    model: LatentModel, others: References, rows: Tensor, log_likelihood_nats: Floats, tell: Tell | None = None
) -> Floats:
    """Return in what ways rows are odd, each large for an anomaly: [n, 4].

    Parameters
    ----------
    model : LatentModel
    others : References
        Of rows that the model was fitted on.
    rows : Tensor of shape (n, *event_shape)
    log_likelihood_nats : ndarray of shape (n,)
        Of these rows.
    tell : callable, optional
        Is told the share that is done.
    """
    far = distances(model, others, rows, tell).double().numpy()
    each = np.column_stack([-log_likelihood_nats, far])
    return np.nan_to_num(each, nan=BEYOND, posinf=BEYOND).clip(-BEYOND, BEYOND)


def surprise_nats(usual: Usual, found: Floats) -> Floats:
    """Return the surprise of rows' oddities [n, 4], in all: [n]."""
    ways = zip(WEIGHTS, usual.oddities.numpy().T, found.T, strict=True)
    return sum((weight * _surprise(like, x) for weight, like, x in ways), np.zeros(len(found)))


def _surprise(usual: Floats, x: Floats) -> Floats:
    """Return −log of the share of usual values as large as x; in the tail an exponential with their mean excess."""
    ranked, n = np.sort(usual), len(usual)
    n_tail = max(1, min(max(round(TAIL * n), LEAST_IN_TAIL), n // 2))
    begin = ranked[max(0, n - n_tail - 1)]
    excess = max(float((ranked[n - n_tail :] - begin).mean()), NEAR * (1 + abs(begin)))
    inside = -np.log((1 + n - np.searchsorted(ranked, x, side="left")) / (1 + n))
    return np.where(x > begin, (x - begin) / excess - math.log((1 + n_tail) / (1 + n)), inside)


def usual_oddity(fitted: Fitted) -> Floats:
    """Return the oddity of rows held out in nats, rising."""
    usual = known(fitted)
    return np.sort(surprise_nats(usual, usual.oddities.numpy()))


def _share_as_odd(usual: Floats, oddity: Floats) -> Floats:
    """Return the share of rows held out, their oddities rising, that are at least as odd, the row itself counted."""
    return (1 + len(usual) - np.searchsorted(usual, oddity, side="left")) / (1 + len(usual))
