"""vaekit export."""

from dataclasses import asdict
from typing import Annotated

import typer

from vaekit.cli import shared
from vaekit.cli.shared import Json, ModelPath, Rows, print_json


def export(
    model: ModelPath,
    output: Annotated[str, typer.Option("-o", "--output", metavar="OUT", help="NAME.onnx or NAME.keras.")],
    *,
    check: Annotated[str | None, typer.Option("--check", metavar="DATA", help="Rows to compare on, too.")] = None,
    rows: Rows = None,
    json: Json = False,
) -> None:
    """Write the model for other programs.

    What is written takes and gives numbers in the data's own units, and answers as the model does.

    Example: vaekit export m.vae -o m.onnx --check measurements.csv
    """
    fitted = shared.load_model(model)
    from vaekit.tasks.export import export

    written = export(fitted, output, None if check is None else shared.read_rows(check, rows))
    if json:
        print_json(asdict(written))
        return
    beside = f" and on {written.rows_compared} rows of {check}" if check else ""
    print(f"wrote {' and '.join(written.files)}")
    print(f"largest relative difference from the model: {written.relative_difference:.1e}, on drawn rows{beside}")
