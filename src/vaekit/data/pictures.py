"""Pictures, in files or in bytes, as arrays of one size and one number of channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from vaekit.data.foreign import foreign_errors
from vaekit.errors import SourceError

# Named, because Pillow would run Ghostscript on a PostScript file that calls itself a picture.
PICTURE_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")

Files = Mapping[str, Path | IO[bytes]]  # by what messages call them


@dataclass(frozen=True)
class Look:
    """The size in pixels and the mode that pictures are read in: L, RGB or RGBA."""

    width: int
    height: int
    mode: str

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a picture's array."""
        return (self.height, self.width, *{"L": (), "RGB": (3,), "RGBA": (4,)}[self.mode])

    def holds(self, size: tuple[int, int], mode: str) -> bool:
        """Whether a picture's array would be of this shape, and lose no colour."""
        modes = {"L": ("1", "L"), "RGBA": ("RGBA",)}
        return size == (self.width, self.height) and (self.mode == "RGB" or mode in modes[self.mode])


def pictures_in(folder: str) -> list[Path]:
    """Return the paths of a folder's pictures, in it and below it, sorted."""
    return sorted(path for path in Path(folder).rglob("*") if _is_picture(path.relative_to(folder)))


def common_look(files: Files) -> Look:
    """Return the look of all pictures.

    Raises
    ------
    SourceError
        If one is damaged or of another size, or has more than 256 levels.
    """
    looks = {name: _look(name, file) for name, file in files.items()}
    width, height = _common_size({name: size for name, (size, _) in looks.items()})
    return Look(width, height, _common_mode([mode for _, mode in looks.values()]))


def stacked(files: Files, look: Look) -> NDArray[np.uint8]:
    """Return pictures of a known look as one array, [n, H, W] or [n, H, W, C].

    Raises
    ------
    SourceError
        If one is damaged or looks otherwise.
    """
    pictures = np.empty((len(files), *look.shape), np.uint8)
    for i, (name, file) in enumerate(files.items()):
        pictures[i] = _pixels(name, file, look)
    return pictures


def _is_picture(path: Path) -> bool:
    # Hidden files are other programs' notes: ._a.png, .thumbnails/a.png.
    return path.suffix.lower() in PICTURE_SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _look(name: str, file: Path | IO[bytes]) -> tuple[tuple[int, int], str]:
    from PIL import Image

    with foreign_errors(name), Image.open(file, formats=PICTURE_FORMATS) as picture:
        _refuse_many_levels(name, picture.mode)
        return picture.size, picture.mode


def _refuse_many_levels(name: str, mode: str) -> None:
    if mode.startswith(("I", "F")):
        raise SourceError(
            f"{name} has more than 256 levels (mode {mode}), which pictures are cut down to; "
            "convert it to 8 bits, or save its values as .npy."
        )


def _common_size(sizes: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    first, (width, height) = next(iter(sizes.items()))
    for name, (other_width, other_height) in sizes.items():
        if (other_width, other_height) != (width, height):
            raise SourceError(
                f"Pictures must have one size, but {first} is {width} x {height} and {name} is "
                f"{other_width} x {other_height}; resize them, say: mogrify -resize '{width}x{height}!' FILES"
            )
    return width, height


def _common_mode(modes: Sequence[str]) -> str:
    if set(modes) <= {"1", "L"}:
        return "L"
    return "RGBA" if set(modes) == {"RGBA"} else "RGB"


def _pixels(name: str, file: Path | IO[bytes], look: Look) -> NDArray[np.uint8]:
    from PIL import Image

    with foreign_errors(name), Image.open(file, formats=PICTURE_FORMATS) as picture:
        _refuse_many_levels(name, picture.mode)
        if not look.holds(picture.size, picture.mode):
            raise SourceError(
                f"{name} is {picture.width} x {picture.height} in mode {picture.mode}, but those looked at before were "
                f"{look.width} x {look.height} in mode {look.mode}; convert it to that, or take it out."
            )
        return np.asarray(picture.convert(look.mode))
