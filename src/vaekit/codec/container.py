r"""The archive, NAME.vaez: independent blocks between a header and an index, every byte of it checked.

All numbers are little-endian.

==================  =====  ========================================================================================
part                bytes  content
==================  =====  ========================================================================================
magic                   8  ``89 56 41 5A 0D 0A 1A 0A``: not text, and damaged by transfers that take it for text
version                 2  major, minor; a reader refuses a larger major
header length           4  H
header                  H  JSON: what the rows are, the model's SHA-256, the length M of a model within
model                   M  an integer model by xz, or nothing
checksum                4  CRC-32 of all before
block                      any number of them:
- mark                  2  ``VB``
- method                1  0 raw, 1 zstd, 2 vae, 3 latent
- zero                  1
- items                 4  rows in the block
- length                4  L
- digest                8  BLAKE2b of 8 bytes of the decoded rows
- payload               L
- checksum              4  CRC-32 of the block before it
index                      once:
- mark                  2  ``VI``
- length                4  I
- index                 I  JSON by zstd: the blocks' offsets and items, and the items' names
- checksum              4  CRC-32 of the index before it
- offset                8  of the index's mark
end                     8  ``1A 0A 5A 41 56 45 4E 44``
==================  =====  ========================================================================================
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import accumulate
from mmap import mmap
from typing import Any, BinaryIO

import zstandard

from vaekit.codec.refusal import refused_as
from vaekit.errors import CodecError

MAGIC = b"\x89VAZ\r\n\x1a\n"
END = b"\x1a\nZAVEND"
MAJOR, MINOR = 1, 0
RAW, ZSTD, VAE, LATENT = 0, 1, 2, 3
METHODS = {RAW: "raw", ZSTD: "zstd", VAE: "vae", LATENT: "latent"}

_HEAD = struct.Struct("<8sBBI")
_BLOCK = struct.Struct("<2sBBII8s")
_INDEX = struct.Struct("<2sI")
_CHECK = struct.Struct("<I")
_OFFSET = struct.Struct("<Q")
MOST_INDEX_BYTES = 1 << 28


@dataclass(frozen=True)
class Block:
    """A block as it stands in an archive.

    Parameters
    ----------
    method : int
    n_items : int
    digest : bytes
        Of the decoded rows.
    payload : bytes
    """

    method: int
    n_items: int
    digest: bytes
    payload: bytes


Digest = partial(blake2b, digest_size=8)


def digest(rows: bytes) -> bytes:
    """Return the digest of decoded rows."""
    return Digest(rows).digest()


def _words(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode()


class Writer:
    """Writes an archive to a stream, part by part, never going back.

    Parameters
    ----------
    stream : binary file
    header : dict
        Plain JSON values.
    model : bytes
        A packed integer model, or nothing.
    """

    def __init__(self, stream: BinaryIO, header: dict[str, Any], model: bytes = b"") -> None:
        self.stream, self.at = stream, 0
        self.blocks: list[tuple[int, int]] = []
        words = _words(header | {"model_bytes": len(model)})
        self._write(_HEAD.pack(MAGIC, MAJOR, MINOR, len(words)) + words + model)

    def add(self, block: Block) -> None:
        """Write the next block."""
        self.blocks.append((self.at, block.n_items))
        head = _BLOCK.pack(b"VB", block.method, 0, block.n_items, len(block.payload), block.digest)
        self._write(head + block.payload)

    def close(self, names: list[str] | None = None) -> None:
        """Write the index and the end; the stream stays open."""
        at = self.at
        index = zstandard.compress(_words({"blocks": self.blocks, "names": names}), 19)
        self._write(_INDEX.pack(b"VI", len(index)) + index)
        self.stream.write(_OFFSET.pack(at) + END)

    def _write(self, part: bytes) -> None:
        part += _CHECK.pack(zlib.crc32(part))
        self.stream.write(part)
        self.at += len(part)


class Reader:
    """Reads an archive: its header and index at once, its blocks when they are asked for.

    Parameters
    ----------
    data : bytes or memory-mapped file
    strict : bool
        Whether a missing or damaged index is refused; else blocks are looked for.

    Raises
    ------
    CodecError
        When the bytes are no archive, of a newer format, or damaged.
    """

    def __init__(self, data: bytes | mmap, *, strict: bool = True) -> None:
        self.data = data
        self.header, self.model, self.start = self._read_head()
        try:
            self.blocks, self.names = self._read_index()
        except CodecError:
            if strict:
                raise
            self.blocks, self.names = list(self._found_blocks()), None

    @property
    def n_items(self) -> int:
        """The number of rows."""
        return sum(n for _, n in self.blocks)

    def items(self, numbers: Sequence[int]) -> list[int]:
        """Return the numbers of the rows that some blocks hold."""
        ends = [0, *accumulate(n for _, n in self.blocks)]
        return [i for k in numbers for i in range(ends[k], ends[k + 1])]

    def block(self, number: int) -> Block:
        """Return a block.

        Raises
        ------
        CodecError
            When it is damaged.
        """
        at, n_items = self.blocks[number]
        block = self._block_at(at)
        if block is None or block.n_items != n_items:
            raise CodecError(f"Block {number} of the archive is damaged. `vaekit test` tells which blocks survive.")
        return block

    # -- inside ----------------------------------------------------------------------------------------------------

    def _read_head(self) -> tuple[dict[str, Any], bytes, int]:
        data = self.data
        if data[:8] != MAGIC or len(data) < _HEAD.size:
            raise CodecError(
                "This is no vaekit archive, or its first bytes are damaged. Give a file of `vaekit compress`."
            )
        _, major, minor, length = _HEAD.unpack_from(data)
        if major > MAJOR:
            raise CodecError(
                f"The archive has format {major}.{minor}; this vaekit reads up to {MAJOR}.{MINOR}. "
                "Update with: pip install --upgrade vaekit"
            )
        with refused_as("The archive's header"):
            header = json.loads(data[_HEAD.size : _HEAD.size + length])
            stop = _HEAD.size + length + int(header["model_bytes"])
        if not _HEAD.size + length <= stop <= len(data) - 4 or not self._is_whole(0, stop):
            raise CodecError("The archive's header is damaged. Take another copy of it.")
        return header, data[_HEAD.size + length : stop], stop + 4

    def _read_index(self) -> tuple[list[tuple[int, int]], list[str] | None]:
        data, tail = self.data, _OFFSET.size + len(END)
        cut = CodecError("The archive is cut off, or its end is damaged. `vaekit test` tells which blocks survive.")
        if data[-len(END) :] != END or len(data) < self.start + tail:
            raise cut
        (at,) = _OFFSET.unpack_from(data, len(data) - tail)
        stop = len(data) - tail - 4
        if not self.start <= at <= stop - _INDEX.size or not self._is_whole(at, stop):
            raise cut
        mark, length = _INDEX.unpack_from(data, at)
        if mark != b"VI" or at + _INDEX.size + length != stop:
            raise cut
        with refused_as("The archive's index"):
            packed = zstandard.ZstdDecompressor().decompress(data[at + _INDEX.size : stop], MOST_INDEX_BYTES)
            index = json.loads(packed)
            names = index["names"] if index["names"] is None else [str(name) for name in index["names"]]
            return [(int(a), int(n)) for a, n in index["blocks"]], names

    def _found_blocks(self) -> Iterator[tuple[int, int]]:
        """Yield offset and items of whole blocks, looked for by their mark."""
        at = self.start
        while (at := self.data.find(b"VB", at)) >= 0:
            block = self._block_at(at)
            if block is not None:
                yield at, block.n_items
            at += 2 if block is None else _BLOCK.size + len(block.payload) + 4

    def _block_at(self, at: int) -> Block | None:
        """Return the block at an offset, or None where there is no whole one."""
        if not self.start <= at <= len(self.data) - _BLOCK.size - 4:
            return None
        mark, method, _, n_items, length, found = _BLOCK.unpack_from(self.data, at)
        stop = at + _BLOCK.size + length
        if mark != b"VB" or stop > len(self.data) - 4 or method not in METHODS or not self._is_whole(at, stop):
            return None
        return Block(method, n_items, found, self.data[at + _BLOCK.size : stop])

    def _is_whole(self, start: int, stop: int) -> bool:
        """Whether the checksum that stands at `stop` is that of the bytes from `start` on."""
        return _CHECK.unpack_from(self.data, stop)[0] == zlib.crc32(memoryview(self.data)[start:stop])
