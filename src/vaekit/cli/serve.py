"""vaekit serve."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from vaekit.cli import shared
from vaekit.cli.shared import ModelPath, Quiet
from vaekit.errors import ParameterError

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def serve(
    model: ModelPath,
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="0.0.0.0 for all who can reach it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="0 for any that is free.")] = 8000,
    max_body: Annotated[str, typer.Option("--max-body", metavar="SIZE", help="Of a request: 500KB, 64MB.")] = "64MB",
    queue: Annotated[int, typer.Option(metavar="N", help="Requests under way; beyond it, 503.")] = 256,
    batch_rows: Annotated[int, typer.Option("--batch-rows", metavar="N", help="The most rows in a batch.")] = 512,
    threads: Annotated[int | None, typer.Option(metavar="N", help="Processor threads.")] = None,
    quiet: Quiet = False,
) -> None:
    """Answer the verbs over HTTP, until Ctrl-C or SIGTERM.

    /openapi.json describes what is there. Nobody is asked who they are: widen --host behind something that does.

    Example: vaekit serve m.vae --port 8000
    """
    body_bytes = _bytes(max_body)
    for name, number in (("--queue", queue), ("--batch-rows", batch_rows), ("--threads", threads)):
        if number is not None and number < 1:
            raise ParameterError(f"{name} must be at least 1; got {number}.")
    from vaekit.serve.server import serve

    fitted = shared.load_model(model)
    import torch

    from vaekit.serve.limits import Limits
    from vaekit.training.precision import choose_threads

    torch.set_num_threads(choose_threads(threads))
    limits = Limits(body_bytes=body_bytes, queue=queue, batch_rows=batch_rows)
    serve(fitted, host, port, limits, lambda address: shared.say(f"serving {model} at {address}", quiet=quiet))


def _bytes(said: str) -> int:
    found = re.fullmatch(r"(\d{1,12})([KMG]?B|)", said.strip().upper())
    if found is None or int(found[1]) == 0:
        raise ParameterError(f"--max-body must be a size, such as 500KB or 64MB; got '{said}'.")
    return int(found[1]) * UNITS[found[2]]
