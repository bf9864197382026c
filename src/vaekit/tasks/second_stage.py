"""The second stage: another prior, fitted on the codes of a trained model, where it explains held-out rows better."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vaekit.models.base import LatentModel
from vaekit.priors import PRIORS, Prior
from vaekit.tasks.observe import observed
from vaekit.training.measures import mean_elbo_nats

FITTED = ("mixture", "flow")  # priors that can be fitted on codes
SECOND_STAGES = ("none", "auto", *FITTED)
DRAWS = 4  # of each row's posterior


def second_stage(
    model: LatentModel, own: str, asked: str, train: Tensor, held_out: Tensor, seed: int
) -> dict[str, Any]:
    """Give a model the prior with the highest bound on held-out rows: its own, or one fitted on draws of q(z | x).

    The bound's distance to log p(x) holds KL(q(z) ‖ p(z)) of all codes together (Hoffman and Johnson, 2016, ELBO
    surgery): a prior that is closer to the codes makes rows likelier, and what is drawn of it decodes to better rows
    (Dai and Wipf, 2019, arXiv:1903.05789).

    Parameters
    ----------
    model : LatentModel
        Of one stochastic layer.
    own : str
        The name of its prior.
    asked : {"auto", "mixture", "flow"}
        Of which prior to try; "auto" tries all.
    train, held_out : Tensor of shape (n, *event_shape)
    seed : int

    Returns
    -------
    dict
        `chosen`, a name of `PRIORS`, and `nats`, the held-out ELBO with each prior by its name.
    """
    names = FITTED if asked == "auto" else (asked,)
    codes = drawn_codes(model, train)
    priors = {own: model.prior} | {name: fitted_prior(name, codes, seed) for name in names}
    nats = {}
    for name, prior in priors.items():
        model.prior = prior
        nats[name] = mean_elbo_nats(model, held_out, seed)
    chosen = max(nats, key=nats.__getitem__)
    model.prior = priors[chosen]
    return {"chosen": chosen, "nats": nats}


def said(found: dict[str, Any]) -> str:
    """Return what a second stage found, in words."""
    bounds = ", ".join(f"{name} {nats:.2f}" for name, nats in found["nats"].items())
    return f"second stage: held-out nats a row with the prior {bounds}; {found['chosen']} is taken"


@torch.no_grad()
def drawn_codes(model: LatentModel, rows: Tensor) -> Tensor:
    """Return draws of q(z | x) of all rows, [DRAWS · n, d]."""
    model.eval()
    draws = [model.posterior(observed(model, x)).rsample(torch.Size((DRAWS,))) for x in rows.split(1024)]
    return torch.cat([z.flatten(0, 1) for z in draws])


def fitted_prior(name: str, codes: Tensor, seed: int) -> Prior:
    """Return a prior of a name, fitted on codes [n, d]."""
    prior = PRIORS[name](codes.shape[1]).to(codes.device)
    prior.fit(codes, seed)  # type: ignore[operator]
    return prior.requires_grad_(requires_grad=False)
