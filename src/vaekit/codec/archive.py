"""From an archive to a person's rows: block by block, whole, or what it holds."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from mmap import mmap
from typing import Any

import numpy as np

from vaekit.codec import array_tables, coding, frames, model_bytes
from vaekit.codec.container import METHODS, Block, Reader
from vaekit.codec.multiples import of_multiples
from vaekit.codec.refusal import refused_as
from vaekit.codec.workers import side_by_side
from vaekit.data.progress import Tell
from vaekit.data.schema import Schema
from vaekit.errors import CodecError


@dataclass(frozen=True)
class Listing:
    """What an archive holds.

    Parameters
    ----------
    n_items, n_bytes, raw_bytes : int
        Rows; bytes of the archive, and of the rows as they lie in memory.
    model_bytes : int
        Of the model within.
    methods : dict of str to int
        How many blocks each method coded.
    what : str
        The rows in words.
    model_sha256 : str or None
        Of the model that is needed.
    lossy : dict or None
        What was asked for where not all comes back, as {"max_error": "1%"}.
    """

    n_items: int
    n_bytes: int
    raw_bytes: int
    model_bytes: int
    methods: dict[str, int]
    what: str
    model_sha256: str | None
    lossy: dict[str, Any] | None


def decompress(data: bytes | mmap, model: bytes | None = None, *, processes: int = 1, tell: Tell | None = None) -> Any:
    """Return the rows of an archive, an array or a frame.

    Parameters
    ----------
    data : bytes or memory-mapped file
    model : bytes, optional
        The integer model, where the archive does not hold it.
    processes : int
        How many work at a time, each on some blocks.
    tell : callable, optional
        Is told the share that is done.

    Raises
    ------
    CodecError
        When the archive is damaged or was made with another model.
    """
    reader = Reader(data)
    numbers = range(len(reader.blocks))
    pieces = list(decoded(reader, numbers, model, processes=processes, tell=tell))
    return joined(reader, numbers, pieces, model)


@refused_as("What the archive's blocks hold")
def joined(reader: Reader, numbers: Sequence[int], pieces: Sequence[bytes], model: bytes | None = None) -> Any:
    """Return the array or the frame of decoded blocks.

    Raises
    ------
    CodecError
        When the block of a frame's other columns is not among them.
    """
    if reader.header.get("kind") == "table":
        return _frame(reader, numbers, pieces, needed_model(reader, model))
    dtype, shape = array_layout(reader, numbers)
    return np.frombuffer(bytearray(b"".join(pieces)), dtype).reshape(shape)


@refused_as("The archive's header")
def array_layout(reader: Reader, numbers: Sequence[int]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return dtype and shape of the array in some blocks.

    Raises
    ------
    CodecError
        When there is none.
    """
    dtype, shape = coding.layout(reader.header)
    return dtype, (sum(reader.blocks[k][1] for k in numbers), *shape)


def decoded(
    reader: Reader, numbers: Sequence[int], model: bytes | None, *, processes: int = 1, tell: Tell | None = None
) -> Iterator[bytes]:
    """Return the rows of blocks as bytes, which are decoded as they are taken.

    Raises
    ------
    CodecError
        When a block is damaged, or was made with another model.
    """
    found = needed_model(reader, model)
    decode = partial(coding.decoded, reader.header, found)

    def blocks(some: range) -> list[Block]:
        return [reader.block(numbers[k]) for k in some]

    return side_by_side(decode, blocks, len(numbers), processes=processes, tell=tell)


def survivors(reader: Reader, model: bytes | None) -> list[int]:
    """Return the numbers of the blocks that decode to what was written.

    Raises
    ------
    CodecError
        When the archive was made with another model.
    """
    found = needed_model(reader, model)
    return [k for k in range(len(reader.blocks)) if _survives(reader, k, found)]


def _survives(reader: Reader, number: int, model: bytes | None) -> bool:
    try:
        coding.decoded(reader.header, model, [reader.block(number)])
    except CodecError:
        return False
    return True


@refused_as("The archive's header")
def listing(reader: Reader) -> Listing:
    """Return what an archive holds."""
    blocks = [reader.block(k) for k in range(len(reader.blocks))]
    methods = [METHODS[block.method] for block in blocks]
    counts = {name: methods.count(name) for name in METHODS.values() if name in methods}
    header, is_table = reader.header, reader.header.get("kind") == "table"
    if is_table and header.get("library") == array_tables.LIBRARY:
        dtype = np.dtype(header["dtype"])
        what, raw = f"{dtype}, column by column", coding.number(header, "raw_bytes")
    elif is_table:
        what, raw = f"a table of {header.get('library')}", coding.number(header, "raw_bytes")
    else:
        dtype, shape = coding.layout(header)
        what, raw = f"{dtype} {shape}", reader.n_items * math.prod(shape) * dtype.itemsize
    found = reader.header.get("model_sha256")
    told = header.get("lossy")
    lossy = dict(told) if told is not None else None
    return Listing(reader.n_items, len(reader.data), raw, len(reader.model), counts, what, found, lossy)


def _frame(reader: Reader, numbers: Sequence[int], pieces: Sequence[bytes], model: bytes | None) -> Any:
    """Return the frame of decoded blocks, of which the first holds the other columns, in the library it came from."""
    import polars as pl

    if not numbers or numbers[0] != 0:
        raise CodecError("The table's first block is damaged, so nothing of it is left. Take another copy of it.")
    header = reader.header
    table = of_multiples(pl.read_ipc(io.BytesIO(pieces[0])), header.get("multiples", {}))
    if header.get("coded") and model is not None:
        schema = Schema.from_json(model_bytes.from_bytes(model).schema)
        rows = np.frombuffer(b"".join(pieces[1:]), "<i8").reshape(-1, len(schema.fields))
        table = frames.joined(schema, header["coded"], header["nan"], rows, table[reader.items(numbers)])
    if header.get("library") == array_tables.LIBRARY:
        return array_tables.as_array(table, *coding.layout(header))
    return table.to_pandas() if header.get("library") == "pandas" else table


@refused_as("The archive's header")
def needed_model(reader: Reader, model: bytes | None) -> bytes | None:
    """Return the integer model that an archive needs, its own or the one given; None where it needs none.

    Raises
    ------
    CodecError
        When there is none, or it is another one.
    """
    wanted = reader.header.get("model_sha256")
    if wanted is None:
        return None
    data = model_bytes.unpacked(reader.model) if reader.model else model
    if data is None:
        raise CodecError(
            f"The archive was made with the model {wanted[:12]} and does not hold it. Name the model's file."
        )
    found = model_bytes.fingerprint(data)
    if found != wanted:
        raise CodecError(
            f"The archive was made with the model {wanted[:12]}, not with {found[:12]}. Name the right one."
        )
    model_bytes.from_bytes(data)  # gives the known answer, or is refused
    return data
