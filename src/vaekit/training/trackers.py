"""Trackers: listeners that hand a run to a program which keeps runs, to look at them and to compare them."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from vaekit.errors import MissingExtraError, ServiceError
from vaekit.training.progress import Began, Ended, EpochEnded, Event

EXPERIMENT = "vaekit"  # of MLflow, where its own variable MLFLOW_EXPERIMENT_NAME names none
# MLflow has no other switches for these. It would tell its makers of its use, ask a server that is not there for four
# minutes, and tell on standard error how it makes a database.
MLFLOW_WAYS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


class Tracker(ABC):
    """A listener that hands over a run's settings, its epochs' numbers and how it ended.

    A run is worth more than its record: where the program fails once the run has begun, this is said on standard error,
    and the run goes on without it.

    Parameters
    ----------
    where : str
        A folder, an address or a project: what the program keeps runs in.

    Raises
    ------
    MissingExtraError
        When the program's package is not installed.
    ServiceError
        When the program does not answer, or refuses.
    """

    name: ClassVar[str]
    """Of the program, and of the extra that installs what it needs."""

    def __init__(self, where: str | os.PathLike[str]) -> None:
        self.is_lost = False
        try:
            self._open(os.fspath(where))
        except ImportError as missing:
            raise MissingExtraError(self.name) from missing
        except Exception as error:
            raise ServiceError(
                f"The tracker {self.name} cannot keep a run in {os.fspath(where)}: {_short(error)} "
                "Mend this, or leave the tracker."
            ) from error

    def __call__(self, event: Event) -> None:
        """Hand over an event."""
        if self.is_lost:
            return
        try:
            self._hand_over(event)
        except Exception as error:
            self.is_lost = True
            print(f"the tracker {self.name} fails, the run goes on without it: {_short(error)}", file=sys.stderr)

    def _hand_over(self, event: Event) -> None:
        if isinstance(event, Began):
            self._begin(event.settings)
        if isinstance(event, EpochEnded):
            self._log({k: v for k, v in asdict(event).items() if k not in ("epoch", "epochs")}, event.epoch)
        if isinstance(event, Ended):
            self._end(event.reason)

    @abstractmethod
    def _open(self, where: str) -> None:
        """Find the program, before there is a run."""

    @abstractmethod
    def _begin(self, settings: dict[str, Any]) -> None:
        """Begin a run."""

    @abstractmethod
    def _log(self, numbers: dict[str, float], epoch: int) -> None:
        """Hand over an epoch's numbers."""

    @abstractmethod
    def _end(self, reason: str) -> None:
        """End the run."""


class TensorBoard(Tracker):
    """A listener that writes a folder which TensorBoard shows (the extra `tensorboard`).

    Parameters
    ----------
    where : path
        The folder.
    """

    name = "tensorboard"

    def _open(self, where: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(where)

    def _begin(self, settings: dict[str, Any]) -> None:
        lines = ["| setting | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in settings.items())]
        self.writer.add_text("settings", "\n".join(lines))

    def _log(self, numbers: dict[str, float], epoch: int) -> None:
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, epoch)

    def _end(self, reason: str) -> None:
        self.writer.add_text("reason", reason)
        self.writer.close()


class MLflow(Tracker):
    """A listener that keeps a run in MLflow (the extra `mlflow`).

    The run belongs to the experiment `vaekit`, or to the one that the variable MLFLOW_EXPERIMENT_NAME names.

    Parameters
    ----------
    where : str
        The address of a server, as ``http://localhost:5000``, or a database, as ``sqlite:///mlflow.db``.
    """

    name = "mlflow"
    ENDS: ClassVar[Mapping[str, str]] = {"failed": "FAILED", "interrupted": "KILLED"}

    def _open(self, where: str) -> None:
        for variable, value in MLFLOW_WAYS.items():
            os.environ.setdefault(variable, value)
        from mlflow.tracking import MlflowClient

        self.client: Any = MlflowClient(where)
        named = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self.client.get_experiment_by_name(named)
        self.experiment = found.experiment_id if found else self.client.create_experiment(named)

    def _begin(self, settings: dict[str, Any]) -> None:
        from mlflow.entities import Param

        self.run = self.client.create_run(self.experiment).info.run_id
        self.client.log_batch(self.run, params=[Param(name, str(value)) for name, value in settings.items()])

    def _log(self, numbers: dict[str, float], epoch: int) -> None:
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        self.client.log_batch(self.run, metrics=[Metric(name, value, now, epoch) for name, value in numbers.items()])

    def _end(self, reason: str) -> None:
        self.client.set_tag(self.run, "reason", reason)
        self.client.set_terminated(self.run, self.ENDS.get(reason, "FINISHED"))


class WandB(Tracker):
    """A listener that keeps a run in Weights & Biases (the extra `wandb`).

    Its own variables are obeyed: with WANDB_MODE=offline the run lies in the folder `wandb` until `wandb sync`;
    WANDB_BASE_URL names a server of one's own.

    Parameters
    ----------
    where : str
        The project.
    """

    name = "wandb"
    ENDS: ClassVar[Mapping[str, int]] = {"failed": 1, "interrupted": 255}  # exit statuses, as it takes them

    def _open(self, where: str) -> None:
        import wandb

        self.project = where
        if wandb.setup().settings.mode == "online":
            wandb.login()

    def _begin(self, settings: dict[str, Any]) -> None:
        import wandb

        ways = wandb.Settings(silent=True, console="off")  # it would write between the lines of progress
        self.run: Any = wandb.init(project=self.project, config=settings, reinit="create_new", settings=ways)

    def _log(self, numbers: dict[str, float], epoch: int) -> None:
        self.run.log(numbers, step=epoch)

    def _end(self, reason: str) -> None:
        self.run.summary["reason"] = reason
        self.run.finish(exit_code=self.ENDS.get(reason, 0))


TRACKERS: dict[str, type[Tracker]] = {kind.name: kind for kind in (TensorBoard, MLflow, WandB)}


def _short(error: Exception) -> str:
    """Return what a program says, as a sentence: the first line, of which MLflow's ends in what its libraries say."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__).partition(" with exception ")[0]
    return textwrap.shorten(line.rstrip("."), 200, placeholder=" …") + "."
