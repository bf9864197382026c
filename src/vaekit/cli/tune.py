"""vaekit tune."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vaekit.cli import shared
from vaekit.cli.shared import DataPath, ModelPath, Quiet, Rows, say


def tune(
    model: ModelPath,
    data: DataPath,
    output: Annotated[str, typer.Option("-o", "--output", metavar="OUT.vae", help="The model file to write.")],
    *,
    quality: Annotated[float, typer.Option(metavar="Q", help="That lossy archives are to have, 0 to 100.")],
    rows: Rows = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Passes over the rows; a fifth of the first training's by default.")
    ] = None,
    time: Annotated[str | None, typer.Option(metavar="T", help="A budget of time: 90s, 10m, 2h.")] = None,
    quiet: Quiet = False,
) -> None:
    """Train MODEL some more, for lossy archives of one quality.

    Example: vaekit tune m.vae pictures/ --quality 40 -o small.vae
    """
    shared.check_output(output)
    fitted = shared.load_model(model)
    from vaekit.storage.model_file import save_model
    from vaekit.tasks.tune import tune
    from vaekit.training.progress import on_screen

    listeners = () if quiet else (on_screen(),)
    tuned = tune(fitted, shared.read_rows(data, rows), quality, epochs=epochs, time=time, listeners=listeners)
    save_model(tuned, Path(output))
    say(f"wrote {output} ({os.path.getsize(output) / 1e6:.1f} MB)", quiet=quiet)
