"""One page of a session that needs neither Python nor a network: the map, and a grid of what its points stand for."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.data.batches import spread
from vaekit.data.writers import GAP, picture_grid
from vaekit.explorer.looks import Plain, levels, look, packed
from vaekit.explorer.session import BINS, Session

ACROSS, FEWEST = 24, 8  # points of the grid, each way
MOST_VALUES = 2**22  # of all rows of the grid
MOST_POINTS = 5_000  # that are kept in the page
IMPORT = re.compile(r"^import .*\n", re.MULTILINE)


def page(session: Session) -> str:
    """Return the map of a session and a grid of decoded rows, as HTML that holds all it shows.

    Points are coloured by labels and columns, which need no scores. The page holds no rows of the data, but in the
    values that its points can be coloured by.
    """
    from jinja2 import Environment

    static = files("vaekit.explorer").joinpath("static")
    parts = [static.joinpath(name).read_text(encoding="utf-8") for name in ("looks.js", "chart.js", "page.js")]
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        static.joinpath("page.html").read_text(encoding="utf-8")
    )
    return template.render(
        style=static.joinpath("explore.css").read_text(encoding="utf-8"),
        told=json.dumps(told(session)).replace("<", "\\u003c"),
        script=IMPORT.sub("", "\n".join(parts)),  # one module, whose parts know each other
    )


def told(session: Session) -> Plain:
    """Return what the page shows, as plain values."""
    kept = spread(len(session.drawn), MOST_POINTS)
    rows = session.drawn[kept]
    points = np.column_stack([session.points[rows], rows]).astype("<f4")
    is_dense = session.n > len(rows)
    return session.about() | {
        "points": packed(points),
        "density": packed(np.frombuffer(session.density(), "<f4")) if is_dense else None,
        "bins": BINS,
        "found": {name: _some(session.colour(name), kept) for name, what in session.colours.items() if what != "score"},
        "grid": _grid(session),
    }


def _some(found: Plain, kept: NDArray[Any]) -> Plain:
    return found | {"values": [found["values"][k] for k in kept]}


def _grid(session: Session) -> Plain:
    """Return the rows of the middles of square cells of the map, line by line from its top."""
    across = max(FEWEST, min(ACROSS, math.isqrt(MOST_VALUES // session.schema.n_dims)))
    low, high = session.points.min(0), session.points.max(0)
    share = (np.arange(across) + 0.5) / across
    x, y = np.meshgrid(low[0] + share * (high[0] - low[0]), high[1] - share * (high[1] - low[1]))
    rows = session.decoded(session.plane.codes(np.column_stack([x.ravel(), y.ravel()])))
    if not session.schema.is_picture:
        return {"across": across, **look(session.schema, rows)}
    return {"across": across, "gap": GAP, "png": _png(levels(session.schema, rows), across)}


def _png(pictures: NDArray[np.uint8], columns: int) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture_grid(pictures, columns=columns)).save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
