"""How much memory this machine lends, and how much of it data may take before they are streamed."""

from __future__ import annotations

import os
from pathlib import Path

RESIDENT_SHARE = 1 / 8  # of all memory: looking at data and encoding them takes several times their size
WITHOUT_ANSWER = 8 << 30  # bytes, where the system does not say
GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of containers, by version


def resident_bytes() -> int:
    """Return how many bytes data may take in memory; larger ones are streamed."""
    return int(RESIDENT_SHARE * min(_of_machine(), *map(_of_group, GROUP_LIMITS)))


def _of_machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return WITHOUT_ANSWER


def _of_group(path: str) -> int:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return 1 << 62
