"""vaekit sample."""

from typing import Annotated

import typer

from vaekit.cli import shared
from vaekit.cli.shared import ModelPath, Output
from vaekit.errors import ParameterError


def sample(
    model: ModelPath,
    *,
    n: Annotated[int, typer.Option("-n", metavar="N", help="How many rows.")] = 64,
    output: Output = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, other rows.")] = 0,
    given: Annotated[
        list[str] | None,
        typer.Option("--given", metavar="COLUMN=VALUE", help="That all rows are to have; say it again for more."),
    ] = None,
    balance: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="As many rows of each category of this column.")
    ] = None,
    temperature: Annotated[float, typer.Option(metavar="T", help="Below 1 more typical, above 1 more varied.")] = 1.0,
    truncation: Annotated[
        float, typer.Option(metavar="SHARE", help="Take the likeliest share of codes alone; below 1 more typical.")
    ] = 1.0,
) -> None:
    """Write new rows drawn from the model.

    Example: vaekit sample m.vae -n 64 -o grid.png

    Example: vaekit sample m.vae -n 100 --given sex=female --given smoker=true -o rows.csv
    """
    shared.check_result(output)
    fitted = shared.load_model(model)
    from vaekit.tasks.sample import sample

    rows = sample(fitted, n, seed, temperature, _pairs(given or []), balance, truncation)
    shared.write_rows(rows, output, fitted)


def _pairs(said: list[str]) -> dict[str, str]:
    if any("=" not in words for words in said):
        raise ParameterError(f"--given must be column=value, as in sex=female; got '{said[-1]}'.")
    return dict(words.split("=", 1) for words in said)
