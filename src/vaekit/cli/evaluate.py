"""vaekit evaluate."""

from typing import Annotated

import typer

from vaekit.cli import shared
from vaekit.cli.shared import DataPath, Json, ModelPath, Quiet, Rows, Samples
from vaekit.data.files import atomic_write
from vaekit.errors import ParameterError


def evaluate(
    model: ModelPath,
    data: DataPath,
    *,
    labels: Annotated[
        str | None, typer.Option(metavar="DATA|COLUMN", help="Classes of the rows; adds the accuracy of 10 neighbours.")
    ] = None,
    rate_distortion: Annotated[
        bool, typer.Option("--rate-distortion", help="What lossy archives take and lose, by quality, instead.")
    ] = False,
    picture: Annotated[
        str | None, typer.Option("--picture", metavar="OUT.png", help="Where to draw that curve.")
    ] = None,
    importance_samples: Samples = 64,
    rows: Rows = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print the model's figures on DATA.

    They are bound and likelihood in nats, bits per dimension, active units and squared error.

    Example: vaekit evaluate m.vae test.npz::x_test --labels test.npz::y_test

    Example: vaekit evaluate m.vae test.npz::x_test --rate-distortion --picture curve.png
    """
    if picture is not None and not rate_distortion:
        raise ParameterError("--picture draws the curve of --rate-distortion. Say both.")
    if rate_distortion:
        _rate_distortion(model, data, labels, rows, picture, json=json, quiet=quiet)
        return
    fitted = shared.load_model(model)
    from vaekit.data.labels import labels_apart
    from vaekit.tasks.evaluate import evaluate

    chosen, classes = labels_apart(shared.read_rows(data, rows), labels, rows, fitted.schema.names)
    with shared.telling("evaluating", quiet=quiet) as tell:
        figures = evaluate(fitted, chosen, classes, importance_samples, tell)
    if json:
        shared.print_json(figures)
        return
    for name, value in figures.items():
        print(f"{name:20s} {value:,}" if isinstance(value, int) else f"{name:20s} {value:.4f}")


def _rate_distortion(
    model: str, data: str, labels: str | None, rows: str | None, picture: str | None, *, json: bool, quiet: bool
) -> None:
    shared.check_output(picture)
    fitted = shared.load_model(model)
    from vaekit.tasks.rate_distortion import drawn, rate_distortion

    classes = None if labels is None else shared.read_rows(labels, rows)
    with shared.telling("compressing", quiet=quiet) as tell:
        points = rate_distortion(fitted, shared.read_rows(data, rows), classes, tell)
    if picture is not None:
        atomic_write(picture, drawn(points))
    if json:
        shared.print_json({"rate_distortion": points})
        return
    print("  ".join(f"{name:>14s}" for name in points[0]))
    for point in points:
        print("  ".join(f"{'-' if value is None else f'{value:.4g}':>14s}" for value in point.values()))
