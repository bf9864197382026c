"""vaekit compress."""

from typing import Annotated, Any

import typer

from vaekit.cli import archives, shared
from vaekit.cli.archives import Force, Threads
from vaekit.cli.shared import DataPath, ModelPath, Quiet, Rows


def compress(
    model: ModelPath,
    data: DataPath,
    *,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="The archive; beside DATA without it, - for a stream."),
    ] = None,
    rows: Rows = None,
    embed_model: Annotated[
        bool, typer.Option("--embed-model", help="Put the model into the archive, which is then read alone.")
    ] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Tell what zstd -19 and xz -9 would need.")] = False,
    threads: Threads = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Write DATA as an archive, NAME.vaez, that gives the very same data back.

    Every block is decoded and compared before it is written. Rows that the model does not fit are packed by zstd.

    Example: vaekit compress m.vae pictures/ -o pictures.vaez
    """
    target = archives.target(output, archives.archive_name(data), force=force)
    from vaekit.codec.archive import compress
    from vaekit.data.readers import picture_names
    from vaekit.storage.header import read_integer_model

    integer = read_integer_model(model)
    found = shared.read_rows(data, rows)
    with shared.telling("compressing", quiet=quiet) as tell:
        archive = compress(
            found,
            integer,
            embed_model=embed_model,
            names=picture_names(data, rows),
            processes=archives.processes(threads, len(found)),
            tell=tell,
        )
    archives.write_bytes(archive, target)
    _report(found, archive, target, quiet=quiet)
    if compare:
        _compare(found, quiet=quiet)


def _report(data: Any, archive: bytes, target: str | None, *, quiet: bool) -> None:
    from vaekit.codec.archive import listing
    from vaekit.codec.container import Reader

    held = listing(Reader(archive))
    blocks = ", ".join(f"{n} {'block' if n == 1 else 'blocks'} by {method}" for method, n in held.methods.items())
    bits = 8 * held.n_bytes / max(1, archives.n_values(data))
    where = "" if target is None else f" → {target}"
    shared.say(
        f"{held.raw_bytes:,} bytes → {held.n_bytes:,} bytes{where}: {held.raw_bytes / held.n_bytes:.3g} times smaller, "
        f"{bits:.4g} bits a value; {blocks or 'no rows'}",
        quiet=quiet,
    )


def _compare(data: Any, *, quiet: bool) -> None:
    for name, n_bytes in archives.others(data).items():
        shared.say(f"{name}: {n_bytes:,} bytes", quiet=quiet)
