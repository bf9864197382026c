"""vaekit decompress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vaekit.cli import archives, shared
from vaekit.cli.archives import ArchivePath, Force, Needed, Threads
from vaekit.cli.shared import Quiet

if TYPE_CHECKING:
    from vaekit.codec.container import Reader


def decompress(
    archive: ArchivePath,
    *,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="Where to write; the archive's name without .vaez else."),
    ] = None,
    model: Needed = None,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Write the rows of whole blocks of a damaged file.")
    ] = False,
    threads: Threads = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Write the data that an archive was made of, bit for bit.

    Example: vaekit decompress pictures.vaez --model m.vae -o pictures/
    """
    from vaekit.codec.archive import survivors
    from vaekit.codec.container import Reader
    from vaekit.storage.header import read_integer_model

    reader = Reader(archives.opened(archive), strict=not salvage)
    usual = archives.data_name(archive, named=reader.names is not None)
    target = archives.target(output, usual, force=force)
    integer = None if model is None else read_integer_model(model)
    numbers = survivors(reader, integer) if salvage else range(len(reader.blocks))
    with shared.telling("decompressing", quiet=quiet) as tell:
        _write(reader, numbers, integer, target, archives.processes(threads, reader.n_items), tell)
    if salvage:
        n_rows = sum(reader.blocks[k][1] for k in numbers)
        shared.say(f"{len(numbers)} of {len(reader.blocks)} blocks were whole: {n_rows:,} rows", quiet=quiet)


def _write(
    reader: Reader,
    numbers: Sequence[int],
    integer: bytes | None,
    target: str | None,
    workers: int,
    tell: Callable[[float], None] | None,
) -> None:
    """Write the rows of some blocks; those of an array go into a file of it as they come."""
    from vaekit.codec.archive import array_layout, decoded, joined
    from vaekit.data.writers import write, write_pictures, write_rows

    pieces = decoded(reader, numbers, integer, processes=workers, tell=tell)
    if target is not None and target.endswith(".npy") and reader.header.get("kind") != "table":
        write_rows(target, *array_layout(reader, numbers), pieces)
        return
    data = joined(reader, numbers, list(pieces), integer)
    if reader.names is not None and target is not None and target.endswith("/"):
        write_pictures(data, target, [reader.names[i] for i in reader.items(numbers)])
    else:
        write(data, target)
