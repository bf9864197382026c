"""Export: a model as a file for other programs, written only if it answers as the model does."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vaekit.data.files import atomic_write, check_writable
from vaekit.errors import ParameterError
from vaekit.models.fitted import Fitted
from vaekit.tasks.agreement import Runs, largest_difference, refuse_apart
from vaekit.tasks.export_keras import as_keras, keras_runner
from vaekit.tasks.export_onnx import as_onnx, onnx_runner
from vaekit.tasks.portable import described, drawn_rows, portable

GIVEN_ROWS = 512  # of the user's that are compared


@dataclass(frozen=True)
class Format:
    """How a half of a model becomes a file and is run, and how far from the model its answers may be."""

    made: Callable[[nn.Module, Tensor, Sequence[str], dict[str, str]], bytes]
    runner: Callable[[bytes], Runs]
    most: float


FORMATS = {".onnx": Format(as_onnx, onnx_runner, 1e-4), ".keras": Format(as_keras, keras_runner, 1e-5)}


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its answers are from the model's.

    Parameters
    ----------
    files : tuple of str
    relative_difference : float
        The largest, of a table's columns each by itself.
    rows_compared : int
        Of the user's, beside those drawn from the model.
    """

    files: tuple[str, ...]
    relative_difference: float
    rows_compared: int


def export(fitted: Fitted, path: str | os.PathLike[str], check: Any = None) -> Exported:
    """Write a model as NAME.onnx and NAME.decoder.onnx, or with .keras, and return how well they agree with it.

    What is written reads and gives numbers in the data's own units: the preprocessing is inside.

    Parameters
    ----------
    fitted : Fitted
    path : path
        Its suffix says what is wanted.
    check : array or frame of n_samples rows, optional
        Rows to compare on, beside those that are drawn from the model.

    Raises
    ------
    ParameterError
        When the suffix is unknown, or the model cannot be said in the format.
    MissingExtraError
        When the packages of the format are not installed.
    OutputError
        When a file cannot be written, or would answer otherwise than the model.
    """
    suffix = Path(path).suffix
    if suffix not in FORMATS:
        known = " or ".join(f"NAME{ending}" for ending in FORMATS)
        raise ParameterError(f"A model is exported to {known}; got '{os.fspath(path)}'. Name such a file.")
    paths = (Path(path), decoder_path(path))
    for target in paths:
        check_writable(target)
    written, halves, told = FORMATS[suffix], portable(fitted), described(fitted)
    z, rows = drawn_rows(halves[0], fitted.schema, 2)
    files = (
        written.made(halves[0], rows, ("rows", "codes", "reconstruction"), told),
        written.made(halves[1], z, ("codes", "rows"), told),
    )
    given = _given(fitted, halves[0].units.rows, check)
    difference = largest_difference(halves, (written.runner(files[0]), written.runner(files[1])), fitted.schema, given)
    refuse_apart(difference, written.most, path)
    for target, file in zip(paths, files, strict=True):
        atomic_write(target, file)
    return Exported(tuple(map(os.fspath, paths)), difference, 0 if given is None else len(given))


def decoder_path(path: str | os.PathLike[str]) -> Path:
    """Return where the decoder of a file goes.

    Examples
    --------
    >>> decoder_path("model.onnx").name
    'model.decoder.onnx'
    """
    return Path(path).with_suffix(f".decoder{Path(path).suffix}")


def _given(fitted: Fitted, rows_of: Callable[[Tensor], Tensor], check: Any) -> Tensor | None:
    """Return the first of the user's rows as numbers in their own units, [n, *raw_shape]."""
    if check is None:
        return None
    codes = fitted.schema.encode(check)[:GIVEN_ROWS]
    return rows_of(torch.from_numpy(np.ascontiguousarray(codes)))
