"""vaekit reconstruct."""

from vaekit.cli import shared
from vaekit.cli.shared import DataPath, ModelPath, Output, Quiet, Rows


def reconstruct(
    model: ModelPath, data: DataPath, *, output: Output = None, rows: Rows = None, quiet: Quiet = False
) -> None:
    """Write what the model makes of each row of DATA from its code.

    Example: vaekit reconstruct m.vae pictures/ -o grid.png
    """
    shared.check_result(output)
    fitted = shared.load_model(model)
    from vaekit.tasks.reconstruct import reconstruct

    with shared.telling("reconstructing", quiet=quiet) as tell:
        made = reconstruct(fitted, shared.read_rows(data, rows), tell)
    shared.write_rows(made, output, fitted)
