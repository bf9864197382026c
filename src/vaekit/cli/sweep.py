"""vaekit sweep."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vaekit.cli import shared
from vaekit.cli.fit import check_choice, pairs, share_or_path, whole_or_auto
from vaekit.cli.shared import DataPath, Json, Quiet, Rows, say
from vaekit.errors import ParameterError

if TYPE_CHECKING:
    from vaekit.tasks.sweep import Trial


def sweep(
    data: DataPath,
    output: Annotated[str, typer.Option("-o", "--output", metavar="MODEL.vae", help="Where the best model goes.")],
    *,
    rows: Rows = None,
    tuned: Annotated[
        str,
        typer.Option(
            "--tune",
            metavar="NAME,...",
            help="Searched: latent-dim, hidden, learning-rate, beta, weight-decay, batch-size, prior, activation.",
        ),
    ] = "latent-dim,hidden,learning-rate",
    trials: Annotated[int, typer.Option(metavar="N", help="Models to fit, those of before included.")] = 20,
    time: Annotated[
        str | None, typer.Option(metavar="T", help="No model is begun after so long: 90s, 10m, 2h.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the trials of before.")] = False,
    picture: Annotated[
        str | None, typer.Option("--picture", metavar="OUT.png", help="Where to draw the bound against each setting.")
    ] = None,
    preset: Annotated[str, typer.Option(metavar="NAME", help="fast, balanced or best.")] = "balanced",
    model: Annotated[str, typer.Option(metavar="NAME", help="vae, autoencoder, fsq, vq or hyperspherical.")] = "vae",
    latent_dim: Annotated[str, typer.Option(metavar="N|auto", help="Latent units, where they are not tuned.")] = "auto",
    kinds: Annotated[
        str, typer.Option(metavar="NAME=KIND,...", help="Kinds of columns, as in age=count,sex=categorical.")
    ] = "",
    prior: Annotated[str, typer.Option(metavar="NAME", help="p(z), where it is not tuned.")] = "auto",
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Passes of each model over the rows.")] = None,
    valid: Annotated[
        str, typer.Option(metavar="SHARE|DATA", help="The share of rows held out, which choose, or the rows.")
    ] = "0.1",
    seed: Annotated[int, typer.Option(metavar="N", help="Of everything; same seed, same trials.")] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(metavar="N", help="Processor threads.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit many models on DATA and keep the best one.

    The best has the highest bound on held-out rows. The trials lie in MODEL.vae.sweep, from which --resume goes on.

    Example: vaekit sweep measurements.csv -o m.vae --trials 20 --picture sweep.png
    """
    if output == "-":
        raise ParameterError("A model needs a file, beside which its trials lie; got '-'. Give -o NAME.vae.")
    shared.check_output(output)
    shared.check_output(picture)
    from vaekit.estimators.vae import ESTIMATORS
    from vaekit.tasks.sweep import study_path

    if study_path(output).exists() and not resume:
        say(f"{study_path(output)} is of an earlier sweep; starting anew (--resume would go on).", quiet=quiet)
    check_choice("model", model, ESTIMATORS)
    estimator = ESTIMATORS[model](
        whole_or_auto("latent-dim", latent_dim),
        preset=preset,
        kinds=pairs(kinds) or None,
        prior=prior,
        epochs=epochs,
        valid=share_or_path(valid),
        random_state=seed,
        device=device,
        threads=threads,
    )
    estimator.check_parameters()  # before a long read
    names = [name.strip().replace("-", "_") for name in tuned.split(",")]
    try:
        with shared.telling("sweeping", quiet=quiet) as tell:
            estimator.sweep(
                shared.read_rows(data, rows),
                output,
                tuned=names,
                trials=trials,
                time=time,
                resume=resume,
                heard=lambda trial: say(_sentence(trial, trials), quiet=quiet),
                tell=tell,
            )
    except KeyboardInterrupt:
        say("vaekit: interrupted; what is over is kept. Go on with the same command and --resume.")
        sys.exit(1)
    _report(estimator.sweep_, output, picture, as_json=json)


def _report(trials: list[Trial], output: str, picture: str | None, *, as_json: bool) -> None:
    from vaekit.data.files import atomic_write
    from vaekit.tasks.sweep import best_of, drawn

    best = best_of(trials)
    assert best is not None
    if picture is not None:
        atomic_write(picture, drawn(trials))
    if as_json:
        shared.print_json({"model": output, "best": asdict(best), "trials": [asdict(trial) for trial in trials]})
        return
    print("  ".join(f"{name:>13s}" for name in ("trial", *best.settings, "elbo_nats", "seconds", "")).rstrip())
    for trial in trials:
        cells = [str(trial.number), *map(_text, trial.settings.values()), _text(trial.valid_elbo_nats)]
        word = "best" if trial == best else "" if trial.state == "finished" else trial.state
        print("  ".join(f"{cell:>13s}" for cell in (*cells, f"{trial.seconds:.1f}", word)).rstrip())


def _sentence(trial: Trial, trials: int) -> str:
    settings = ", ".join(f"{name} {_text(value)}" for name, value in trial.settings.items())
    return f"trial {trial.number}/{trials}  {settings}  {_text(trial.valid_elbo_nats)} nats  {trial.state}"


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
