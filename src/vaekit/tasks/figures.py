"""Pictures for pages: each with the words that stand for it where it is not seen."""

from __future__ import annotations

import base64
import io
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from numpy.typing import NDArray

from vaekit.data.writers import picture_grid

INK = "#010203"  # in what matplotlib draws it becomes the page's own colour of text
OURS, OTHERS = "#2f7fd1", "#d17b2f"  # that are seen on white and on black
WIDE = (6.4, 2.6)  # inches
LEAST_SIDE = 56  # pixels that a picture is shown in


@dataclass(frozen=True)
class Figure:
    """Something to look at.

    Parameters
    ----------
    html : str
        An <svg> or an <img> without anything outside itself.
    caption : str
    """

    html: str
    caption: str


def line_chart(
    x: Sequence[float], lines: Mapping[str, Sequence[float]], labels: tuple[str, str], alt: str, caption: str
) -> Figure:
    """Return lines over x by name, as an SVG that takes its colour of text from the page."""

    def draw(axes: Any) -> None:
        for (name, y), colour in zip(lines.items(), (OURS, OTHERS, "#3a9e5f", "#b0508f", "#8a7a2f"), strict=False):
            axes.plot(x, y, label=name, color=colour, linewidth=1.6)
        if len(lines) > 1:
            axes.legend(frameon=False, labelcolor=INK)

    return _chart(draw, labels, alt, caption)


def bar_chart(names: Sequence[str], values: Sequence[float], labels: tuple[str, str], alt: str, caption: str) -> Figure:
    """Return a bar for each name."""

    def draw(axes: Any) -> None:
        axes.bar(range(len(names)), values, color=OURS)
        axes.set_xticks(range(len(names)), names, fontsize=7, rotation=90 if len(names) > 12 else 0)

    return _chart(draw, labels, alt, caption)


def _chart(draw: Callable[[Any], None], labels: tuple[str, str], alt: str, caption: str) -> Figure:
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    look: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "vaekit", "text.color": INK, "axes.edgecolor": INK}
    look |= {f"{part}.color": INK for part in ("xtick", "ytick")} | {"axes.labelcolor": INK}
    with mpl.rc_context(look):
        canvas = Canvas(figsize=WIDE, layout="constrained")
        axes = canvas.add_subplot(xlabel=labels[0], ylabel=labels[1])
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        file = io.StringIO()
        canvas.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = file.getvalue()
    svg = drawn[drawn.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    salt = f"c{zlib.crc32((alt + caption).encode()):x}"  # parts of several charts on a page have names of their own
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{salt}-", svg)
    return Figure(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1), caption)


def picture_strip(pictures: NDArray[Any], maximum: float | None, columns: int, alt: str, caption: str) -> Figure:
    """Return pictures [n, H, W] or [n, H, W, C] side by side, as a PNG that holds itself."""
    from PIL import Image

    scale = max(1, -(-LEAST_SIDE // max(pictures.shape[1:3])))
    large = pictures.repeat(scale, axis=1).repeat(scale, axis=2)
    grid = picture_grid(large, maximum=maximum, columns=columns)
    file = io.BytesIO()
    Image.fromarray(grid).save(file, format="PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    return Figure(f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}">', caption)
