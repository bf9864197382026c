"""Frames: whole columns come back by the model, all others beside them, and every value as it was."""

import io
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vaekit
from vaekit.codec import archive, frames, packing
from vaekit.codec.columns import bucket_of
from vaekit.codec.container import Reader, Writer
from vaekit.codec.export_table import _firsts
from vaekit.data.schema import Schema
from vaekit.errors import CodecError

N = 1500


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, N)
    return pl.DataFrame(
        {
            "age": 30 + 10 * group + rng.integers(0, 9, N),
            "sex": pl.Series(np.array(["f", "m"])[rng.integers(0, 2, N)]).cast(pl.Categorical),
            "visits": rng.negative_binomial(1.5, 0.3 / (1 + group)).astype(np.uint16),
            "price": np.round(20 + 5 * group + rng.normal(size=N), 2),
            "weight": (np.round(rng.normal(size=N), 1) + 0.0).astype(np.float32),  # no −0.0
            "account": (10**12 * rng.random(N)).astype(np.int64),
            "exact": rng.normal(size=N),
            "member": pl.Series(rng.random(N) > 0.3),
            "rating": [None if r < 0.2 else float(r > 0.7) + 0.5 for r in rng.random(N)],
        }
    )


@pytest.fixture(scope="module")
def model(table):
    return vaekit.VAE(epochs=10, latent_dim=3, hidden=(32, 32)).fit(table)


def coded(blob):
    return Reader(blob).header["coded"]


def test_columns_that_are_whole_numbers_at_heart_are_coded(model, table):
    blob = model.compress(table)
    assert coded(blob) == [name for name in table.columns if name != "exact"]
    assert model.decompress(blob).equals(table)
    assert model.decompress(blob).schema == table.schema
    assert len(blob) < 0.9 * len(packing.compress(table, None))


def test_a_first_block_that_tells_of_rows_is_refused_before_they_are_counted_out(model, table):
    reader = Reader(model.compress(table))
    first, *others = (reader.block(k) for k in range(len(reader.blocks)))
    forged = io.BytesIO()
    writer = Writer(forged, {k: v for k, v in reader.header.items() if k != "model_bytes"}, reader.model)
    for block in (replace(first, n_items=2**32 - 1), *others):
        writer.add(block)
    writer.close()
    with pytest.raises(CodecError, match="decodes to other rows than were written"):
        archive.decompress(forged.getvalue(), model.fitted_.integer_model)


def test_whole_numbers_cost_what_real_ones_do(model):
    told = model.fitted_.record["compression"]
    assert told["bits_per_dim"] == pytest.approx(told["float_bits_per_dim"], rel=0.01)


def test_a_residual_layer_may_read_columns_of_other_units():
    rng = np.random.default_rng(0)
    table = pl.DataFrame({"a": rng.poisson(9, 900), "b": rng.normal(size=900).round(2), "c": ["x", "y", "y"] * 300})
    told = vaekit.VAE(epochs=3, latent_dim=1, hidden=(4,)).fit(table).fitted_.record["compression"]
    assert told["bits_per_dim"] == pytest.approx(told["float_bits_per_dim"], rel=0.01)


def test_stray_values_stand_beside_what_the_model_codes(model, table):
    strays = pl.Series([-0.0, np.inf, 1e300, 0.123, None, np.nan])
    changed = table.with_columns(price=pl.concat([strays, table["price"][6:]]))
    blob = model.compress(changed)
    back = model.decompress(blob)
    assert "price" in coded(blob)
    assert back.equals(changed)
    assert np.signbit(back["price"][0])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_comes_back_to_its_library(model, table, library):
    frame = table.to_pandas() if library == "pandas" else table
    back = vaekit.decompress(model.compress(frame, embed_model=True))
    assert type(back) is type(frame)
    assert back.equals(frame)


