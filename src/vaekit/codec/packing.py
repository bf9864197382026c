"""From a person's rows to an archive, block by block, each decoded and compared before it counts."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
import zstandard
from numpy.typing import NDArray

from vaekit.codec import array_tables, coding, frames, lossy, model_bytes
from vaekit.codec.columns import Columns
from vaekit.codec.container import LATENT, VAE, Block, Writer
from vaekit.codec.dial import Dial
from vaekit.codec.multiples import as_multiples
from vaekit.codec.spool import Spool
from vaekit.codec.workers import side_by_side
from vaekit.data.frames import is_frame
from vaekit.data.progress import Tell, within
from vaekit.data.schema import Schema
from vaekit.errors import DataError, ParameterError

Array = NDArray[Any]
Once = Callable[[Dial | None], None]  # writes all rows as a dial asks for

ROWS_IN_BLOCK = 1250
CODED = {VAE, LATENT}
MOST_OCTAVES = 52.0  # what a float of 64 bits holds, of values that others are far from
BOUNDS_TRIED = 9  # between which one takes the bits asked for, to a tenth of an octave
PLANNING = 0.3  # of the time that a lossy archive of an array takes, about


def compress(
    data: Any,
    model: bytes | None,
    **options: Any,
) -> bytes:
    """Return data as an archive, every block of which was decoded and compared; the options are those of `write`."""
    stream = io.BytesIO()
    write(stream, data, model, **options)
    return stream.getvalue()


def write(
    stream: BinaryIO,
    data: Any,
    model: bytes | None,
    *,
    embed_model: bool = False,
    names: list[str] | None = None,
    dial: Dial | None = None,
    processes: int = 1,
    tell: Tell | None = None,
) -> None:
    """Write data as an archive, every block of which was decoded and compared.

    Rows of an array on a disk are read as they are coded, so that neither they nor the archive need be in memory.

    Parameters
    ----------
    stream : binary file
        A new one, that can be cut off and written anew.
    data : ndarray or frame of n rows
        Of any dtype.
    model : bytes or None
        An integer model; without one, and for rows it does not fit, zstd does the work.
    embed_model : bool
        Whether the archive holds the model, so that it can be read without any other file.
    names : list of str, optional
        Of the rows.
    dial : Dial, optional
        How much may be lost; without it nothing is.
    processes : int
        How many work at a time, each on some blocks; the archive is the same for any number.
    tell : callable, optional
        Is told the share that is done.
    """
    held = model_bytes.packed(model) if model is not None and embed_model else b""
    once = partial(_write, stream, data, model, held, names, processes=processes, tell=tell)
    if dial is None or dial.target_bits is None or not len(data):
        once(dial)
    elif lossy.by_bound(data, model):
        _write_least_bound(stream, once, len(held), dial.target_bits, len(data))
    else:
        _write_within_bits(stream, once, len(held), dial, len(data))


def _write_within_bits(stream: BinaryIO, once: Once, model_size: int, dial: Dial, n_rows: int) -> None:
    """Write rows of levels in the bits that a dial asks for."""
    assert dial.target_bits is not None
    most = model_size + dial.target_bits * n_rows / 8
    once(dial)
    while (n_bytes := stream.tell()) > most:  # the rows that were looked at told less
        dial = replace(dial, target_bits=0.99 * dial.target_bits * (most - model_size) / (n_bytes - model_size))
        _clear(stream)
        once(dial)


def _write_least_bound(stream: BinaryIO, once: Once, model_size: int, target_bits: float, n_rows: int) -> None:
    """Write other rows with the least bound on the error that takes no more than the bits for a row.

    Raises
    ------
    ParameterError
        When even the greatest takes more.
    """
    low, high, most = 0.0, MOST_OCTAVES, model_size + target_bits * n_rows / 8  # octaves below the range of values
    once(_bound(low))
    if stream.tell() > most:
        raise ParameterError(
            f"target_bits must leave these rows at least {8 * (stream.tell() - model_size) / n_rows:.4g} bits each, "
            f"what cannot be lost included; it leaves {target_bits:.4g}. Ask for more bits."
        )
    for _ in range(BOUNDS_TRIED):
        middle = (low + high) / 2
        _clear(stream)
        once(_bound(middle))
        low, high = (middle, high) if stream.tell() <= most else (low, middle)
    _clear(stream)
    once(_bound(low))


def _bound(octaves: float) -> Dial:
    return Dial(max_error=f"{100 * 2**-octaves:.4g}%")


def _clear(stream: BinaryIO) -> None:
    stream.seek(0)
    stream.truncate()


def _write(
    stream: BinaryIO,
    data: Any,
    model: bytes | None,
    held: bytes,
    names: list[str] | None,
    dial: Dial | None,
    *,
    processes: int,
    tell: Tell | None,
) -> None:
    """Write data as an archive that may hold a packed model."""
    with Spool() as blocks:
        if is_frame(data):
            header = _add_table(blocks, data, model, len(held), dial, processes, tell)
        else:
            header = _add_rows(blocks, as_rows(data), model, len(held), dial, processes, tell)
        header |= {} if dial is None else {"lossy": dial.said}
        uses_model = not blocks.methods.isdisjoint(CODED) or bool(header.get("coded"))
        header |= {"model_sha256": model_bytes.fingerprint(model) if model is not None and uses_model else None}
        writer = Writer(stream, header, held if uses_model else b"")
        for block in blocks:
            writer.add(block)
        writer.close(names)


def as_rows(data: Any) -> Array:
    """Return an array of rows as it is, contiguous.

    Raises
    ------
    DataError
        When it holds objects or records, or is a single number.
    """
    rows = np.asarray(data)
    if rows.dtype.kind in "OV" or rows.ndim == 0:
        raise DataError(
            f"An array of {rows.dtype} with shape {rows.shape} has no rows of numbers. Give an array of such."
        )
    return np.ascontiguousarray(rows)


def _add_rows(
    blocks: Spool,
    rows: Array,
    model: bytes | None,
    model_size: int,
    dial: Dial | None,
    processes: int,
    tell: Tell | None,
) -> dict[str, Any]:
    """Add the blocks of an array; it is told column by column where the model codes columns and that is shorter."""
    plan, own, each = lossy.Plan(rows, {}), None, tell
    if dial is not None and len(rows):
        plan, each = lossy.planned(rows, model, dial, within(tell, 0, PLANNING)), within(tell, PLANNING, 1)
        if dial.target_bits is None:
            own = Dial(max_error=dial.most_off(rows.ravel()))  # of all columns alike
    header = _add_array(blocks, plan, model, model_size, processes, each)
    table = array_tables.as_table(rows, model) if dial is None or own is not None else None
    if table is None or not blocks.methods.isdisjoint(CODED):
        return header
    with Spool() as by_column:
        found = _add_table(by_column, table, model, model_size, own, processes, tell)
        if not found["coded"] or model_size + by_column.n_bytes >= blocks.n_bytes:
            return header
        blocks.clear()
        blocks.add(by_column)
    return found | {"library": array_tables.LIBRARY, "raw_bytes": rows.nbytes} | array_tables.told(rows)


def _add_array(
    blocks: Spool,
    plan: lossy.Plan,
    model: bytes | None,
    model_size: int,
    processes: int,
    tell: Tell | None,
) -> dict[str, Any]:
    """Add the blocks of an array; return what the header tells of it. A model of some size is to go with them."""
    rows = plan.rows
    header = {"kind": "array", "dtype": rows.dtype.str, "row_shape": list(rows.shape[1:])} | plan.told
    if model is not None:
        blocks.add(_blocks(rows, header, model, processes, tell, plan.worth))
    n_bytes = model_size + blocks.n_bytes
    if len(rows) and (not len(blocks) or _may_be_smaller(rows, n_bytes)):
        whole = coding.zstd_block(_pieces_of(rows), rows.nbytes, len(rows))
        if not len(blocks) or len(whole.payload) < n_bytes:
            blocks.clear()
            blocks.add([whole])
    return header


def _pieces_of(rows: Array) -> Iterator[bytes]:
    """Yield the bytes of some rows after the other."""
    return (rows[i : i + ROWS_IN_BLOCK].tobytes() for i in range(0, len(rows), ROWS_IN_BLOCK))


def _add_table(
    blocks: Spool,
    frame: Any,
    model: bytes | None,
    model_size: int,
    dial: Dial | None,
    processes: int,
    tell: Tell | None,
) -> dict[str, Any]:
    """Add the blocks of a frame; return what the header tells of it. A model of some size is to go with them."""
    import narwhals as nw

    native = nw.from_native(frame, eager_only=True)
    table, n_bytes = native.to_polars(), len(_arrow(native.to_polars()))
    schema = None if model is None else Schema.from_json(model_bytes.from_bytes(model).schema)
    bounds = {} if dial is None else lossy.bounds_of(table, schema, dial)
    rounded, multiples = as_multiples(table, bounds)
    plain = _arrow(rounded)
    header = {"kind": "table", "library": native.implementation.value, "raw_bytes": n_bytes}
    whole = coding.zstd_block([plain], len(plain), len(table))
    if model is not None and len(table):
        coded, parts = _coded_table(table, bounds, header, model, processes, tell)
        blocks.add(coded)
        if len(blocks) and model_size + blocks.n_bytes < len(whole.payload):
            return header | parts
        blocks.clear()
    blocks.add([whole])
    return header | {"kept_bytes": len(plain), "coded": [], "nan": [], "multiples": multiples}


def _coded_table(
    table: Any,
    bounds: dict[str, float],
    header: dict[str, Any],
    model: bytes,
    processes: int,
    tell: Tell | None,
) -> tuple[Iterable[Block], dict[str, Any]]:
    """Return a block of the columns that the model does not code, those of the others, and what the header tells."""
    integer = model_bytes.from_bytes(model)
    if not isinstance(integer.likelihood, Columns):
        return [], {}
    schema = Schema.from_json(integer.schema)
    fields = [column.field for column in integer.likelihood.columns]
    leeway = frames.leeways(schema, integer.likelihood, bounds)
    parts = frames.split(schema, fields, table, leeway)
    rounded, multiples = as_multiples(parts.kept, {k: v for k, v in bounds.items() if k not in parts.coded})
    kept = _arrow(rounded)
    spans = {schema.fields[j].name: room.column.span for j, room in leeway.items()}
    found = {
        "kept_bytes": len(kept),
        "coded": parts.coded,
        "nan": parts.nan,
        "row_bytes": parts.rows[0].nbytes,
        "spans": {name: span for name, span in spans.items() if name in parts.coded},
        "multiples": multiples,
    }
    blocks = _blocks(parts.rows, header | found, model, processes, tell) if parts.coded else []
    return chain([coding.zstd_block([kept], len(kept), 0)], blocks), found


def _arrow(table: Any) -> bytes:
    """Return a frame as an Arrow IPC file."""
    raw = io.BytesIO()
    table.write_ipc(raw, compression="uncompressed")
    return raw.getvalue()


def _blocks(
    rows: Array, header: dict[str, Any], model: bytes, processes: int, tell: Tell | None, worth: float = 0.0
) -> Iterator[Block]:
    """Return the blocks of rows, which are coded as they are taken."""
    encode = partial(coding.encoded, header, model, worth)

    def pieces(some: range) -> list[Array]:
        return [rows[k * ROWS_IN_BLOCK : (k + 1) * ROWS_IN_BLOCK] for k in some]

    return side_by_side(encode, pieces, math.ceil(len(rows) / ROWS_IN_BLOCK), processes=processes, tell=tell)


def _may_be_smaller(rows: Array, n_bytes: int) -> bool:
    """Whether zstd of all rows together could need fewer bytes than blocks do: whether half as hard it comes near."""
    packer = zstandard.ZstdCompressor(coding.QUICK_LEVEL).compressobj()
    return sum(len(packer.compress(piece)) for piece in _pieces_of(rows)) + len(packer.flush()) < 1.5 * n_bytes
