"""The bound of rows some of whose classes are known, with a classifier that is the same all around a row."""

from __future__ import annotations

from functools import partial

import torch
from torch import Size, Tensor
from torch.nn.functional import normalize

from vaekit.data.batches import spread
from vaekit.distributions.shares import drawn
from vaekit.models.base import LatentModel
from vaekit.models.classes import ModelOfClasses
from vaekit.models.semi_supervised import SemiSupervisedVAE
from vaekit.objectives.bound import Bound
from vaekit.objectives.elbo import elbo

AT_ONCE = 256  # labelled rows in a step
SURE, BALANCED = 0.1, 0.4  # weights of certainty and balance (Hu et al., 2017, section 4.2)
NEIGHBOUR = 10  # whose distance is how far "around" a row reaches,
SHARE = 0.25  # times this (the same)
SOME, MANY = 200, 20_000  # rows whose neighbours are looked for, and among which


class SemiSupervised:
    r"""J = ELBO(x) − KL(q(y | x) ‖ p(y | z)) + E_labelled[log q(y | x) + log p(y | z)] − C, z ~ q(z | x).

    The first two terms are the bound of a row without a class; log p(y | z) makes it that of one with a class, and
    log q(y | x) lets the classifier learn from this too (Kingma et al., 2014, eqs. 6, 7 and 9, arXiv:1406.5298).

    C = KL(q(y | x) ‖ q(y | x + r)) + 0.1 H(q(y | x)) + 0.4 KL(q(y) ‖ p̂(y)) asks of the classifier to be consistent:
    the same for x and for the worst x + r near it, ‖r‖ = ε (Miyato et al., 2018, arXiv:1704.03976), sure of each row,
    and in all as often of each class as the labelled rows are (Hu et al., 2017, arXiv:1702.08720).

    ε is a quarter of the distance from a row to its tenth nearest, both as the encoder reads them. The worst r is
    looked for by one step from a random point as far away as another row: closer by, a trained classifier is flat.

    Parameters
    ----------
    model : ModelOfClasses
    rows : Tensor of shape (n, *event_shape)
        All codes to train on.
    classes : Tensor of int, of shape (n,)
        From 0; −1 where not known.
    """

    def __init__(self, model: ModelOfClasses, rows: Tensor, classes: Tensor) -> None:
        known = (classes >= 0).nonzero()[:, 0]
        self.rows, self.classes = rows[known], classes[known]
        counts = torch.bincount(self.classes, minlength=model.prior.n_classes) + 1.0
        self.log_share = (counts / counts.sum()).log()  # [K]
        self.near, self.far = distances(model.inputs, rows)

    def __call__(self, model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1) -> Bound:
        """Return the terms for observations x [n, *event_shape]; out of training those of the ELBO."""
        if not model.training:
            return elbo(model, x, beta, draws)
        assert isinstance(model, SemiSupervisedVAE)
        z, log_q = self._drawn(model, x, draws)  # [S, n, d], [S, n]
        joint = model.prior.log_joint(z)  # [S, n, K]
        inputs = model.inputs(x)
        log_y = model.log_classes(inputs)  # [n, K]
        reconstruction = model.log_likelihood(x, z).mean(0)
        taught = log_y.detach()  # by the classifier, which p(y | z), at first wrong, would teach its errors
        kl = (log_q - (taught.exp() * (joint - taught)).sum(-1)).mean(0)  # [n]
        value = reconstruction - beta * kl + self._labelled(model) - self._inconsistency(model, inputs, log_y)
        return Bound(reconstruction, kl, value)

    def _drawn(self, model: SemiSupervisedVAE, x: Tensor, draws: int) -> tuple[Tensor, Tensor]:
        q = model.posterior(x)
        z = q.rsample(Size((draws,)))
        return z, q.log_prob(z)

    def _labelled(self, model: SemiSupervisedVAE) -> Tensor:
        """Return the mean of log q(y | x) + log p(y | z) over some labelled rows."""
        some = self._some()
        x, y = model.observation.observe(self.rows[some]), self.classes[some][:, None]
        z, _ = self._drawn(model, x, 1)
        log_p = model.prior.log_joint(z[0]).log_softmax(-1)  # [m, K]
        return (model.log_classes(model.inputs(x)) + log_p).gather(1, y).mean()

    def _some(self) -> Tensor:
        """Return the places of some labelled rows, or of all where they are few."""
        n = len(self.rows)
        return (torch.randint(n, (AT_ONCE,)) if n > AT_ONCE else torch.arange(n)).to(self.rows.device)

    def _inconsistency(self, model: ModelOfClasses, inputs: Tensor, log_y: Tensor) -> Tensor:
        """Return C for rows that the encoder reads as inputs, their log q(y | x) given: [n]."""
        fixed, y = log_y.detach(), log_y.exp()
        around = kl_of_classes(fixed, model.log_classes(inputs + self._worst(model, inputs, fixed)))
        share = y.mean(0)
        unbalanced = (share * (share.clamp_min(1e-9).log() - self.log_share)).sum()
        return around - SURE * (y * log_y).sum(-1) + BALANCED * unbalanced

    def _worst(self, model: ModelOfClasses, inputs: Tensor, log_y: Tensor) -> Tensor:
        """Return the r of length ε that changes q(y | x) most, [n, *inputs.shape] (Miyato et al., 2018, eq. 13)."""
        r = (self.far * unit(drawn(partial(torch.randn, device=inputs.device), inputs.shape))).requires_grad_()
        (gradient,) = torch.autograd.grad(kl_of_classes(log_y, model.log_classes(inputs + r)).sum(), r)
        return self.near * unit(gradient)


def distances(inputs: torch.nn.Module, rows: Tensor) -> tuple[float, float]:
    """Return ε and how far apart rows are, by the medians over some rows as the encoder reads them."""
    with torch.no_grad():
        among = inputs(rows[spread(len(rows), MANY)]).flatten(1)
        some = among[spread(len(among), SOME)]
        apart = torch.cdist(some, among)  # [SOME, MANY], with 0 for the row itself
        near = apart.kthvalue(min(NEIGHBOUR + 1, len(among)), dim=1).values
    return SHARE * float(near.median()), float(apart.median())


def kl_of_classes(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return KL(p ‖ q) in nats of each row's classes, [n], from log-probabilities [n, K]."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def unit(v: Tensor) -> Tensor:
    """Return each row of v [n, ...] at length 1."""
    return normalize(v.flatten(1), dim=1).view_as(v)
