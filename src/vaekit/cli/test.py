"""vaekit test."""

from vaekit.cli import archives, shared
from vaekit.cli.archives import ArchivePath, Needed
from vaekit.cli.shared import Quiet
from vaekit.errors import CodecError


def test(archive: ArchivePath, *, model: Needed = None, quiet: Quiet = False) -> None:
    """Decode an archive and write nothing; tell which blocks survive where it is damaged.

    Example: vaekit test pictures.vaez --model m.vae
    """
    from vaekit.codec.archive import survivors
    from vaekit.codec.container import Reader
    from vaekit.storage.header import read_integer_model

    data = archives.opened(archive)
    reader = Reader(data, strict=False)
    integer = None if model is None else read_integer_model(model)
    whole = survivors(reader, integer)
    shared.say(f"{len(whole)} of {len(reader.blocks)} blocks are whole", quiet=quiet)
    if len(whole) < len(reader.blocks):
        lost = sorted(set(range(len(reader.blocks))) - set(whole))
        raise CodecError(
            f"{archive} is damaged in the blocks {', '.join(map(str, lost))}. "
            "Take the others with: vaekit decompress --salvage"
        )
    Reader(data)  # a damaged index is an error too
