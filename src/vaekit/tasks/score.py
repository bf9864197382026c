"""Score: how likely each row is, by importance sampling, and how odd beside rows held out.

A row is odd in three ways: it is unlikely, −log p(x); its code leaves much unexplained, −E_q log p(x | z); its code is
far from those of rows that the model was fitted on. Each is told as nats of surprise, −log of the share of rows held
out that are odder, and the three are added, as Fisher (1932, section 21.1) adds independent tests. What the sum is
worth is again the share of rows held out that have as much: a chance of false alarm, whatever the parts depend on.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vaekit.errors import ModelFileError
from vaekit.models.base import LatentModel
from vaekit.models.fitted import Fitted, Usual
from vaekit.tasks.likelihood import IMPORTANCE_SAMPLES, Floats, Terms, terms
from vaekit.tasks.observe import observed
from vaekit.tasks.tiles import Tell, in_tiles

NEIGHBOURS = 5
NEAR = 1e-6  # of the prior's standard deviation: distances below it are alike
BEYOND = 1e30  # nats of rows so far out that floats do not tell how far
TAIL = 0.1  # of rows held out, beyond which surprise goes on as the mean excess does
LEAST_IN_TAIL = 10


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
    rows, usual = fitted.rows(data), known(fitted)
    found = terms(fitted.model, rows, importance_samples, tell)
    oddity = surprise_nats(usual, oddities(fitted.model, usual.codes, rows, found))
    n_observed = (~rows.float().isnan()).flatten(1).sum(1).cpu().numpy().clip(1)
    nats = np.where(np.isnan(found.log_likelihood), -np.inf, found.log_likelihood)  # of rows beyond all floats
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


def oddities(model: LatentModel, codes: Tensor, rows: Tensor, found: Terms) -> Floats:
    """Return in what ways rows are odd, each large for an anomaly: [n, 3].

    Parameters
    ----------
    model : LatentModel
    codes : Tensor of shape (m, latent_dim)
        Of rows that the model was fitted on.
    rows : Tensor of shape (n, *event_shape)
    found : Terms
        Of these rows.
    """
    distance = in_tiles(lambda x: _distance(model.posterior(observed(model, x)).mean.cpu(), codes), rows)
    far = np.log(distance.double().numpy() + NEAR)
    each = np.stack([-found.log_likelihood, -found.reconstruction, far], axis=1)
    return np.nan_to_num(each, nan=BEYOND, posinf=BEYOND).clip(-BEYOND, BEYOND)


def _distance(z: Tensor, codes: Tensor) -> Tensor:
    """Return how far codes z [n, d] are from the fifth nearest of others [m, d], one that is the same not counted."""
    each = torch.cdist(z, codes, compute_mode="donot_use_mm_for_euclid_dist")  # 0 for the same
    near = each.topk(min(NEIGHBOURS + 1, len(codes)), largest=False).values
    return torch.where(near[:, 0] == 0, near[:, -1], near[:, max(0, near.shape[1] - 2)])


def surprise_nats(usual: Usual, found: Floats) -> Floats:
    """Return the surprise of rows' oddities [n, 3], in all: [n]."""
    return sum((_surprise(u, x) for u, x in zip(usual.oddities.numpy().T, found.T, strict=True)), np.zeros(len(found)))


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
