"""vaekit interpolate."""

from typing import Annotated

import typer

from vaekit.cli import shared
from vaekit.cli.shared import DataPath, ModelPath, Output, Rows


def interpolate(
    model: ModelPath,
    data: DataPath,
    *,
    between: Annotated[tuple[int, int], typer.Option(metavar="I J", help="The two rows, counted from 0.")],
    steps: Annotated[int, typer.Option(metavar="K", help="Rows to write, both ends included.")] = 10,
    output: Output = None,
    rows: Rows = None,
) -> None:
    """Write the rows between two rows of DATA.

    They are decoded along the straight line between the two codes; pictures stand side by side.

    Example: vaekit interpolate m.vae pictures/ --between 0 7 --steps 10 -o path.png
    """
    shared.check_result(output)
    fitted = shared.load_model(model)
    from vaekit.tasks.interpolate import interpolate

    path = interpolate(fitted, shared.read_rows(data, rows), between, steps)
    shared.write_rows(path, output, fitted, columns=steps)
