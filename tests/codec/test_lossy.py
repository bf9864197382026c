"""Less than all: bounds hold for every value, fewer bits lose more, and what comes back is one thing everywhere."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vaekit
from vaekit.codec import archive, latent, lossy, model_bytes, packing
from vaekit.codec.around import Around
from vaekit.codec.columns import Bell, Column, RoundedColumn
from vaekit.codec.container import Reader
from vaekit.codec.dial import Dial
from vaekit.codec.entropy import Stacks
from vaekit.codec.frames import near
from vaekit.codec.lattice import Lattice
from vaekit.codec.loss import lost
from vaekit.codec.reading import GAP
from vaekit.codec.rounded import Rounding, rounded
from vaekit.data.builtin import load
from vaekit.errors import CodecError, DataError, ParameterError

LEVELS = [
    "autoregressive",
    "autoencoder",
    "mixture with ends, silu",
    "mixture, elu",
    "ends, tanh",
    "context",
    "convolutions",
]
PRIORS = ["autoregressive", "mixture prior", "vamp prior", "ends, tanh", "two layers"]


def squared_error(found, rows):
    return float(((found.astype(float) - rows) ** 2).mean())


def bits_of(blob, rows):
    return 8 * len(blob) / len(rows)


@pytest.fixture(scope="module")
def trained():
    """A model that tells rows apart, and rows."""
    rows = load("digits").astype(np.uint8)
    return vaekit.VAE(latent_dim=10, epochs=25, hidden=(64, 64), random_state=0).fit(rows), rows


# -- roundings ---------------------------------------------------------------------------------------------------------


@given(st.integers(2, 300), st.integers(1, 150))
def test_even_roundings_keep_their_bound(n_levels, most):
    width = 2 * most + 1
    if width >= 2 * (n_levels - 1):
        return
    levels = np.arange(n_levels)
    coarse = Rounding.even(n_levels, width)
    assert np.abs(coarse(levels) - levels).max() <= most
    assert np.array_equal(coarse(coarse(levels)), coarse(levels))
    assert np.array_equal(Rounding.from_json(coarse.to_json(), n_levels)(levels), coarse(levels))


@given(st.lists(st.integers(0, 40), min_size=256, max_size=256), st.integers(1, 100))
def test_centred_values_lose_least_of_all_values_between_the_same_edges(counts, most):
    even = Rounding.even(256, 2 * most + 1)
    centred, levels, counts = even.centred(np.array(counts)), np.arange(256), np.array(counts)
    errors = [(counts * (way(levels) - levels) ** 2).sum() for way in (centred, even)]
    assert errors[0] <= errors[1] + counts.sum() / 4  # values are whole
    assert np.array_equal(centred(centred(levels)), centred(levels))


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("width", [3, 9])
def test_rounded_masses_are_those_of_all_levels_that_became_the_value(name, width, models):
    """Of the last value of a row, all others being the same: to within the coder's own steps."""
    integer = model_bytes.from_bytes(models[name].fitted_.integer_model)
    coarse = Rounding.even(integer.top + 1, width)
    rows = coarse(lossy._levels(integer, models.rows(name)[:20]))
    parameters, told = integer.parameters(integer.posterior.middle(rows)), rounded(integer.likelihood, coarse)

    def bits_with_last(likelihood, last):
        """Return [values, rows] of rows that end in each of some values."""
        each = np.tile(rows, (len(last), 1))
        each[:, -1] = np.repeat(last, len(rows))
        of_each = np.tile(parameters, (len(last), *[1] * (parameters.ndim - 1)))
        return likelihood.n_bits(of_each, each).reshape(len(last), len(rows))

    bits, coarse_bits = (
        bits_with_last(integer.likelihood, np.arange(integer.top + 1)),
        bits_with_last(told, coarse.values),
    )
    mass, found = (2.0 ** (b.min(0) - b) for b in (bits, coarse_bits))
    expected = np.add.reduceat(mass, coarse.edges[:-1]) / mass.sum(0)
    np.testing.assert_allclose(found / found.sum(0), expected, rtol=0.02, atol=2e-3)


# -- lattices ----------------------------------------------------------------------------------------------------------


