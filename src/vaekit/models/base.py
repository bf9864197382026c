"""The latent-variable model: prior p(z), likelihood p(x | z), posterior q(z | x), each given as a distribution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.distributions.likelihood import Likelihood
from vaekit.distributions.posteriors import Reparametrised
from vaekit.errors import DataError
from vaekit.models.decoder import Decoder
from vaekit.priors import PRIORS, Prior


class LatentModel(nn.Module):
    """p(x, z) = p(z) p(x | z) with an approximate posterior q(z | x), over codes x.

    The public methods check shapes and speak float32, whatever precision the networks below use; a model's author
    writes `_posterior` and `_decode` and nothing else.

    Parameters
    ----------
    prior : Prior
        Called without arguments it returns p(z).
    observation : Likelihood
        Turns decoded parameters into p(x | z).

    Attributes
    ----------
    default_objective : str
    priors : mapping of str to callable
        Those it can stand on by name, each made of the number of latent units, and of classes where it needs them.
    noun, its_prior : str
        What errors call it, and its prior where there is one alone.
    layered : bool
        Whether there may be several stochastic layers.
    point_mass : bool
        Whether q(z | x) is one point: then no draw tightens the bound, and its KL pushes no encoder.
    one_process : bool
        Whether it learns of rows by more than gradients, which several processes would not share.
    needs_classes : bool
        Whether it is of rows with classes alone.
    least_units : int
        Of z.
    """

    default_objective: ClassVar[str] = "elbo"
    priors: ClassVar[Mapping[str, Callable[..., Prior]]] = PRIORS
    noun: ClassVar[str] = "A model"
    its_prior: ClassVar[str] = ""
    layered: ClassVar[bool] = False
    point_mass: ClassVar[bool] = False
    one_process: ClassVar[bool] = False
    needs_classes: ClassVar[bool] = False
    least_units: ClassVar[int] = 1
    decoder: Decoder

    def __init__(self, prior: Prior, observation: Likelihood) -> None:
        super().__init__()
        self.prior = prior
        self.observation = observation

    @property
    def latent_dim(self) -> int:
        """The number of units of z."""
        return self.prior.latent_dim

    @property
    def unit_variance(self) -> float:
        """About what variance a unit has that is used, beside which one that hardly varies is out of use."""
        return 1.0

    @property
    def event_shape(self) -> torch.Size:
        """The shape of one row of codes."""
        return self.observation.event_shape

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    # -- the seam --------------------------------------------------------------------------------------------------

    def posterior(self, x: Tensor) -> Reparametrised:
        """Return q(z | x).

        Parameters
        ----------
        x : Tensor of shape (n, *event_shape)
            Codes.

        Raises
        ------
        DataError
            When a row has another shape.
        """
        self._check("codes", x, self.event_shape)
        return self._posterior(x)

    def likelihood(self, z: Tensor, exposure: Tensor | None = None) -> Distribution:
        """Return p(x | z), batch shape [n, *event_shape].

        Parameters
        ----------
        z : Tensor of shape (n, latent_dim)
        exposure : Tensor of shape (n,), optional
            Row totals, for likelihoods of counts that are relative to them.
        """
        self._check("latent codes", z, (self.latent_dim,))
        return self.observation(self._decode(z).float(), exposure)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return E[x | z = E[z | x]] of codes [n, *event_shape], in codes."""
        return self.likelihood(self.posterior(x).mean, self.observation.exposure(x)).mean

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x | z) in nats, summed over the observed values of a row: [..., n].

        Parameters
        ----------
        x : Tensor of shape (n, *event_shape)
            Codes; NaN is a gap and scores 0.
        z : Tensor of shape (..., n, latent_dim)
            Any number of draws for each row.
        """
        p, rows = self.beside_draws(x, z)
        return observed_log_prob(p, rows, self.observation).view(*z.shape[:-2], len(x))

    def log_likelihood_by_value(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x_j | z) in nats of each value of a row, as `log_likelihood` of all together: [..., n, D]."""
        p, rows = self.beside_draws(x, z)
        gaps = rows.isnan()
        filled = rows.masked_fill(gaps, 0.0)
        log_prob = p.log_prob(filled) - self.observation.log_units(filled)
        return log_prob.masked_fill(gaps, 0.0).view(*z.shape[:-2], len(x), -1)

    def beside_draws(self, x: Tensor, z: Tensor) -> tuple[Distribution, Tensor]:
        """Return p(x | z) and x for all draws z [..., n, d], one after the other: [k n, *event_shape]."""
        draws = z.shape[:-2]
        exposure = self.observation.exposure(x)
        rows = x.float().expand(*draws, *x.shape).reshape(-1, *self.event_shape)
        if exposure is not None:
            exposure = exposure.expand(*draws, len(x)).reshape(-1)
        return self.likelihood(z.reshape(-1, self.latent_dim), exposure), rows

    @classmethod
    def usual_units(cls, n_inputs: int, most: int) -> int:
        """Return how many units to start with for so many inputs; at most `most` where unused ones are dropped."""
        return min(16, n_inputs // 4)

    # -- for the author of a model ---------------------------------------------------------------------------------

    def _posterior(self, x: Tensor) -> Reparametrised:
        raise NotImplementedError

    def _decode(self, z: Tensor) -> Tensor:
        """Return parameters [n, *parameter_shape] of codes [n, d]."""
        raise NotImplementedError

    def prepare(self, codes: Tensor) -> None:
        """Set from the data what is better set than learned, before training."""

    def keep_units(self, units: Tensor, centre: Tensor | None = None) -> None:
        """Drop all latent units but `units`, holding the others at `centre` [d], where a model can; else keep all."""

    def finish(self, codes: Tensor, seed: int) -> None:
        """Fit what is fitted after training."""

    def _check(self, what: str, x: Tensor, shape: tuple[int, ...]) -> None:
        if tuple(x.shape[1:]) != tuple(shape):
            raise DataError(f"Expected {what} of shape (n, {', '.join(map(str, shape))}); got {tuple(x.shape)}.")


def observed_log_prob(p: Distribution, rows: Tensor, observation: Likelihood) -> Tensor:
    """Return log p(rows) in nats and in the user's units, summed over the values that are no gaps: [n]."""
    if not (observation.has_gaps or observation.units_vary):
        return p.log_prob(rows).flatten(1).sum(1) - observation.log_unit.sum()
    gaps = rows.isnan()
    filled = rows.masked_fill(gaps, 0.0)
    log_prob = p.log_prob(filled) - observation.log_units(filled)
    return log_prob.masked_fill(gaps, 0.0).flatten(1).sum(1)
