"""Real bytes of whole test sets, beside general packers and picture formats.

Protocol: each model is fitted on training rows alone within the time in the row's name on one core, and compresses the
whole test set; the archive is decompressed and compared. Sizes are of files: the archive, the archive with the model
within, and for the others the one file of all rows' bytes (gzip -9, bz2 -9, zstd -19, xz -9) or the sum of one file a
picture (PNG, WebP lossless; without file system overhead). Bits are divided by the number of values. Times are of one
thread, of the codec alone: without fitting, reading and verification. Binarised MNIST is the published fixed
binarisation of test and training pictures. Seeds are 0. The second table is of training sets (and the rows held out
to stop early): models fitted with `purpose="compression"` pack the rows they were fitted on, with the model inside.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import json
import lzma
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command does for itself
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import zstandard
from _report import CACHE, RESULTS, machine, publish
from likelihood import DATA, FASHION, MNIST, frey, pictures, static_mnist
from PIL import Image

import vaekit
from vaekit.codec import bits_back, model_bytes
from vaekit.codec.packing import ROWS_IN_BLOCK
from vaekit.codec.workers import BLOCKS_AT_ONCE

Split = tuple[np.ndarray, np.ndarray, np.ndarray]  # train, valid, test


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    data : callable
        Gives train, valid and test rows.
    settings : dict
        Of `vaekit.VAE`.
    published : str
    bar : float or None
        In bits a value, of the archive.
    """

    data: Callable[[], Split]
    settings: dict[str, Any]
    published: str
    bar: float | None = None


def signs() -> Split:
    data = np.load(DATA / "gtsrb_32.npz")
    train, test = data["x_train"], data["x_test"]
    return train[:-2000], train[-2000:], test


TEN = {"time": "10m"}
MIXTURE = {"likelihood": "discretized-logistic-mixture-ends", "latent_dim": 64, "network": "mlp", "levels": 1}
CONTEXT = {"likelihood": "discretized-logistic-context", "levels": 1}
ROWS = {
    "binarised MNIST, 10 min": Row(
        static_mnist, TEN | {"levels": 1, "hidden": (384, 384)}, "BB-ANS 0.19, best 0.17", 0.165
    ),
    "8-bit MNIST, 35 min": Row(lambda: pictures(MNIST), MIXTURE | {"time": "35m"}, "Bit-Swap 1.29, best 1.20", 1.25),
    "8-bit Fashion-MNIST, 20 min": Row(lambda: pictures(FASHION), MIXTURE | {"time": "20m"}, "Bit-Swap 3.35", 3.35),
    "Frey faces, 3 min": Row(frey, {"time": "3m", "levels": 1}, ""),
    "32 × 32 RGB signs, 18 min": Row(signs, CONTEXT | {"time": "18m"}, ""),
}


SMALL = {"purpose": "compression"}
TRAINING_SETS = {
    "binarised MNIST, 10 min": Row(static_mnist, SMALL | {"time": "10m"}, ""),
    "8-bit MNIST, 20 min": Row(lambda: pictures(MNIST), SMALL | {"time": "20m"}, ""),
    "8-bit Fashion-MNIST, 20 min": Row(lambda: pictures(FASHION), SMALL | {"time": "20m"}, ""),
    "Frey faces, 3 min": Row(frey, SMALL | {"time": "3m"}, ""),
    "32 × 32 RGB signs, 10 min": Row(signs, SMALL | {"time": "10m"}, ""),
}


