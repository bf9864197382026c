"""Settings that are each right by themselves and do not go together."""

from __future__ import annotations

from vaekit.errors import ParameterError
from vaekit.models.build import MODELS
from vaekit.objectives import NOT_COMPILED, OF_AUTOENCODERS, OF_VAES
from vaekit.priors import PRIORS
from vaekit.tasks.options import Options


def check_combination(options: Options, n_classes: int) -> None:
    """Raise what no setting is wrong with by itself."""
    levels, model = options.levels or 1, MODELS[options.model]
    if not model.layered and options.purpose == "compression":
        raise ParameterError(f"{model.noun} has no bits that add up to a lossless archive. Use a VAE.")
    if model.needs_classes and not n_classes:
        raise ParameterError(
            f"{model.noun} requires y to be passed, but the target y is None. Give the classes of rows as labels, or "
            "use a VAE."
        )
    if not model.layered and (levels > 1 or options.prior not in ("auto", *model.priors)):
        raise ParameterError(
            f"{model.noun} has one layer of codes, and its prior is {model.its_prior}; "
            f"got prior='{options.prior}', levels={levels}. Leave both, or use a VAE."
        )
    if options.prior == "vamp" and levels > 1:
        raise ParameterError(
            f"The prior 'vamp' is a mixture of posteriors of one stochastic layer; got levels={levels}. "
            "Use prior='autoregressive', or levels=1."
        )
    if options.second_stage != "none" and (levels > 1 or model.point_mass or not model.priors.keys() <= PRIORS.keys()):
        raise ParameterError(
            "A second stage fits a density on the codes of one stochastic layer; got "
            f"model='{options.model}', levels={levels}. Use second_stage='none', or a VAE with levels=1."
        )
    objective = objective_of(options)
    if model.point_mass and (objective != "elbo" or options.free_nats):
        raise ParameterError(
            f"{model.noun} has one code for a row, and is trained on the 'elbo' without free nats; "
            f"got objective='{objective}', free_nats={options.free_nats}. Leave both, or use a VAE."
        )
    if options.free_nats and objective != "elbo":
        raise ParameterError(
            f"Free nats belong to the objective 'elbo'; got objective='{objective}', free_nats={options.free_nats}. "
            "Leave free_nats=0."
        )
    _check_objective(objective, options)
    _check_shard(objective, options, n_classes)
    if options.latent_dim != "auto" and int(options.latent_dim) < model.least_units:
        raise ParameterError(
            f"{model.noun} has at least {model.least_units} latent units; got latent_dim={options.latent_dim}. "
            "Ask for more."
        )
    if options.latent_dim != "auto" and int(options.latent_dim) < levels:
        raise ParameterError(
            f"Each of {levels} stochastic layers needs a latent unit; got latent_dim={options.latent_dim}. "
            "Ask for more units, or fewer levels."
        )


def _check_shard(objective: str, options: Options, n_classes: int) -> None:
    """Raise what weights do not go with that lie in parts: what reads them otherwise than layer after layer."""
    if not options.shard:
        return
    found = {
        "networks of your own": options.encoder is not None or options.decoder is not None,
        "labels": n_classes > 0,
        f"objective='{objective}'": objective in NOT_COMPILED,
        "compile='yes'": options.compile == "yes",
    }
    if any(found.values()):
        raise ParameterError(
            "shard divides the layers of the networks 'mlp' and 'conv', of models without classes, in steps that are "
            f"not compiled; got {next(what for what, is_there in found.items() if is_there)}. Leave it, or leave shard."
        )


def objective_of(options: Options) -> str:
    """Return the objective that is asked for, or the model's usual one."""
    usual: str = MODELS[options.model].default_objective
    return usual if options.objective == "auto" else options.objective


def _check_objective(objective: str, options: Options) -> None:
    """Raise what of an objective with a strength does not go with the model, the prior or the strength."""
    strong = (*OF_VAES, *OF_AUTOENCODERS)
    if options.strength is not None and objective not in strong:
        raise ParameterError(
            f"The objective '{objective}' has no strength; got strength={options.strength:g}. "
            f"Leave it, or use one of {', '.join(strong)}."
        )
    if objective == "denoising" and (options.strength or 0) > 1:
        raise ParameterError(
            f"The strength of 'denoising' is a share of the values; got strength={options.strength:g}. "
            "Give a number from 0 to 1."
        )
    of = {OF_VAES: ("a VAE", "vae"), OF_AUTOENCODERS: ("an autoencoder", "autoencoder")}
    owner, other = next((who for names, who in of.items() if objective in names), ("", options.model))
    if other != options.model:
        raise ParameterError(
            f"The objective '{objective}' is for {owner}; got model='{options.model}'. Use model='{other}', or another "
            "objective."
        )
    if objective in NOT_COMPILED and options.compile == "yes":
        raise ParameterError(
            f"The objective '{objective}' takes a derivative of a derivative, which torch does not compile; got "
            "compile='yes'. Use compile='no'."
        )
    if objective == "tcvae" and (options.levels or 1) > 1:
        raise ParameterError(
            f"The objective 'tcvae' asks for the density of each unit, which one stochastic layer has; got "
            f"levels={options.levels}. Use objective='factor', or levels=1."
        )
    if objective == "wae" and options.prior not in ("auto", "normal"):
        raise ParameterError(
            f"The objective 'wae' draws codes to a prior that stays as it is; got prior='{options.prior}'. "
            "Use prior='normal', or objective='mmd'."
        )
