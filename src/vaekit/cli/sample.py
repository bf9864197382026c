"""vaekit sample."""

from typing import Annotated

import typer

from vaekit.cli.shared import ModelPath, Output, check_result, load_model, write_result


def sample(
    model: ModelPath,
    *,
    n: Annotated[int, typer.Option("-n", help="How many rows.")] = 64,
    output: Output = None,
    seed: Annotated[int, typer.Option(help="Another seed, other rows.")] = 0,
    temperature: Annotated[float, typer.Option(metavar="T", help="Below 1 more typical, above 1 more varied.")] = 1.0,
) -> None:
    """Write new rows drawn from the model.

    Example: vaekit sample m.vae -n 64 -o grid.png
    """
    check_result(output)
    fitted = load_model(model)
    write_result(fitted.sample(n, random_state=seed, temperature=temperature), output, fitted)