def fitted(name: str, row: Row, train: np.ndarray, valid: np.ndarray) -> vaekit.VAE:
    """Return the fitted model, from the cache where it is there."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"compression, {name}.vae"
    if path.exists():
        return vaekit.load(path)
    vae = vaekit.VAE(valid=valid, random_state=0, verbose=True, **row.settings).fit(train)
    vae.save(path)
    return vae


def measure(name: str, row: Row) -> dict[str, Any]:
    """Return a line of the table."""
    train, valid, test = row.data()
    vae = fitted(name, row, train, valid)
    archive, alone = vae.compress(test), vae.compress(test, embed_model=True)
    assert np.array_equal(vaekit.decompress(alone), test)
    out, back = seconds_of_codec(vae, test)
    bits = {k: 8 * n / test.size for k, n in others(test).items()}
    return {
        "row": name,
        "bits/value": 8 * len(archive) / test.size,
        "bar": "" if row.bar is None else row.bar,
        "float ELBO": -vae.evaluate(test, importance_samples=1)["elbo_nats"] / np.log(2) / test[0].size,
        "with model": 8 * len(alone) / test.size,
        "published": row.published,
        **bits,
        "images/s out": len(test) / out,
        "images/s back": len(test) / back,
        "MB/s out": test.nbytes / 1e6 / out,
        "MB/s back": test.nbytes / 1e6 / back,
    }


def measure_training_set(name: str, row: Row) -> dict[str, Any]:
    """Return a line of the table of training sets."""
    train, valid, _ = row.data()
    rows = np.concatenate([train, valid])
    vae = fitted(f"training set, {name}", row, train, valid)
    archive = vae.compress(rows, embed_model=True)
    assert np.array_equal(vaekit.decompress(archive), rows)
    xz = lzma.compress(as_bytes(rows), preset=9)
    return {
        "training set": name,
        "rows": len(rows),
        "bytes with model": len(archive),
        "xz -9": len(xz),
        "share of xz": len(archive) / len(xz),
        "model": len(model_bytes.packed(vae.fitted_.integer_model)),
        "network": f"{vae.fitted_.architecture.network} {vae.fitted_.architecture.hidden}",
    }


def seconds_of_codec(vae: vaekit.VAE, test: np.ndarray) -> tuple[float, float]:
    """Return what coding and decoding take, of blocks side by side as archives are made."""
    model = model_bytes.from_bytes(vae.fitted_.integer_model)
    codes = vae.schema_.encode(test).reshape(len(test), -1).astype(np.int64)
    blocks = [codes[i : i + ROWS_IN_BLOCK] for i in range(0, len(codes), ROWS_IN_BLOCK)]
    groups = [blocks[i : i + BLOCKS_AT_ONCE] for i in range(0, len(blocks), BLOCKS_AT_ONCE)]
    began = time.perf_counter()
    payloads = [bits_back.encode(model, group) for group in groups]
    between = time.perf_counter()
    for group in payloads:
        bits_back.decode(model, group)
    return between - began, time.perf_counter() - between


def others(test: np.ndarray) -> dict[str, int]:
    """Return the bytes that others need."""
    raw = as_bytes(test)
    return {
        "gzip": len(gzip.compress(raw, 9)),
        "bz2": len(bz2.compress(raw, 9)),
        "zstd": len(zstandard.compress(raw, 19)),
        "xz": len(lzma.compress(raw, preset=9)),
        "PNG": sum(picture_bytes(p, "png", optimize=True) for p in test),
        "WebP": sum(picture_bytes(p, "webp", lossless=True, quality=100, method=6) for p in test),
    }


def as_bytes(rows: np.ndarray) -> bytes:
    """Return rows as bytes, black and white ones as bits."""
    return np.packbits(rows > 0).tobytes() if set(np.unique(rows)) == {0, 255} else rows.tobytes()


def picture_bytes(picture: np.ndarray, kind: str, **options: Any) -> int:
    """Return the bytes of one picture's file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.tell()


def keep(table: str, names: list[str], line: dict[str, Any]) -> None:
    """Publish a line of a table beside those that are known as soon as it is measured; its first word is its name."""
    path, key = RESULTS / f"{table}.json", next(iter(line))
    known = json.loads(path.read_text())["rows"] if path.exists() else []
    lines = {kept[key]: kept for kept in known} | {line[key]: line}
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish(table, protocol, [lines[name] for name in names if name in lines], last_run=machine())


TABLES = {"compression": (ROWS, measure), "compression_training_sets": (TRAINING_SETS, measure_training_set)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="*", help="how the names of the rows to measure begin; all by default")
    parser.add_argument("--table", choices=TABLES, help="both by default")
    words = parser.parse_args()
    for table in [words.table] if words.table else TABLES:
        rows, measured = TABLES[table]
        for name, row in rows.items():
            if not words.rows or name.startswith(tuple(words.rows)):
                keep(table, list(rows), measured(name, row))


if __name__ == "__main__":
    main()
