"""Neighbourhoods that codes keep, and the dimension of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vaekit
from vaekit.tasks.neighbourhoods import intrinsic_dimension, neighbourhoods

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 6))
ROTATION = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
KEPT = ("trustworthiness", "continuity", "knn_preservation")


@settings(max_examples=10, deadline=None)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_what_only_moves_turns_and_scales_keeps_all(scale, shift):
    found = neighbourhoods(ROWS, scale * (ROWS @ ROTATION) + shift)
    assert [found[name] for name in KEPT] == pytest.approx([1, 1, 1], abs=0.01)


def test_shuffled_codes_keep_what_chance_keeps():
    found = neighbourhoods(ROWS, np.random.default_rng(1).permutation(ROWS))
    assert found["knn_preservation"] == pytest.approx(10 / 299, abs=0.03)
    assert found["trustworthiness"] == pytest.approx(0.5, abs=0.05)
    assert found["continuity"] == pytest.approx(0.5, abs=0.05)


def test_a_shadow_is_continuous_but_not_trustworthy():
    found = neighbourhoods(ROWS, ROWS[:, :2])
    assert found["continuity"] > found["trustworthiness"]


@pytest.mark.parametrize("d", [1, 2, 5])
def test_a_plane_has_its_own_dimension_wherever_it_lies(d):
    plane = RNG.normal(size=(1500, d)) @ RNG.normal(size=(d, 20))
    assert intrinsic_dimension(plane) == pytest.approx(d, rel=0.15)
    assert intrinsic_dimension(1e3 * plane + 7) == pytest.approx(intrinsic_dimension(plane), rel=1e-6)


def test_copies_of_rows_change_no_dimension():
    assert intrinsic_dimension(np.tile(ROWS, (3, 1))) == pytest.approx(intrinsic_dimension(ROWS))
    assert intrinsic_dimension(np.zeros((50, 3))) == 0


@pytest.mark.parametrize("n", [2, 7, 8, 12, 40])
def test_few_rows_are_no_failure(n):
    vae = vaekit.VAE(1, epochs=1).fit(RNG.normal(size=(40, 2)))
    figures = vae.evaluate(RNG.normal(size=(n, 2)), importance_samples=2)
    assert ("continuity" in figures) == (n >= 8)
    assert np.isfinite([v for v in figures.values()]).all()


def test_rows_that_are_all_as_far_apart_have_no_more_dimensions_than_values():
    assert intrinsic_dimension(np.eye(30)) == 30
