"""vaekit decompress."""

from typing import Annotated

import typer

from vaekit.cli import archives, shared
from vaekit.cli.archives import ArchivePath, Force, Needed, Threads
from vaekit.cli.shared import Quiet


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
    from vaekit.codec.archive import decoded, joined, survivors
    from vaekit.codec.container import Reader
    from vaekit.data.writers import write, write_pictures
    from vaekit.storage.header import read_integer_model

    reader = Reader(archives.read_bytes(archive), strict=not salvage)
    usual = archives.data_name(archive, named=reader.names is not None)
    target = archives.target(output, usual, force=force)
    integer = None if model is None else read_integer_model(model)
    numbers = survivors(reader, integer) if salvage else range(len(reader.blocks))
    with shared.telling("decompressing", quiet=quiet) as tell:
        workers = archives.processes(threads, reader.n_items)
        pieces = list(decoded(reader, numbers, integer, processes=workers, tell=tell))
        data = joined(reader, numbers, pieces, integer)
    if reader.names is not None and target is not None and target.endswith("/"):
        write_pictures(data, target, [reader.names[i] for i in reader.items(numbers)])
    else:
        write(data, target)
    if salvage:
        shared.say(f"{len(numbers)} of {len(reader.blocks)} blocks were whole: {len(data):,} rows", quiet=quiet)
