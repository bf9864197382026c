"""What is taken away from the page: the codes or the rows within an outline, as a file."""

from __future__ import annotations

import io
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from vaekit.data.frames import is_frame
from vaekit.data.rows import take_rows
from vaekit.data.writers import WRITERS, Output
from vaekit.errors import ParameterError
from vaekit.explorer.session import Session


def export(session: Session, outline: Any, what: str) -> tuple[str, bytes]:
    """Return the name and the bytes of a file of the codes, or the rows, of the points within an outline.

    Parameters
    ----------
    session : Session
    outline : array of shape (k, 2)
        On the map.
    what : {"codes", "rows"}
        Codes are CSV with the row's number first; rows CSV too, but pictures, which are .npy.
    """
    if what not in ("codes", "rows"):
        raise ParameterError(f"What is exported is codes or rows; got {what!r}.")
    chosen = session.inside(outline)
    if not len(chosen):
        raise ParameterError("There is no point within the outline. Draw it around some.")
    if what == "codes":
        codes = {f"z{j}": session.codes[chosen, j] for j in range(session.codes.shape[1])}
        return "codes.csv", _written(".csv", pl.DataFrame({"row": chosen, **codes}))
    rows = take_rows(session.rows, chosen.tolist())
    if session.schema.is_picture:
        return "rows.npy", _written(".npy", np.asarray(rows))
    table = nw.from_native(rows, eager_only=True).to_polars() if is_frame(rows) else rows
    return "rows.csv", _written(".csv", table, session.schema.names)


def _written(suffix: str, result: Any, names: list[str] | None = None) -> bytes:
    file = io.BytesIO()
    WRITERS[suffix](Output(result, f"rows{suffix}", names), file)
    return file.getvalue()
