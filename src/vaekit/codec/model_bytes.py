"""An integer model as bytes, and what it must answer before it may decode anything.

The bytes are a length (4 bytes, little-endian), that many bytes of JSON, and arrays one after the other. In the JSON,
``{"is": name, ...}`` stands for an object with its fields and ``{"array": [dtype, shape]}`` for the next array.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import struct
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.codec import columns, context, likelihoods, normals, priors, reading
from vaekit.codec import integer_network as network
from vaekit.codec.model import IntegerModel, Posterior
from vaekit.codec.refusal import refused_as
from vaekit.errors import CodecError

Array = NDArray[Any]

KNOWN: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        *(network.Product, network.Gate, network.Activate, network.Residual, network.Reshape, network.Interleave),
        *(normals.Normals, normals.Layers, Posterior, IntegerModel),
        *(priors.FixedPrior, priors.MixturePrior, priors.AutoregressivePrior, priors.TopDownPrior),
        *(likelihoods.Bernoulli, likelihoods.Levels, context.ContextLevels),
        *(reading.Read, columns.Columns, columns.Column),
        *(columns.Coin, columns.Choice, columns.Bell, columns.Counted, columns.Atoms),
    )
}
DTYPES = ("int8", "int16", "int32", "int64")
MOST_BYTES = 1 << 30  # of a model
LEAST_WINDOW, MOST_WINDOW = 1 << 12, 1 << 26  # of xz, in bytes: its own least, and what every reader's memory has


def to_bytes(integer_model: IntegerModel) -> bytes:
    """Return an integer model as bytes, with its answer to the known question: equal models, equal bytes."""
    arrays: list[Array] = []
    plain = {"model": _plain(integer_model, arrays), "known_answer": answer(integer_model)}
    words = json.dumps(plain, sort_keys=True).encode()
    return b"".join([struct.pack("<I", len(words)), words, *(a.tobytes() for a in arrays)])


@lru_cache(maxsize=4)
def from_bytes(data: bytes) -> IntegerModel:
    """Return the integer model of bytes, once it has given the known answer.

    Raises
    ------
    CodecError
        When the bytes are no integer model, or this machine computes another answer with it.
    """
    with refused_as("The integer model"):
        (length,) = struct.unpack_from("<I", data)
        plain = json.loads(data[4 : 4 + length], parse_constant=int)  # which refuses infinities
        found: IntegerModel = _made(plain["model"], _Arrays(data, 4 + length))
        is_as_told = answer(found) == plain["known_answer"]
    if not is_as_told:
        raise CodecError(
            "This machine computes other whole numbers with the integer model than the machine that made it; decoding "
            "would give garbage. Use another numpy, and please report this one."
        )
    return found


def fingerprint(data: bytes) -> str:
    """Return the SHA-256 of an integer model's bytes, by which archives name it."""
    return hashlib.sha256(data).hexdigest()


def packed(data: bytes) -> bytes:
    """Return an integer model's bytes by xz, for an archive that holds its own model."""
    window = min(max(LEAST_WINDOW, len(data)), MOST_WINDOW)  # a longer one, as presets have, only costs time and memory
    way = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": window}
    return lzma.compress(data, filters=[way])


def unpacked(data: bytes) -> bytes:
    """Return what was packed.

    Raises
    ------
    CodecError
        When the bytes are damaged.
    """
    unpacker = lzma.LZMADecompressor(memlimit=1 << 28)
    try:
        found = unpacker.decompress(data, MOST_BYTES)
    except lzma.LZMAError as error:
        raise CodecError(f"The model in the archive is damaged ({error}). Take another copy of it.") from None
    if not unpacker.eof:
        raise CodecError("The model in the archive is cut off or too large. Take another copy of it.")
    return found


def answer(integer_model: IntegerModel) -> str:
    """Return a digest of what all networks of a model say of some rows and codes made of whole numbers."""
    rows = _question(4, integer_model.n_values, integer_model.top + 1)
    z = _question(4, integer_model.prior.n_units, integer_model.n_cells)
    told = (*integer_model.posterior.told(rows, z), integer_model.parameters(z), *integer_model.prior.told(z))
    digest = hashlib.sha256()
    for part in told:
        digest.update(np.ascontiguousarray(part, dtype="<i8").tobytes())
    return digest.hexdigest()


def _question(n: int, width: int, n_cells: int) -> Array:
    """Return whole numbers [n, width] below n_cells that look random."""
    counted = np.arange(1, n * width + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return ((counted >> np.uint64(32)) % np.uint64(n_cells)).astype(np.int64).reshape(n, width)


# -- objects and arrays as plain values --------------------------------------------------------------------------------


def _plain(value: Any, arrays: list[Array]) -> Any:
    if isinstance(value, np.ndarray):
        dtype = next(t for t in DTYPES if (value.astype(t) == value).all())
        arrays.append(value.astype(np.dtype(dtype).newbyteorder("<")))
        return {"array": [dtype, list(value.shape)]}
    if is_dataclass(value):
        inside = {f.name: _plain(getattr(value, f.name), arrays) for f in sorted(fields(value), key=lambda f: f.name)}
        return {"is": type(value).__name__, **inside}
    return [_plain(v, arrays) for v in value] if isinstance(value, list) else value


class _Arrays:
    """The arrays behind the JSON, one after the other."""

    def __init__(self, data: bytes, start: int) -> None:
        self.data, self.at = data, start

    def next(self, dtype: str, shape: list[int]) -> Array:
        """Return the next array."""
        kind = np.dtype(DTYPES[DTYPES.index(dtype)]).newbyteorder("<")
        found = np.frombuffer(self.data, kind, int(np.prod(shape, dtype=object)), self.at)
        self.at += found.nbytes
        return found.reshape(shape)


def _made(plain: Any, arrays: _Arrays) -> Any:
    if isinstance(plain, list):
        return [_made(v, arrays) for v in plain]
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        return arrays.next(*plain["array"])
    if "is" not in plain:
        return plain
    kind = KNOWN[plain["is"]]
    return kind(**{k: _made(plain[k], arrays) for k in sorted(plain) if k != "is"})
