"""Networks as fixed functions for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Let no gradient of what the block computes reach the modules' parameters; their inputs keep theirs."""
    free = [p for module in modules for p in module.parameters() if p.requires_grad]
    for p in free:
        p.requires_grad = False
    try:
        yield
    finally:
        for p in free:
            p.requires_grad = True
