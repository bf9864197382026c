"""vaekit list."""

from dataclasses import asdict

from vaekit.cli import archives, shared
from vaekit.cli.archives import ArchivePath
from vaekit.cli.shared import Json


def list(archive: ArchivePath, *, json: Json = False) -> None:  # noqa: A001 - the verb's name
    """Tell what an archive holds, without decoding it.

    Example: vaekit list pictures.vaez
    """
    from vaekit.codec.archive import listing
    from vaekit.codec.container import Reader

    held = listing(Reader(archives.opened(archive)))
    if json:
        shared.print_json(asdict(held))
        return
    blocks = ", ".join(f"{n} by {method}" for method, n in held.methods.items())
    ratio = held.raw_bytes / held.n_bytes
    within = f"; the model within takes {held.model_bytes:,} bytes" if held.model_bytes else ""
    print(f"{held.n_items:,} rows of {held.what}; blocks: {blocks or 'none'}")
    print(f"{held.raw_bytes:,} bytes in {held.n_bytes:,}, {ratio:.3g} times smaller{within}")
    if held.lossy is not None:
        print("lossy: " + ", ".join(f"{name} {value}" for name, value in held.lossy.items()))
    if held.model_sha256 and not held.model_bytes:
        print(f"needs the model {held.model_sha256[:12]}")
