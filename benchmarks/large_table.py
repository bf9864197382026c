"""A large table: what fitting takes of memory and time.

Protocol: a million rows of 50 columns made with seed 0 (30 reals of which a twentieth are gaps, 12 whole numbers, 4
bits and 4 columns of categories, all of which 4 hidden numbers explain in part) are read from Parquet by `vaekit fit`
for one epoch, all else as it comes. "GB" is the most memory that the process held, reading, training and writing the
model together; "seconds" the whole command.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from _report import publish


def table(n: int) -> pl.DataFrame:
    """Return n rows of 50 columns."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(n, 4))
    columns: dict[str, pl.Series | np.ndarray] = {}
    for j in range(30):
        values = pl.Series(z @ rng.normal(size=4) + 0.5 * rng.normal(size=n))
        columns[f"real{j}"] = values.set(pl.Series(rng.random(n) < 0.05), None)
    for j in range(8):
        columns[f"whole{j}"] = (10 * (z @ rng.normal(size=4)) + 50).round().astype(np.int64)
    for j in range(4):
        columns[f"count{j}"] = rng.poisson(np.exp(0.5 * z[:, j]))
        columns[f"bit{j}"] = z[:, j] + rng.normal(size=n) > 0
        columns[f"kind{j}"] = pl.Series((3 * z[:, j] + 10).clip(0, 20).astype(int)).cast(pl.String)
    return pl.DataFrame(columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    words = parser.parse_args()
    with TemporaryDirectory() as folder:
        data = Path(folder, "table.parquet")
        table(words.rows).write_parquet(data)
        begin = time.perf_counter()
        command = ["-m", "vaekit", "fit", str(data), "-o", str(Path(folder, "m.vae")), "--epochs", "1", "--quiet"]
        subprocess.run([sys.executable, *command], check=True)
        seconds = time.perf_counter() - begin
    held = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    row = {"rows": words.rows, "columns": 50, "GB": round(held, 2), "seconds": round(seconds)}
    publish("large_table", __doc__.split("Protocol: ")[1].strip().replace("\n", " "), [row])


if __name__ == "__main__":
    main()