@given(st.data())
@settings(deadline=None)
def test_lattices_tell_each_cell_as_one_near_it(data):
    n_cells = data.draw(st.sampled_from([64, 256, 1024]))
    step = np.array(data.draw(st.lists(st.integers(1, n_cells), min_size=1, max_size=4)))
    centre = np.array(data.draw(st.lists(st.integers(0, n_cells - 1), min_size=len(step), max_size=len(step))))
    lattice = Lattice.around(centre, step, n_cells)
    cells = np.arange(n_cells)[:, None] + np.zeros(len(step), dtype=np.int64)
    told = lattice(cells)
    assert (np.abs(told - cells) <= step // 2).all()
    assert np.array_equal(lattice(told), told)
    assert np.array_equal(lattice(centre[None]), centre[None])
    assert lattice.index(cells).min() >= 0
    assert lattice.index(cells).max() < lattice.n_joined


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("step", [1, 5, 70])
def test_priors_code_the_cells_of_a_lattice(name, step, models):
    integer = model_bytes.from_bytes(models[name].fitted_.integer_model)
    d = integer.prior.n_units
    lattice = Lattice.around(np.full(d, integer.n_cells // 3), step + np.arange(d), integer.n_cells)
    z = lattice(np.random.default_rng(0).integers(0, integer.n_cells, (50, d)))
    prior, stacks = integer.prior.on(lattice), Stacks([np.empty(0, np.uint32)])
    prior.push(stacks, z, [len(z)])
    n_bits, payload = prior.n_bits(z).sum(), stacks.words()
    assert abs(32 * len(payload[0]) - n_bits) < 64 + 0.01 * n_bits
    assert np.array_equal(prior.pop(Stacks(payload), [len(z)]), z)


# -- levels around what is expected ------------------------------------------------------------------------------------

AROUND = ["mixture with ends, silu", "mixture, elu", "ends, tanh", "sixteenths, relu", "convolutions"]


def parameters_and_levels(name, models):
    integer = model_bytes.from_bytes(models[name].fitted_.integer_model)
    rows = lossy._levels(integer, models.rows(name)[:20])
    return integer.parameters(integer.posterior.middle(rows)), rows, integer.likelihood


@pytest.mark.parametrize("name", AROUND)
@pytest.mark.parametrize("width", [3, 31, 999])
def test_cells_around_come_back_as_their_means_and_take_the_bits_they_say(name, width, models):
    parameters, rows, levels = parameters_and_levels(name, models)
    around, stacks = Around(levels, width), Stacks([np.empty(0, np.uint32)])
    cells = around.chosen(parameters, rows, 0.0)
    around.push(stacks, parameters, cells, [len(rows)])
    n_bits, words = around.n_bits(parameters, cells).sum(), stacks.words()
    assert abs(32 * len(words[0]) - n_bits) < 64 + 0.01 * n_bits
    assert np.array_equal(around.pop(Stacks(words), parameters, [len(rows)]), cells)
    found = around.levels_of(parameters, cells)
    assert levels.can_code(found).all()
    assert np.abs(found - rows).max() < width


@pytest.mark.parametrize("name", AROUND)
def test_the_mean_of_a_cell_is_that_of_its_levels_by_their_masses(name, models):
    """By the bits of each level, and within what a level and the coder's steps allow."""
    parameters, rows, levels = parameters_and_levels(name, models)
    one = parameters[:1, :, :1]
    every = np.arange(levels.n_levels)
    bits = levels.n_bits(np.repeat(one, levels.n_levels, 0), every[:, None])
    mass = 2.0 ** (bits.min() - bits)
    cells = Around(levels, 7)._cells(one)
    for k in range(2 * cells.before + 1):
        within = every[(every - cells.first) // 7 == k]
        if len(within) and mass[within].sum() > 1e-3:
            expected = (mass[within] * within).sum() / mass[within].sum()
            assert abs(cells.means(np.array([k]))[0] - expected) < 0.6


@pytest.mark.parametrize("name", AROUND)
def test_the_dearer_a_bit_the_fewer_are_taken_of_cells_around(name, models):
    parameters, rows, levels = parameters_and_levels(name, models)
    around = Around(levels, 3)
    told = [around.chosen(parameters, rows, worth) for worth in (0.0, 1.0, 100.0)]
    bits = [around.n_bits(parameters, cells).sum() for cells in told]
    errors = [squared_error(around.levels_of(parameters, cells), rows) for cells in told]
    assert sorted(bits, reverse=True) == bits
    assert sorted(errors) == errors
    assert bits[0] > bits[-1]


def test_levels_around_are_told_where_latent_cells_say_too_little(trained):
    vae, rows = trained
    integer = model_bytes.from_bytes(vae.fitted_.integer_model)
    codes = lossy._levels(integer, rows[:300])
    blob = vae.compress(rows, quality=20)
    header = Reader(blob).header
    refined = lossy.told_way(header, integer)
    assert isinstance(refined, lossy.Refined)
    worth = lossy.slope(lossy.step_of(20) * integer.top / lossy.LEVELS)
    counts = np.bincount(codes.ravel(), minlength=integer.top + 1)
    costs = [
        lossy._cost(lossy.measured(way, codes, integer, worth))
        for way in (refined, refined.lattice, lossy._rounding(codes, counts, integer, 20).way)
    ]
    assert costs[0] < min(costs[1:])


@pytest.mark.parametrize("width", [0, 1, 4, -3, 1.5, "3", 1 << 40, None])
def test_a_width_that_cannot_be_is_refused(width, digits_model):
    integer = model_bytes.from_bytes(digits_model.fitted_.integer_model)
    lattice = Lattice(np.ones(integer.prior.n_units, int), np.zeros(integer.prior.n_units, int), integer.n_cells)
    with pytest.raises(CodecError, match="a width of levels that cannot be"):
        lossy.told_way({"lattice": lattice.to_json(), "width": width}, integer)


# -- archives ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("most", [1, 3])
def test_no_value_is_off_by_more_than_the_bound(name, most, models):
    vae, rows = models[name], models.rows(name)
    whole, blob = vae.compress(rows), vae.compress(rows, max_error=most)
    found = vae.decompress(blob)
    assert (found.dtype, found.shape) == (rows.dtype, rows.shape)
    assert 0 < np.abs(found.astype(int) - rows).max() <= most
    assert len(blob) < len(whole)


def test_the_bound_is_in_the_datas_own_units(models):
    vae, rows = models["sixteenths, relu"], models.rows("sixteenths, relu")
    for error in (1 / 16, 2 / 16, 0.2):
        found = vae.decompress(vae.compress(rows, max_error=error))
        assert found.dtype == rows.dtype
        assert 0 < np.abs(found.astype(float) - rows).max() <= error
    assert np.array_equal(vae.decompress(vae.compress(rows, max_error=0.06)), rows)
    share = vae.decompress(vae.compress(rows, max_error="20%"))
    assert 0 < np.abs(share.astype(float) - rows).max() <= 0.2


@pytest.mark.parametrize("name", [*LEVELS, "two layers"])
def test_a_bound_of_nothing_and_the_highest_quality_lose_nothing(name, models):
    vae, rows = models[name], models.rows(name)
    for asked in ({"max_error": 0}, {"quality": 100}):
        assert np.array_equal(vae.decompress(vae.compress(rows, **asked)), rows)


@pytest.mark.parametrize("name", ["autoregressive", "mixture with ends, silu", "context", "two layers"])
def test_a_higher_quality_takes_more_bits_and_loses_less(name, models):
    vae, rows = models[name], models.rows(name)
    blobs = [vae.compress(rows, quality=quality) for quality in (0, 20, 55, 100)]
    errors = [squared_error(vae.decompress(blob), rows) for blob in blobs]
    assert sorted(map(len, blobs)) == [len(blob) for blob in blobs]
    assert sorted(errors, reverse=True) == errors
    assert errors[0] < rows.astype(float).var()


@pytest.mark.parametrize("bits", [20, 40, 75])
def test_no_more_bits_are_taken_than_were_asked_for(bits, trained):
    vae, rows = trained
    assert 0.7 * bits < bits_of(vae.compress(rows, target_bits=bits), rows) <= bits


def test_latent_rows_come_back_as_the_model_reconstructs_them(trained):
    vae, rows = trained
    blob = vae.compress(rows, quality=10)
    assert archive.listing(Reader(blob)).methods == {"latent": 2}
    found, again = vae.decompress(blob), vae.reconstruct(rows)
    assert squared_error(found, rows) < 1.2 * squared_error(again, rows)


def test_other_neighbours_are_taken_where_that_is_better(trained, monkeypatch):
    vae, rows = trained
    integer, step = model_bytes.from_bytes(vae.fitted_.integer_model), 8.0
    codes = lossy._levels(integer, rows[:300])
    lattice = latent.Sensitivity(integer, codes[:50]).lattice(step)
    costs = []
    for near_edge in (2.0, 0.5):  # the first lets no neighbour in
        monkeypatch.setattr(latent, "NEAR_EDGE", near_edge)
        found = lossy.measured(lattice, codes, integer, lossy.slope(step))
        costs.append(found.squared_error + found.worth * found.bits)
    assert costs[1] < 0.99 * costs[0]


def test_grey_levels_under_a_bernoulli_are_told_by_their_latents():
    rows = load("digits").astype(np.uint8)
    vae = vaekit.VAE(latent_dim=4, likelihood="bernoulli", epochs=3, hidden=(16,), random_state=0).fit(rows)
    found = vae.decompress(vae.compress(rows, quality=10))
    assert squared_error(found, rows) < rows.astype(float).var()


@pytest.mark.parametrize(
    "rows",
    [
        np.random.default_rng(0).normal(size=(50, 7)),
        np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32),
        np.arange(300).reshape(50, 6),
        np.arange(60, dtype=np.int8).reshape(10, 6) - 100,
        np.array([[1e300, -1e300, 5e-324, 0.0]]),
        np.array([[np.nan, np.inf, -np.inf, 0.3]]),
    ],
)
@pytest.mark.parametrize("error", [0.01, 0.5, 3, "1%"])
def test_rows_that_are_none_of_the_models_keep_the_bound_too(rows, error, digits_model):
    found = digits_model.decompress(digits_model.compress(rows, max_error=error))
    bound = Dial(max_error=error).most_off(rows.ravel())
    finite = np.isfinite(rows)
    assert found.dtype == rows.dtype
    assert np.abs(found[finite].astype(np.float64) - rows[finite].astype(np.float64)).max() <= bound
    assert np.array_equal(found[~finite], rows[~finite], equal_nan=rows.dtype.kind == "f")


@given(st.data())
def test_whole_numbers_keep_their_bound_up_to_the_ends_of_their_dtype(data):
    dtype = data.draw(st.sampled_from([np.uint8, np.int8, np.int32, np.uint64, np.int64]))
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    ends = st.integers(low, high) | st.sampled_from([low, low + 1, high - 1, high])
    rows = np.array(data.draw(st.lists(ends, min_size=1, max_size=9)), dtype=dtype)
    most = data.draw(st.floats(0, 100) | st.sampled_from([1e10, 1e30]))
    found = lossy.rounded_within(rows, most)
    assert found.dtype == rows.dtype
    assert all(abs(int(a) - int(b)) <= most for a, b in zip(found, rows, strict=True))


def test_what_cannot_be_done_is_said_in_a_sentence(digits_model):
    rows = load("digits").astype(np.uint8)
    with pytest.raises(ParameterError, match="one of quality, max_error and target_bits; got quality and max_error"):
        digits_model.compress(rows, quality=3, max_error=1)
    with pytest.raises(ParameterError, match="target_bits must leave these rows about .* bits each, .*; it leaves"):
        digits_model.compress(rows, target_bits=1)
    with pytest.raises(DataError, match="complex128 is nothing one can measure"):
        digits_model.compress(np.array([[1j]]), max_error=1)


# -- tables ------------------------------------------------------------------------------------------------------------


@given(st.data())
@settings(deadline=None)
def test_rounded_columns_keep_their_bound(data):
    width, n_cells = data.draw(st.integers(1, 50)), data.draw(st.integers(2, 60))
    most = data.draw(st.integers(1, 200))
    column = Column(0, np.array([0]), -7, n_cells, width, np.array([1, 1, 1]), Bell("normal", 1, np.array([1]), 0))
    coarse = RoundedColumn(column, 2 * most + 1)
    x = np.concatenate([np.arange(-20, n_cells * width + 20), [GAP]])
    told = coarse.told(x)
    inside = (x >= -7) & (x < n_cells * width - 7)
    assert np.abs(told - x)[inside].max() <= most
    assert np.array_equal(told[~inside], x[~inside])
    assert np.array_equal(coarse.told(told), told)


def measurements() -> pl.DataFrame:
    """Reals with and without a step, with gaps and strangers, beside columns that stay exact."""
    rng = np.random.default_rng(0)
    z, n = rng.normal(size=600), 600
    return pl.DataFrame(
        {
            "real": 5 + 2 * z + 0.1 * rng.normal(size=n),
            "small": 1e-7 * (z + rng.normal(size=n)),
            "gappy": pl.Series(
                [None if gap else v for gap, v in zip(rng.random(n) < 0.2, z, strict=True)], dtype=pl.Float32
            ),
            "nan": np.where(rng.random(n) < 0.2, np.nan, 1000 - 300 * z),
            "price": np.round(20 + z, 2),
            "whole": rng.poisson(np.exp(1 + z / 2)).astype(np.int64),
            "name": rng.choice(["a", "b", "c"], n),
        }
    )


@pytest.fixture(scope="module")
def of_measurements():
    return vaekit.VAE(latent_dim=2, epochs=20, hidden=(32,), random_state=0).fit(measurements())


@pytest.mark.parametrize("error", ["1%", "0.001%", "10%", 0.05])
def test_columns_of_reals_keep_their_bound_and_others_stay_exact(error, of_measurements):
    table = measurements().with_columns(pl.when(pl.col("real") > 9).then(1e9).otherwise(pl.col("real")).alias("real"))
    found = of_measurements.decompress(of_measurements.compress(table, max_error=error))
    assert found.schema == table.schema
    assert found.select("whole", "name").equals(table.select("whole", "name"))
    for name in ("real", "small", "gappy", "nan", "price"):
        bound = Dial(max_error=error).most_off(table[name].drop_nulls().to_numpy())
        assert near(table[name], found[name], bound).all()
        assert found[name].null_count() == table[name].null_count()


def test_columns_of_reals_take_fewer_bytes_the_more_they_may_be_off(of_measurements):
    sizes = [len(of_measurements.compress(measurements(), max_error=error)) for error in ("10%", "1%", "0.01%", 0)]
    assert sizes == sorted(sizes)
    blob = of_measurements.compress(measurements(), max_error="1%")
    assert Reader(blob).header["coded"] == ["real", "small", "gappy", "nan", "price", "whole", "name"]
    rounded_alone = packing.compress(measurements(), None, dial=Dial(max_error="1%"))
    assert len(blob) < 0.9 * len(rounded_alone)


def test_a_frame_of_pandas_and_one_without_rows_come_back(of_measurements):
    table = measurements().to_pandas()
    found = of_measurements.decompress(of_measurements.compress(table, max_error="1%"))
    assert list(found.columns) == list(table.columns)
    none = measurements().head(0)
    assert of_measurements.decompress(of_measurements.compress(none, max_error=1)).equals(none)


@pytest.mark.parametrize("quality", [0, 50, 100])
def test_a_quality_of_columns_of_reals_is_a_bound_by_each_ones_range(quality, of_measurements):
    table = measurements()
    found = of_measurements.decompress(of_measurements.compress(table, quality=quality))
    assert found.select("whole", "name").equals(table.select("whole", "name"))
    for name in ("real", "small", "gappy", "nan", "price"):
        bound = Dial(quality=quality).most_off(table[name].drop_nulls().to_numpy())
        assert near(table[name], found[name], bound).all()


def test_columns_keep_to_the_bits_that_are_asked_for(of_measurements):
    table = measurements()
    sizes = {bits: 8 * len(of_measurements.compress(table, target_bits=bits)) / len(table) for bits in (60, 100)}
    assert all(0.9 * bits < size <= bits for bits, size in sizes.items())
    with pytest.raises(ParameterError, match="at least .* bits each, what cannot be lost included; it leaves 5"):
        of_measurements.compress(table, target_bits=5)


# -- windows of time ---------------------------------------------------------------------------------------------------


def waves(n: int = 1500) -> np.ndarray:
    """Two channels of noisy waves: [n, 12, 2]."""
    rng = np.random.default_rng(0)
    turns = 2 * np.pi * (np.arange(12) / 12 + rng.random((n, 1)))
    waves = rng.lognormal(0, 0.3, (n, 1, 1)) * np.stack([np.sin(turns), np.cos(turns)], -1)
    return (waves + 0.01 * rng.normal(size=(n, 12, 2))).astype(np.float32)


def model_of_waves(rows: np.ndarray, network: str) -> vaekit.VAE:
    hidden = {"mlp": (32,), "conv": (8, 32)}[network]
    made = vaekit.VAE(latent_dim=3, epochs=20, batch_size=25, hidden=hidden, network=network, random_state=0)
    return made.fit(rows)


@pytest.fixture(scope="module", params=["mlp", "conv"])
def of_waves(request):
    return model_of_waves(waves(), request.param)


@pytest.mark.parametrize("said", [{"max_error": 0.05}, {"max_error": "1%"}, {"quality": 60}])
def test_windows_of_time_are_told_by_the_model_within_their_bound(said, of_waves):
    rows = waves()
    blob, alone = of_waves.compress(rows, **said), packing.compress(rows, None, dial=Dial(**said))
    found = of_waves.decompress(blob)
    assert (found.dtype, found.shape) == (rows.dtype, rows.shape)
    assert np.abs(found.astype(np.float64) - rows).max() <= Dial(**said).most_off(rows)
    assert Reader(blob).header["coded"]
    assert len(blob) < len(alone)


def test_windows_of_time_keep_to_the_bits_that_are_asked_for(of_waves):
    rows = waves(300)
    blob = of_waves.compress(rows, target_bits=100)
    assert Reader(blob).header["coded"]
    assert 90 < bits_of(blob, rows) <= 100


def test_arrays_of_more_dimensions_keep_the_bound_without_the_model(of_waves):
    rows = waves().reshape(-1, 2, 3, 2, 2)
    found = of_waves.decompress(of_waves.compress(rows, max_error=0.05))
    assert found.shape == rows.shape
    assert np.abs(found - rows).max() <= 0.05 + 1e-6


def test_pictures_of_reals_come_back_in_their_own_layout():
    rows = waves().reshape(-1, 4, 3, 2)  # H, W, C
    vae = model_of_waves(rows, "mlp")
    blob = vae.compress(rows, max_error=0.1)
    assert Reader(blob).header["coded"]
    assert np.abs(vae.decompress(blob) - rows).max() <= 0.1 + 1e-6


def test_columns_that_no_model_codes_are_packed_as_whole_numbers():
    table = measurements()
    blob = packing.compress(table, None, dial=Dial(max_error="1%"))
    header = Reader(blob).header
    assert set(header["multiples"]) == {"real", "small", "gappy", "price"}  # no whole number is NaN
    found = archive.decompress(blob)
    for name in ("real", "small", "gappy", "nan", "price"):
        bound = Dial(max_error="1%").most_off(table[name].drop_nulls().to_numpy())
        assert near(table[name], found[name], bound).all()
    assert found.select("whole", "name").equals(table.select("whole", "name"))
    assert len(blob) < 0.4 * len(packing.compress(table, None))


# -- what is told of a loss --------------------------------------------------------------------------------------------


def test_a_loss_is_told_of_any_numbers():
    constant, gaps = np.full((3, 2), 5.0), np.array([[np.nan, np.inf, 1.0]])
    assert lost(constant, constant - 1) == ["largest error 1, root mean square 1"]
    assert lost(gaps, gaps + [0, 0, 0.5]) == ["largest error 0.5, root mean square 0.2887"]
    assert lost(gaps, gaps) == ["nothing was lost"]
    assert lost(pl.DataFrame({"a": [1.0, 3.0], "b": [1, 2]}), pl.DataFrame({"a": [1.0, 2.0], "b": [1, 2]})) == [
        "a: largest error 1, root mean square 0.7071, PSNR 9.0 dB"
    ]


def test_a_range_beyond_all_floats_has_a_share_all_the_same(of_measurements):
    wide = np.array([-1.7e308, 1.7e308, 0.0])
    assert Dial(max_error="1%").most_off(wide) == pytest.approx(3.4e306)
    table = measurements().head(3).with_columns(real=wide)
    found = of_measurements.decompress(of_measurements.compress(table, max_error="1%"))
    assert near(table["real"], found["real"], 3.4e306).all()


@pytest.mark.parametrize("quality", [0, 20])
def test_latent_cells_are_no_worse_than_those_that_a_quality_asks_for(digits_model, quality):
    model = model_bytes.from_bytes(digits_model.fitted_.integer_model)
    sample = lossy._levels(model, load("digits")[:64].astype(np.uint8))
    step, lattice_of = lossy.step_of(quality) * model.top / lossy.LEVELS, latent.Sensitivity(model, sample).lattice
    asked = lossy.measured(lattice_of(step), sample, model, lossy.slope(step))
    assert lossy._cost(lossy._latent(sample, model, lattice_of, quality)) <= lossy._cost(asked)
