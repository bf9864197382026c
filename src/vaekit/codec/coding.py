"""From rows to blocks of an archive and back: each by the method that makes it smallest, decoded before it counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from vaekit.codec import bits_back, latent, lossy, model_bytes
from vaekit.codec.bits_back import Payload
from vaekit.codec.columns import Columns
from vaekit.codec.container import LATENT, RAW, VAE, ZSTD, Block, Digest, digest
from vaekit.codec.model import IntegerModel
from vaekit.codec.refusal import refused_as
from vaekit.codec.whole import array_to_codes, codes_to_array
from vaekit.data.schema import Schema
from vaekit.errors import CodecError, DataError

Array = NDArray[Any]

MOST_PAYLOAD = (1 << 32) - 1
ZSTD_LEVEL = 19
QUICK_LEVEL = 3


def encoded(header: dict[str, Any], model: bytes, worth: float, pieces: Sequence[Array]) -> list[Block]:
    """Return pieces of an array, or of a table's whole numbers, as blocks."""
    integer = _integer(header, model)
    codes = [_codes(piece, header, integer) for piece in pieces]
    if integer.prior.lattice is not None:
        return [_latent_block(p, c, header, integer, worth) for p, c in zip(pieces, codes, strict=True)]
    payloads = iter(_verified(integer, [c for c in codes if c is not None]))
    return [smallest(p, None if c is None else next(payloads)) for p, c in zip(pieces, codes, strict=True)]


def _latent_block(rows: Array, codes: Array | None, header: dict[str, Any], model: IntegerModel, worth: float) -> Block:
    """Return a block of rows by their latent cells, or without loss where they are none of the model's."""
    if codes is None:
        return smallest(rows, None)
    told = latent.told(model, codes, worth)
    payload = latent.encode(model, told)
    (again,) = latent.decode(model, [payload])
    if not np.array_equal(again, latent.rows_of(model, told)):
        return smallest(rows, None)
    return Block(LATENT, len(rows), digest(_rows(again, header, model)), payload.to_bytes())


def _integer(header: dict[str, Any], model: bytes) -> IntegerModel:
    """Return the integer model, that of a table with the columns alone which the header names."""
    integer = model_bytes.from_bytes(model)
    if header["kind"] != "table":
        return lossy.on_the_way(integer, lossy.told_way(header, integer))
    if not isinstance(integer.likelihood, Columns):
        raise CodecError("The archive holds a table, but its model is of arrays. Take another copy of it.")
    names = [field.name for field in Schema.from_json(integer.schema).fields]
    coded = integer.likelihood.only([names.index(name) for name in header["coded"]])
    spans = {names.index(name): number(header["spans"], name) for name in header.get("spans", {})}
    return replace(integer, likelihood=coded.rounded(spans))


def _codes(rows: Array, header: dict[str, Any], model: IntegerModel) -> Array | None:
    """Return the codes of rows [n, values], or None where they do not give the very rows back."""
    if header["kind"] == "table":
        return rows
    codes = array_to_codes(Schema.from_json(model.schema), rows)
    if codes is None or not ("lattice" in header or model.likelihood.can_code(codes).all()):
        return None
    return codes if _rows(codes, header, model) == rows.tobytes() else None


def _rows(codes: Array, header: dict[str, Any], model: IntegerModel) -> bytes:
    """Return the bytes of rows of codes."""
    if header["kind"] == "table":
        return codes.astype("<i8").tobytes()
    rows = codes_to_array(Schema.from_json(model.schema), codes)
    return np.ascontiguousarray(rows, layout(header)[0]).tobytes()


def _verified(model: IntegerModel, codes: Sequence[Array]) -> list[Payload | None]:
    """Return blocks of codes in bits, None for one that does not decode to the very codes."""
    payloads = bits_back.encode(model, codes) if codes else []
    again = bits_back.decode(model, payloads)
    return [p if np.array_equal(c, a) else None for p, c, a in zip(payloads, codes, again, strict=True)]


