"""Bounds and penalties, one a file."""

from vaekit.objectives.bound import Bound, Objective
from vaekit.objectives.elbo import elbo
from vaekit.objectives.importance import ciwae, dreg, iwae, miwae, piwae
from vaekit.objectives.reconstruction import reconstruction

OBJECTIVES: dict[str, Objective] = {
    "elbo": elbo,
    "iwae": iwae,
    "dreg": dreg,
    "miwae": miwae,
    "ciwae": ciwae,
    "piwae": piwae,
    "reconstruction": reconstruction,
}

__all__ = ["OBJECTIVES", "Bound", "Objective", "ciwae", "dreg", "elbo", "iwae", "miwae", "piwae", "reconstruction"]
