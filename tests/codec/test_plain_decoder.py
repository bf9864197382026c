"""What docs/format.md says is what archives are: a decoder written from it, in whole numbers alone, reads them."""

import numpy as np
import polars as pl
import pytest

import vaekit
from vaekit.codec import coding, container, frames, lossy, model_bytes, packing, whole
from vaekit.codec.container import LATENT, VAE, Block
from vaekit.codec.latent import Sensitivity
from vaekit.codec.rounded import Rounding
from vaekit.data.schema import Schema

FEW = 10  # rows; the decoder takes its time


def by_the_model(rows, payload):
    return Block(VAE, len(rows), container.digest(rows.tobytes()), payload.to_bytes())


def test_whole_numbers_alone_decode_an_archive(case, plain, monkeypatch):
    monkeypatch.setattr(packing, "_may_be_smaller", lambda *_: False)  # a few rows by zstd would be no proof
    monkeypatch.setattr(coding, "smallest", by_the_model)
    vae, data = case
    rows = np.ascontiguousarray(data[:3] if data.ndim == 4 else data[:FEW])
    header, model, blocks = plain.read(vae.compress(rows, embed_model=True))
    integer, expected = plain.model_of(model)
    assert plain.known_answer(integer) == expected
    assert (header["dtype"], header["row_shape"]) == (rows.dtype.str, list(rows.shape[1:]))
    ((method, n_items, digest, payload),) = blocks
    assert (method, n_items, digest) == (VAE, len(rows), container.digest(rows.tobytes()))
    codes = whole.array_to_codes(vae.schema_, rows)
    assert plain.decode(integer, payload, n_items) == codes.tolist()


LEVELS = ["mixture with ends, silu", "mixture, elu", "ends, tanh", "sixteenths, relu"]


def planned(vae, rows, way):
    """What is written of rows in a way."""
    integer = model_bytes.from_bytes(vae.fitted_.integer_model)
    codes = lossy._levels(integer, rows)
    if isinstance(way, Rounding):
        return lossy._rounded(rows, codes, integer, way)
    step, width = way
    told = {"lattice": Sensitivity(integer, codes).lattice(step).to_json()}
    return lossy.Plan(rows, told | ({} if width is None else {"width": width}), 10.0)


@pytest.mark.parametrize("name", [*LEVELS, "context"])
def test_rounded_levels_are_decoded_too(name, models, plain, monkeypatch):
    vae, rows = models[name], np.ascontiguousarray(models.rows(name)[:3])
    top = model_bytes.from_bytes(vae.fitted_.integer_model).top
    plan = planned(vae, rows, Rounding.even(top + 1, 2 * (top // 10) + 3))
    monkeypatch.setattr(packing, "_may_be_smaller", lambda *_: False)
    monkeypatch.setattr(coding, "smallest", by_the_model)
    monkeypatch.setattr(lossy, "planned", lambda *_: plan)
    header, model, ((method, n_items, _, payload),) = plain.read(vae.compress(rows, embed_model=True, quality=0))
    integer, _ = plain.model_of(model)
    integer["likelihood"]["rounding"] = header["rounding"]
    assert (method, n_items) == (VAE, 3)
    assert plain.decode(integer, payload, n_items) == whole.array_to_codes(vae.schema_, plan.rows).tolist()


@pytest.mark.parametrize("step", [3, 40, 1000])
@pytest.mark.parametrize("name", [*LEVELS, "context", "mixture prior", "autoregressive", "two layers", "autoencoder"])
def test_latent_cells_are_decoded_too(name, step, models, plain, monkeypatch):
    rows = np.ascontiguousarray(models.rows(name)[:3])
    assert_decoded_plainly(models[name], rows, (step, None), plain, monkeypatch)


@pytest.mark.parametrize("width", [3, 7, 99])
@pytest.mark.parametrize("name", LEVELS)
def test_levels_around_the_middle_are_decoded_too(name, width, models, plain, monkeypatch):
    rows = np.ascontiguousarray(models.rows(name)[: 2 if width < 99 else 18])
    assert_decoded_plainly(models[name], rows, (40, width), plain, monkeypatch)


def assert_decoded_plainly(vae, rows, way, plain, monkeypatch):
    plan = planned(vae, rows, way)
    monkeypatch.setattr(packing, "_may_be_smaller", lambda *_: False)
    monkeypatch.setattr(lossy, "planned", lambda *_: plan)
    blob = vae.compress(rows, embed_model=True, quality=0)
    header, model, ((method, n_items, _, payload),) = plain.read(blob)
    integer, _ = plain.model_of(model)
    assert (method, n_items) == (LATENT, len(rows))
    found = plain.decode_latent(integer, payload, n_items, header["lattice"], header.get("width"))
    assert found == whole.array_to_codes(vae.schema_, vae.decompress(blob)).tolist()


@pytest.mark.parametrize("error", [0.05, 0.4, 5.0])
def test_rounded_columns_are_decoded_too(error, models, plain):
    table = pl.DataFrame(models.rows("columns"), schema=["x0", "x1", "x2", "x3"]).with_columns(x3=pl.col("x3") / 3)
    rows = table.head(FEW)
    model = vaekit.VAE(latent_dim=1, epochs=1, hidden=(4,)).fit(table).fitted_.integer_model
    integer = model_bytes.from_bytes(model)
    bounds = {"x3": error}
    made, told = packing._coded_table(rows, bounds, {"kind": "table"}, model, 1, None)
    _, block = made
    parts = frames.split(
        Schema.from_json(integer.schema),
        [c.field for c in integer.likelihood.columns],
        rows,
        frames.leeways(Schema.from_json(integer.schema), integer.likelihood, bounds),
    )
    plainly, _ = plain.model_of(model)
    names = [f["name"] for f in plainly["schema"]["fields"]]
    coded = [c for c in plainly["likelihood"]["columns"] if names[c["field"]] in told["coded"]]
    for column in coded:
        column["span"] = told["spans"].get(names[column["field"]], 1)
    plainly["likelihood"]["columns"] = coded
    assert told["spans"]["x3"] > 1
    assert plain.decode(plainly, block.payload, FEW) == parts.rows.tolist()
