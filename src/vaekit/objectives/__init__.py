"""Bounds and penalties, one a file."""

from vaekit.objectives.bound import Bound, Objective
from vaekit.objectives.contractive import contractive
from vaekit.objectives.denoising import denoising
from vaekit.objectives.dip import dip
from vaekit.objectives.elbo import elbo
from vaekit.objectives.factor import Factor
from vaekit.objectives.importance import ciwae, dreg, iwae, miwae, piwae
from vaekit.objectives.mmd import mmd, wae
from vaekit.objectives.rae import rae
from vaekit.objectives.reconstruction import reconstruction
from vaekit.objectives.sparse import sparse
from vaekit.objectives.tcvae import tcvae

OBJECTIVES: dict[str, Objective | type[Factor]] = {
    "elbo": elbo,
    "iwae": iwae,
    "dreg": dreg,
    "miwae": miwae,
    "ciwae": ciwae,
    "piwae": piwae,
    "tcvae": tcvae,
    "factor": Factor,
    "dip": dip,
    "mmd": mmd,
    "wae": wae,
    "reconstruction": reconstruction,
    "denoising": denoising,
    "sparse": sparse,
    "contractive": contractive,
    "rae": rae,
}

OF_VAES = ("tcvae", "factor", "dip", "mmd", "wae")  # have a strength, and set posteriors against the prior
OF_AUTOENCODERS = ("denoising", "sparse", "contractive", "rae")  # have a strength, and read the posterior's mean alone
NOT_COMPILED = ("contractive",)  # takes a derivative of a derivative


def make_objective(name: str, latent_dim: int) -> Objective:
    """Return the objective of a name: a function or, where it learns something of its own, a new module.

    Examples
    --------
    >>> make_objective("elbo", 2) is elbo, make_objective("factor", 2).critic[0].out_features
    (True, 256)
    """
    objective = OBJECTIVES[name]
    return objective(latent_dim) if isinstance(objective, type) else objective


__all__ = [
    "NOT_COMPILED",
    "OBJECTIVES",
    "OF_AUTOENCODERS",
    "OF_VAES",
    "Bound",
    "Factor",
    "Objective",
    "ciwae",
    "contractive",
    "denoising",
    "dip",
    "dreg",
    "elbo",
    "iwae",
    "make_objective",
    "miwae",
    "mmd",
    "piwae",
    "rae",
    "reconstruction",
    "sparse",
    "tcvae",
    "wae",
]
