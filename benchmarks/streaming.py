"""Rows a second and memory where data are read as they are needed, beside data in memory.

Protocol: MNIST's training pictures and 8,192 generated colour pictures of 64 × 64 are trained on for a budget of ten
seconds from one .npy file, streamed, and from memory, in turn, three times; two layers of 512 units, Bernoulli, prior
normal, one thread; rows a second of the last line of the history, medians. A generated table of 15 columns (8 reals,
4 whole numbers, 2 truth values, 1 text) and 2 million rows in 8 Parquet files is read, checked and encoded into batches
of 256 in random order, without training; beside it polars reads the same files whole, in file order. Then it is trained
on, streamed and from memory. `--large` does something else: one pass over 20 GB of pictures of 64 × 64 × 3 in ten .npy
files in random order, by a process whose peak of resident memory is asked of the system at its end.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from _report import publish

from vaekit.data.readers import read
from vaekit.data.schema import Schema
from vaekit.data.streamed import StreamedBatches
from vaekit.data.streams import sampled, stream_of
from vaekit.tasks.fit import choose_architecture, choose_settings, make_model
from vaekit.tasks.loading import load_rows, make_batches
from vaekit.tasks.options import Options
from vaekit.training.loop import Run

MNIST = Path(__file__).parents[2] / "shared/data/mnist.npz"
SCRATCH = Path(__file__).parent / "scratch"
TURNS, BATCH = 3, 256
SETTINGS: dict[str, Any] = {"time": "10s", "batch_size": BATCH, "threads": 1, "compile": "no", "prior": "normal"}
TABLE_ROWS, TABLE_FILES = 2_000_000, 8
LARGE_BYTES, LARGE_FILES, LARGE_SHAPE = 20 * 10**9, 10, (64, 64, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="read 20 GB, which are written for it and removed")
    parser.add_argument("--read", help=argparse.SUPPRESS)  # the process whose memory is measured
    asked = parser.parse_args()
    if asked.read:
        read_all(asked.read)
        return
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as name:
        folder, protocol = Path(name), " ".join((__doc__ or "").split())
        if asked.large:
            publish("streaming_large", protocol, [large(folder)])
        else:
            publish("streaming", protocol, [*pictures(folder), *tables(folder)])


def pictures(folder: Path) -> list[dict[str, Any]]:
    np.save(folder / "grey.npy", read(f"{MNIST}::x_train"))
    np.save(folder / "colour.npy", colour_pictures(8192))
    said = {"likelihood": "bernoulli", "network": "mlp", "hidden": (512, 512)}
    return [
        trained("28 × 28 pictures", folder / "grey.npy", **said),
        trained("64 × 64 × 3 pictures", folder / "colour.npy", **said),
    ]


def tables(folder: Path) -> list[dict[str, Any]]:
    (folder / "table").mkdir()
    for i in range(TABLE_FILES):
        table(TABLE_ROWS // TABLE_FILES, seed=i).write_parquet(folder / f"table/{i}.parquet")
    path = str(folder / "table")
    stream = stream_of(path)
    assert stream is not None
    schema = Schema.infer(sampled(stream).data)
    like = schema.encode(stream.read(0, 1))
    ours, bare = in_turn(
        lambda: sum(len(x) for x in StreamedBatches(stream, schema, like, BATCH, 0).epoch(0)) / TABLE_ROWS,
        lambda: sum(len(pl.read_parquet(part.name)) for part in stream.parts) / TABLE_ROWS,
    )
    read_alone = row("table of 15 columns, read alone", TABLE_ROWS / ours, TABLE_ROWS / bare, "polars, whole files")
    return [read_alone, trained("table of 15 columns", folder / "table")]


def in_turn(*actions: Callable[[], object]) -> list[float]:
    """Return the median seconds of each."""
    seconds: list[list[float]] = [[] for _ in actions]
    for _ in range(TURNS):
        for action, found in zip(actions, seconds, strict=True):
            began = time.perf_counter()
            action()
            found.append(time.perf_counter() - began)
    return [statistics.median(found) for found in seconds]


def trained(name: str, path: Path, **said: Any) -> dict[str, Any]:
    """Return rows a second of training on a path streamed and in memory."""
    stream = stream_of(str(path))
    assert stream is not None
    sources = {"streamed": sampled(stream), "resident": read(path)}
    speeds: dict[str, list[float]] = {source: [] for source in sources}
    for _ in range(TURNS):
        for source, data in sources.items():
            speeds[source].append(rows_per_second(data, Options(**(SETTINGS | said))))
    ours, theirs = (statistics.median(found) for found in speeds.values())
    return row(name, ours, theirs, "resident")


def rows_per_second(data: Any, options: Options) -> float:
    """Return the speed of training alone: no figures are taken at its end."""
    loaded = load_rows(data, options)
    architecture = choose_architecture(options, loaded.schema, loaded.train, n_rows=loaded.n_rows)
    model = make_model(architecture, loaded.schema, loaded.train, options)
    settings = choose_settings(options, loaded.n_rows, model, architecture.network)
    run = Run(model, make_batches(data, loaded, settings), torch.from_numpy(loaded.held_out[:500]), settings)
    run.train()
    return run.history.rows[-1]["rows_per_second"]


def row(name: str, ours: float, other: float, beside: str, mebibytes: float | str = "") -> dict[str, Any]:
    return {
        "data": name,
        "rows_per_second": ours,
        "beside": beside,
        "its_rows_per_second": other,
        "ratio": ours / other,
        "peak_mib": mebibytes,
    }


def large(folder: Path) -> dict[str, Any]:
    """Return what a pass over 20 GB takes."""
    n_rows = LARGE_BYTES // int(np.prod(LARGE_SHAPE))
    (folder / "large").mkdir()
    bounds = np.linspace(0, n_rows, LARGE_FILES + 1).astype(int)
    for i, size in enumerate(np.diff(bounds)):
        write_large(folder / f"large/{i}.npy", int(size), seed=i)
    began = time.perf_counter()
    for path in sorted((folder / "large").iterdir()):
        with path.open("rb") as file:
            while file.read(1 << 22):
                pass
    bare = time.perf_counter() - began
    words = [sys.executable, __file__, "--read", str(folder / "large")]
    n_read, seconds, mebibytes = map(
        float, subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    )
    assert n_read == n_rows
    shutil.rmtree(folder / "large")
    return row(
        "20 GB of 64 × 64 × 3 pictures, read alone", n_rows / seconds, n_rows / bare, "bytes in order", mebibytes
    )


def write_large(path: Path, n_rows: int, seed: int, block_rows: int = 4096) -> None:
    """Write pictures of noise, some of them brighter than others, block by block."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 200, (block_rows, *LARGE_SHAPE), dtype=np.uint8)
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (n_rows, *LARGE_SHAPE)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, n_rows, block_rows):
            size = min(block_rows, n_rows - start)
            file.write((noise[:size] + rng.integers(0, 56, (size, 1, 1, 1), dtype=np.uint8)).tobytes())


def read_all(path: str) -> None:
    """Sample, infer, and read every row once in random order; print rows, seconds and the peak in MiB."""
    found = sampled(stream_of(path))  # type: ignore[arg-type]
    schema = Schema.infer(found.data)
    batches = StreamedBatches(found.stream, schema, schema.encode(found.data), BATCH, 0)
    del found
    began = time.perf_counter()
    n_rows = sum(len(x) for x in batches.epoch(0))
    print(n_rows, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def colour_pictures(n: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    shade = rng.random((n, 1, 1, 3)) * np.linspace(0.2, 1, 64)[:, None, None]
    return (255 * (shade + 0.1 * rng.random((n, 64, 64, 1))).clip(0, 1)).astype(np.uint8)


def table(n: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    reals = {f"r{j}": (z + rng.normal(size=n)).astype(np.float32) for j in range(8)}
    whole = {f"i{j}": np.rint(50 + 10 * z + rng.normal(size=n)).astype(np.int64) for j in range(4)}
    flags = {f"b{j}": z > rng.normal(size=n) for j in range(2)}
    return pl.DataFrame({**reals, **whole, **flags, "word": rng.choice(["north", "east", "south", "west"], n)})


if __name__ == "__main__":
    main()
