"""The likelihoods by name, and the families of one file's length: Bernoulli, Gaussian, Student's t, categorical."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Normal,
    StudentT,
)
from torch.nn.functional import logsigmoid
from torch.types import _size

from vaekit.distributions.atoms import AtomsLikelihood, zero_inflated
from vaekit.distributions.context import ContextLogisticLikelihood
from vaekit.distributions.continuous_bernoulli import ScaledContinuousBernoulli
from vaekit.distributions.elementwise import sigmoid
from vaekit.distributions.likelihood import Likelihood, bounded
from vaekit.distributions.logistic import DiscretizedLogisticLikelihood
from vaekit.distributions.negative_binomial import NegativeBinomialLikelihood
from vaekit.distributions.uniform import coarse_uniform


class BernoulliLikelihood(Likelihood):
    """P(x = 1) = σ(parameters); grey levels 0..L−1 are read as probabilities and binarised afresh at every use."""

    def __init__(self, event_shape: Sequence[int], top: float = 1.0) -> None:
        super().__init__(event_shape)
        self.top = top  # the code that means 1

    def forward(self, parameters: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | parameters), batch shape [n, *event_shape]."""
        return ScaledBernoulli(parameters.squeeze(1), self.top)

    def _initial(self, codes: Tensor) -> Tensor:
        """Return the logit of the mean, with one pseudo-observation of each value."""
        mean = (codes.float().sum(0) / self.top + 0.5) / (len(codes) + 1)
        return torch.logit(mean)[None]

    def observe(self, codes: Tensor, uniform: Callable[[Tensor], Tensor] = coarse_uniform) -> Tensor:
        """Return codes in {0, top}, top with probability code / top; a gap stays one."""
        codes = codes.float()
        drawn = torch.where(uniform(codes) * self.top < codes, self.top, 0.0)
        return torch.where(codes.isnan(), codes, drawn) if self.has_gaps else drawn


