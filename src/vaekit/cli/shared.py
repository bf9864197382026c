"""Words that all verbs share, so that they speak alike."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vaekit.data.progress import Tell
    from vaekit.models.fitted import Fitted

ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="A model file, NAME.vae.")]
DataPath = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A .npy, .npz (file.npz::name), .csv, .tsv, .parquet, .arrow, .tar or IDX file, a folder of pictures or "
        "such files, builtin:digits, or - for standard input.",
    ),
]
Rows = Annotated[str | None, typer.Option("--rows", metavar="A:B", help="Take these rows only.")]
Output = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="OUT", help="Where to write; standard output without it."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Samples = Annotated[
    int,
    typer.Option("--importance-samples", metavar="K", help="Draws a row; more is closer to the likelihood."),
]


def load_model(path: str) -> Fitted:
    """Return the fitted model of a file."""
    from vaekit.storage.model_file import load_model

    return load_model(path)


def read_rows(source: str, rows: str | None) -> Any:
    """Return the data of a source."""
    from vaekit.data.readers import read

    return read(source, rows)


def check_output(path: str | None) -> None:
    """Refuse a path that cannot be written, before any work is done."""
    if path is not None:
        from vaekit.data.files import check_writable

        check_writable(path)


def check_result(path: str | None) -> None:
    """Refuse a path that no result can be written to, before any work is done."""
    if path is not None:
        from vaekit.data.writers import check_target

        check_target(path)


def telling(words: str, *, quiet: bool) -> AbstractContextManager[Tell | None]:
    """Return what shows, in a with-block, how far a verb is."""
    from vaekit.training.progress import Doing

    return nullcontext() if quiet else Doing(words)


def write_result(result: Any, path: str | None, names: list[str] | None = None) -> None:
    """Write an array or a table where it was wanted."""
    from vaekit.data.writers import write

    write(result, path, names)


def write_rows(rows: Any, path: str | None, model: Fitted, columns: int | None = None) -> None:
    """Write rows that a model made where they were wanted; pictures take their white from its schema."""
    from vaekit.data.writers import write

    write(rows, path, model.schema.names, maximum=_white(model), columns=columns)


def print_json(plain: Any) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(plain, indent=2 if sys.stdout.isatty() else None, default=str))


def say(words: str, *, quiet: bool = False) -> None:
    """Say something on standard error."""
    if not quiet:
        print(words, file=sys.stderr)


def _white(model: Fitted) -> float | None:
    """Return the largest value of a picture, where it has levels."""
    from vaekit.data.fields import Levels

    field = model.schema.fields[0]
    return field.high if isinstance(field, Levels) else None
