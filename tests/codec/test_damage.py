"""Damaged archives are refused in a sentence, or answered with the right rows; never anything else."""

import numpy as np
import pytest

from vaekit.codec import archive, packing
from vaekit.codec.container import Reader
from vaekit.data.builtin import load
from vaekit.errors import CodecError

MUTATIONS = 3000  # of each archive
LIES = [0, 1, 2**16, 2**31, 2**32 - 1, 2**63, 2**64 - 1]


def mutated(data, rng):
    """Return bytes with one thing wrong: bits flipped, a part cut, moved, repeated, or a length that lies."""
    data = bytearray(data)
    at, other = (int(i) for i in rng.integers(0, len(data), 2))
    size = int(rng.integers(1, 1 + min(64, len(data) - max(at, other))))
    match int(rng.integers(6)):
        case 0:
            data[at] ^= 1 << int(rng.integers(8))
        case 1:
            del data[at:]
        case 2:
            del data[at : at + size]
        case 3:
            data[at : at + size], data[other : other + size] = data[other : other + size], data[at : at + size]
        case 4:
            data[at:at] = data[other : other + size]
        case _:
            lie = LIES[int(rng.integers(len(LIES)))].to_bytes(8, "little")
            size = int(rng.choice([2, 4, 8]))
            data[at : at + size] = lie[:size]
    return bytes(data)


@pytest.fixture(scope="module", params=["vae", "latent", "zstd", "raw"])
def archived(request, digits_model):
    rows = load("digits")[:30].astype(np.uint8)
    said = {"quality": 0} if request.param == "latent" else {}
    if request.param == "zstd":
        rows = np.zeros((50, 8, 8), np.uint8)
    if request.param == "raw":
        rows = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "zstd":
            patch.setattr(packing, "_may_be_smaller", lambda *_: False)
        blob = digits_model.compress(rows, **said)
    assert archive.listing(Reader(blob)).methods == {request.param: 1}
    return blob, digits_model.decompress(blob) if said else rows, digits_model.fitted_.integer_model


def test_mutations_are_refused_or_harmless(archived):
    blob, rows, model = archived
    rng, refused = np.random.default_rng(0), 0
    for _ in range(MUTATIONS):
        damaged = mutated(blob, rng)
        try:
            found = archive.decompress(damaged, model)
        except CodecError:
            refused += 1
        else:
            assert found.dtype == rows.dtype
            assert np.array_equal(found, rows)
    assert refused > 0.8 * MUTATIONS


def test_mutations_of_the_model_within_are_refused(digits_model):
    rows = load("digits").astype(np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "_may_be_smaller", lambda *_: False)
        blob = digits_model.compress(rows[:30], embed_model=True)
    rng = np.random.default_rng(1)
    for _ in range(1000):
        damaged = mutated(blob[:2000], rng) + blob[2000:]
        try:
            assert np.array_equal(archive.decompress(damaged), rows[:30])
        except CodecError:
            continue


@pytest.fixture
def only_blocks(monkeypatch):
    """Rows that come again would be smaller in one piece by zstd."""
    monkeypatch.setattr(packing, "_may_be_smaller", lambda *_: False)


@pytest.mark.usefixtures("only_blocks")
def test_whole_blocks_survive_damage_of_others(digits_model):
    rows = np.concatenate([load("digits")] * 2).astype(np.uint8)
    model = digits_model.fitted_.integer_model
    blob = bytearray(digits_model.compress(rows))
    reader = Reader(bytes(blob))
    assert len(reader.blocks) == 3
    blob[reader.blocks[1][0] + 100] ^= 4
    damaged = Reader(bytes(blob))
    assert archive.survivors(damaged, model) == [0, 2]
    with pytest.raises(CodecError, match="Block 1 of the archive is damaged"):
        archive.decompress(bytes(blob), model)
    found = archive.joined(damaged, [0, 2], list(archive.decoded(damaged, [0, 2], model)))
    assert np.array_equal(found, np.delete(rows, np.s_[1250:2500], axis=0))


@pytest.mark.usefixtures("only_blocks")
def test_blocks_are_found_without_the_index(digits_model):
    rows = np.concatenate([load("digits")] * 2).astype(np.uint8)
    blob = digits_model.compress(rows)[:-30]
    with pytest.raises(CodecError, match="cut off, or its end is damaged"):
        Reader(blob)
    reader = Reader(blob, strict=False)
    found = archive.joined(
        reader, range(3), list(archive.decoded(reader, range(3), digits_model.fitted_.integer_model))
    )
    assert np.array_equal(found, rows)
