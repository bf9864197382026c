"""The bound of a conditional VAE, whose classes are known of some rows or of all."""

from __future__ import annotations

from functools import partial

import torch
from torch import Size, Tensor
from torch.nn.functional import one_hot

from vaekit.distributions.divergences import kl_divergence
from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.distributions.shares import drawn
from vaekit.distributions.style_and_class import drawn_classes
from vaekit.models.base import LatentModel
from vaekit.models.classes import ModelOfClasses
from vaekit.models.conditional import ConditionalVAE
from vaekit.objectives.bound import Bound
from vaekit.objectives.elbo import elbo
from vaekit.objectives.semi_supervised import SemiSupervised


class Conditional(SemiSupervised):
    r"""J = λ E_{y ~ q(y | x)}[L(x, y) − log q(y | x)] + E_known[(1 − λ) L(x, y) + log q(y | x)] − C.

    L(x, y) = E_{s ~ q(s | x, y)}[log p(x | s, y)] − β KL(q(s | x, y) ‖ p(s)) + log p(y) is the bound of a row and its
    class (Sohn et al., 2015, eq. 4; Kingma et al., 2014, eqs. 6, 7 and 9, arXiv:1406.5298), and λ the share of rows
    whose class is not known. C asks of the classifier to be consistent, as in `SemiSupervised`; it learns from the
    known classes and from C alone.

    Where all classes are known, no guess is ever tried: a decoder that was shown guesses learns to look for the class
    in the style.
    """

    def __init__(self, model: ModelOfClasses, rows: Tensor, classes: Tensor) -> None:
        super().__init__(model, rows, classes)
        self.unknown = 1 - len(self.classes) / len(classes)  # λ

    def __call__(self, model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 1) -> Bound:
        """Return the terms for observations x [n, *event_shape]; out of training those of the ELBO."""
        if not model.training:
            return elbo(model, x, beta, draws)
        assert isinstance(model, ConditionalVAE)
        inputs = model.inputs(x)
        log_y = model.log_classes(inputs)  # [n, K]
        some = self._some()
        known, y = model.observation.observe(self.rows[some]), self.classes[some]
        told = model.log_classes(model.inputs(known)).gather(1, y[:, None]).mean()  # log q(y | x)
        terms = (1 - self.unknown) * _terms(model, known, y, draws).mean(1, keepdim=True)
        if self.unknown:
            guessed = log_y.detach()
            y = drawn_classes(guessed, drawn(partial(torch.rand, device=x.device), guessed.shape))
            terms = terms + self.unknown * _terms(model, x, y, draws)
            terms[2] += self.unknown * guessed.gather(1, y[:, None])[:, 0]
        reconstruction, kl, classes = terms.expand(3, len(x))
        value = reconstruction - beta * kl - classes + told - self._inconsistency(model, inputs, log_y)
        return Bound(reconstruction, kl + classes, value)


def _terms(model: ConditionalVAE, x: Tensor, y: Tensor, draws: int) -> Tensor:
    """Return E log p(x | s, y), KL(q(s | x, y) ‖ p(s)) and −log p(y) in nats, of rows x with classes y [n]: [3, n]."""
    e_y = one_hot(y, model.prior.n_classes).float()
    q: DiagonalNormal = model.styles(model.inputs(x))(e_y)
    s = q.rsample(Size((draws,)))  # [S, n, d]
    z = torch.cat([s, e_y.expand(draws, *e_y.shape)], -1)
    reconstruction, kl = model.log_likelihood(x, z).mean(0), kl_divergence(q, model.prior.style(), s)
    return torch.stack([reconstruction, kl, -model.prior.logits.log_softmax(-1)[y]])
