"""The page beside a running program, as a notebook is: served by a thread until it is closed."""

from __future__ import annotations

from threading import Thread
from typing import Any

from vaekit.explorer.server import address, listening, new_token, server_of
from vaekit.explorer.session import Session


class Page:
    """A page that is being served to this machine alone.

    Parameters
    ----------
    session : Session
    port : int, default=0
        Any that is free.

    Attributes
    ----------
    url : str
        Where it is; the address holds the token that opens it.
    """

    def __init__(self, session: Session, port: int = 0) -> None:
        self._session, token = session, new_token()
        self._sock = listening(port)
        self.url = address(self._sock, token)
        self._server = server_of(session, self._sock, token)
        self._thread = Thread(target=self._server.run, kwargs={"sockets": [self._sock]}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Serve it no longer."""
        self._session.ended = self._server.should_exit = True
        self._thread.join()
        self._sock.close()

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        """Return where the page is."""
        return f"Page({self.url})"

    def _repr_html_(self) -> str:
        return f'<a href="{self.url}" target="_blank" rel="noopener">Explore the model</a>'
