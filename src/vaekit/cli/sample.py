"""vaekit sample."""

from typing import Annotated

import typer

from vaekit.cli import shared
from vaekit.cli.shared import ModelPath, Output


def sample(
    model: ModelPath,
    *,
    n: Annotated[int, typer.Option("-n", metavar="N", help="How many rows.")] = 64,
    output: Output = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, other rows.")] = 0,
    temperature: Annotated[float, typer.Option(metavar="T", help="Below 1 more typical, above 1 more varied.")] = 1.0,
) -> None:
    """Write new rows drawn from the model.

    Example: vaekit sample m.vae -n 64 -o grid.png
    """
    shared.check_result(output)
    fitted = shared.load_model(model)
    from vaekit.tasks.sample import sample

    shared.write_rows(sample(fitted, n, seed, temperature), output, fitted)
