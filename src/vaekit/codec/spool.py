"""Blocks that wait, outside of memory, until it is known what an archive's header tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from types import TracebackType

from vaekit.codec.container import Block

MOST_IN_MEMORY = 1 << 26


class Spool:
    """Blocks in the order in which they were added, their payloads in a temporary file where these are long.

    Examples
    --------
    >>> with Spool() as spool:
    ...     spool.add([Block(0, 1, b"", b"ab"), Block(0, 1, b"", b"c")])
    ...     spool.n_bytes, [block.payload for block in spool]
    (3, [b'ab', b'c'])
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(MOST_IN_MEMORY)  # noqa: SIM115 - open as long as the spool is
        self._blocks: list[tuple[Block, int]] = []

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, blocks: Iterable[Block]) -> None:
        """Take blocks, which may be made as they are asked for."""
        self._file.seek(0, 2)
        for block in blocks:
            self._blocks.append((replace(block, payload=b""), len(block.payload)))
            self._file.write(block.payload)

    def clear(self) -> None:
        """Forget all blocks."""
        self._file.seek(0)
        self._file.truncate()
        self._blocks.clear()

    def __len__(self) -> int:
        return len(self._blocks)

    def __iter__(self) -> Iterator[Block]:
        self._file.seek(0)
        for block, length in self._blocks:
            yield replace(block, payload=self._file.read(length))

    @property
    def n_bytes(self) -> int:
        """How many bytes the payloads have."""
        return sum(length for _, length in self._blocks)

    @property
    def methods(self) -> set[int]:
        """By which methods blocks are coded."""
        return {block.method for block, _ in self._blocks}
