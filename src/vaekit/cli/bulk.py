"""What the verbs that can be done in parts share: which engine does them, and how it is told."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer

from vaekit.cli import shared
from vaekit.cli.fit import check_choice
from vaekit.errors import ParameterError

Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="local, all cores of this machine; or ray, a cluster: OUT is then a folder of parts.",
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address", metavar="HOST:PORT", help="A Ray cluster that runs; without it one is started for this."
    ),
]
PartRows = Annotated[
    int | None, typer.Option("--part-rows", metavar="N", help="Rows in a part, with --engine ray; 10,000 by default.")
]


def is_asked(engine: str, address: str | None, part_rows: int | None) -> bool:
    """Whether a verb is to be done in parts.

    Raises
    ------
    ParameterError
        When there is no such engine, or what only `ray` knows is asked of another.
    """
    check_choice("engine", engine, ("local", "ray"))
    if engine == "local" and (address is not None or part_rows is not None):
        raise ParameterError("--ray-address and --part-rows are of --engine ray. Say it with them, or leave them out.")
    return engine == "ray"


def in_parts(
    verb: str,
    model: str,
    data: str,
    output: str | None,
    rows: str | None,
    address: str | None,
    part_rows: int | None,
    *,
    quiet: bool,
    **options: Any,
) -> None:
    """Do a verb in parts on a cluster."""
    if output in (None, "-"):
        raise ParameterError("With --engine ray the result is a folder of parts. Name it with -o.")
    assert output is not None
    from vaekit.tasks.bulk import PART_ROWS, in_parts
    from vaekit.tasks.jobs import Job
    from vaekit.tasks.on_ray import on_ray

    with shared.telling(verb, quiet=quiet) as tell, redirect_stdout(sys.stderr):  # where Ray tells of lost workers
        manifest = in_parts(
            Job(verb, model, options),
            data,
            output,
            rows=rows,
            part_rows=PART_ROWS if part_rows is None else part_rows,
            engine=on_ray(address),
            tell=tell,
        )
    n_rows = sum(part["rows"] for part in manifest["parts"])
    shared.say(f"{n_rows:,} rows in {len(manifest['parts']):,} parts → {output}", quiet=quiet)
