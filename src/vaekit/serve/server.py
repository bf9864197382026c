"""The server: an address, and a stop that loses nothing."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vaekit.errors import MissingExtraError, ParameterError

if TYPE_CHECKING:
    from vaekit.models.fitted import Fitted
    from vaekit.serve.limits import Limits


def serve(fitted: Fitted, host: str, port: int, limits: Limits, tell: Callable[[str], None]) -> None:
    """Serve a model until SIGTERM or SIGINT; requests that came before are answered first.

    Parameters
    ----------
    fitted : Fitted
    host : str
    port : int
        0 for any that is free.
    limits : Limits
    tell : callable
        Is told the address.

    Raises
    ------
    MissingExtraError
        When starlette or uvicorn is not installed.
    ParameterError
        When the address cannot be had.
    """
    uvicorn = _uvicorn()
    from vaekit.serve.application import application

    with _listening(host, port) as listener:
        tell(f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}")
        config = uvicorn.Config(application(fitted, limits), log_level="warning", server_header=False, lifespan="on")
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them anew at its end, which is no failure
            signal.signal(number, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listener])


def _uvicorn() -> Any:
    try:
        import starlette  # noqa: F401 - is needed as well
        import uvicorn
    except ImportError as missing:
        raise MissingExtraError("serve") from missing
    return uvicorn


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = (getattr(error, "strerror", None) or str(error)).partition(" (")[0].rstrip(".")
        raise ParameterError(f"--host {host} --port {port} cannot be had: {why}. Name another, or --port 0.") from None
