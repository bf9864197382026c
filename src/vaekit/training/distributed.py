"""Several processes, on one machine or many, that train one model together: each its share of every batch.

All of them hold the model and take the same steps with it, along the gradient of the whole batch. What a clock, a file
or a signal decides, the first decides for all, or they would wait for each other for ever.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from vaekit.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor, nn

SAID_BY_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
PATIENCE = timedelta(minutes=10)  # with a machine that answers no more; a process that ends is noticed at once
MEET_EVERY = 10  # steps, at which the clock is told and interrupts are heard
LOST = (
    "A worker of this run was lost, or the run was ended from outside. Go on from its last checkpoint with the same "
    "command and --resume; there may be more processes then, or fewer."
)


@dataclass
class World:
    """The processes of a run, and which of them this one is.

    What they do together is a meeting: each process calls the same method, and none goes on before all have called it.
    In a world of one there is nobody to wait for.

    Parameters
    ----------
    rank : int
        Of this process; that of the first is 0.
    size : int
        The number of processes.
    """

    rank: int = 0
    size: int = 1
    interrupted: bool = False

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    @property
    def meet_every(self) -> int:
        """How many steps may pass between two meetings about the time."""
        return 1 if self.size == 1 else MEET_EVERY

    # -- meetings ----------------------------------------------------------------------------------------------

    def total(self, numbers: Tensor) -> Tensor:
        """Return the sum over processes, the same to the last bit in each; it is added up in place."""
        if self.size > 1:
            from torch import distributed

            with _noticing_loss():
                distributed.all_reduce(numbers)
        return numbers

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Make the gradients of all processes' losses, each weighted by its share of the rows, that of their sum."""
        if self.size == 1:
            return
        import torch

        learned = [p for p in parameters if p.grad is not None]
        flat = self.total(torch.cat([p.grad.flatten() for p in learned if p.grad is not None]))
        for p, gradient in zip(learned, flat.split([p.numel() for p in learned]), strict=True):
            p.grad = gradient.view_as(p)

    def same(self, plain: Any) -> Any:
        """Return what the first process has, plain values as JSON knows them."""
        if self.size == 1:
            return plain
        import torch

        text = json.dumps(plain).encode()
        length = self.total(torch.tensor([len(text) * self.is_first]))
        letters = torch.frombuffer(bytearray(text if self.is_first else int(length)), dtype=torch.uint8)
        self.spread([letters])
        return json.loads(bytes(letters.numpy()))

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the first one's tensors, in place."""
        if self.size == 1:
            return
        from torch import distributed

        with _noticing_loss():
            for tensor in tensors:
                distributed.broadcast(tensor, 0)

    def agree(self, seconds: float) -> float:
        """Return the first process's seconds.

        Raises
        ------
        KeyboardInterrupt
            In all, when any was interrupted.
        """
        if self.size == 1:
            return seconds
        import torch

        said = torch.tensor([seconds * self.is_first, float(self.interrupted)], dtype=torch.float64)
        seconds, interrupts = self.total(said).tolist()
        if interrupts:
            self.interrupted = False
            raise KeyboardInterrupt
        return seconds

    def check_same(self, fingerprint: str) -> None:
        """Refuse to train on other data, or with other settings, than the first process.

        Raises
        ------
        TrainingError
        """
        if self.same(fingerprint) != fingerprint:
            raise TrainingError(
                f"Worker {self.rank} has other data or settings than worker 0. Give both the same DATA and options."
            )

    def leave(self) -> None:
        """End this process with status 0, unless it is the first, which goes on alone."""
        if self.size == 1:
            return
        from torch import distributed

        with _noticing_loss():
            distributed.barrier()
        distributed.destroy_process_group()
        if not self.is_first:
            raise SystemExit(0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.size = 1


# -- coming together ---------------------------------------------------------------------------------------------------


@contextmanager
def joined() -> Iterator[World]:
    """Join the processes that torchrun started, for the block; in a process that it did not start, a world of one.

    When the block fails in several processes, one raises and the others leave with status 1.

    Examples
    --------
    >>> with joined() as world:
    ...     world
    World(rank=0, size=1, interrupted=False)
    """
    if not all(name in os.environ for name in SAID_BY_TORCHRUN) or os.environ["WORLD_SIZE"] == "1":
        yield World()
        return
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    store, rank, size = next(rendezvous("env://"))
    distributed.init_process_group(_backend(), store=store, rank=rank, world_size=size, timeout=PATIENCE)
    try:
        with _hearing_signals(world := World(rank, size)):
            yield world
    except (Exception, KeyboardInterrupt):
        if not _has_the_word(store):
            raise SystemExit(1) from None
        raise
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def processes_here() -> int:
    """Return how many processes torchrun started on this machine, which share its processors.

    Examples
    --------
    >>> processes_here()
    1
    """
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def _backend() -> str:
    """Return what messages go by, and take a GPU of this process's own where there is one."""
    import torch

    if not torch.cuda.is_available():
        return "gloo"
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    return "cpu:gloo,cuda:nccl"


def _has_the_word(store: Any) -> bool:
    """Whether this process is the first to fail, or nobody can tell: the others' failures follow from its own."""
    try:
        return int(store.add("failed", 1)) == 1
    except RuntimeError:
        return True


@contextmanager
def _hearing_signals(world: World) -> Iterator[None]:
    """Keep Ctrl-C for the next meeting, and say what torchrun's SIGTERM means; put both back as they were.

    A process that fails hears no SIGTERM any more: its sentence would be cut off.
    """

    def interrupt(*_: object) -> None:
        world.interrupted = True

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise TrainingError(LOST)

    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    except Exception:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise
    for number, handler in before:
        signal.signal(number, handler)


@contextmanager
def _noticing_loss() -> Iterator[None]:
    """Say in one sentence what a broken connection means."""
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(LOST) from error


@contextmanager
def noticing_loss_amid_products() -> Iterator[None]:
    """Say the same of a block that sends messages between its products, and may fail for other reasons too."""
    from torch import distributed

    try:
        yield
    except RuntimeError as error:
        if isinstance(error, distributed.DistError) or "gloo" in str(error):  # which has no class of errors
            raise TrainingError(LOST) from error
        raise
