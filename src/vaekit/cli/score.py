"""vaekit score."""

from typing import Annotated

import typer

from vaekit.cli import bulk, shared
from vaekit.cli.bulk import Engine, PartRows, RayAddress
from vaekit.cli.shared import DataPath, ModelPath, Output, Quiet, Rows, Samples


def score(
    model: ModelPath,
    data: DataPath,
    *,
    output: Output = None,
    rows: Rows = None,
    importance_samples: Samples = 64,
    explain: Annotated[
        int | None, typer.Option(metavar="N", help="Add a column `why`: the N values of a row that are oddest.", min=1)
    ] = None,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    part_rows: PartRows = None,
    quiet: Quiet = False,
) -> None:
    """Write how likely each row of DATA is, and how odd.

    The columns are log_likelihood_nats, bits_per_dim, oddity_nats and tail_probability, the share of held-out rows at
    least as odd: small for an anomaly.

    Example: vaekit score m.vae measurements.csv --explain 3 -o scores.csv
    """
    if bulk.is_asked(engine, ray_address, part_rows):
        options = {"importance_samples": importance_samples, "told": explain}
        bulk.in_parts("score", model, data, output, rows, ray_address, part_rows, quiet=quiet, **options)
        return
    shared.check_result(output)
    fitted = shared.load_model(model)
    import polars as pl

    from vaekit.tasks.explain import explain as explained
    from vaekit.tasks.explain import most_telling
    from vaekit.tasks.score import score

    chosen = shared.read_rows(data, rows)
    with shared.telling("scoring", quiet=quiet) as tell:
        table = pl.DataFrame(score(fitted, chosen, importance_samples, tell)._asdict())
    if explain is not None:
        with shared.telling("explaining", quiet=quiet) as tell:
            table = table.with_columns(why=pl.Series(most_telling(explained(fitted, chosen, tell), explain)))
    shared.write_result(table, output)
