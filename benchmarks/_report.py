"""What every benchmark prints and keeps: its protocol, the machine, the versions, and its table."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
CACHE = Path.home() / ".cache/vaekit-benchmarks"  # peers' environments and fitted models, to be looked at again
PACKAGES = ("vaekit", "torch", "numpy", "scikit-learn")


def machine() -> dict[str, Any]:
    """Return the processor, its number of cores and the versions of what computes."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def publish(name: str, protocol: str, rows: list[dict[str, Any]], **more: Any) -> None:
    """Print a table under its protocol and write benchmarks/results/NAME.json."""
    print(f"\n{name}: {protocol}\n{machine()}\n")
    widths = {k: max(len(k), *(len(_text(row[k])) for row in rows)) for k in rows[0]}
    for cells in ([*widths], *([_text(row[k]) for k in widths] for row in rows)):
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths.values(), strict=True)).rstrip())
    RESULTS.mkdir(exist_ok=True)
    kept = {"protocol": protocol, "machine": machine(), "rows": rows, **more}
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n")


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