CHANGES = {
    "a new category": lambda t: t.with_columns(sex=pl.lit("x")),
    "another dtype": lambda t: t.with_columns(pl.col("age").cast(pl.Float64)),
    "values out of range": lambda t: t.with_columns(age=pl.col("age") * 10**9 - 5),
    "other digits": lambda t: t.with_columns(price=pl.col("price") / 3),
    "a column lacking": lambda t: t.drop("visits"),
    "a column too many": lambda t: t.with_columns(day=pl.date(2020, 1, 1)),
    "another order": lambda t: t.select(reversed(t.columns)),
    "NaN for gaps": lambda t: t.with_columns(pl.col("rating").fill_null(np.nan)),
    "NaN and gaps": lambda t: t.with_columns(
        rating=pl.when(pl.int_range(pl.len()) < 9).then(np.nan).otherwise("rating")
    ),
    "zeros below zero": lambda t: t.with_columns(price=pl.lit(-0.0)),
    "infinities": lambda t: t.with_columns(price=pl.lit(np.inf)),
    "gaps where there were none": lambda t: t.with_columns(pl.lit(None, pl.Int64).alias("age")),
    "no rows": lambda t: t.clear(),
    "one row": lambda t: t.head(1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_other_table_comes_back(model, table, change):
    changed = CHANGES[change](table)
    back = model.decompress(model.compress(changed))
    assert back.equals(changed)
    assert back.schema == changed.schema
    for name in changed.columns:
        if changed[name].dtype.is_float():
            assert np.array_equal(np.signbit(changed[name].to_numpy()), np.signbit(back[name].to_numpy()))


def test_blocks_of_a_table_are_salvaged_one_by_one(model, table):
    blob = bytearray(model.compress(table))
    (_, _), (_, _), (at, _) = Reader(bytes(blob)).blocks
    blob[at + 30] ^= 1
    reader = Reader(bytes(blob))
    integer = model.fitted_.integer_model
    left = archive.survivors(reader, integer)
    assert left == [0, 1]
    pieces = list(archive.decoded(reader, left, integer))
    assert archive.joined(reader, left, pieces, integer).equals(table[:1250])
    with pytest.raises(CodecError, match="first block is damaged"):
        archive.joined(reader, [1], pieces[1:], integer)


@given(st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.none()), min_size=1, max_size=30))
def test_any_whole_numbers_come_back(model, values):
    rows = pl.DataFrame({"age": pl.Series(values, dtype=pl.Int64)})
    assert model.decompress(model.compress(rows)).equals(rows)


@given(st.lists(st.floats(width=64), min_size=1, max_size=30))
def test_all_bits_of_a_column_come_back(model, values):
    schema, column = Schema.infer(pl.DataFrame({"x": [0.25, 1.5, 2.75]})), pl.Series("x", values, pl.Float64)
    parts = frames.split(schema, [0], column.to_frame())
    back = frames.joined(schema, parts.coded, parts.nan, parts.rows, parts.kept)["x"]
    same = back.to_numpy().view(np.uint64) == column.to_numpy().view(np.uint64)
    assert (same | np.isnan(column.to_numpy())).all()


@pytest.mark.parametrize("n", [1, 15, 16, 17, 1000, 1 << 20])
def test_buckets_divide_all_counts(n):
    firsts = _firsts(n)
    bucket, first, width = bucket_of(np.arange(float(min(n, 5000))))
    assert (firsts[bucket] == first).all()
    assert (firsts[bucket + 1] == first + width).all()
    assert firsts[-2] < n <= firsts[-1]


@pytest.mark.parametrize("likelihood", ["zero-inflated-negative-binomial", "zero-inflated-negative-binomial-library"])
def test_inflated_zeros_of_several_columns_come_back(likelihood):
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {name: rng.poisson(rate, 900) * (rng.random(900) < 0.5) for name, rate in (("a", 3), ("b", 30))}
    )
    table = table.with_columns(c=pl.Series(rng.choice(["x", "y"], 900)))
    kinds = {"a": "count", "b": "count"}
    model = vaekit.VAE(epochs=3, latent_dim=2, hidden=(16,), likelihood=likelihood, kinds=kinds).fit(table)
    blob = model.compress(table)
    assert coded(blob) == (["c"] if likelihood.endswith("library") else table.columns)
    assert model.decompress(blob).equals(table)
    told = model.fitted_.record["compression"]
    assert told["bits_per_dim"] == pytest.approx(told["float_bits_per_dim"], rel=0.015)
