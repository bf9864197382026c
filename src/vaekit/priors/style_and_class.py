"""A prior of styles that are the same for all classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from vaekit.distributions.style_and_class import IndependentStyleAndClass
from vaekit.priors.base import PriorOfClasses
from vaekit.priors.normal import StandardNormal


class StyleAndClassPrior(PriorOfClasses):
    """p(z) = N(s; 0, I) p(y), z = [s, e_y].

    Parameters
    ----------
    style_dim : int
        d, the number of units of s.
    n_classes : int
        K, the number of values of y.

    Examples
    --------
    >>> prior = StyleAndClassPrior(2, n_classes=4)
    >>> prior().log_prob(torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])), prior.sample(5).shape
    (tensor(-3.2242, grad_fn=<AddBackward0>), torch.Size([5, 6]))
    """

    def __init__(self, style_dim: int, n_classes: int) -> None:
        super().__init__(style_dim + n_classes)
        self.n_classes, self.style = n_classes, StandardNormal(style_dim)
        self.logits = nn.Parameter(torch.zeros(n_classes))

    def forward(self) -> IndependentStyleAndClass:
        """Return p(z), a density with event shape (d + K,)."""
        return IndependentStyleAndClass(self.style(), self.logits.log_softmax(-1))

    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d + K], the spread of their styles scaled by the temperature."""
        share = self.logits.detach().softmax(-1).cpu()
        return self.sample_of(share.multinomial(n, replacement=True), temperature)

    def sample_of(self, classes: Tensor, temperature: float = 1.0) -> Tensor:
        """Return a draw of p(z | y) for each of the classes y [n]: [n, d + K]."""
        y = one_hot(classes, self.n_classes).to(self.logits)
        return torch.cat([self.style.sample(len(classes), temperature), y], -1)