class ScaledBernoulli(Bernoulli):
    """A Bernoulli whose two values are 0 and `top`; a value between the two scores its expectation."""

    def __init__(self, logits: Tensor, top: float) -> None:
        self.top = top
        super().__init__(logits=logits, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(value) = x l − log(1 + e^l) in nats, elementwise, with x = value / top and l the logits.

        Written as (x − 1) l + log σ(l): two passes over memory, and as many back.
        """
        return torch.addcmul(logsigmoid(self.logits), value - self.top, self.logits, value=1 / self.top)

    @property
    def mean(self) -> Tensor:
        """E[x]."""
        return sigmoid(self.logits) * self.top

    def sample(self, sample_shape: _size = torch.Size()) -> Tensor:
        """Return draws of {0, top}."""
        return super().sample(sample_shape) * self.top


class ContinuousBernoulliLikelihood(Likelihood):
    """p(x) ∝ λ^x (1 − λ)^(1−x) on [0, 1], a density (Loaiza-Ganem and Cunningham, 2019, arXiv:1907.06845)."""

    density = True

    def __init__(self, event_shape: Sequence[int], top: float = 1.0) -> None:
        super().__init__(event_shape)
        self.top = top

    def forward(self, parameters: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | parameters), batch shape [n, *event_shape]."""
        return ScaledContinuousBernoulli(bounded(parameters[:, 0], -30, 30), self.top)

    def _initial(self, codes: Tensor) -> Tensor:
        """Return 12 (mean − 1/2), the logit whose mean is about that of the codes."""
        return (12 * (codes.float().mean(0) / self.top - 0.5))[None]


class GaussianLikelihood(Likelihood):
    """N(x; loc, scale²), the scale one number a dimension that is learned, predicted for each row, or analytic.

    Parameters
    ----------
    event_shape : sequence of int
    unit : float or Tensor
        The standard deviation that reals were divided by.
    scale : {"learned", "predicted", "analytic"}
        Analytic: the best one scale of a batch, the root of its mean squared error (σ-VAE; Rybkin, Daniilidis and
        Levine, 2021, eq. 6, arXiv:2006.13202); evaluation uses its running mean.
    """

    density = True

    mse: Tensor

    def __init__(self, event_shape: Sequence[int], unit: Any = 1.0, scale: str = "learned") -> None:
        super().__init__(event_shape, unit)
        self.scale = scale
        self.n_parameters = 2 if scale == "predicted" else 1
        if scale == "learned":
            self.log_scale = nn.Parameter(torch.zeros(self.event_shape))
        if scale == "analytic":
            self.register_buffer("mse", torch.ones(()))

    def forward(self, parameters: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | parameters), batch shape [n, *event_shape]."""
        loc = parameters[:, 0]
        if self.scale == "analytic":
            return AnalyticNormal(loc, self.mse, learning=self.training and torch.is_grad_enabled())
        log_scale = self.log_scale if self.scale == "learned" else parameters[:, 1]
        return Normal(loc, bounded(log_scale, -7, 7).exp().expand_as(loc), validate_args=False)

    def _initial(self, codes: Tensor) -> Tensor:
        """Return the mean, and where it is predicted the logarithm of the standard deviation."""
        mean, log_std = codes.mean(0), codes.std(0).clamp_min(1e-3).log()
        return torch.stack([mean, log_std] if self.scale == "predicted" else [mean])

    def _prepare(self, codes: Tensor) -> None:
        """Set a learned scale to the standard deviation, an analytic one to the mean variance."""
        if self.scale == "learned":
            self.log_scale.copy_(codes.std(0).clamp_min(1e-3).log())
        if self.scale == "analytic":
            self.mse.copy_(codes.var(0).mean())


class AnalyticNormal(Normal):
    """A normal whose one variance is, while learning, the batch's own mean squared error."""

    def __init__(self, loc: Tensor, mse: Tensor, *, learning: bool) -> None:
        self.running, self.learning = mse, learning
        super().__init__(loc, mse.clamp_min(1e-6).sqrt().expand_as(loc), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(value) in nats, elementwise; while learning, the running variance follows the batch's."""
        if not self.learning:
            return super().log_prob(value)
        mse = (value - self.loc).square().mean()
        self.running.lerp_(mse.detach(), 0.01)
        return Normal(self.loc, mse.clamp_min(1e-6).sqrt(), validate_args=False).log_prob(value)


class StudentTLikelihood(Likelihood):
    """Student's t with a learned scale and learned degrees of freedom for each dimension: outliers cost little."""

    density = True

    def __init__(self, event_shape: Sequence[int], unit: Any = 1.0) -> None:
        super().__init__(event_shape, unit)
        self.log_scale = nn.Parameter(torch.zeros(self.event_shape))
        self.log_freedom = nn.Parameter(torch.full(self.event_shape, math.log(8.0)))

    def forward(self, parameters: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | parameters), batch shape [n, *event_shape]; more than two degrees of freedom, so a variance."""
        loc = parameters[:, 0]
        freedom = 2 + bounded(self.log_freedom, -5, 7).exp()
        return StudentT(
            freedom.expand_as(loc),
            loc,
            bounded(self.log_scale, -7, 7).exp().expand_as(loc),
            validate_args=False,
        )

    def _initial(self, codes: Tensor) -> Tensor:
        """Return the median."""
        return codes.median(0).values[None]

    def _prepare(self, codes: Tensor) -> None:
        """Set the scale so that the middle half of a normal's values lies where that of the codes does."""
        deviation = (codes - codes.median(0).values).abs().median(0).values
        self.log_scale.copy_((1.4826 * deviation).clamp_min(1e-3).log())


class CategoricalLikelihood(Likelihood):
    """P(x = k) = softmax(parameters)_k."""

    def __init__(self, event_shape: Sequence[int], n_categories: int) -> None:
        super().__init__(event_shape)
        self.n_parameters = n_categories

    def forward(self, parameters: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | parameters), batch shape [n, *event_shape]."""
        return Categories(logits=parameters.movedim(1, -1), validate_args=False)

    def _initial(self, codes: Tensor) -> Tensor:
        """Return the logarithm of the frequencies."""
        counts = torch.stack([(codes == k).sum(0) for k in range(self.n_parameters)]) + 0.5
        return torch.log(counts / counts.sum(0))


class Categories(Categorical):
    """A categorical whose stand-in for a mean is its mode."""

    @property
    def mean(self) -> Tensor:
        """The most probable category."""
        return self.probs.argmax(-1).float()

    def sample(self, sample_shape: _size = torch.Size()) -> Tensor:
        """Return draws of indices as floats."""
        return super().sample(sample_shape).float()


LIKELIHOODS: dict[str, Callable[..., Likelihood]] = {
    "bernoulli": BernoulliLikelihood,
    "continuous-bernoulli": ContinuousBernoulliLikelihood,
    "discretized-logistic": DiscretizedLogisticLikelihood,
    "discretized-logistic-atoms": partial(AtomsLikelihood, DiscretizedLogisticLikelihood),
    "discretized-logistic-context": ContextLogisticLikelihood,
    "discretized-logistic-ends": partial(DiscretizedLogisticLikelihood, ends=True),
    "discretized-logistic-mixture": partial(DiscretizedLogisticLikelihood, n_components=3),
    "discretized-logistic-mixture-ends": partial(DiscretizedLogisticLikelihood, n_components=3, ends=True),
    "gaussian": GaussianLikelihood,
    "gaussian-atoms": partial(AtomsLikelihood, GaussianLikelihood),
    "gaussian-heteroscedastic": partial(GaussianLikelihood, scale="predicted"),
    "gaussian-analytic": partial(GaussianLikelihood, scale="analytic"),
    "student-t": StudentTLikelihood,
    "negative-binomial": NegativeBinomialLikelihood,
    "negative-binomial-atoms": partial(AtomsLikelihood, NegativeBinomialLikelihood),
    "negative-binomial-library": partial(NegativeBinomialLikelihood, library=True),
    "zero-inflated-negative-binomial": partial(zero_inflated, NegativeBinomialLikelihood),
    "zero-inflated-negative-binomial-library": partial(zero_inflated, NegativeBinomialLikelihood, library=True),
    "categorical": CategoricalLikelihood,
}
