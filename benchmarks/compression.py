"""Real bytes of whole test sets, beside general packers and picture formats.

Protocol: each model is fitted on training rows alone within the time in the row's name on one core, and compresses the
whole test set; the archive is decompressed and compared. Sizes are of files: the archive, the archive with the model
within, and for the others the one file of all rows' bytes (gzip -9, bz2 -9, zstd -19, xz -9) or the sum of one file a
picture (PNG, WebP lossless; without file system overhead). Bits are divided by the number of values. Times are of one
thread, of the codec alone: without fitting, reading and verification. Binarised MNIST is the published fixed
binarisation of test and training pictures. Seeds are 0.
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
ROWS = {
    "binarised MNIST, 10 min": Row(static_mnist, TEN | {"levels": 1}, "BB-ANS 0.19, best 0.17", 0.165),
    "8-bit MNIST, 35 min": Row(lambda: pictures(MNIST), MIXTURE | {"time": "35m"}, "Bit-Swap 1.29, best 1.20", 1.25),
    "8-bit Fashion-MNIST, 20 min": Row(lambda: pictures(FASHION), MIXTURE | {"time": "20m"}, "Bit-Swap 3.35", 3.35),
    "Frey faces, 3 min": Row(frey, {"time": "3m", "levels": 1}, ""),
    "32 × 32 RGB signs, 18 min": Row(signs, {"time": "18m", "levels": 1}, ""),
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


def seconds_of_codec(vae: vaekit.VAE, test: np.ndarray) -> tuple[float, float]:
    """Return what coding and decoding take, of blocks side by side as archives are made."""
    model = model_bytes.from_bytes(vae.fitted_.integer_model)
    codes = vae.schema_.encode(test).reshape(len(test), -1).astype(np.int64)
    blocks = [codes[i : i + 1000] for i in range(0, len(codes), 1000)]
    groups = [blocks[i : i + 8] for i in range(0, len(blocks), 8)]
    began = time.perf_counter()
    payloads = [bits_back.encode(model, group) for group in groups]
    between = time.perf_counter()
    for group in payloads:
        bits_back.decode(model, group)
    return between - began, time.perf_counter() - between


def others(test: np.ndarray) -> dict[str, int]:
    """Return the bytes that others need."""
    raw = np.packbits(test > 0).tobytes() if set(np.unique(test)) == {0, 255} else test.tobytes()
    return {
        "gzip": len(gzip.compress(raw, 9)),
        "bz2": len(bz2.compress(raw, 9)),
        "zstd": len(zstandard.compress(raw, 19)),
        "xz": len(lzma.compress(raw, preset=9)),
        "PNG": sum(picture_bytes(p, "png", optimize=True) for p in test),
        "WebP": sum(picture_bytes(p, "webp", lossless=True, quality=100, method=6) for p in test),
    }


def picture_bytes(picture: np.ndarray, kind: str, **options: Any) -> int:
    """Return the bytes of one picture's file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.tell()


def keep(line: dict[str, Any]) -> None:
    """Publish a line beside those that are known as soon as it is measured."""
    path = RESULTS / "compression.json"
    known = json.loads(path.read_text())["rows"] if path.exists() else []
    lines = {kept["row"]: kept for kept in known} | {line["row"]: line}
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish("compression", protocol, [lines[name] for name in ROWS if name in lines], last_run=machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="*", help="how the names of the rows to measure begin; all by default")
    words = parser.parse_args()
    for name, row in ROWS.items():
        if not words.rows or name.startswith(tuple(words.rows)):
            keep(measure(name, row))


if __name__ == "__main__":
    main()
