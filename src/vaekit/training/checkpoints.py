"""A run's whole state on disk, so that it can go on from where it was killed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from vaekit.errors import ModelFileError, TrainingError
from vaekit.storage.tensor_file import read_tensors, write_tensors


class Checkpoint:
    """The file that holds a run's state; it is written so seldom that it costs at most a fiftieth of the time.

    Parameters
    ----------
    path : str or Path
    fingerprint : str
        Tells this run from runs with other settings, data or architecture.
    least_seconds : float
        The shortest time between two writes.
    """

    def __init__(self, path: str | os.PathLike[str], fingerprint: str, least_seconds: float = 2.0) -> None:
        self.path, self.fingerprint, self.wait = Path(path), fingerprint, least_seconds
        self.least_seconds, self.written_at = least_seconds, time.monotonic()

    def is_due(self) -> bool:
        """Whether enough time has passed since the last write."""
        return time.monotonic() - self.written_at >= self.wait

    def write(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write the state atomically: after a kill at any moment there is this one or the one before."""
        began = time.monotonic()
        write_tensors(self.path, tensors, {"fingerprint": self.fingerprint, "facts": facts})
        self.written_at = time.monotonic()
        self.wait = max(self.least_seconds, 50 * (self.written_at - began))

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the state that was written last.

        Raises
        ------
        TrainingError
            When it belongs to a run with other settings or data.
        """
        try:
            tensors, header = read_tensors(self.path)
        except ModelFileError as error:
            raise TrainingError(f"{self.path} is missing or damaged. Start anew without --resume.") from error
        if header.get("fingerprint") != self.fingerprint:
            raise TrainingError(
                f"{self.path} is the checkpoint of a run with other settings or other data. "
                "Give the same DATA and options, or start anew without --resume."
            )
        return tensors, header["facts"]

    def exists(self) -> bool:
        """Whether there is a state to go on from."""
        return self.path.exists()
