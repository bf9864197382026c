"""The conditional variational autoencoder: its decoder reads the class beside a code of all else."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.distributions.style_and_class import StyleAndClass
from vaekit.models.classes import ModelOfClasses
from vaekit.networks.conditional import diagonal_normal
from vaekit.priors.style_and_class import StyleAndClassPrior


class ConditionalVAE(ModelOfClasses):
    r"""p(x, y, s) = p(y) p(s) p(x | s, y), with q(s | x, y) and, where y is not known, q(y | x).

    A code is z = [s, e_y]: the style, whose prior N(0, I) is the same for all classes, and the class's unit vector.
    So a row is decoded as one of another class by another e_y.

    References
    ----------
    Sohn, Lee and Yan (2015), Learning structured output representation using deep conditional generative models,
    section 4.1, with the prior of styles independent of the class, as in the M2 of Kingma, Rezende, Mohamed and Welling
    (2014), arXiv:1406.5298.
    """

    prior: StyleAndClassPrior
    n_statistics = 0
    needs_classes = True
    priors = {"style-and-class": StyleAndClassPrior}
    noun, its_prior = "A conditional VAE", "a normal one of styles"

    def __init__(self, *parts: Any, classifier: nn.Module) -> None:
        super().__init__(*parts, classifier=classifier)
        d, k = self.latent_dim - self.prior.n_classes, self.prior.n_classes
        self.head = nn.Linear(self.n_features, 2 * d)
        self.shift = nn.Linear(k, 2 * d, bias=False)  # of the style's statistics, by class

    def _posterior_of(self, inputs: Tensor) -> StyleAndClass:
        return StyleAndClass(self.log_classes(inputs), self.styles(inputs))

    def styles(self, inputs: Tensor) -> partial[DiagonalNormal]:
        """Return q(s | x, ·) of what the encoder reads: from classes' unit vectors [..., n, K] to a density of s."""
        return partial(self._style, self._statistics(inputs))

    def _style(self, statistics: Tensor, y: Tensor) -> DiagonalNormal:
        return diagonal_normal(statistics + self.shift(y))
