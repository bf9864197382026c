"""Bits against fidelity: lossy archives beside picture formats and principal components.

Protocol: a VAE with 64 latent units is fitted on the training pictures alone for the time given, and writes archives of
the first 2,000 test pictures at qualities from 0 to 80; the same model, tuned on the training pictures for quality 50
within ten minutes, does so at qualities from 20 to 50. PSNR is 10 log10(255² / MSE) over all values, SSIM the mean over
pictures (7 × 7 windows), "largest" the largest error of a value in grey levels; accuracy is that of a logistic
regression on the pixels of the training pictures, asked about the pictures that come back. Bits are 8 × the bytes of
the archive (without the model, which all archives share) over the number of values. The others: JPEG, WebP and JPEG XL
(effort 7), one file a picture and one sheet of all pictures (40 to a row), quality from 0 to 100; PCA of the training
pictures, all scores in steps of one size as whole numbers, component by component, by zstd -19 (mean and components,
which all archives share, are not counted). The table tells the fewest bits that reach a PSNR: of ours those of an
archive that was made, of the others those on straight lines in (PSNR, log bits) between theirs. Seeds are 0.
"""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command does for itself

import imagecodecs
import matplotlib as mpl
import numpy as np
import zstandard
from _report import CACHE, RESULTS, publish
from likelihood import DATA, FASHION, MNIST, pictures
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

import vaekit
from vaekit.tasks.rate_distortion import ssim

mpl.use("agg")
from matplotlib import pyplot as plt

ROWS, PER_ROW = 2000, 40
QUALITIES = (0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80)
TUNED_FOR, TUNED_AT = 50, (20, 30, 40, 50)
PSNRS = (20, 22, 24, 26, 28, 30, 32)
SETS = {"MNIST": MNIST, "Fashion-MNIST": FASHION}
SETTINGS = {"likelihood": "discretized-logistic-mixture-ends", "latent_dim": 64, "network": "mlp", "levels": 1}

Coder = Callable[[np.ndarray], tuple[int, np.ndarray]]  # rows to bytes and what comes back


