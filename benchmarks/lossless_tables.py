"""Tables without loss: archives beside Parquet with zstd and xz.

Protocol: Adult (both parts, with the class; categories as texts) and three tables of whole numbers and decimals, as
frames. A VAE is fitted on all rows of a table, with purpose="compression", for the time given on one core, and packs
them: the archive without and with the model inside. Parquet has zstd at level 22; xz (level 9, extreme) packs the bytes
of an uncompressed Arrow file, and the text of a CSV file, whichever is smaller. Speeds are of the archive, in rows a
second, packing (which decodes all to compare) and unpacking. Seeds are 0.
"""

from __future__ import annotations

import argparse
import io
import lzma
import os
import time
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command does for itself
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl
from _report import publish
from likelihood import DATA

import vaekit

TABLES = ("22_magic.gamma", "32_shuttle", "26_optdigits")


def tables() -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield tables by name."""
    with np.load(DATA / "adult.npz") as file:
        numbers, texts, label = (
            np.concatenate([file[f"{part}_train"], file[f"{part}_test"]]) for part in ("num", "cat", "y")
        )
        columns = {str(name): numbers[:, j] for j, name in enumerate(file["num_names"])}
        columns |= {str(name): texts[:, j].astype(str) for j, name in enumerate(file["cat_names"])}
    yield "Adult", pl.DataFrame(columns | {"class": label.astype(str)})
    for name in TABLES:
        with np.load(DATA / "adbench" / f"{name}.npz") as file:
            values = file["X"]
        varies = values.min(0) < values.max(0)
        yield name, pl.DataFrame({f"x{j}": values[:, j] for j in np.flatnonzero(varies)})


def measure(name: str, table: pl.DataFrame, budget: str) -> dict[str, Any]:
    vae = vaekit.VAE(purpose="compression", time=budget, random_state=0).fit(table)
    begin = time.perf_counter()
    blob = vae.compress(table)
    middle = time.perf_counter()
    assert vae.decompress(blob).equals(table)
    end = time.perf_counter()
    parquet, xz = by_parquet(table), by_xz(table)
    return {
        "table": name,
        "rows": len(table),
        "columns": table.width,
        "bytes": len(blob),
        "with model": len(vae.compress(table, embed_model=True)),
        "Parquet, zstd": parquet,
        "xz": xz,
        "share of Parquet": len(blob) / parquet,
        "share of xz": len(blob) / xz,
        "rows/s in": len(table) / (middle - begin),
        "rows/s out": len(table) / (end - middle),
    }


def by_parquet(table: pl.DataFrame) -> int:
    file = io.BytesIO()
    table.write_parquet(file, compression="zstd", compression_level=22)
    return len(file.getvalue())


def by_xz(table: pl.DataFrame) -> int:
    arrow = io.BytesIO()
    table.write_ipc(arrow, compression="uncompressed")
    preset = 9 | lzma.PRESET_EXTREME
    return min(len(lzma.compress(raw, preset=preset)) for raw in (arrow.getvalue(), table.write_csv().encode()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--time", default="3m", help="that each model is fitted for")
    words = parser.parse_args()
    rows = []
    for name, table in tables():
        rows.append(measure(name, table, words.time))
        print(rows[-1], flush=True)
    publish("lossless_tables", __doc__.split("Protocol: ")[1].strip().replace("\n", " "), rows, time=words.time)


if __name__ == "__main__":
    main()
