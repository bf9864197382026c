"""vaekit pull."""

import os
from typing import Annotated

import typer

from vaekit.cli import shared
from vaekit.cli.shared import Quiet, say


def pull(
    source: Annotated[
        str, typer.Argument(metavar="OWNER/NAME[@REVISION]", help="A repository; of it a branch, tag or commit.")
    ],
    output: Annotated[str, typer.Option("-o", "--output", metavar="MODEL.vae", help="The model file to write.")],
    *,
    quiet: Quiet = False,
) -> None:
    """Take a model from the Hugging Face Hub.

    Every byte is checked before the file is written.

    Example: vaekit pull ada/flowers -o m.vae
    """
    shared.check_output(output)
    from vaekit.tasks.hub import pull

    pull(source, output)
    say(f"wrote {output} ({os.path.getsize(output) / 1e6:.1f} MB)", quiet=quiet)
