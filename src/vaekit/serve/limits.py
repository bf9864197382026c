"""What a server bears."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the server bears.

    Parameters
    ----------
    body_bytes, rows : int
        The most in a request.
    queue : int
        The most requests under way.
    batch_rows : int
        The most rows answered together.
    seconds : float
        The most for a body to come, and again for an answer.
    """

    body_bytes: int = 64 * 10**6
    rows: int = 100_000
    queue: int = 256
    batch_rows: int = 512
    seconds: float = 60.0
