"""Make overview.png, the picture of the README, with the library itself: `python docs/images/make.py`.

It takes MNIST from ../shared/data where that is present, else the built-in digits; about two minutes.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from PIL import Image
from sklearn.neighbors import NearestNeighbors

import vaekit
from vaekit.data import builtin
from vaekit.data.readers import read

HERE = Path(__file__).parent
MNIST = HERE.parents[2] / "shared" / "data" / "mnist.npz"
SIZE, WIDTH = (10.0, 5.42), 5.0  # of the figure and of a strip, in inches
GROUND, WORDS = "#16181c", "#d7dade"
WARM = ("#f28e8e", "#f0a860", "#e3cf62", "#9fd068", "#5fcf97")
HUES = (*WARM, "#5cc8d0", "#6fa8f5", "#a08cf0", "#d88be0", "#b9b3a8")


def load() -> tuple[Any, Any, Any]:
    """Return pictures to learn from, other pictures, and the classes of these."""
    if MNIST.exists():
        return read(f"{MNIST}::x_train", "0:40000"), read(f"{MNIST}::x_test"), read(f"{MNIST}::y_test")
    x, y = builtin.load("digits"), builtin.labels("digits")
    return x[:1300], x[1300:], y[1300:]


def strip(pictures: Any, columns: int) -> Any:
    """Return pictures side by side, `columns` in a row, with gaps of the ground's colour: [H, W, 3]."""
    white = pictures.max()
    side, gap = pictures.shape[1], max(1, pictures.shape[1] // 9)
    low, high = (np.array(mpl.colors.to_rgb(c)) for c in ("#0b0c0e", "#f4f5f7"))
    n_rows = -(-len(pictures) // columns)
    shape = (n_rows * (side + gap) - gap, columns * (side + gap) - gap, 3)
    sheet = np.tile(np.array(mpl.colors.to_rgb(GROUND)), (*shape[:2], 1))
    for i, picture in enumerate(pictures):
        top, left = i // columns * (side + gap), i % columns * (side + gap)
        share = (picture / white)[..., None]
        sheet[top : top + side, left : left + side] = low + share * (high - low)
    return sheet


def show(figure: Any, bottom: float, pictures: Any, title: str) -> None:
    """Draw a strip of ten columns under a title, its lower edge at `bottom` inches."""
    sheet = strip(pictures, 10)
    height = WIDTH * sheet.shape[0] / sheet.shape[1]
    axis = figure.add_axes((0.15 / SIZE[0], bottom / SIZE[1], WIDTH / SIZE[0], height / SIZE[1]))
    axis.imshow(sheet, interpolation="nearest", aspect="auto")
    axis.set_title(title, loc="left", color=WORDS, fontsize=12, pad=4)
    axis.axis("off")


def show_map(axis: Any, codes: Any, classes: Any) -> None:
    """Draw codes in two dimensions, coloured and named by class."""
    low, high = np.percentile(codes, [0.5, 99.5], axis=0)
    for k, hue in enumerate(HUES):
        axis.scatter(*codes[classes == k].T, s=4, color=hue, alpha=0.75, linewidths=0)
    for k, hue in enumerate(HUES):
        box = {"boxstyle": "circle,pad=0.2", "facecolor": GROUND, "edgecolor": hue, "alpha": 0.9}
        place = own_place(codes, classes, k)
        axis.text(*place, str(k), color=hue, fontsize=12, ha="center", va="center", weight="bold", bbox=box)
    margin = 0.03 * (high - low)
    axis.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))
    axis.set(xticks=[], yticks=[], facecolor="#101216")
    for spine in axis.spines.values():
        spine.set_color("#2a2e35")
    axis.set_title("a map: two numbers for each test picture", loc="left", color=WORDS, fontsize=12, pad=4)


def own_place(codes: Any, classes: Any, k: int) -> Any:
    """Return a point of a class with few neighbours of other classes, near the class's middle."""
    here = codes[classes == k]
    distance, index = NearestNeighbors(n_neighbors=100).fit(codes).kneighbors(here)
    purity = (classes[index] == k).mean(axis=1)
    off_centre = np.linalg.norm((here - np.median(here, axis=0)) / here.std(axis=0), axis=1)
    return here[np.argmax(purity - 0.15 * off_centre)]


def main() -> None:
    """Fit two models, ask them, draw."""
    x, other, classes = load()
    wide = vaekit.VAE(likelihood="bernoulli", epochs=12, verbose=True).fit(x)
    flat = vaekit.VAE(2, likelihood="bernoulli", epochs=12, verbose=True).fit(x)
    first = [int(np.flatnonzero(classes == k)[3]) for k in range(10)]
    ends = (first[3], first[0])

    figure = plt.figure(figsize=SIZE, dpi=160, facecolor=GROUND)
    show(figure, 4.62, other[first], "rows the model has not seen")
    words = f"what it makes of them from {wide.latent_dim_} numbers each"
    show(figure, 3.82, wide.reconstruct(other[first]), words)
    show(figure, 3.02, wide.interpolate(other, ends, steps=10), "the path between two of them")
    show(figure, 0.15, wide.sample(50, random_state=1), "new rows, drawn from the model")
    axis = figure.add_axes((0.535, 0.15 / SIZE[1], 0.45, 4.93 / SIZE[1]))
    show_map(axis, flat.transform(other), classes)
    buffer = io.BytesIO()
    figure.savefig(buffer, facecolor=GROUND)
    picture = Image.open(buffer).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    picture.save(HERE / "overview.png", optimize=True)


if __name__ == "__main__":
    main()
