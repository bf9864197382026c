"""vaekit fit."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vaekit.cli.shared import DataPath, Json, Quiet, Rows, check_output, print_json, say, telling
from vaekit.errors import ParameterError


def fit(
    data: DataPath,
    output: Annotated[str, typer.Option("-o", "--output", metavar="MODEL.vae", help="The model file to write.")],
    *,
    rows: Rows = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="DATA|COLUMN",
            help="Classes of the rows, -1 or a gap where not known; the model learns them too.",
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="fast, balanced or best: how much to spend.")
    ] = "balanced",
    purpose: Annotated[
        str,
        typer.Option(
            "--for", metavar="NAME", help="any, compression, imputation, anomalies or synthesis: what the model is for."
        ),
    ] = "any",
    model: Annotated[
        str,
        typer.Option(metavar="NAME", help="vae, autoencoder, fsq, vq, hyperspherical, or with --labels conditional."),
    ] = "vae",
    latent_dim: Annotated[
        str, typer.Option(metavar="N|auto", help="Latent units; auto keeps the active ones.")
    ] = "auto",
    likelihood: Annotated[
        str, typer.Option(metavar="NAME", help="p(x | z): auto, bernoulli, gaussian, discretized-logistic, ...")
    ] = "auto",
    kinds: Annotated[
        str, typer.Option(metavar="NAME=KIND,...", help="Kinds of columns, as in age=count,sex=categorical.")
    ] = "",
    network: Annotated[str, typer.Option(metavar="NAME", help="auto, mlp or conv.")] = "auto",
    hidden: Annotated[str, typer.Option(metavar="N,N,...", help="Widths of the encoder's layers, as in 300,300.")] = "",
    activation: Annotated[str, typer.Option(metavar="NAME", help="gated, relu, tanh, silu or elu.")] = "gated",
    prior: Annotated[
        str, typer.Option(metavar="NAME", help="p(z): auto, normal, mixture, vamp, flow or autoregressive.")
    ] = "auto",
    second_stage: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="none, auto, mixture or flow: a prior fitted on the codes afterwards, taken if it is better.",
        ),
    ] = "none",
    levels: Annotated[
        int | None, typer.Option(metavar="N", help="Stochastic layers; the latent units are divided among them.")
    ] = None,
    objective: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="auto; of a VAE elbo, iwae, dreg, miwae, ciwae, piwae, tcvae, factor, dip, mmd or wae; "
            "of an autoencoder reconstruction, denoising, sparse, contractive or rae.",
        ),
    ] = "auto",
    draws: Annotated[
        int | None,
        typer.Option(metavar="K", help="Draws of z for each row in training; by default the objective's own number."),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="The weight of the objective's own penalty; of denoising the share of noise.",
        ),
    ] = None,
    beta: Annotated[float, typer.Option(metavar="X", help="The weight of the KL.")] = 1.0,
    free_nats: Annotated[
        float, typer.Option(metavar="X", help="The KL in nats that each unit may have for nothing (free bits).")
    ] = 0.0,
    warmup: Annotated[
        float, typer.Option(metavar="X", help="The share of each cycle over which the KL's weight rises.")
    ] = 0.1,
    cycles: Annotated[int, typer.Option(metavar="N", help="How often over the run the KL's weight rises.")] = 1,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Passes over the rows.")] = None,
    time: Annotated[str | None, typer.Option(metavar="T", help="A budget of time: 90s, 10m, 2h.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Rows in a batch.")] = None,
    micro_batch: Annotated[
        int | None, typer.Option(metavar="N", help="Rows of a batch that are computed at once: less memory.")
    ] = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Compute activations twice: less memory, the same model.")
    ] = False,
    shard: Annotated[
        bool, typer.Option("--shard", help="Divide the weights among torchrun's processes: for large models.")
    ] = False,
    learning_rate: Annotated[float, typer.Option(metavar="X", help="The peak of the one-cycle schedule.")] = 4e-3,
    weight_decay: Annotated[
        float, typer.Option(metavar="X", help="AdamW's, times the learning rate; 0 for plain Adam.")
    ] = 0.05,
    valid: Annotated[str, typer.Option(metavar="SHARE|DATA", help="The share of rows held out, or the rows.")] = "0.1",
    seed: Annotated[int, typer.Option(metavar="N", help="Of everything; same seed, same model.")] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="auto, float32 or bfloat16, of products in training.")
    ] = "auto",
    threads: Annotated[int | None, typer.Option(metavar="N", help="Processor threads.")] = None,
    compile: Annotated[
        str, typer.Option(metavar="NAME", help="auto, yes or no: compile the training step first, for long runs.")
    ] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    log: Annotated[str | None, typer.Option(metavar="RUN.jsonl", help="Append each event as a JSON line.")] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:WHERE",
            help="Hand the run to tensorboard:FOLDER, mlflow:ADDRESS or wandb:PROJECT; may be said several times.",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit a model on DATA and keep it in ONE file.

    Example: vaekit fit measurements.csv -o m.vae
    """
    if output == "-":
        raise ParameterError("A model needs a file, beside which its checkpoint lies; got '-'. Give -o NAME.vae.")
    from vaekit.training.distributed import joined

    with joined() as world:
        if data == "-" and world.size > 1:
            raise ParameterError("Each process reads the data, but standard input is read once; got '-'. Give a file.")
        quiet, log, track = (quiet, log, track) if world.is_first else (True, None, None)
        checkpoint = output + ".checkpoint"
        done = world.is_first and _is_done(output, log, checkpoint, resume=resume, as_json=json, quiet=quiet)
        if world.same(done):
            return
        from vaekit.data.labels import labels_apart
        from vaekit.data.readers import opened
        from vaekit.estimators.vae import ESTIMATORS

        check_choice("model", model, ESTIMATORS)
        estimator = ESTIMATORS[model](
            whole_or_auto("latent-dim", latent_dim),
            preset=preset,
            purpose=purpose,
            likelihood=likelihood,
            kinds=pairs(kinds) or None,
            network=network,
            hidden=_wholes("hidden", hidden) or None,
            activation=activation,
            prior=prior,
            second_stage=second_stage,
            levels=levels,
            objective=objective,
            draws=draws,
            strength=strength,
            beta=beta,
            free_nats=free_nats,
            warmup=warmup,
            cycles=cycles,
            epochs=epochs,
            time=time,
            batch_size=batch_size,
            micro_batch=micro_batch,
            recompute=recompute,
            shard=shard,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            valid=share_or_path(valid),
            random_state=seed,
            device=device,
            precision=precision,
            threads=threads,
            compile=compile,
            verbose=not quiet,
        )
        estimator.check_parameters()  # before a long read
        _check_labels(model, labels)
        heard = tuple(_tracker(words) for words in track or ())
        with telling("looking at the data", quiet=quiet) as tell:
            table, known = labels_apart(opened(data, rows, tell), labels, rows)
        estimator.fit(table, log=log, checkpoint=checkpoint, resume=resume, labels=known, listeners=heard, world=world)
        estimator.save(output)
        if estimator.fitted_.record["reason"] != "interrupted":
            Path(checkpoint).unlink(missing_ok=True)
        _report(estimator, output, as_json=json, quiet=quiet)


