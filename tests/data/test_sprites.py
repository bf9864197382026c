"""Sprites: what each factor does to a picture, and how rows of them are read."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from vaekit.cli.app import app
from vaekit.data import builtin
from vaekit.data.readers import read
from vaekit.data.schema import Schema
from vaekit.data.sprites import FACTORS, SHAPES, SIZE, Sprites
from vaekit.errors import DataError, ParameterError, SourceError

SPRITES = Sprites()
SIZES = np.array(list(FACTORS.values()))
TURN = 2 * np.pi / 39  # a step of orientation

indices = st.integers(0, len(SPRITES) - 1)
factors = st.tuples(*(st.integers(0, size - 1) for size in SIZES))


def picture(*values: int) -> np.ndarray:
    return SPRITES[SPRITES.index(values)]


def centroid(pixels: np.ndarray) -> np.ndarray:
    return np.argwhere(pixels).mean(0)[::-1]  # x, y


def changed(values: tuple[int, ...], factor: str, value: int) -> tuple[int, ...]:
    at = list(FACTORS).index(factor)
    return (*values[:at], value, *values[at + 1 :])


class TestIndices:
    def test_there_is_one_for_each_combination(self):
        assert len(SPRITES) == SIZES.prod() == 737_280

    @given(index=indices)
    def test_come_back_from_their_factors(self, index):
        assert SPRITES.index(SPRITES.factors(index)) == index

    @given(values=factors)
    def test_give_the_factors_they_came_from(self, values):
        assert tuple(SPRITES.factors(SPRITES.index(values))) == values

    def test_run_with_the_last_factor_fastest(self):
        assert SPRITES.factors([0, 1, 32, 1024, 40_960, 245_760]).tolist() == [
            [0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 1, 0], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [1, 0, 0, 0, 0]
        ]  # fmt: skip

    @given(asked=st.lists(indices, min_size=1, max_size=5))
    def test_of_a_list_give_the_pictures_of_each(self, asked):
        assert (SPRITES[asked] == np.stack([SPRITES[i] for i in asked])).all()
        assert SPRITES[np.array(asked)].dtype == np.uint8

    def test_are_python_s(self):
        assert (SPRITES[-1] == SPRITES[len(SPRITES) - 1]).all()
        assert (SPRITES[10:13] == SPRITES[[10, 11, 12]]).all()
        with pytest.raises(IndexError):
            SPRITES[len(SPRITES)]

    @pytest.mark.parametrize("wrong", [[3, 0, 0, 0, 0], [0, 0, -1, 0, 0], [0, 0, 0, 0], [0.5, 0, 0, 0, 0]])
    def test_of_no_factors_are_refused(self, wrong):
        with pytest.raises(DataError, match=r"from 0 to below \[3, 6, 40, 32, 32\]"):
            SPRITES.index(wrong)


class TestPictures:
    @given(index=indices)
    def test_are_white_shapes_on_black_within_the_frame(self, index):
        pixels = SPRITES[index]
        assert pixels.shape == (SIZE, SIZE)
        assert set(np.unique(pixels)) == {0, 1}
        assert pixels[1:-1, 1:-1].sum() == pixels.sum()

    @given(values=factors, factor=st.sampled_from(["shape", "scale", "x", "y"]), data=st.data())
    def test_change_with_each_factor(self, values, factor, data):
        value = data.draw(st.integers(0, FACTORS[factor] - 1))
        other = changed(values, factor, value)
        assert (picture(*values) == picture(*other)).all() == (values == other)

    @pytest.mark.parametrize(("shape", "symmetry"), [(0, np.pi / 2), (1, np.pi), (2, 2 * np.pi)])
    @given(scale=st.integers(0, 5), turns=st.tuples(st.integers(0, 39), st.integers(0, 39)))
    def test_change_with_orientation_but_for_symmetry(self, shape, symmetry, scale, turns):
        same = (picture(shape, scale, turns[0], 0, 0) == picture(shape, scale, turns[1], 0, 0)).all()
        beyond = abs(turns[0] - turns[1]) * TURN % symmetry
        near = min(beyond, symmetry - beyond) < 0.6 * TURN  # angles between which small rasters cannot tell
        assert near or not same

    @given(shape=st.integers(0, 2), scale=st.integers(0, 5), x=st.integers(0, 31), y=st.integers(0, 31))
    def test_begin_again_at_the_last_orientation(self, shape, scale, x, y):
        assert (picture(shape, scale, 0, x, y) == picture(shape, scale, 39, x, y)).all()

    @given(values=factors, x=st.integers(0, 31), y=st.integers(0, 31))
    def test_move_by_a_pixel_a_step(self, values, x, y):
        moved = centroid(picture(*values[:3], x, y)) - centroid(picture(*values))
        assert moved == pytest.approx([x - values[3], y - values[4]])

    @given(values=factors)
    def test_turn_about_their_centre_of_mass(self, values):
        assert centroid(picture(*values)) == pytest.approx(np.array(values[3:]) + 16, abs=0.3)

    @given(scale=st.integers(0, 5), orientation=st.integers(0, 29))
    def test_turn_anticlockwise(self, scale, orientation):
        before, after = (picture(2, scale, orientation + step, 16, 16) for step in (0, 10))  # a quarter turn, and 2°
        there = np.roll(np.rot90(before), 1, axis=0)  # about the pixel at 32, 32
        assert (there != after).sum() < 0.2 * after.sum() < (np.rot90(there, 2) != after).sum()

    @given(values=factors)
    def test_grow_with_scale(self, values):
        areas = [picture(*changed(values, "scale", scale)).sum() for scale in range(6)]
        assert areas == sorted(set(areas))

    @given(values=factors)
    def test_have_one_area_whatever_the_shape(self, values):
        areas = [picture(*changed(values, "shape", shape)).sum() for shape in range(3)]
        assert areas == pytest.approx([(21 * (0.5 + 0.1 * values[1])) ** 2] * 3, rel=0.12)

    def test_are_in_no_store(self):
        tracemalloc.start()
        Sprites()
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert kept < 12e6  # bytes, where all pictures take 3 GB


class TestSamples:
    def test_are_different_pictures_with_their_factors(self):
        pictures, values = SPRITES.sample(500, seed=1)
        chosen = SPRITES.index(values)
        assert len(set(chosen)) == 500
        assert (SPRITES[chosen] == pictures).all()
        assert all(len(set(column)) == size for column, size in zip(values.T, SIZES, strict=True))

    def test_follow_the_seed(self):
        first, again, other = (SPRITES.sample(50, seed)[1] for seed in (0, 0, 1))
        assert (first == again).all()
        assert (first != other).any()

    @pytest.mark.parametrize("n", [0, 737_281])
    def test_of_no_possible_size_are_refused(self, n):
        with pytest.raises(ParameterError, match="from 1 to 737,280 pictures"):
            SPRITES.sample(n, seed=0)


class TestBuiltin:
    def test_rows_are_those_of_the_class(self):
        assert (read("builtin:sprites", "245758:245763") == SPRITES[245_758:245_763]).all()
        assert (read("builtin:sprites", "-3:") == SPRITES[-3:]).all()

    def test_labels_are_shapes(self):
        labels = read("builtin:sprites::labels")
        assert np.bincount(labels).tolist() == [245_760] * len(SHAPES)

    @pytest.mark.parametrize("rows", [None, ":", "0:100001"])
    def test_too_many_at_once_are_refused(self, rows):
        with pytest.raises(SourceError, match=r"Take some with --rows A:B, or builtin:sprites-sample"):
            read("builtin:sprites", rows)

    def test_none_are_refused(self):
        with pytest.raises(DataError, match="slice within 0:737280"):
            read("builtin:sprites", "800000:")

    def test_the_sample_is_of_all_shapes_in_no_order(self):
        pictures, labels = read("builtin:sprites-sample", ":1000"), builtin.labels("sprites-sample")
        assert pictures.shape == (1000, 64, 64)
        assert len(labels) == 50_000
        assert np.bincount(labels[:1000]).min() > 250
        assert Schema.infer(pictures).fields[0].kind == "binary"

    def test_the_command_reads_them(self, tmp_path):
        words = ["fit", "builtin:sprites-sample", "--rows", ":200", "-o", str(tmp_path / "m.vae"), "--epochs", "1"]
        words += ["--network", "mlp", "--hidden", "8", "--latent-dim", "2", "--quiet"]
        assert CliRunner().invoke(app, words).exit_code == 0
