"""vaekit embed."""

from vaekit.cli import bulk, shared
from vaekit.cli.bulk import Engine, PartRows, RayAddress
from vaekit.cli.shared import DataPath, ModelPath, Output, Quiet, Rows


def embed(
    model: ModelPath,
    data: DataPath,
    *,
    output: Output = None,
    rows: Rows = None,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    part_rows: PartRows = None,
    quiet: Quiet = False,
) -> None:
    """Write the code of each row of DATA: the posterior's mean.

    Example: vaekit embed m.vae measurements.csv -o codes.csv
    """
    if bulk.is_asked(engine, ray_address, part_rows):
        bulk.in_parts("embed", model, data, output, rows, ray_address, part_rows, quiet=quiet)
        return
    shared.check_result(output)
    fitted = shared.load_model(model)
    from vaekit.tasks.embed import embed

    with shared.telling("embedding", quiet=quiet) as tell:
        codes = embed(fitted, shared.read_rows(data, rows), tell)
    shared.write_result(codes, output, names=[f"z{j}" for j in range(codes.shape[1])])
