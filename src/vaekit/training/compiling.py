"""The step's mathematics as one compiled function, where the run is long enough to repay the compilation."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import torch
from torch import nn

from vaekit.training.precision import has_convolution

LONG_SECONDS = 300.0  # of a run, from which a compiled step repays its compilation: docs/performance.md
STEP_SECONDS, PRODUCTS_PER_SECOND = 2e-3, 5e10  # of two cores: what a step takes beside its products, and those


def repays(model: nn.Module, steps: int, batch_size: int, seconds: float | None, device: str) -> bool:
    """Return whether a run of so many steps, or of so many seconds, is long enough to compile its step first.

    The projection counts three passes over the weights for each row, so it follows from the settings alone: the same
    seed gives the same model. Convolutions gain nothing on a processor.

    Parameters
    ----------
    model : nn.Module
    steps : int
    batch_size : int
    seconds : float or None
        The budget of time, where there is one.
    device : str
    """
    if device not in ("cpu", "cuda") or (device == "cpu" and (has_convolution(model) or not has_compiler())):
        return False
    products = 3 * batch_size * sum(p.numel() for p in model.parameters())
    projected = steps * (STEP_SECONDS + products / PRODUCTS_PER_SECOND)
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
        with _quiet():
            self.chosen: Callable[..., Any] = torch.compile(_of_its_own(function), dynamic=False, options=options)

    def __call__(self, *arguments: Any) -> Any:
        """Return function(*arguments)."""
        if self.chosen is self.plain:
            return self.plain(*arguments)
        try:
            with _quiet():
                return self.chosen(*arguments)
        except (torch._dynamo.exc.TorchDynamoException, RuntimeError, OSError):
            self.chosen = self.plain  # a machine that cannot compile still trains
            return self.plain(*arguments)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back the compiler's own warnings, which no user can mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _of_its_own(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function under code of its own: torch's limit of compiled versions counts those of all runs else."""

    def call(*arguments: Any) -> Any:
        return function(*arguments)

    return FunctionType(call.__code__.replace(), call.__globals__, closure=call.__closure__)