def _is_done(output: str, log: str | None, checkpoint: str, *, resume: bool, as_json: bool, quiet: bool) -> bool:
    """Look at the files that a run writes: whether the one to go on with is finished, which is then told."""
    check_output(output)
    check_output(log)
    if resume and (header := _finished(output, checkpoint)):
        say(f"{output} is finished; there is nothing to resume.", quiet=quiet)
        _print_record(header["record"], output, as_json=as_json)
        return True
    if not resume and os.path.exists(checkpoint):
        say(f"{checkpoint} is left of an interrupted run; starting anew (--resume would go on with it).", quiet=quiet)
    return False


def _check_labels(model: str, labels: str | None) -> None:
    """Refuse a model that reads classes where none are given."""
    from vaekit.models.build import MODELS

    if MODELS[model].needs_classes and labels is None:
        raise ParameterError(f"{MODELS[model].noun} reads the class of each row. Give --labels, or use --model vae.")


def _tracker(words: str) -> Any:
    """Return the tracker of NAME:WHERE."""
    from vaekit.training.trackers import TRACKERS

    name, _, where = words.partition(":")
    if name not in TRACKERS or not where:
        raise ParameterError(f"--track must be tensorboard:FOLDER, mlflow:ADDRESS or wandb:PROJECT; got '{words}'.")
    return TRACKERS[name](where)


def _finished(output: str, checkpoint: str) -> dict[str, Any] | None:
    """Return the header of the model that is there, unless its run can go on."""
    if os.path.exists(checkpoint) or not os.path.exists(output):
        return None
    from vaekit.storage.header import read_header

    header = read_header(output)
    return None if header["record"]["reason"] == "interrupted" else header


def _report(estimator: Any, output: str, *, as_json: bool, quiet: bool) -> None:
    record = estimator.fitted_.record
    for words in estimator.findings_:
        say(words, quiet=quiet)
    _print_record(record, output, as_json=as_json)
    if record["reason"] == "interrupted":
        say(f"vaekit: interrupted; the best model so far is in {output}. Go on with the same command and --resume.")
        sys.exit(1)
    say(f"wrote {output} ({os.path.getsize(output) / 1e6:.1f} MB)", quiet=quiet)


def _print_record(record: dict[str, Any], output: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"model": output, "seconds": record["seconds"], "reason": record["reason"], **record["metrics"]})


def check_choice(name: str, value: str, known: Any) -> None:
    """Refuse a value that is none of those known."""
    if value not in known:
        raise ParameterError(f"--{name} must be one of {', '.join(known)}; got '{value}'.")


def whole_or_auto(name: str, text: str) -> int | str:
    """Return a whole number, or auto."""
    try:
        return text if text == "auto" else int(text)
    except ValueError:
        raise ParameterError(f"--{name} must be a whole number or auto; got '{text}'.") from None


def _wholes(name: str, text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")] if text else []
    except ValueError:
        raise ParameterError(f"--{name} must be whole numbers, as in 300,300; got '{text}'.") from None


def pairs(text: str) -> dict[str, str]:
    """Return the kinds of columns by name."""
    found = [word.rsplit("=", 1) for word in text.split(",") if word]
    if any(len(pair) != 2 for pair in found):
        raise ParameterError(f"--kinds must be name=kind pairs, as in age=count,sex=categorical; got '{text}'.")
    return {name.strip(): kind.strip() for name, kind in found}


def share_or_path(text: str) -> float | str:
    """Return a share of rows, or where rows are."""
    try:
        share = float(text)
    except ValueError:
        return text
    if not 0 <= share < 1:
        raise ParameterError(f"--valid must be a share from 0 up to below 1, or DATA; got {text}.")
    return share
