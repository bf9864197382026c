"""vaekit evaluate."""

from typing import Annotated

import typer

from vaekit.cli import shared
from vaekit.cli.shared import DataPath, Json, ModelPath, Quiet, Rows, Samples


def evaluate(
    model: ModelPath,
    data: DataPath,
    *,
    labels: Annotated[
        str | None, typer.Option(metavar="DATA", help="Classes of the rows; adds the accuracy of 10 neighbours.")
    ] = None,
    importance_samples: Samples = 64,
    rows: Rows = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print the model's figures on DATA.

    They are bound and likelihood in nats, bits per dimension, active units and squared error.

    Example: vaekit evaluate m.vae test.npz::x_test --labels test.npz::y_test
    """
    fitted = shared.load_model(model)
    from vaekit.tasks.evaluate import evaluate

    classes = None if labels is None else shared.read_rows(labels, rows)
    with shared.telling("evaluating", quiet=quiet) as tell:
        figures = evaluate(fitted, shared.read_rows(data, rows), classes, importance_samples, tell)
    if json:
        shared.print_json(figures)
        return
    for name, value in figures.items():
        print(f"{name:20s} {value:,}" if isinstance(value, int) else f"{name:20s} {value:.4f}")
