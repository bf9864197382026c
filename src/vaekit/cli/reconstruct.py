"""vaekit reconstruct."""

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


def reconstruct(model: ModelPath, data: DataPath, *, output: Output = None, rows: Rows = None) -> None:
    """Write what the model makes of each row of DATA after its code alone.

    Example: vaekit reconstruct m.vae pictures/ -o grid.png
    """
    check_result(output)
    fitted = load_model(model)
    write_result(fitted.reconstruct(read_rows(data, rows)), output, fitted)
