"""Encoding and decoding is the identity, whatever people bring; a schema survives JSON; its inference is a table."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vaekit.data.fields import FIELDS
from vaekit.data.schema import Schema
from vaekit.errors import DataError

RNG = np.random.default_rng(0)


def learn(data, **settings) -> Schema:
    """The schema of data, after a journey through JSON."""
    return Schema.from_json(json.loads(json.dumps(Schema.infer(data, **settings).to_json())))


def there_and_back(data, **settings):
    schema = learn(data, **settings)
    return schema.decode(schema.encode(data))


def assert_identical(data, **settings):
    back = there_and_back(data, **settings)
    assert back.dtype == data.dtype
    assert np.array_equal(back, data, equal_nan=data.dtype.kind == "f")


def varied(array: np.ndarray) -> bool:
    """Whether an array has something to learn in every column."""
    return bool((array != array[:1]).any(0).all())


# -- identity ----------------------------------------------------------------------------------------------------------

sides = st.integers(1, 9)
shapes = st.one_of(
    st.tuples(st.integers(2, 6), sides, sides),  # n, H, W
    st.tuples(st.integers(2, 6), sides, sides, st.integers(1, 4)),  # n, H, W, C
    st.tuples(st.integers(2, 6), st.integers(1, 4), sides, sides),  # n, C, H, W
)


@given(hnp.arrays(np.uint8, shapes).filter(lambda x: x.min() < x.max()))
def test_pictures_of_bytes(pictures):
    assert_identical(pictures)


@given(hnp.arrays(np.uint8, shapes).filter(lambda x: x.min() < x.max()), st.sampled_from([np.float32, np.float64]))
def test_bytes_scaled_to_one(pictures, dtype):
    assert_identical(pictures.astype(dtype) / dtype(255))


@given(hnp.arrays(np.bool_, shapes).filter(lambda x: x.min() < x.max()))
def test_pictures_of_bits(pictures):
    assert_identical(pictures)
    assert_identical(pictures.astype(np.float32))


@given(
    hnp.arrays(np.int64, (8, 4), elements=st.integers(0, 40)).filter(varied),
    st.integers(-30, 30),
    st.sampled_from([(1, 1), (1, 2), (1, 10), (3, 10), (5, 1), (1, 255)]),
    st.sampled_from([np.float32, np.float64]),
)
def test_equal_steps(index, first, step, dtype):
    index[:2, 0] = 0, 1  # two neighbours tell the step
    values = ((index + first) * step[0] / step[1]).astype(dtype)
    assert_identical(values, likelihood="discretized-logistic")


@given(
    hnp.arrays(np.int64, (8, 3), elements=st.integers(-5000, 5000)).filter(varied),
    st.integers(-1_000_000, 1_000_000),
    st.sampled_from([np.int32, np.int64, np.float64]),
)
def test_whole_numbers_with_an_offset(values, offset, dtype):
    assert_identical((values + offset).astype(dtype))


@given(hnp.arrays(np.int64, (12, 2), elements=st.integers(-2_000_000, 2_000_000)).filter(varied))
def test_whole_numbers_of_a_wide_span(values):
    kinds = {"x0": "integer", "x1": "integer"}
    assert_identical(values, kinds=kinds)
    assert_identical(values.astype(np.float64), kinds=kinds)


@given(hnp.arrays(np.int64, (12, 2), elements=st.integers(0, 1_000_000)).filter(varied))
def test_counts(values):
    assert_identical(values, kinds={"x0": "count", "x1": "count"})
    assert_identical(values.astype(np.float32), kinds={"x0": "count", "x1": "count"})


texts = st.lists(st.text(max_size=5), min_size=2, max_size=12).filter(lambda v: len(set(v)) > 1)


@given(texts)
def test_categories_of_text(values):
    frame = pl.DataFrame({"word": values})
    assert there_and_back(frame).equals(frame)


@given(st.lists(st.integers(-3, 3), min_size=4, max_size=12).filter(lambda v: len(set(v)) > 1))
def test_categories_of_numbers(values):
    kinds = {"x0": "categorical"}
    for dtype in (np.int64, np.float32, np.uint8 if min(values) >= 0 else np.int8):
        assert_identical(np.array(values, dtype)[:, None], kinds=kinds)
    assert_identical(np.array(values)[:, None] > min(values), kinds=kinds)


@given(st.integers(-(2**40), 2**40))
def test_constants(value):
    data = np.stack([np.full(5, value), np.arange(5)], axis=1)
    assert_identical(data, kinds={"x0": "constant"})


def test_constants_of_text():
    frame = pl.DataFrame({"unit": ["kg"] * 4, "weight": [1, 2, 3, 7]})
    assert there_and_back(frame, kinds={"unit": "constant"}).equals(frame)


@given(
    hnp.arrays(np.float64, (10, 3), elements=st.floats(-1e6, 1e6)).filter(lambda x: (np.ptp(x, axis=0) > 1e-3).all()),
    st.sampled_from([np.float32, np.float64]),
)
def test_reals_come_back_within_the_rounding_of_a_code(values, dtype):
    values = values.astype(dtype)
    back = there_and_back(values, likelihood="gaussian")
    assert back.dtype == dtype
    centre, spread = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
    rounding = 2.0**-23 * (np.abs(values - centre) + spread) + np.finfo(dtype).eps * np.abs(values)
    assert (np.abs(back.astype(np.float64) - values) <= rounding).all()


@given(hnp.arrays(np.float32, (6, 3, 3), elements=st.floats(0, 1, width=32)).filter(lambda x: x.min() < x.max()))
def test_shares_come_back_exactly(values):
    schema = learn(values)
    back = schema.decode(schema.encode(values))
    if schema.fields[0].kind == "unit":
        assert np.array_equal(back, values)
    else:  # they happened to lie on a grid
        np.testing.assert_allclose(back, values, atol=1e-3)


@pytest.mark.parametrize("dtype", [">i2", ">u2", ">i4", ">f4", ">f8", np.float16, np.int8, np.uint16, np.uint64])
def test_every_machines_numbers(dtype):
    values = RNG.integers(0, 100, (20, 5, 5)).astype(dtype)
    schema = learn(values)
    assert np.array_equal(schema.decode(schema.encode(values)), values)
    mean = schema.decode(np.full((1, *schema.event_shape), 41.7))
    np.testing.assert_allclose(mean, 42 if np.dtype(dtype).kind in "iu" else 41.7, rtol=1e-6)


# -- gaps --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "values",
    [
        RNG.random((30, 4)) > 0.5,
        RNG.integers(0, 256, (30, 4, 4)) / 255,
        RNG.integers(0, 11, (30, 4)),
        RNG.negative_binomial(1, 0.1, (30, 4)),
        RNG.normal(size=(30, 4)),
        RNG.random((30, 4, 4)),
        np.c_[RNG.normal(size=30), RNG.integers(0, 1000, 30)],
    ],
    ids=["binary", "bytes", "ratings", "counts", "real", "shares", "mixed"],
)
def test_gaps_stay_gaps_and_the_rest_stays_what_it_was(values, dtype):
    gappy = np.where(RNG.random(values.shape) < 0.2, np.nan, values).astype(dtype)
    back = there_and_back(gappy)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, gappy, rtol=1e-5, atol=1e-6)


# -- frames ------------------------------------------------------------------------------------------------------------

COLUMNS = {
    "whole": [1, 200, 3, 44, -5, 6],
    "real": [0.5, -1.25, 2.125, 8.0, 3.5, 0.0],
    "flag": [True, False, True, True, False, False],
    "word": ["a", "b", "a", "c", "ü", "b"],
    "sold": [0, 0, 9, 1, 0, 40],
}
WITH_GAPS = {name: [None, *values] for name, values in COLUMNS.items()}
LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


def lists(frame) -> dict[str, list]:
    if isinstance(frame, pa.Table):
        return frame.to_pydict()
    return frame.to_dict(as_series=False) if isinstance(frame, pl.DataFrame) else frame.to_dict("list")


def columns_of(frame):
    return frame.schema if isinstance(frame, pl.DataFrame | pa.Table) else dict(frame.dtypes)


def assert_close(found: dict[str, list], expected: dict[str, list]):
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name] == (pytest.approx(values, abs=1e-5) if name == "real" else values)


@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_keep_names_dtypes_and_values(library):
    frame = LIBRARIES[library](COLUMNS)
    back = there_and_back(frame)
    assert type(back) is type(frame)
    assert columns_of(back) == columns_of(frame)
    assert_close(lists(back), COLUMNS)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_keep_nulls(library):
    frame = LIBRARIES[library](WITH_GAPS)
    back = there_and_back(frame)
    assert columns_of(back) == columns_of(frame)
    found = lists(back)
    assert [values[0] for values in found.values()] == [None] * 5
    assert_close({name: values[1:] for name, values in found.items()}, COLUMNS)


@pytest.mark.parametrize("nullable", [False, True])
def test_pandas_keeps_gaps(nullable):
    frame = pd.DataFrame(WITH_GAPS)
    back = there_and_back(frame.convert_dtypes() if nullable else frame)
    assert back.iloc[0].isna().all()
    assert_close({name: back[name].tolist()[1:] for name in back}, COLUMNS)


WIDTHS = ["Float32", "Float64", *(f"{sign}{bits}" for sign in ("Int", "UInt") for bits in (8, 16, 32, 64))]


@pytest.mark.parametrize("dtype", WIDTHS)
def test_frames_keep_the_width_of_numbers(dtype):
    frame = pl.DataFrame({"a": [1, 7, 90], "b": [0, 1, 1]}, schema={"a": getattr(pl, dtype), "b": getattr(pl, dtype)})
    assert there_and_back(frame).equals(frame)
    assert there_and_back(frame).schema == frame.schema


def test_categorical_columns_stay_categorical():
    words = ["x", "y", "x"]
    assert there_and_back(pl.DataFrame({"c": pl.Series(words, dtype=pl.Categorical)})).schema["c"] == pl.Categorical
    assert there_and_back(pd.DataFrame({"c": pd.Categorical(words)})).dtypes["c"] == "category"
    encoded = pa.table({"c": pa.array(words).dictionary_encode()})
    assert pa.types.is_dictionary(there_and_back(encoded).schema.field("c").type)


def test_the_order_of_columns_does_not_matter():
    frame = pl.DataFrame(COLUMNS)
    schema = learn(frame)
    assert np.array_equal(schema.encode(frame), schema.encode(frame.select(sorted(COLUMNS))))


@pytest.mark.parametrize("learned", LIBRARIES)
@pytest.mark.parametrize("given", LIBRARIES)
def test_a_schema_reads_the_frames_of_any_library(learned, given):
    schema = learn(LIBRARIES[learned](COLUMNS))
    codes = schema.encode(LIBRARIES[given](COLUMNS))
    assert_close(lists(schema.decode(codes)), COLUMNS)


# -- inference ---------------------------------------------------------------------------------------------------------

TABLE = pl.DataFrame(
    {
        "real": RNG.normal(size=50),
        "whole reals": np.arange(50.0) * 3 - 20,
        "age": RNG.integers(18, 90, 50),
        "sold": RNG.negative_binomial(1, 0.1, 50),
        "flag": RNG.random(50) > 0.5,
        "zero one": RNG.integers(0, 2, 50),
        "zero one float": RNG.integers(0, 2, 50).astype(float),
        "word": np.where(RNG.random(50) > 0.5, "a", "b"),
        "identifier": RNG.integers(0, 2**40, 50),
        "rating": RNG.integers(1, 6, 50),
    }
)

INFERRED = {
    "bits": (RNG.random((20, 5)) > 0.5, {"binary"}),
    "zeros and ones": ((RNG.random((20, 5)) > 0.5).astype(float), {"binary"}),
    "grey bytes": (RNG.integers(0, 256, (20, 8, 8), dtype=np.uint8), {"levels"}),
    "colour bytes": (RNG.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8), {"levels"}),
    "bytes as floats": (RNG.integers(0, 256, (20, 8, 8)) / 255, {"levels"}),
    "bytes as float32": (RNG.integers(0, 256, (20, 8, 8)).astype(np.float32) / np.float32(255), {"levels"}),
    "bytes from 0 to 255 as floats": (RNG.integers(0, 256, (20, 8, 8)).astype(float), {"levels"}),
    "bytes as vectors": (RNG.integers(0, 256, (200, 64)) / 255, {"levels"}),
    "few bytes": (RNG.integers(0, 256, (20, 5), dtype=np.uint8), {"levels"}),
    "digits": (RNG.integers(0, 17, (20, 8, 8)).astype(float), {"levels"}),
    "black and white bytes": (255 * RNG.integers(0, 2, (20, 8, 8), dtype=np.uint8), {"levels"}),
    "shares of light": (RNG.random((20, 8, 8)), {"unit"}),
    "heights": (RNG.normal(size=(20, 8, 8)), {"real"}),
    "ratings": (RNG.integers(1, 6, (50, 12)), {"levels"}),
    "halves of stars": (RNG.integers(1, 11, (50, 12)) / 2, {"levels"}),
    "measurements": (RNG.normal(size=(20, 5)), {"real"}),
    "measurements in [0, 1]": (RNG.random((20, 5)), {"real"}),
    "gene counts": (RNG.negative_binomial(0.3, 0.2, (50, 30)), {"count"}),
    "mixed columns": (np.c_[RNG.normal(size=50), RNG.integers(0, 900, 50)], {"real", "integer"}),
    "whole numbers": (RNG.integers(-500, 500, (50, 3)) * [1, 3, 7], {"integer"}),
    "heavy tails": (np.exp(np.linspace(-9, 9, 150)).reshape(50, 3), {"heavy-tailed"}),
    "wide whole numbers": (np.arange(-50, 50)[:, None] * [10**6, 1], {"real", "integer"}),
}


@pytest.mark.parametrize("name", INFERRED)
def test_inferred_kinds_of_arrays(name):
    data, expected = INFERRED[name]
    assert {f.kind for f in Schema.infer(data).fields} == expected


def test_inferred_kinds_of_columns():
    assert {f.name: f.kind for f in Schema.infer(TABLE).fields} == {
        "real": "real",
        "whole reals": "integer",
        "age": "integer",
        "sold": "count",
        "flag": "binary",
        "zero one": "binary",
        "zero one float": "binary",
        "word": "categorical",
        "identifier": "real",
        "rating": "integer",
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [("age", "real"), ("age", "count"), ("age", "levels"), ("rating", "levels"),
     ("rating", "categorical"), ("flag", "categorical"), ("zero one", "real"), ("zero one", "integer"),
     ("sold", "integer"), ("sold", "real"), ("whole reals", "levels"), ("zero one float", "unit")],
)  # fmt: skip
def test_declared_kinds_override_inferred_ones(name, kind):
    schema = learn(TABLE, kinds={name: kind})
    kinds = {f.name: f.kind for f in schema.fields}
    assert kinds[name] == kind
    inferred = {f.name: f.kind for f in Schema.infer(TABLE).fields}
    assert {k: v for k, v in kinds.items() if k != name} == {k: v for k, v in inferred.items() if k != name}
    back = schema.decode(schema.encode(TABLE))
    assert back.schema == TABLE.schema
    np.testing.assert_allclose(back[name].to_numpy().astype(float), TABLE[name].to_numpy().astype(float), rtol=1e-5)


def test_the_tables_above_name_every_kind():
    named = set().union(*(kinds for _, kinds in INFERRED.values())) | {f.kind for f in Schema.infer(TABLE).fields}
    assert named | {"constant"} == set(FIELDS)


# -- means -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INFERRED)
def test_decoded_means_keep_dtype_shape_and_range(name):
    data, _ = INFERRED[name]
    schema = learn(data)
    codes = schema.encode(data).astype(np.float32)
    means = schema.decode(np.broadcast_to(codes.mean(0), codes.shape))
    assert means.dtype == data.dtype
    assert means.shape == data.shape
    span = np.ptp(data.astype(float))
    assert means.astype(float).min() >= data.astype(float).min() - 1e-5 * span
    assert means.astype(float).max() <= data.astype(float).max() + 1e-5 * span
    if data.dtype.kind == "f" and schema.fields[0].kind != "heavy-tailed":  # whose codes' mean is another
        np.testing.assert_allclose(means[0], data.mean(0), rtol=1e-3, atol=1e-3 * span)


def test_decoded_means_beyond_the_dtype_are_clipped():
    pictures = RNG.integers(0, 256, (20, 8, 8), dtype=np.uint8)
    schema = learn(pictures)
    decoded = schema.decode(np.linspace(-3, 260, 64).reshape(1, 1, 8, 8))
    assert decoded.dtype == np.uint8
    assert decoded.min() == 0
    assert decoded.max() == 255


def test_decoded_codes_of_frames_keep_dtypes_between_codes():
    schema = learn(TABLE)
    codes = schema.encode(TABLE) * 0.9 + 0.05
    assert schema.decode(codes).schema == TABLE.schema


# -- JSON --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [*[data for data, _ in INFERRED.values()], TABLE, pd.DataFrame(WITH_GAPS)])
def test_a_schema_survives_json(data):
    schema = Schema.infer(data)
    again = learn(data)
    assert again.to_json() == schema.to_json()
    assert np.array_equal(again.encode(data), schema.encode(data), equal_nan=True)
    assert str(again) == str(schema)


def test_grey_is_no_value_of_black_and_white():
    schema = Schema.infer(255 * RNG.integers(0, 2, (20, 8, 8), dtype=np.uint8))
    with pytest.raises(DataError, match="has value 128 in row 0"):
        schema.encode(np.full((1, 8, 8), 128, np.uint8))
