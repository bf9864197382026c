"""Densities of codes z = [s, e_y] that tell a style s, of d units, and a class y, by its unit vector among K."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Size, Tensor
from torch.distributions import Distribution
from torch.nn.functional import one_hot

from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.distributions.shares import drawn

LEAST = 1e-6  # of a uniform number, whose logarithms are then finite


class StyleAndClass:
    r"""q(s, y) = q(y) N(s; loc_y, diag scale_y²).

    Parameters
    ----------
    log_classes : Tensor of shape (n, K)
        log q(y) in nats.
    style : callable
        From classes' unit vectors [..., n, K] to q(s | y), a `DiagonalNormal` of [..., n, d].

    Examples
    --------
    >>> style = lambda y: DiagonalNormal(y[..., :1], torch.ones_like(y[..., :1]))
    >>> q = StyleAndClass(torch.tensor([[0.9, 0.1]]).log(), style)
    >>> q.mean
    tensor([[1., 1., 0.]])
    """

    def __init__(self, log_classes: Tensor, style: Callable[[Tensor], DiagonalNormal]) -> None:
        self.log_classes, self.style = log_classes, style

    @property
    def mean(self) -> Tensor:
        """The likeliest class and the mean of its styles, [n, d + K]."""
        y = self._unit(self.log_classes.argmax(-1))
        return torch.cat([self.style(y).mean, y], -1)

    def transport(self, noise: Tensor) -> Tensor:
        """Return the draws that standard normal noise [..., n, d + K] becomes; no gradient reaches q(y)."""
        k = self.log_classes.shape[-1]
        y = self._unit(drawn_classes(self.log_classes, torch.special.ndtr(noise[..., -k:])))
        return torch.cat([self.style(y).transport(noise[..., :-k]), y], -1)

    def rsample(self, sample_shape: Size = torch.Size()) -> Tensor:
        """Return draws, reparametrised in s: [*sample_shape, n, d + K]."""
        noise = partial(torch.randn, device=self.log_classes.device)
        return self.transport(drawn(noise, (*sample_shape, *self.mean.shape), dim=-2))

    def detached(self) -> StyleAndClass:
        """Return the same density as a function of z alone."""
        return StyleAndClass(self.log_classes.detach(), lambda y: self.style(y).detached())

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(s, y) in nats, [..., n], of codes [..., n, d + K]."""
        k = self.log_classes.shape[-1]
        s, y = z[..., :-k], z[..., -k:]
        return self.style(y).log_prob(s) + (y * self.log_classes).sum(-1)

    def _unit(self, y: Tensor) -> Tensor:
        return one_hot(y, self.log_classes.shape[-1]).to(self.log_classes.dtype)


class IndependentStyleAndClass:
    """p(s, y) = p(s) p(y).

    Parameters
    ----------
    style : Distribution
        p(s), event shape (d,).
    log_classes : Tensor of shape (K,)
        log p(y) in nats.
    """

    def __init__(self, style: Distribution, log_classes: Tensor) -> None:
        self.style, self.log_classes = style, log_classes

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(s, y) in nats, [...], of codes [..., d + K]; between classes, of their mean in logarithms."""
        s, y = z[..., : -len(self.log_classes)], z[..., -len(self.log_classes) :]
        return self.style.log_prob(s) + (y * self.log_classes).sum(-1)


def drawn_classes(log_classes: Tensor, uniform: Tensor) -> Tensor:
    """Return a class of each row, [..., n], drawn from log-probabilities [n, K] by uniform numbers [..., n, K].

    The largest of log q(y) − log(−log u_y) is at a y drawn from q(y) (Gumbel, 1954).

    Examples
    --------
    >>> drawn_classes(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.1, 0.9]]))
    tensor([1])
    """
    return (log_classes - (-uniform.clamp(LEAST, 1 - LEAST).log()).log()).argmax(-1)
