"""vaekit compress."""

from __future__ import annotations

from mmap import mmap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vaekit.cli import archives, bulk, shared
from vaekit.cli.archives import Force, Threads
from vaekit.cli.bulk import Engine, PartRows, RayAddress
from vaekit.cli.shared import DataPath, ModelPath, Quiet, Rows
from vaekit.errors import ParameterError

if TYPE_CHECKING:
    from vaekit.codec.dial import Dial


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
    lossy: Annotated[
        bool, typer.Option("--lossy", help="Less than all: smaller, by one of the next three, by --quality 50 if none.")
    ] = False,
    quality: Annotated[
        float | None, typer.Option("--quality", metavar="Q", help="From 0, the smallest, to 100, nothing is lost.")
    ] = None,
    max_error: Annotated[
        str | None,
        typer.Option("--max-error", metavar="E", help="No value is off by more: in its unit, or as 1% of its range."),
    ] = None,
    target_bits: Annotated[
        float | None, typer.Option("--target-bits", metavar="B", help="At most so many bits a row, on average.")
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Tell what zstd -19 and xz -9 would need.")] = False,
    threads: Threads = None,
    force: Force = False,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    part_rows: PartRows = None,
    quiet: Quiet = False,
) -> None:
    """Write DATA as an archive, NAME.vaez, that gives the very same data back, or with --lossy nearly the same.

    Every block is decoded and compared before it is written. Rows that the model does not fit are packed by zstd.

    Example: vaekit compress m.vae pictures/ -o pictures.vaez

    Example: vaekit compress m.vae pictures/ -o small.vaez --lossy --quality 40
    """
    dial = _dial(quality, max_error, target_bits, lossy=lossy)
    if bulk.is_asked(engine, ray_address, part_rows):
        if compare or force or threads is not None:
            raise ParameterError("--compare, --force, --threads are of one archive. Leave them out with --engine ray.")
        options = {"embed_model": embed_model, "dial": None if dial is None else dial.said}
        bulk.in_parts("compress", model, data, output, rows, ray_address, part_rows, quiet=quiet, **options)
        return
    target = archives.target(output, archives.archive_name(data), force=force)
    from vaekit.codec.packing import write
    from vaekit.data.readers import picture_names
    from vaekit.storage.header import read_integer_model

    integer = read_integer_model(model)
    found = shared.read_rows(data, rows)
    workers = archives.processes(threads, len(found))
    with archives.delivered(target) as path:
        with open(path, "w+b") as stream, shared.telling("compressing", quiet=quiet) as tell:
            write(
                stream,
                found,
                integer,
                embed_model=embed_model,
                names=picture_names(data, rows),
                dial=dial,
                processes=workers,
                tell=tell,
            )
        archive = archives.opened(path)
    _report(found, archive, target, quiet=quiet)
    if dial is not None and not quiet:
        _say_loss(found, archive, integer, workers)
    if compare:
        _compare(found, quiet=quiet)


def _report(data: Any, archive: bytes | mmap, target: str | None, *, quiet: bool) -> None:
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


def _dial(quality: float | None, max_error: str | None, target_bits: float | None, *, lossy: bool) -> Dial | None:
    from vaekit.codec.dial import Dial

    nothing = all(word is None for word in (quality, max_error, target_bits))
    if not lossy and not nothing:
        raise ParameterError("--quality, --max-error and --target-bits lose some of the data. Say --lossy with them.")
    return Dial(50.0 if nothing else quality, max_error, target_bits) if lossy else None


def _say_loss(data: Any, archive: bytes | mmap, integer: bytes | None, processes: int) -> None:
    """Tell how far the data that come back are from those that went in."""
    from vaekit.codec.archive import decompress
    from vaekit.codec.loss import lost

    for words in lost(data, decompress(archive, integer, processes=processes)):
        shared.say(words)


def _compare(data: Any, *, quiet: bool) -> None:
    for name, n_bytes in archives.others(data).items():
        shared.say(f"{name}: {n_bytes:,} bytes", quiet=quiet)
