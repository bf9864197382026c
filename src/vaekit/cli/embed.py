"""vaekit embed."""

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


def embed(model: ModelPath, data: DataPath, *, output: Output = None, rows: Rows = None) -> None:
    """Write the code of each row of DATA: the posterior's mean.

    Example: vaekit embed m.vae measurements.csv -o codes.csv
    """
    check_result(output)
    codes = load_model(model).transform(read_rows(data, rows))
    write_result(codes, output, names=[f"z{j}" for j in range(codes.shape[1])])