def smallest(rows: Array, payload: Payload | None) -> Block:
    """Return rows by the method that makes them smallest; a quick look is enough where the model can code them."""
    raw = rows.tobytes()
    found = {RAW: raw, ZSTD: zstandard.compress(raw, ZSTD_LEVEL if payload is None else QUICK_LEVEL)}
    if payload is not None:
        found[VAE] = payload.to_bytes()
    method = min(found, key=lambda m: len(found[m]))
    return _checked(Block(method, len(rows), digest(raw), found[method]), raw)


def zstd_block(pieces: Iterable[bytes], n_bytes: int, n_items: int) -> Block:
    """Return bytes, which come in pieces, as a block by zstd, of some rows."""
    packer, hashed = zstandard.ZstdCompressor(ZSTD_LEVEL).compressobj(size=n_bytes), Digest()
    payload = bytearray()
    for piece in pieces:
        hashed.update(piece)
        payload += packer.compress(piece)
    payload += packer.flush()
    again = Digest()
    for piece in zstandard.ZstdDecompressor().read_to_iter(bytes(payload)):
        again.update(piece)
    assert again.digest() == hashed.digest()
    return _short_enough(Block(ZSTD, n_items, hashed.digest(), bytes(payload)))


def _checked(block: Block, raw: bytes) -> Block:
    """Return a block, after decoding what zstd made of it; what the model made was compared before."""
    assert block.method != ZSTD or _plain(block, len(raw)) == raw
    return _short_enough(block)


def _short_enough(block: Block) -> Block:
    if len(block.payload) > MOST_PAYLOAD:
        raise DataError(f"A block would have {len(block.payload):,} bytes, more than fit. Give some rows at a time.")
    return block


# -- and back ----------------------------------------------------------------------------------------------------------


@refused_as("A block of the archive")
def decoded(header: dict[str, Any], model: bytes | None, blocks: Sequence[Block]) -> list[bytes]:
    """Return the rows of blocks as bytes, each compared with its digest."""
    coded: dict[int, Iterator[Array]] = {}
    for method, decode in ((VAE, bits_back.decode), (LATENT, latent.decode)):
        payloads = [Payload.from_bytes(b.payload, b.n_items) for b in blocks if b.method == method]
        if payloads:
            if model is None:
                raise CodecError("The archive's header names no model, but a block needs one. Take another copy of it.")
            integer = _integer(header, model)
            coded[method] = iter(decode(integer, payloads))
    found = []
    for block in blocks:
        is_coded, n_bytes = block.method in coded, _n_bytes(header, block)
        rows = _rows(next(coded[block.method]), header, integer) if is_coded else _plain(block, n_bytes)
        if len(rows) != n_bytes or digest(rows) != block.digest:
            raise CodecError("A block of the archive decodes to other rows than were written. Take another copy of it.")
        found.append(rows)
    return found


def _plain(block: Block, n_bytes: int) -> bytes:
    """Return the rows of a block that needs no model."""
    if block.method == RAW:
        return block.payload
    return zstandard.ZstdDecompressor().decompress(block.payload, n_bytes)


def _n_bytes(header: dict[str, Any], block: Block) -> int:
    """Return how many bytes a block decodes to."""
    if header.get("kind") == "table":
        is_first = not header.get("coded") or block.n_items == 0
        return number(header, "kept_bytes") if is_first else number(header, "row_bytes") * block.n_items
    dtype, shape = layout(header)
    return block.n_items * math.prod(shape) * dtype.itemsize


# -- what the header tells of them -------------------------------------------------------------------------------------


def number(header: dict[str, Any], key: str) -> int:
    """Return a whole number of the header."""
    found = header.get(key)
    if not isinstance(found, int) or found < 0:
        raise CodecError(f"The archive's header lacks its '{key}'. Take another copy of it.")
    return found


def layout(header: dict[str, Any]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return dtype and shape of a row."""
    dtype, shape = np.dtype(header["dtype"]), tuple(int(n) for n in header["row_shape"])
    if dtype.hasobject or min(shape, default=0) < 0:
        raise CodecError("The archive's header tells rows that cannot be. Take another copy of it.")
    return dtype, shape
