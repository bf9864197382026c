"""Importance-weighted bounds: several draws of z, weighted by how well each explains the row.

All are written in log w_k = log p(x | z_k) − β log q(z_k | x) / p(z_k), z_k ~ q(z | x); with β = 1 the exponential of
log w_k is an unbiased estimate of p(x), and log (1/K) Σ_k w_k rises with K from the ELBO to log p(x).
"""

from __future__ import annotations

import math

import torch
from torch import Size, Tensor

from vaekit.distributions.posteriors import Reparametrised
from vaekit.models.base import LatentModel
from vaekit.networks.frozen import frozen
from vaekit.objectives.bound import Bound
from vaekit.priors.base import Density


def iwae(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 5) -> Bound:
    """Log (1/K) Σ_k w_k (Burda, Grosse and Salakhutdinov, 2016, eq. 8, arXiv:1509.00519).

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : int
        K.

    Returns
    -------
    Bound
    """
    log_likelihood, ratio = _terms(model, x, draws)
    return _bound(log_likelihood, ratio, log_mean_exp(log_likelihood - beta * ratio))


def miwae(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 16) -> Bound:
    """1/M Σ_m log (1/K) Σ_k w_mk (Rainforth et al., 2018, eq. 10, arXiv:1802.04537).

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : int
        M K, split into groups as nearly square as can be: 16 are 4 × 4.

    Returns
    -------
    Bound
    """
    log_likelihood, ratio = _terms(model, x, draws)
    return _bound(log_likelihood, ratio, grouped(log_likelihood - beta * ratio))


def ciwae(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 5, share: float = 0.5) -> Bound:
    """A convex combination of the ELBO and the IWAE bound (Rainforth et al., 2018, eq. 11, arXiv:1802.04537).

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : int
        K.
    share : float
        Of the ELBO.

    Returns
    -------
    Bound
    """
    log_likelihood, ratio = _terms(model, x, draws)
    log_w = log_likelihood - beta * ratio
    return _bound(log_likelihood, ratio, share * log_w.mean(0) + (1 - share) * log_mean_exp(log_w))


def piwae(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 16) -> Bound:
    """The IWAE bound for decoder and prior, the MIWAE bound for the encoder.

    Source: Rainforth et al. (2018), section 5, arXiv:1802.04537: tight bounds are good for the generative model, but
    drown the encoder's gradient in noise.

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : int
        M K, as for `miwae`.

    Returns
    -------
    Bound
    """
    q, p = model.posterior(x), model.prior()
    z = q.rsample(Size((draws,)))  # [MK, n, d]
    with frozen(model.decoder, model.prior, model.observation):
        with torch.no_grad():
            as_it_is = model.prior()  # a VampPrior is made by the encoder, which is not frozen
        inference = grouped(model.log_likelihood(x, z) - beta * log_ratio(q, as_it_is, z))
    fixed, q = z.detach(), q.detached()
    log_likelihood, ratio = model.log_likelihood(x, fixed), log_ratio(q, p, fixed)
    generation = log_mean_exp(log_likelihood - beta * ratio)
    return _bound(log_likelihood, ratio, with_gradient_of(generation, inference + generation))


def dreg(model: LatentModel, x: Tensor, beta: float | Tensor = 1.0, draws: int = 5) -> Bound:
    r"""The IWAE bound with a doubly reparametrised gradient for the encoder: unbiased, and less noisy at many draws.

    ∇_φ = E Σ_k (w_k / Σ_j w_j)² ∂ log w_k / ∂z_k · ∂z_k / ∂φ (Tucker et al., 2019, eq. 8, arXiv:1810.04152).

    Parameters
    ----------
    model : LatentModel
    x : Tensor of shape (n, *event_shape)
    beta : float
    draws : int
        K.

    Returns
    -------
    Bound
    """
    q, p = model.posterior(x), model.prior()
    z = q.rsample(Size((draws,)))  # [K, n, d]
    log_likelihood, ratio = model.log_likelihood(x, z), log_ratio(q.detached(), p, z)
    log_w = log_likelihood - beta * ratio  # [K, n]
    share = log_w.detach().softmax(0)
    if z.requires_grad:
        z.register_hook(lambda gradient: share[..., None] * gradient)  # its second factor w_k / Σ_j w_j
    return _bound(log_likelihood, ratio, with_gradient_of(log_mean_exp(log_w), (share * log_w).sum(0)))


# -- parts -------------------------------------------------------------------------------------------------------------


def log_mean_exp(log_w: Tensor) -> Tensor:
    """Return log (1/K) Σ_k w_k of log-weights [K, ...]: [...].

    Examples
    --------
    >>> import torch
    >>> log_mean_exp(torch.tensor([1000.0, 1000.0]))
    tensor(1000.)
    """
    return log_w.logsumexp(0) - math.log(len(log_w))


def grouped(log_w: Tensor) -> Tensor:
    """Return 1/M Σ_m log (1/K) Σ_k w_mk of log-weights [M K, n], M the largest divisor up to their number's root."""
    n_draws = len(log_w)
    groups = max(m for m in range(1, math.isqrt(n_draws) + 1) if n_draws % m == 0)
    return log_mean_exp(log_w.view(n_draws // groups, groups, *log_w.shape[1:])).mean(0)


def log_ratio(q: Reparametrised, p: Density, z: Tensor) -> Tensor:
    """Return log q(z | x) − log p(z) in nats, [K, n], of draws z [K, n, d]."""
    return q.log_prob(z) - p.log_prob(z)


def with_gradient_of(value: Tensor, surrogate: Tensor) -> Tensor:
    """Return `value`, whose gradient is that of `surrogate`."""
    return value.detach() + surrogate - surrogate.detach()


def _terms(model: LatentModel, x: Tensor, draws: int) -> tuple[Tensor, Tensor]:
    """Return log p(x | z) and log q(z | x) / p(z) in nats, [K, n] each."""
    q, p = model.posterior(x), model.prior()
    z = q.rsample(Size((draws,)))  # [K, n, d]
    return model.log_likelihood(x, z), log_ratio(q, p, z)


def _bound(log_likelihood: Tensor, ratio: Tensor, value: Tensor) -> Bound:
    return Bound(log_likelihood.mean(0), ratio.mean(0), value)
