"""The negative binomial, for counts, with or without a library size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, NegativeBinomial

from vaekit.distributions.likelihood import Likelihood, bounded


class NegativeBinomialLikelihood(Likelihood):
    """Counts with mean μ and variance μ + μ²/r, r learned for each dimension.

    Parameters
    ----------
    event_shape : sequence of int
    library : bool
        Whether μ is a share of the row's total (its library size): μ = total · softmax(parameters), as for sequencing
        counts (Lopez et al., 2018, scVI, doi:10.1038/s41592-018-0229-2); else μ = exp(parameters).
    """

    def __init__(self, event_shape: Sequence[int], *, library: bool = False) -> None:
        super().__init__(event_shape)
        self.library = library
        self.log_r = nn.Parameter(torch.zeros(self.event_shape))
        self.register_buffer("typical_exposure", torch.ones(()))
        self.typical_exposure: Tensor

    def forward(self, parameters: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | parameters, exposure), batch shape [n, *event_shape]; without an exposure [n], a typical one."""
        h = parameters[:, 0]  # [n, *event]
        log_mean = self._share(h, exposure) if self.library else bounded(h, -15, 15)
        log_r = bounded(self.log_r, -10, 10)
        return WideNegativeBinomial(log_r.exp().expand_as(h), logits=log_mean - log_r, validate_args=False)

    def exposure(self, codes: Tensor) -> Tensor | None:
        """Return the totals of rows, [n], or None where the mean does not depend on them."""
        return codes.float().flatten(1).nansum(1).clamp_min(1) if self.library else None

    def _initial(self, codes: Tensor) -> Tensor:
        """Return the logarithm of the mean."""
        return torch.log(codes.float().mean(0) + 0.5 / len(codes))[None]

    def _prepare(self, codes: Tensor) -> None:
        """Set r to the moments' estimate, and the typical exposure."""
        codes = codes.float()
        mean, var = codes.mean(0), codes.var(0)
        self.log_r.copy_((mean.square() / (var - mean).clamp_min(0.1 * mean + 1e-3)).clamp(1e-3, 1e3).log())
        self.typical_exposure.copy_(codes.flatten(1).sum(1).median().clamp_min(1))

    def _share(self, h: Tensor, exposure: Tensor | None) -> Tensor:
        total = self.typical_exposure.expand(h.shape[0]) if exposure is None else exposure
        log_share = h.flatten(1).log_softmax(1).view_as(h)
        return log_share + total.log().view(-1, *[1] * (h.dim() - 1))


class WideNegativeBinomial(NegativeBinomial):
    """A negative binomial whose log-probability is computed in float64, where the device has it.

    The logarithms of gamma functions of large counts lose whole nats in float32. Their gradients do not, so training
    stays in float32, which is twice as fast.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(value) in nats, elementwise."""
        if self.logits.requires_grad or value.device.type == "mps":
            return super().log_prob(value)
        r, logits = self.total_count.double(), self.logits.double()
        return NegativeBinomial(r, logits=logits, validate_args=False).log_prob(value.double()).to(value.dtype)
