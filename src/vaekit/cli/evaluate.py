"""vaekit evaluate."""

from typing import Annotated

import typer

from vaekit.cli.shared import DataPath, Json, ModelPath, Rows, Samples, load_model, print_json, read_rows


def evaluate(
    model: ModelPath,
    data: DataPath,
    *,
    labels: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Classes of the rows; adds the accuracy of 10 neighbours."),
    ] = None,
    importance_samples: Samples = 64,
    rows: Rows = None,
    json: Json = False,
) -> None:
    """Print the model's figures on DATA: bound and likelihood in nats, bits per dimension, active units, error.

    Example: vaekit evaluate m.vae test.npz::x_test --labels test.npz::y_test
    """
    classes = None if labels is None else read_rows(labels, rows)
    figures = load_model(model).evaluate(read_rows(data, rows), classes, importance_samples)
    if json:
        print_json(figures)
        return
    for name, value in figures.items():
        print(f"{name:20s} {value:,}" if isinstance(value, int) else f"{name:20s} {value:.4f}")
