"""Words that all verbs share, so that they speak alike."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vaekit.estimators.vae import VAE, Autoencoder

ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="A model file, NAME.vae.")]
DataPath = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A .npy, .npz (file.npz::name), .csv, .tsv, .parquet, .arrow or IDX file, a folder of pictures, "
        "builtin:digits, or - for standard input.",
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


def load_model(path: str) -> VAE | Autoencoder:
    """Return the fitted estimator of a model file."""
    from vaekit.estimators.load import load

    return load(path)


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


def write_result(
    result: Any, path: str | None, model: VAE | Autoencoder | None = None, names: list[str] | None = None
) -> None:
    """Write a result where it was wanted; pictures take their white from the model's schema."""
    from vaekit.data.writers import write

    write(result, path, names, maximum=None if model is None else _white(model))


def print_json(plain: Any) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(plain, indent=2 if sys.stdout.isatty() else None, default=str))


def say(words: str, *, quiet: bool = False) -> None:
    """Say something on standard error."""
    if not quiet:
        print(words, file=sys.stderr)


def _white(model: VAE | Autoencoder) -> float | None:
    """Return the largest value of a picture."""
    field = model.schema_.fields[0]
    n_levels = getattr(field, "n_levels", 2)
    return float((field.first + n_levels - 1) * field.numerator / field.denominator) if n_levels > 2 else None  # type: ignore[attr-defined]
