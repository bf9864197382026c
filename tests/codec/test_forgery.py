"""Archives that no writer wrote, with checksums that are right all the same, are refused or answered, never more."""

import copy
import hashlib
import io
import json
import struct
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import vaekit
from vaekit.codec import archive, model_bytes, packing
from vaekit.codec.container import Reader, Writer
from vaekit.errors import CodecError

FORGERIES = 100  # of each part of each archive
LIES = [
    *(None, True, -1, 0, 1, 3, 2**31, 2**63, 2**64, -(2**40), 1e308, float("inf"), float("nan"), "", "x", [], {}),
    *([1] * 5, [[[[]]]], {"is": "Gate"}, {"array": ["int8", [2, 2]]}, {"array": ["int8", [2**40, 2**40]]}),
]


@pytest.fixture(
    scope="module", params=["autoregressive", "mixture prior", "columns", "convolutions", "latent", "rounded", "reals"]
)
def archived(request, models):
    """A small archive with its model inside."""
    said = {"latent": {"quality": 0}, "rounded": {"max_error": 3}, "reals": {"max_error": "5%"}}.get(request.param, {})
    small = {"epochs": 2, "latent_dim": 1, "hidden": (4,), "prior": "normal"}
    if request.param == "convolutions":
        rows = models.rows("autoregressive")[:20]
        model = vaekit.VAE(**small | {"network": "conv"}).fit(models.rows("autoregressive"))
    elif request.param == "reals":
        rows = pl.DataFrame(
            np.random.default_rng(0).normal(size=(300, 2)) @ [[1, 2, 3], [3, 1, 0]], schema=["a", "b", "c"]
        )
        model = vaekit.VAE(**small).fit(rows)
    else:
        name = "autoregressive" if said else request.param
        model, rows = models[name], models.rows(name)[:20]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "_may_be_smaller", lambda *_: False)
        if request.param == "reals":  # few rows as floats are longer than the model
            patch.setattr(packing, "as_multiples", lambda table, _: (table, {}))
        blob = model.compress(rows, embed_model=True, **said)
    assert Reader(blob).model
    return blob


@pytest.mark.parametrize("part", ["header", "model", "blocks"])
def test_forgeries_are_refused_or_answered(archived, part):
    rng, reader = np.random.default_rng(0), Reader(archived)
    for _ in range(FORGERIES):
        forged = FORGERS[part](reader, rng)
        try:
            archive.decompress(forged)
            archive.listing(Reader(forged))
        except CodecError:
            continue


def test_rows_of_another_size_than_the_header_tells_are_refused(models):
    reader = Reader(models["autoregressive"].compress(models.rows("autoregressive")[:20], embed_model=True))
    for shape in ([1], [*reader.header["row_shape"], 2]):
        forged = Reader(written(reader, reader.header | {"row_shape": shape}, reader.model, blocks_of(reader)))
        with pytest.raises(CodecError):
            list(archive.decoded(forged, range(len(forged.blocks)), None))


def with_another_header(reader, rng):
    return written(reader, with_a_lie(reader.header, rng), reader.model, blocks_of(reader))


def with_another_model(reader, rng):
    data = model_bytes.unpacked(reader.model)
    (length,) = struct.unpack_from("<I", data)
    words = json.dumps(with_a_lie(json.loads(data[4 : 4 + length]), rng)).encode()
    model = struct.pack("<I", len(words)) + words + data[4 + length :]
    header = reader.header | {"model_sha256": hashlib.sha256(model).hexdigest()}
    return written(reader, header, model_bytes.packed(model), blocks_of(reader))


def with_another_block(reader, rng):
    blocks = blocks_of(reader)
    at = int(rng.integers(len(blocks)))
    payload = bytearray(blocks[at].payload)
    payload[int(rng.integers(len(payload)))] ^= 1 << int(rng.integers(8))
    changes = [
        {"payload": bytes(payload)},
        {"payload": bytes(payload[: int(rng.integers(len(payload)))])},
        {"n_items": int(rng.choice([0, 1, 19, 21, 1000, 4096, 2**31, 2**32 - 1]))},
        {"method": int(rng.integers(3))},
    ]
    blocks[at] = replace(blocks[at], **changes[int(rng.integers(len(changes)))])
    return written(reader, reader.header, reader.model, blocks)


FORGERS = {"header": with_another_header, "model": with_another_model, "blocks": with_another_block}


def with_a_lie(plain, rng):
    """Return plain values with one of them, at any depth, replaced."""
    places = [place for place in places_in(plain) if place]
    place, lie = places[rng.integers(len(places))], LIES[rng.integers(len(LIES))]
    lied = inside = copy.deepcopy(plain)
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = lie
    return lied


def places_in(plain, place=()):
    yield place
    pairs = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in pairs:
        yield from places_in(value, (*place, key))


def blocks_of(reader):
    return [reader.block(k) for k in range(len(reader.blocks))]


def written(reader, header, model, blocks):
    stream = io.BytesIO()
    writer = Writer(stream, {k: v for k, v in header.items() if k != "model_bytes"}, model)
    for block in blocks:
        writer.add(block)
    writer.close(reader.names)
    return stream.getvalue()
