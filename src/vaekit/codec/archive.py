"""From a person's rows to an archive and back, block by block, each decoded and compared before it counts."""

from __future__ import annotations

import io
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from mmap import mmap
from multiprocessing import get_context
from typing import Any, BinaryIO

import numpy as np
import zstandard
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vaekit.codec import coding, frames, lossy, model_bytes
from vaekit.codec.columns import Columns
from vaekit.codec.container import LATENT, METHODS, VAE, Block, Reader, Writer
from vaekit.codec.dial import Dial
from vaekit.codec.multiples import as_multiples, of_multiples
from vaekit.codec.refusal import refused_as
from vaekit.codec.spool import Spool
from vaekit.data.frames import is_frame
from vaekit.data.schema import Schema
from vaekit.errors import CodecError, DataError

Array = NDArray[Any]
Tell = Callable[[float], None]

ROWS_IN_BLOCK = 1000
BLOCKS_AT_ONCE = 4  # together they are as fast as more, in half the memory
CODED = {VAE, LATENT}
PLANNING = 0.3  # of the time that a lossy archive of an array takes, about


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


def compress(
    data: Any,
    model: bytes | None,
    *,
    embed_model: bool = False,
    names: list[str] | None = None,
    dial: Dial | None = None,
    processes: int = 1,
    tell: Tell | None = None,
) -> bytes:
    """Return data as an archive, every block of which was decoded and compared; the parameters are those of `write`."""
    stream = io.BytesIO()
    write(stream, data, model, embed_model=embed_model, names=names, dial=dial, processes=processes, tell=tell)
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
    once(dial)
    if dial is None or dial.target_bits is None or not len(data):
        return
    most = len(held) + dial.target_bits * len(data) / 8
    while (n_bytes := stream.tell()) > most:  # the rows that were looked at told less
        dial = replace(dial, target_bits=0.99 * dial.target_bits * (most - len(held)) / (n_bytes - len(held)))
        stream.seek(0)
        stream.truncate()
        once(dial)


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
            header = _add_table(blocks, data, model, len(held), dial, mapper(processes), tell)
        else:
            rows = as_rows(data)
            plan = lossy.Plan(rows, {})
            if dial is not None and len(rows):
                plan, tell = lossy.planned(rows, model, dial, _part(tell, 0, PLANNING)), _part(tell, PLANNING, 1)
            header = _add_array(blocks, plan, model, len(held), mapper(processes), tell)
        header |= {"lossy": None if dial is None else dial.said}
        uses_model = not blocks.methods.isdisjoint(CODED) or bool(header.get("coded"))
        header |= {"model_sha256": model_bytes.fingerprint(model) if model is not None and uses_model else None}
        writer = Writer(stream, header, held if uses_model else b"")
        for block in blocks:
            writer.add(block)
        writer.close(names)


def _part(tell: Tell | None, begin: float, end: float) -> Tell | None:
    """Return what tells the share of a part of the work as that of all."""
    return None if tell is None else lambda share: tell(begin + (end - begin) * share)


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
    """Yield the rows of blocks as bytes.

    Raises
    ------
    CodecError
        When a block is damaged, or was made with another model.
    """
    found = needed_model(reader, model)
    groups = ([reader.block(k) for k in some] for some in _grouped(numbers))
    with mapper(processes) as each:
        for done, rows in enumerate(each(partial(coding.decoded, reader.header, found), groups), 1):
            yield from rows
            if tell is not None:
                tell(min(1.0, done * BLOCKS_AT_ONCE / len(numbers)))


def _grouped(things: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (things[i : i + BLOCKS_AT_ONCE] for i in range(0, len(things), BLOCKS_AT_ONCE))


Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@contextmanager
def mapper(processes: int) -> Iterator[Each]:
    """Give what applies a function to each of some things, in this process or in several, answers in order."""
    if processes == 1:
        yield map
        return
    environment = get_context("spawn")  # a fork would share the threads of what was computed before
    with ProcessPoolExecutor(processes, environment, initializer=threadpool_limits, initargs=(1,)) as pool:
        yield partial(_each, pool, 2 * processes)


def _each(pool: Executor, most: int, function: Callable[[Any], Any], things: Iterable[Any]) -> Iterator[Any]:
    """Yield a function's answers in order, at most some of them asked for before they are taken."""
    asked: deque[Future[Any]] = deque()
    for thing in things:
        asked.append(pool.submit(function, thing))
        if len(asked) == most:
            yield asked.popleft().result()
    for future in asked:
        yield future.result()


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
    if is_table:
        what, raw = f"a table of {header.get('library')}", coding.number(header, "raw_bytes")
    else:
        dtype, shape = coding.layout(header)
        what, raw = f"{dtype} {shape}", reader.n_items * math.prod(shape) * dtype.itemsize
    found = reader.header.get("model_sha256")
    told = header.get("lossy")
    lossy = dict(told) if told is not None else None
    return Listing(reader.n_items, len(reader.data), raw, len(reader.model), counts, what, found, lossy)


# -- blocks out --------------------------------------------------------------------------------------------------------


def _add_array(
    blocks: Spool,
    plan: lossy.Plan,
    model: bytes | None,
    model_size: int,
    workers: AbstractContextManager[Each],
    tell: Tell | None,
) -> dict[str, Any]:
    """Add the blocks of an array; return what the header tells of it. A model of some size is to go with them."""
    rows = plan.rows
    header = {"kind": "array", "dtype": rows.dtype.str, "row_shape": list(rows.shape[1:])} | plan.told
    if model is not None:
        blocks.add(_blocks(rows, header, model, workers, tell, plan.worth))
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
    workers: AbstractContextManager[Each],
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
        coded, parts = _coded_table(table, bounds, header, model, workers, tell)
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
    workers: AbstractContextManager[Each],
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
    blocks = _blocks(parts.rows, header | found, model, workers, tell) if parts.coded else []
    return chain([coding.zstd_block([kept], len(kept), 0)], blocks), found


def _arrow(table: Any) -> bytes:
    """Return a frame as an Arrow IPC file."""
    raw = io.BytesIO()
    table.write_ipc(raw, compression="uncompressed")
    return raw.getvalue()


def _blocks(
    rows: Array,
    header: dict[str, Any],
    model: bytes,
    workers: AbstractContextManager[Each],
    tell: Tell | None,
    worth: float = 0.0,
) -> Iterator[Block]:
    pieces = [rows[i : i + ROWS_IN_BLOCK] for i in range(0, len(rows), ROWS_IN_BLOCK)]
    with workers as each:
        for done, blocks in enumerate(each(partial(coding.encoded, header, model, worth), _grouped(pieces)), 1):
            yield from blocks
            if tell is not None:
                tell(min(1.0, done * BLOCKS_AT_ONCE / len(pieces)))


def _may_be_smaller(rows: Array, n_bytes: int) -> bool:
    """Whether zstd of all rows together could need fewer bytes than blocks do: whether half as hard it comes near."""
    packer = zstandard.ZstdCompressor(coding.QUICK_LEVEL).compressobj()
    return sum(len(packer.compress(piece)) for piece in _pieces_of(rows)) + len(packer.flush()) < 1.5 * n_bytes


# -- blocks in ---------------------------------------------------------------------------------------------------------


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
