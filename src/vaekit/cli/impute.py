"""vaekit impute."""

import os
from typing import Annotated, Any

import typer

from vaekit.cli import bulk, shared
from vaekit.cli.bulk import Engine, PartRows, RayAddress
from vaekit.cli.shared import DataPath, ModelPath, Output, Quiet, Rows


def impute(
    model: ModelPath,
    data: DataPath,
    *,
    output: Output = None,
    draws: Annotated[
        int, typer.Option(metavar="N", help="With more than 1, DATA so many times, gaps holding draws: `draw` counts.")
    ] = 1,
    intervals: Annotated[
        str | None, typer.Option(metavar="OUT", help="Where to write a line for each gap: its value, and how sure.")
    ] = None,
    coverage: Annotated[float, typer.Option(metavar="P", help="How probably a number is within its interval.")] = 0.9,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, other draws.")] = 0,
    rows: Rows = None,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    part_rows: PartRows = None,
    quiet: Quiet = False,
) -> None:
    """Write DATA with its gaps filled, given the rest of each row; nothing else changes.

    Example: vaekit impute m.vae measurements.csv -o whole.csv --intervals sure.csv
    """
    if bulk.is_asked(engine, ray_address, part_rows):
        jobs: dict[str, Any] = {"impute": (output, {"draws": draws, "seed": seed})}
        jobs |= {} if intervals is None else {"intervals": (intervals, {"coverage": coverage})}
        for verb, (folder, options) in jobs.items():
            bulk.in_parts(verb, model, data, folder, rows, ray_address, part_rows, quiet=quiet, **options)
        return
    shared.check_result(output)
    shared.check_result(intervals)
    fitted, found = shared.load_model(model), shared.read_rows(data, rows)
    from vaekit.tasks import impute as task

    cores, lines = os.cpu_count() or 1, None
    if intervals is not None:
        with shared.telling("intervals", quiet=quiet) as tell:
            lines = task.intervals(fitted, found, coverage, tell, processes=cores)
    with shared.telling("filling", quiet=quiet) as tell:
        whole = (
            task.impute(fitted, found, tell)
            if draws == 1
            else task.stacked(task.impute_draws(fitted, found, draws, seed, tell, processes=cores))
        )
    shared.write_rows(whole, output, fitted)
    if lines is not None:
        shared.write_result(lines, intervals)
