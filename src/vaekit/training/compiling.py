"""The step's mathematics as one compiled function, where the run is long enough to repay the compilation."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import nn

LONG_SECONDS = 900.0  # of a run, from which a compiled step repays its compilation: docs/performance.md
PRODUCTS_PER_SECOND = 5e10  # multiplications of two cores, for the projection alone


def repays(model: nn.Module, rows_seen: int, seconds: float | None, device: str) -> bool:
    """Return whether a run of so many rows, or of so many seconds, is long enough to compile its step first.

    The projection counts three passes over the weights for each row, so it follows from the settings alone: the same
    seed gives the same model.

    Parameters
    ----------
    model : nn.Module
    rows_seen : int
    seconds : float or None
        The budget of time, where there is one.
    device : str
    """
    if device not in ("cpu", "cuda") or (device == "cpu" and not has_compiler()):
        return False
    projected = 3 * rows_seen * sum(p.numel() for p in model.parameters()) / PRODUCTS_PER_SECOND
    return (projected if seconds is None else min(projected, seconds)) >= LONG_SECONDS


def has_compiler() -> bool:
    """Whether there is a C++ compiler, which torch needs for processors."""
    return any(shutil.which(name) for name in ("c++", "g++", "clang++"))


class Compiled:
    """A function that is compiled at its first call, or stays as it is where that fails.

    Parameters
    ----------
    function : callable
    device : str
        On "cuda" the compiled calls are replayed as CUDA graphs. Random numbers are those of the plain function.
    """

    def __init__(self, function: Callable[..., Any], device: str) -> None:
        self.plain = function
        options: dict[str, Any] = {"fallback_random": True, "triton.cudagraphs": device.startswith("cuda")}
        self.chosen: Callable[..., Any] = torch.compile(_of_its_own(function), dynamic=False, options=options)

    def __call__(self, *arguments: Any) -> Any:
        """Return function(*arguments)."""
        if self.chosen is self.plain:
            return self.plain(*arguments)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the compiler's own, which no user can mend
                return self.chosen(*arguments)
        except (torch._dynamo.exc.TorchDynamoException, RuntimeError):
            self.chosen = self.plain  # a machine that cannot compile still trains
            return self.plain(*arguments)


def _of_its_own(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function under code of its own: torch's limit of compiled versions counts those of all runs else."""

    def call(*arguments: Any) -> Any:
        return function(*arguments)

    return FunctionType(call.__code__.replace(), call.__globals__, closure=call.__closure__)
