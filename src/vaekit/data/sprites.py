"""Pictures of one white shape, each combination of five factors once, in the manner of dSprites; none is stored."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from vaekit.errors import DataError, ParameterError

FACTORS = {"shape": 3, "scale": 6, "orientation": 40, "x": 32, "y": 32}  # the last one fastest
SHAPES = ("square", "ellipse", "heart")

SIZE = 64  # pixels, of a picture's side
SIDE = 21.0  # pixels, of the square at scale 1; no pixel's centre then lies on an upright square's edge
REACH = 16  # pixels from a shape's centre that its picture may take: half diagonal of the square 14.9

Array = NDArray[Any]


class Sprites:
    """All 737,280 pictures of a square, ellipse or heart in 6 scales, 40 orientations and 32 × 32 places.

    A sequence of uint8 pictures [64, 64] of zeros and ones, in the order of dSprites: mixed radix, shape slowest and y
    fastest. `sprites[i]`, `sprites[a:b]` and `sprites[indices]` make pictures as they are asked for.

    - `shape`: square, ellipse (axes 3 : 2) and heart, which have equal areas and turn about their centres of mass.
    - `scale`: 0.5 to 1, of lengths; at 1 the area is 21 × 21 pixels.
    - `orientation`: 0 to 2π anticlockwise, both ends included as in dSprites: the last is the first again. A square
      looks the same after a quarter turn and an ellipse after a half, up to the raster, so no code of pictures can
      know their orientations fully.
    - `x`, `y`: the centre goes to the right and down by one pixel a step, from 16 to 47; shapes stay within the frame.

    A pixel is 1 if its centre lies within the outline. The outlines differ from those of dSprites, whose pictures are
    not copied here, so figures of the two are alike but do not compare to the digit.

    Notes
    -----
    A step of x or y is a whole pixel, so 720 stamps (6.5 MB) and a window of 64 × 64 that slides over them are all
    pictures.

    References
    ----------
    L. Matthey, I. Higgins, D. Hassabis, A. Lerchner (2017). dSprites: Disentanglement testing Sprites dataset.
    https://github.com/deepmind/dsprites-dataset

    Examples
    --------
    >>> sprites = Sprites()
    >>> len(sprites), sprites[[0, 400_000]].shape
    (737280, (2, 64, 64))
    >>> sprites.factors(400_000)  # an ellipse
    array([ 1,  3, 30, 20,  0])
    >>> pictures, factors = sprites.sample(1_000, seed=0)
    """

    def __init__(self) -> None:
        windows = sliding_window_view(_stamps(), (SIZE, SIZE), axis=(-2, -1))  # [3, 6, 40, y, x, 64, 64]
        self._pictures = windows[..., ::-1, ::-1, :, :].swapaxes(3, 4)  # [3, 6, 40, 32, 32, 64, 64]: a view
        self._indices = np.arange(math.prod(FACTORS.values()), dtype=np.int32)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, item: Any) -> NDArray[np.uint8]:
        pictures: NDArray[np.uint8] = self._pictures[np.unravel_index(self._indices[item], self._pictures.shape[:5])]
        return pictures.copy() if pictures.ndim == 2 else pictures  # of a single index numpy gives a view

    def factors(self, indices: ArrayLike) -> NDArray[np.int64]:
        """Return the factors of pictures, each from 0 on, [..., 5], of indices [...]."""
        return np.stack(np.unravel_index(self._indices[np.asarray(indices)], self._pictures.shape[:5]), axis=-1)

    def index(self, factors: ArrayLike) -> NDArray[np.int64]:
        """Return the indices of pictures, [...], of their factors [..., 5].

        Raises
        ------
        DataError
            If a factor has no such value.
        """
        asked, sizes = np.asarray(factors), np.array(list(FACTORS.values()))
        if (
            asked.shape[-1:] != sizes.shape
            or asked.dtype.kind not in "iu"
            or not ((asked >= 0) & (asked < sizes)).all()
        ):
            raise DataError(
                f"Factors must be whole numbers, five a row, from 0 to below {sizes.tolist()} of {', '.join(FACTORS)}; "
                f"got {asked.dtype} of shape {asked.shape}. Take those that `factors` gives."
            )
        return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(asked, -1, 0)), tuple(sizes)))

    def sample(self, n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return n different pictures drawn at random, and their factors: [n, 64, 64] and [n, 5].

        Raises
        ------
        ParameterError
            If there are not so many.
        """
        if not 0 < n <= len(self):
            raise ParameterError(f"n must be from 1 to {len(self):,} pictures; got {n}.")
        chosen = np.random.default_rng(seed).choice(len(self), n, replace=False)
        return self[chosen], self.factors(chosen)


def _stamps() -> NDArray[np.uint8]:
    """Return each shape in each scale and orientation, its centre in the middle: [3, 6, 40, 95, 95]."""
    scale = np.linspace(0.5, 1, FACTORS["scale"])[:, None, None, None]
    steps = np.arange(FACTORS["orientation"]) % (FACTORS["orientation"] - 1)  # 2π is 0 to the last bit
    angle = (2 * math.pi / (FACTORS["orientation"] - 1) * steps)[:, None, None]
    right = np.arange(-REACH, REACH + 1.0)  # [33]
    up = -right[:, None]  # [33, 1]
    u = (np.cos(angle) * right + np.sin(angle) * up) / (SIDE * scale)  # [6, 40, 33, 33]
    v = (np.cos(angle) * up - np.sin(angle) * right) / (SIDE * scale)
    stamps = np.stack([outline(u, v) <= 0 for outline in (_square, _ellipse, _heart)]).astype(np.uint8)
    margin = FACTORS["x"] - 1
    return np.pad(stamps, [(0, 0)] * 3 + [(margin, margin)] * 2)


# Outlines of area 1 around their centres of mass: at most 0 inside, u to the right and v up.


def _square(u: Array, v: Array) -> Array:
    return np.maximum(abs(u), abs(v)) - 0.5


def _ellipse(u: Array, v: Array) -> Array:
    return math.pi * (u**2 / 1.5 + v**2 * 1.5) - 1


def _heart(u: Array, v: Array) -> Array:
    """A square of side 2r on its corner, with discs of radius r around the middles of its upper edges."""
    r = 1 / math.sqrt(4 + math.pi)
    above = r * (3 * math.pi + 4) / (6 * math.pi + 24)  # the centre of mass, along either of the square's axes
    p, q = (v + u) / math.sqrt(2) + above, (v - u) / math.sqrt(2) + above
    square = np.maximum(abs(p), abs(q)) - r
    return np.minimum(square, np.minimum(np.hypot(p - r, q), np.hypot(p, q - r)) - r)
