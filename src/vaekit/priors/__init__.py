"""Priors p(z), one a file."""

from vaekit.priors.autoregressive import AutoregressivePrior
from vaekit.priors.base import Density, Prior
from vaekit.priors.flow import FlowPrior
from vaekit.priors.mixture import GaussianMixture
from vaekit.priors.normal import StandardNormal
from vaekit.priors.vamp import VampPrior

PRIORS: dict[str, type[Prior]] = {
    "normal": StandardNormal,
    "mixture": GaussianMixture,
    "vamp": VampPrior,
    "flow": FlowPrior,
    "autoregressive": AutoregressivePrior,
}

__all__ = ["PRIORS", "Density", "Prior"]