def fitted(name: str, time: str, train: np.ndarray, valid: np.ndarray) -> vaekit.VAE:
    """Return the fitted model, from the cache where it is there."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"rate-distortion, {name}, {time}.vae"
    if path.exists():
        return vaekit.load(path)
    vae = vaekit.VAE(valid=valid, random_state=0, verbose=True, time=time, **SETTINGS).fit(train)
    vae.save(path)
    return vae


def ours(vae: vaekit.VAE, test: np.ndarray, qualities: tuple[int, ...]) -> Iterator[tuple[str, int, np.ndarray]]:
    for quality in qualities:
        archive = vae.compress(test, quality=quality)
        yield f"quality {quality:g}", len(archive), vae.decompress(archive)


def tuned(name: str, time: str, vae: vaekit.VAE, train: np.ndarray) -> vaekit.VAE:
    """Return the model tuned for one quality, from the cache where it is there."""
    path = CACHE / f"rate-distortion, {name}, {time}, tuned.vae"
    if path.exists():
        return vaekit.load(path)
    vae.verbose = True
    found = vae.tune(train, quality=TUNED_FOR, time="10m")
    found.save(path)
    return found


def in_files(kind: str, test: np.ndarray) -> Iterator[tuple[str, int, np.ndarray]]:
    for quality in range(0, 101, 10):
        files = [as_file(picture, kind, quality) for picture in test]
        yield f"quality {quality}", sum(map(len, files)), np.stack([back(f) for f in files])


def in_a_sheet(kind: str, test: np.ndarray) -> Iterator[tuple[str, int, np.ndarray]]:
    n, h, w = test.shape
    sheet = test.reshape(-1, PER_ROW, h, w).transpose(0, 2, 1, 3).reshape(-1, PER_ROW * w)
    for quality in range(0, 101, 5):
        file = as_file(sheet, kind, quality)
        yield f"quality {quality}", len(file), back(file).reshape(-1, h, PER_ROW, w).swapaxes(1, 2).reshape(n, h, w)


def as_file(picture: np.ndarray, kind: str, quality: int) -> bytes:
    if kind == "jxl":
        return imagecodecs.jpegxl_encode(picture, level=quality, effort=7)
    file = io.BytesIO()
    options = {"method": 6} if kind == "webp" else {"optimize": True}
    Image.fromarray(picture).save(file, kind, quality=quality, **options)
    return file.getvalue()


def back(file: bytes) -> np.ndarray:
    if imagecodecs.jpegxl_check(file):
        return imagecodecs.jpegxl_decode(file)
    return np.asarray(Image.open(io.BytesIO(file)).convert("L"))


def by_components(train: np.ndarray, test: np.ndarray) -> Iterator[tuple[str, int, np.ndarray]]:
    pca = PCA(random_state=0).fit(train.reshape(len(train), -1)[:20_000])
    scores = pca.transform(test.reshape(len(test), -1))
    for step in 2.0 ** np.arange(4, 11, 0.5):
        whole = np.rint(scores / step).astype(np.int16)
        planes = whole.T.astype(np.int8) if np.abs(whole).max() < 128 else whole.T.copy().view(np.int8)
        found = pca.inverse_transform(whole * step).clip(0, 255).round().astype(np.uint8)
        yield f"step {step:.0f}", len(zstandard.compress(planes.tobytes(), 19)), found.reshape(test.shape)


def psnr(found: np.ndarray, test: np.ndarray) -> float | None:
    """Return 10 log10(255² / MSE), None where nothing was lost."""
    mse = np.mean((found.astype(float) - test) ** 2)
    return float(10 * np.log10(255**2 / mse)) if mse > 0 else None


def measure(name: str, time: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return all points of a data set, and its table: bits at each PSNR."""
    train, valid, test = pictures(SETS[name])
    with np.load(DATA / f"{SETS[name]}.npz") as data:
        labels, truth = data["y_train"][: len(train)], data["y_test"][:ROWS]
    test = test[:ROWS]
    classifier = LogisticRegression(max_iter=200).fit(train[:10_000].reshape(10_000, -1) / 255, labels[:10_000])
    vae = fitted(name, time, train, valid)
    curves = {
        "vaekit": ours(vae, test, QUALITIES),
        "vaekit, tuned": ours(tuned(name, time, vae, train), test, TUNED_AT),
        "PCA, zstd": by_components(train, test),
        "JPEG XL, files": in_files("jxl", test),
        "JPEG XL, a sheet": in_a_sheet("jxl", test),
        "WebP, files": in_files("webp", test),
        "WebP, a sheet": in_a_sheet("webp", test),
        "JPEG, files": in_files("jpeg", test),
        "JPEG, a sheet": in_a_sheet("jpeg", test),
    }
    points = []
    for coder, curve in curves.items():
        for setting, n_bytes, found in curve:
            points.append(
                {
                    "data": name,
                    "coder": coder,
                    "setting": setting,
                    "bits/value": 8 * n_bytes / test.size,
                    "PSNR": psnr(found, test),
                    "MSE": float(np.mean((found.astype(float) - test) ** 2)),
                    "SSIM": ssim(test, found),
                    "largest": int(np.abs(found.astype(int) - test).max()),
                    "accuracy": float((classifier.predict(found.reshape(ROWS, -1) / 255) == truth).mean()),
                }
            )
            print(points[-1], flush=True)
    table = [{"data": name, "PSNR": at} | {c: bits_at(points, c, at) for c in curves} for at in PSNRS]
    return points, table


def bits_at(points: list[dict[str, Any]], coder: str, at: float) -> float:
    """Return the fewest bits with which a coder reaches a PSNR; of others by lines between their best points."""
    curve = sorted((p["PSNR"], p["bits/value"]) for p in points if p["coder"] == coder and p["PSNR"])
    if coder.startswith("vaekit"):
        return min((b for q, b in curve if q >= at), default=float("nan"))
    best = [(q, min(b for other, b in curve if other >= q)) for q, _ in curve]
    decibels, bits = np.array(best).T
    return float(np.exp(np.interp(at, decibels, np.log(bits)))) if at <= decibels[-1] else float("nan")


def draw(points: list[dict[str, Any]]) -> None:
    """Draw the curves."""
    names = list(dict.fromkeys(p["data"] for p in points))
    figure, axes = plt.subplots(1, len(names), figsize=(6 * len(names), 4.5), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        for coder in dict.fromkeys(p["coder"] for p in points):
            chosen = [p for p in points if (p["data"], p["coder"]) == (name, coder) and p["PSNR"]]
            curve = sorted((p["bits/value"], p["PSNR"]) for p in chosen)
            axis.plot(*zip(*curve, strict=True), "o-", ms=3, lw=2.5 if coder.startswith("vaekit") else 1, label=coder)
        axis.set(xscale="log", xlim=(0.02, 6), ylim=(14, 45), xlabel="bits a value", ylabel="PSNR, dB", title=name)
        axis.grid(alpha=0.3)
    axes[0, 0].legend()
    figure.savefig(RESULTS / "rate_distortion.png", dpi=110, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--time", default="20m", help="that each model is fitted for")
    words = parser.parse_args()
    points, table = [], []
    for name in SETS:
        found, rows = measure(name, words.time)
        points, table = points + found, table + rows
    publish("rate_distortion", __doc__.split("Protocol: ")[1].strip().replace("\n", " "), table, points=points)
    draw(points)


if __name__ == "__main__":
    main()
