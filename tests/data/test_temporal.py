"""Dates, instants, spans and times of day: numbers inside, and the very values and dtypes outside, in every library."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vaekit
from vaekit.data.frames import columns_of, frame_of
from vaekit.data.schema import Schema
from vaekit.data.temporal import bounds, to_whole
from vaekit.errors import DataError

N = 300
DTYPES = ("Date", "Datetime[ms]", "Datetime[us]", "Datetime[ns]", "Datetime[us, Europe/Berlin]", "Duration[us]", "Time")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    day = pl.Series(rng.integers(0, 700, N)).cast(pl.Date)
    at = day.cast(pl.Datetime("us")) + pl.Series(rng.integers(0, 1440, N) * 60_000_000).cast(pl.Duration("us"))
    gap = pl.Series(rng.random(N) < 0.1)
    columns = {
        "day": day,
        "at": at,
        "zoned": at.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin"),
        "fine": at.cast(pl.Datetime("ns")),
        "took": pl.Series(rng.integers(0, 10**6, N) * 1_000_000).cast(pl.Duration("us")),
        "clock": at.dt.time(),
    }
    gappy = {name: pl.select(pl.when(~gap).then(values)).to_series() for name, values in columns.items()}
    return pl.DataFrame({"n": rng.poisson(4, N)} | gappy)


def as_library(table, library):
    if library == "pandas":  # which has no dates and no times of day of its own
        return table.drop("day", "clock").to_pandas()
    return table.to_arrow() if library == "pyarrow" else table


def as_polars(frame):
    if isinstance(frame, pl.DataFrame):
        return frame
    return pl.from_pandas(frame) if hasattr(frame, "iloc") else pl.from_arrow(frame)


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow"])
def test_a_frame_goes_to_numbers_and_back(table, library):
    frame = as_library(table, library)
    back = as_polars(frame_of(*columns_of(frame)))
    assert back.equals(as_polars(frame))
    assert back.schema == as_polars(frame).schema


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow"])
def test_every_verb_answers_in_the_dtypes_given(table, library):
    frame = as_library(table, library)
    model = vaekit.VAE(epochs=2, latent_dim=2, hidden=(16,)).fit(frame)
    filled, given_rows = as_polars(model.impute(frame)), as_polars(frame)
    assert as_polars(model.decompress(model.compress(frame))).equals(given_rows)
    for found in (filled, as_polars(model.sample(9)), as_polars(model.reconstruct(frame))):
        assert found.schema == given_rows.schema
    for name in given_rows.columns:
        there = given_rows[name].is_not_null()
        assert filled[name].null_count() == 0
        assert filled[name].filter(there).equals(given_rows[name].filter(there))
    assert np.isfinite(model.score_samples(frame)).all()


def test_new_rows_keep_to_the_range_and_the_step_of_what_was_seen(table):
    made = vaekit.VAE(epochs=1, latent_dim=2, hidden=(16,)).fit(table).sample(500)
    for name in ("day", "at", "took"):
        assert table[name].min() <= made[name].min()
        assert made[name].max() <= table[name].max()
    assert (made["at"].dt.second() == 0).all()
    assert (made["took"].dt.total_microseconds() % 1_000_000 == 0).all()


@pytest.mark.parametrize("day", ["2021-02-03", dt.date(2021, 2, 3)])
def test_a_date_may_be_given_as_a_text_or_as_itself(day):
    table = pl.DataFrame({"day": pl.Series(range(18_600, 18_700)).cast(pl.Date), "x": np.arange(100.0) % 7 + 0.5})
    made = vaekit.VAE(epochs=1, latent_dim=1, hidden=(8,)).fit(table).sample(3, given={"day": day})
    assert made["day"].to_list() == [dt.date(2021, 2, 3)] * 3


@pytest.mark.parametrize(
    "said",
    ["2021-02-03T12:00", "2021-02-03T11:00Z", dt.datetime(2021, 2, 3, 12), dt.datetime(2021, 2, 3, 11, tzinfo=dt.UTC)],
)
def test_an_instant_without_a_zone_is_in_that_of_its_column(said):
    assert to_whole(said, "Datetime[ms, Europe/Berlin]") == 1_612_350_000_000


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_no_date_is_refused_in_a_sentence(dtype):
    with pytest.raises(DataError, match="'soon' is no .* Write it as in"):
        to_whole("soon", dtype)


@given(st.dates())
def test_texts_and_dates_say_the_same_number(day):
    assert to_whole(str(day), "Date") == to_whole(day, "Date") == day.toordinal() - dt.date(1970, 1, 1).toordinal()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_farthest_values_of_a_dtype_can_be_written(dtype):
    low, high = bounds(dtype)
    frame = frame_of({"t": np.array([low, high])}, {"t": dtype}, "polars")
    assert frame["t"].null_count() == 0
    assert (columns_of(frame)[0]["t"] == [low, high]).all()
    assert frame.write_json()


def test_dates_of_a_text_file_are_dates(tmp_path):
    path = tmp_path / "days.csv"
    path.write_text("day,n\n" + "".join(f"2024-{1 + i % 12:02}-{1 + i % 28:02},{i % 5}\n" for i in range(60)))
    assert Schema.infer(vaekit.data.readers.read(path)).fields[0].dtype == "Date"


def test_instants_of_another_unit_or_zone_are_the_same_instants(table):
    schema = Schema.infer(table)
    other = table.with_columns(
        at=table["at"].cast(pl.Datetime("ms")),
        fine=table["fine"].cast(pl.Datetime("us")),
        zoned=table["zoned"].dt.convert_time_zone("Asia/Tokyo"),
        took=table["took"].cast(pl.Duration("ns")),
    )
    np.testing.assert_array_equal(schema.encode(other), schema.encode(table))


@pytest.mark.parametrize("dtype", [pl.Datetime("us"), pl.Int32, pl.String])
def test_what_is_no_date_any_more_is_refused(table, dtype):
    with pytest.raises(DataError, match="Column 'day' (holds|has value)"):
        Schema.infer(table).encode(table.with_columns(table["day"].cast(dtype)))


def test_a_column_of_gaps_alone_may_have_any_dtype(table):
    found = Schema.infer(table).encode(table.with_columns(day=pl.lit(None)))
    assert np.isnan(found[:, 1]).all()


def test_gaps_are_filled_by_what_their_column_could_hold(table):
    model = vaekit.VAE(epochs=2, latent_dim=2, hidden=(16,)).fit(table)
    for filled in (model.impute(table), *model.impute(table, n_draws=2)):
        assert (filled["at"].dt.second() == 0).all()
        assert table["day"].min() <= filled["day"].min()
    lines = model.impute_intervals(table)
    said = lines.filter(pl.col("column") == "day")["value"]
    assert said.str.to_date("%Y-%m-%d").is_between(table["day"].min(), table["day"].max()).all()
