"""vaekit push."""

from typing import Annotated

import typer

from vaekit.cli.shared import ModelPath, Quiet, say


def push(
    model: ModelPath,
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="A repository; made where there is none.")],
    *,
    private: Annotated[bool, typer.Option("--private", help="Only you may see it.")] = False,
    message: Annotated[str, typer.Option(metavar="TEXT", help="What the commit says.")] = "",
    quiet: Quiet = False,
) -> None:
    """Put MODEL and a page about it on the Hugging Face Hub.

    The page is made from the model's own record: what the data are, figures, how to load it.

    Example: vaekit push m.vae ada/flowers --private
    """
    from vaekit.tasks.hub import push

    print(push(model, repo, private=private, message=message))
    say(f"pushed {model}; take it with: vaekit pull {repo} -o m.vae", quiet=quiet)
