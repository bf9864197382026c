"""The prior of quantised codes: each choice is categorical given the choices before it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import linear, one_hot

from vaekit.distributions.elementwise import glu
from vaekit.networks.codebooks import Codebook
from vaekit.networks.masked import MaskedLinear, masks_in_order
from vaekit.priors.base import Prior

ROWS_AT_ONCE = 1024


class CodesDensity:
    """p(z) = Π_g p(k_g | k_<g) with k the choices that make z, a probability.

    Parameters
    ----------
    indices : callable
        From z [..., d] to choices [..., n_places].
    logits : callable
        From choices [..., n_places] to the logits of each given those before it, [..., n_places, n_codes].
    """

    def __init__(self, indices: Callable[[Tensor], Tensor], logits: Callable[[Tensor], Tensor]) -> None:
        self.indices, self.logits = indices, logits

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, [...], of codes z [..., d]; one that is none counts as the nearest."""
        index = self.indices(z)
        return self.logits(index).log_softmax(-1).gather(-1, index[..., None])[..., 0].sum(-1)


class CodesPrior(Prior):
    r"""p(z) = Π_g softmax_{k_g}(o_g(k_<g)), by one pair of masked layers over one-hot choices.

    It is learned with the rest, from choices, so that it tells the encoder nothing (van den Oord et al., 2017, section
    3.3, arXiv:1711.00937, where it is learned afterwards); the layers are MADE's (Germain et al., 2015,
    arXiv:1502.03509).

    Parameters
    ----------
    codebook : Codebook
        Of the model, which tells rows by it.
    n_hidden : int
        Width of the gated hidden layer.
    """

    def __init__(self, codebook: Codebook, n_hidden: int = 256) -> None:
        super().__init__(codebook.latent_dim)
        self.codebook = codebook
        reads, feeds = masks_in_order(codebook.n_places, n_hidden)  # [n_hidden, G], [G, n_hidden]
        self.hidden = MaskedLinear(reads.repeat_interleave(codebook.n_codes, 1).repeat(2, 1))
        self.out = MaskedLinear(feeds.repeat_interleave(codebook.n_codes, 0))  # [G K, n_hidden]
        with torch.no_grad():  # begin near the uniform
            self.out.weight.mul_(0.1)
            self.out.bias.zero_()

    def forward(self) -> CodesDensity:
        """Return p(z), a probability of codes with event shape (d,)."""
        return CodesDensity(self.codebook.indices, self.logits)

    def logits(self, index: Tensor) -> Tensor:
        """Return the logits of each choice given those before it, [..., G, K], of choices [..., G]."""
        told = one_hot(index, self.codebook.n_codes).flatten(-2).to(self.hidden.weight.dtype)  # [..., G K]
        return self.out(glu(self.hidden(told))).float().unflatten(-1, (-1, self.codebook.n_codes))

    @torch.no_grad()
    def sample(self, n: int, temperature: float = 1.0) -> Tensor:
        """Return n draws of z, [n, d], choice by choice; logits are divided by the temperature.

        Some rows at a time, whose hidden layer fits a cache.
        """
        pieces = torch.arange(n).split(ROWS_AT_ONCE)
        return self.codebook.values(torch.cat([self._draw(len(piece), temperature) for piece in pieces]))

    def _draw(self, n: int, temperature: float) -> Tensor:
        """Return n draws of all choices, [n, G]."""
        by_choice = (self.codebook.n_places, self.codebook.n_codes, -1)
        columns = (self.hidden.weight * self.hidden.mask).T.view(by_choice)  # [G, K, 2 n_hidden]
        rows, biases = (self.out.weight * self.out.mask).view(by_choice), self.out.bias.view(by_choice[:2])
        seen, index = self.hidden.bias.repeat(n, 1), []  # [n, 2 n_hidden]
        for column, row, bias in zip(columns, rows, biases, strict=True):
            chances = (linear(glu(seen), row, bias) / temperature).softmax(-1)  # [n, K]
            index.append(torch.multinomial(chances.cpu(), 1)[:, 0].to(seen.device))
            seen = seen + column[index[-1]]
        return torch.stack(index, 1)
