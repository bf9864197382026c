"""vaekit explore."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from vaekit.cli import shared
from vaekit.cli.shared import ModelPath, Quiet, Rows
from vaekit.errors import MissingExtraError, ParameterError

if TYPE_CHECKING:
    from vaekit.explorer.session import Session


def explore(
    model: ModelPath,
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="Rows to look at; without, the codes that MODEL keeps.")
    ] = None,
    *,
    labels: Annotated[str | None, typer.Option(metavar="DATA|COLUMN", help="Classes of the rows, for colours.")] = None,
    rows: Rows = None,
    port: Annotated[int, typer.Option(metavar="P", help="Where to listen; any that is free by default.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, open nothing.")] = False,
    export: Annotated[
        str | None, typer.Option(metavar="OUT.html", help="Write one page that needs nothing beside itself, and end.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Open a page to look into a model with: a map of the codes, and under the pointer what they stand for.

    It is served to this machine alone until Ctrl-C, and asks no network for anything.

    Example: vaekit explore digits.vae builtin:digits --labels builtin:digits::labels

    Example: vaekit explore m.vae measurements.csv --export page.html
    """
    if data is None and (labels or rows):
        raise ParameterError("--labels and --rows are of DATA, which is not given. Name it after MODEL.")
    shared.check_output(export)
    if export is None:
        _server()  # an extra that is missing is told before any work is done
    fitted = shared.load_model(model)
    from vaekit.data.labels import labels_apart
    from vaekit.explorer.session import Session

    chosen, classes = None, None
    if data is not None:
        chosen, classes = labels_apart(shared.read_rows(data, rows), labels, rows, fitted.schema.names)
    with shared.telling("embedding", quiet=quiet) as tell:
        session = Session(fitted, chosen, classes, tell)
    if export is not None:
        _write(session, export, quiet=quiet)
    else:
        _serve(session, port, opens=not no_browser, quiet=quiet)


def _write(session: Session, path: str, *, quiet: bool) -> None:
    from vaekit.data.files import atomic_write
    from vaekit.explorer.page import page

    text = page(session)
    atomic_write(path, text.encode())
    shared.say(f"wrote {path} ({len(text) / 1e6:.1f} MB): open it in a browser", quiet=quiet)


def _serve(session: Session, port: int, *, opens: bool, quiet: bool) -> None:
    import webbrowser

    server = _server()
    token = server.new_token()
    with server.listening(port) as sock:
        print(server.address(sock, token), flush=True)
        shared.say("Ctrl-C ends it.", quiet=quiet)
        if opens:
            webbrowser.open(server.address(sock, token))
        try:
            server.server_of(session, sock, token).run(sockets=[sock])
        except KeyboardInterrupt:  # that is how it ends
            session.ended = True
            shared.say("ended", quiet=quiet)


def _server() -> ModuleType:
    try:
        from vaekit.explorer import server
    except ImportError as missing:
        raise MissingExtraError("explore") from missing
    return server
