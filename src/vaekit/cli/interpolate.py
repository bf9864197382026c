"""vaekit interpolate."""

from typing import Annotated

import typer

from vaekit.cli.shared import (
    DataPath,
    ModelPath,
    Output,
    Rows,
    check_result,
    load_model,
    read_rows,
    write_result,
)


def interpolate(
    model: ModelPath,
    data: DataPath,
    *,
    between: Annotated[tuple[int, int], typer.Option(metavar="I J", help="The two rows, counted from 0.")],
    steps: Annotated[int, typer.Option(metavar="K", help="Rows to write, both ends included.")] = 10,
    output: Output = None,
    rows: Rows = None,
) -> None:
    """Write the rows between two rows of DATA, along the straight line between their codes.

    Example: vaekit interpolate m.vae pictures/ --between 0 7 --steps 10 -o path.png
    """
    check_result(output)
    fitted = load_model(model)
    write_result(fitted.interpolate(read_rows(data, rows), between, steps), output, fitted)
