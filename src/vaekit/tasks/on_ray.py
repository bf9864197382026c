"""An engine for jobs in parts: Ray Data, over a cluster that runs already or one of this machine's cores.

Each worker loads the model once and writes the files of the parts that it is given. When a worker is killed, Ray
starts another and gives its parts out again.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from vaekit import errors
from vaekit.errors import ClusterError, MissingExtraError, SourceError, VaekitError
from vaekit.tasks.bulk import WORK, Engine
from vaekit.tasks.jobs import Job, Part

TRIES = 5  # of a part: one that kills each of its workers must not go on for ever
SECONDS_TO_ANSWER = 5.0

# Read by Ray's own processes: nothing is sent to Ray's makers, and nothing is said but by errors.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}


def on_ray(address: str | None = None) -> Engine:
    """Return an engine that has the workers of a Ray cluster do a job's parts, side by side.

    Parameters
    ----------
    address : str, optional
        HOST:PORT of a cluster, or "auto" for one that runs on this machine. Without it one is started here, with all
        cores, and stopped at the end. Model, data and parts must lie where all of its machines see them.

    Raises
    ------
    MissingExtraError
        When Ray is not installed.
    ClusterError
        When the cluster cannot be reached, or its workers are lost again and again.
    """

    def engine(job: Job, parts: Sequence[Part]) -> Iterator[Part]:
        if parts:
            with _cluster(address) as n_workers:
                for number in _mapped(replace(job), parts, min(n_workers, len(parts))):
                    yield parts[number]

    return engine


class Worker:
    """What does a job's parts by their numbers on a machine of the cluster, and answers with what went wrong."""

    def __init__(self, job: Job, parts: Sequence[Part]) -> None:
        self.job, self.parts = job, parts

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Do a part; answer with its number, and the kind and the words of an error that is for the user."""
        part = self.parts[row["id"]]
        try:
            for path in (self.job.model, part.source, os.path.dirname(part.target)):
                _refuse_absent(path)
            _refuse_tried(part)
            self.job(part)
        except VaekitError as error:
            return {"id": row["id"], "kind": type(error).__name__, "words": str(error)}
        return {"id": row["id"], "kind": "", "words": ""}


def _refuse_absent(path: str) -> None:
    if not os.path.exists(path):
        raise SourceError(
            f"{path} is not there on {socket.gethostname()}, a machine of the cluster; model, data and output must lie "
            "on a disk that all its machines see under the same path."
        )


def _refuse_tried(part: Part) -> None:
    """Note, where a killed worker's note stays, that a part is begun; refuse one that has killed many."""
    notes = Path(part.target).parent / WORK
    notes.mkdir(exist_ok=True)
    with open(notes / Path(part.target).name, "ab") as note:
        note.write(b".")
        tries = note.tell()
    if tries > TRIES:
        raise ClusterError(
            f"{TRIES} workers were killed while they made {part.target}, of {part.n_rows} rows: they may lack memory. "
            "Give the command again with another folder and fewer rows in a part."
        )


def _mapped(job: Job, parts: Sequence[Part], n_workers: int) -> Iterator[int]:
    """Yield the numbers of parts as they are done; Ray gives those of killed workers out again, without end."""
    import ray.data

    context = ray.data.DataContext.get_current().copy()
    context.print_on_execution_start = context.enable_progress_bars = False
    with ray.data.DataContext.current(context):
        done = ray.data.range(len(parts), override_num_blocks=len(parts)).map(
            cast("Any", Worker),  # classes are allowed, not typed
            fn_constructor_args=(job, parts),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=n_workers),
            num_cpus=1,
        )
        for answer in done.iter_rows():
            _raise_told(answer)
            _refuse_unseen(parts[answer["id"]])
            yield answer["id"]


def _raise_told(answer: dict[str, Any]) -> None:
    """Raise the error that a worker told of, as if it had happened here."""
    if answer["kind"]:
        kind = getattr(errors, answer["kind"])
        raise kind.__new__(kind, answer["words"])  # the words are whole; a constructor might add to them


def _refuse_unseen(part: Part) -> None:
    if not os.path.exists(part.target):
        raise SourceError(
            f"A worker has written {part.target}, which is not there on {socket.gethostname()}; name an output folder "
            "on a disk that all machines of the cluster see under the same path."
        )


# -- the cluster -------------------------------------------------------------------------------------------------------


@contextmanager
def _cluster(address: str | None) -> Iterator[int]:
    """Connect to a cluster or start one; give the number of its cores."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as missing:
        raise MissingExtraError("ray") from missing
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if ray.is_initialized():  # by who calls us, and theirs to end
        yield int(ray.cluster_resources()["CPU"])
        return
    _connect(address)
    try:
        yield max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        ray.shutdown()


def _connect(address: str | None) -> None:
    import ray

    _refuse_unreachable(address)
    try:
        with _silent():
            ray.init(
                address=address or "local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except Exception as error:
        if address is None:
            raise ClusterError(f"A Ray cluster could not be started here: {_reason(error)}.") from error
        raise ClusterError(
            f"Ray did not connect to a cluster at {address}: {_reason(error)}. Give the command on one of its "
            "machines, and with RAY_AUTH_MODE=token in the environment where the cluster asks for a token."
        ) from error


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what compiled code writes to standard error within the block to itself."""
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def _refuse_unreachable(address: str | None) -> None:
    """Ask a port whether it is open, as Ray would for minutes."""
    if address is None or address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ClusterError(
            f"No Ray cluster answers at {address} ({_reason(error)}); give --ray-address HOST:PORT as "
            "`ray start --head` tells it."
        ) from error


def _reason(error: Exception) -> str:
    """Return an error's first sentence: what follows in Ray's are hints at options that are not ours."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.strip().partition("\n")[0].partition(". ")[0].rstrip(".") or type(error).__name__
