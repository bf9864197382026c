"""vaekit decompress."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from vaekit.cli import archives, shared
from vaekit.cli.archives import Force, Needed, Threads
from vaekit.cli.shared import Quiet

if TYPE_CHECKING:
    from vaekit.codec.container import Reader
    from vaekit.data.progress import Tell


def decompress(
    archive: Annotated[
        str,
        typer.Argument(
            metavar="ARCHIVE", help="A .vaez file, a folder of them by --engine ray, or - for standard input."
        ),
    ],
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

    readers = [Reader(archives.opened(path), strict=not salvage) for path in archives.files_of(archive)]
    usual = archives.data_name(archive, named=readers[0].names is not None)
    target = archives.target(output, usual, force=force)
    integer = None if model is None else read_integer_model(model)
    held = [(reader, survivors(reader, integer) if salvage else range(len(reader.blocks))) for reader in readers]
    workers = archives.processes(threads, sum(reader.n_items for reader in readers))
    with shared.telling("decompressing", quiet=quiet) as tell:
        _write(held, integer, target, workers, tell)
    if salvage:
        n_rows = sum(reader.blocks[k][1] for reader, numbers in held for k in numbers)
        n_whole, n_blocks = sum(len(numbers) for _, numbers in held), sum(len(reader.blocks) for reader in readers)
        shared.say(f"{n_whole} of {n_blocks} blocks were whole: {n_rows:,} rows", quiet=quiet)


def _write(
    held: Sequence[tuple[Reader, Sequence[int]]],
    integer: bytes | None,
    target: str | None,
    workers: int,
    tell: Tell | None,
) -> None:
    """Write the rows of some blocks of archives; those of arrays go into a file of them as they come."""
    from vaekit.codec.archive import array_layout, decoded, joined
    from vaekit.data.frames import concatenated
    from vaekit.data.writers import write, write_pictures, write_rows

    pieces = [
        decoded(reader, numbers, integer, processes=workers, tell=_share(tell, k, len(held)))
        for k, (reader, numbers) in enumerate(held)
    ]
    is_table = any(reader.header.get("kind") == "table" for reader, _ in held)
    if target is not None and target.endswith(".npy") and not is_table:
        layouts = [array_layout(reader, numbers) for reader, numbers in held]
        (dtype, shape), n_rows = layouts[0], sum(shape[0] for _, shape in layouts)
        write_rows(target, dtype, (n_rows, *shape[1:]), chain.from_iterable(pieces))
        return
    rows = [joined(*of, list(some), integer) for of, some in zip(held, pieces, strict=True)]
    data = rows[0] if len(rows) == 1 else concatenated(rows)
    if held[0][0].names is not None and target is not None and target.endswith("/"):
        write_pictures(data, target, [name for reader, numbers in held for name in _names(reader, numbers)])
    else:
        write(data, target)


def _names(reader: Reader, numbers: Sequence[int]) -> list[str]:
    assert reader.names is not None
    return [reader.names[i] for i in reader.items(numbers)]


def _share(tell: Tell | None, number: int, n: int) -> Tell | None:
    """Return what tells the share of one archive that is done as that of all."""
    return None if tell is None else lambda share: tell((number + share) / n)
