"""Tables with a bound on the error: archives beside zstd of the very same rounded values.

Protocol: each table of the folder is a frame of its columns of float64 that are not constant; a VAE of the preset
"fast" is fitted on all rows for at most 40 seconds on one core, and packs these rows with max_error="1%" of each
column's range. zstd -19 packs the values rounded to multiples of 2 % of the range (columns of whole numbers or levels
stay exact in both), row by row or column by column, whichever is smaller: as floats, and as the whole numbers of few
bytes that tell them. ZFP (fixed accuracy) and SZ3 (absolute bound) pack the columns of reals, each divided by its
bound, and zstd -19 the others. Sizes are of the archive, without and with the model inside. Tables of more than 20,000
rows are cut to the first 20,000. Seeds are 0.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command does for itself
os.environ.setdefault("OMP_NUM_THREADS", "1")

import imagecodecs
import numpy as np
import polars as pl
import zstandard
from _report import publish

import vaekit
from vaekit.codec.dial import Dial
from vaekit.codec.frames import near

TABLES = Path(__file__).parents[2] / "shared/data/adbench"
MOST_ROWS = 20_000


def measure(path: Path) -> dict[str, Any]:
    with np.load(path) as file:
        values = file["X"][:MOST_ROWS].astype(np.float64)
    values = values[:, values.min(0) < values.max(0)]
    table = pl.DataFrame(values, schema=[f"x{j}" for j in range(values.shape[1])], orient="row")
    vae = vaekit.VAE(preset="fast", time="40s", random_state=0).fit(table)
    blob, alone = (vae.compress(table, max_error="1%", embed_model=embed) for embed in (False, True))
    reals = [field.name for field in vae.schema_.fields if field.kind == "real"]
    bounds = {name: Dial(max_error="1%").most_off(table[name].to_numpy()) for name in reals}
    found = vae.decompress(blob)
    assert all(near(table[name], found[name], bounds.get(name, 0.0)).all() for name in table.columns)
    zstd = by_zstd(table, bounds)
    return {
        "table": path.stem,
        "rows": len(table),
        "columns": table.width,
        "reals": len(reals),
        "bytes": len(blob),
        "with model": len(alone),
        **zstd,
        **by_numeric_codecs(table, bounds),
        "share of floats": len(blob) / zstd["zstd -19, floats"],
        "share of whole": len(blob) / zstd["zstd -19, whole"],
    }


def by_zstd(table: pl.DataFrame, bounds: dict[str, float]) -> dict[str, int]:
    """Return the fewest bytes that zstd makes of rounded values, and of the whole numbers that tell them."""
    steps = np.array([2 * bounds.get(name, 0.0) or 1.0 for name in table.columns])
    is_real = np.array([name in bounds for name in table.columns])
    whole = np.rint(table.to_numpy() / steps)
    rounded = np.where(is_real, whole * steps, table.to_numpy())
    found = {"zstd -19, floats": fewest(rounded)}
    are_whole = bool((table.to_numpy()[:, ~is_real] == whole[:, ~is_real]).all())
    dtype = next((t for t in (np.int8, np.int16, np.int32) if fits(whole, t)), np.float64) if are_whole else np.float64
    return found | {"zstd -19, whole": fewest(whole.astype(dtype)) if are_whole else found["zstd -19, floats"]}


def by_numeric_codecs(table: pl.DataFrame, bounds: dict[str, float]) -> dict[str, int]:
    """Return the bytes of ZFP and SZ3 for columns of reals in units of their bounds, with zstd's for the others."""
    others = table.drop(*bounds).to_numpy()
    rest = fewest(others) if others.size else 0
    if not bounds:
        return {"ZFP": rest, "SZ3": rest}
    scaled = table.select(*bounds).to_numpy() / np.array([*bounds.values()])
    zfp = imagecodecs.zfp_encode(scaled, level=1.0, mode="a")
    sz3 = imagecodecs.sz3_encode(scaled, mode="abs", abs=1.0)
    for found in (imagecodecs.zfp_decode(zfp), imagecodecs.sz3_decode(sz3, scaled.shape, scaled.dtype)):
        assert np.abs(found - scaled).max() <= 1.001
    return {"ZFP": len(zfp) + rest, "SZ3": len(sz3) + rest}


def fewest(values: np.ndarray) -> int:
    """Return the bytes of values by rows or by columns."""
    return min(
        len(zstandard.compress(x.tobytes(), 19)) for x in (np.ascontiguousarray(values), np.asfortranarray(values).T)
    )


def fits(whole: np.ndarray, dtype: Any) -> bool:
    return bool(np.iinfo(dtype).min <= whole.min() and whole.max() <= np.iinfo(dtype).max)


def main() -> None:
    rows = []
    for path in sorted(TABLES.glob("*.npz"), key=lambda p: int(p.stem.split("_")[0])):
        rows.append(measure(path))
        print(rows[-1], flush=True)
    shorter = {kind: sum(row[kind] < 1 for row in rows) for kind in ("share of floats", "share of whole")}
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish("lossy_tables", protocol, rows, shorter=shorter)


if __name__ == "__main__":
    main()
