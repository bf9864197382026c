"""The tables are the functions they are said to be, to 60 digits, and never change: they are part of the format."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from mpmath import erfc, exp, expm1, mp, mpf, sqrt

from vaekit.codec import tables
from vaekit.codec.tables import CDF_STEPS, CHANCE_STEPS, GATE_STEPS, WEIGHT_STEPS

DIGITS = 60


def sigmoid(x):
    return 1 / (1 + exp(-x))


def normal_cdf(x):
    return erfc(-x / sqrt(mpf(2))) / 2


# name: (function, lowest and highest index, steps to one, bits of the unit, first and last entry, SHA-256)
TABLES = {
    "weights": (lambda x: exp(-x), 0, 448, WEIGHT_STEPS, 20, (1 << 20, 0), "196b576bbf913a42"),
    "gates": (sigmoid, -1280, 1280, GATE_STEPS, 12, (0, 4096), "726c5a0ce02c3b97"),
    "elu": (lambda x: expm1(-x), 0, 1280, GATE_STEPS, 12, (0, -4096), "8e3a6a55a2f88c5b"),
    "chances": (sigmoid, -512, 512, CHANCE_STEPS, 24, (1, (1 << 24) - 1), "3f5be0e0e85cc14b"),
    "logistic_cdf": (sigmoid, -8192, 8192, CDF_STEPS, 24, (0, 1 << 24), "4bfa34a984420284"),
    "normal_cdf": (normal_cdf, -4096, 4096, CDF_STEPS, 24, (0, 1 << 24), "f15d464934768976"),
}
CONSTANTS = {"EXP_32": 32, "EXP_128": 128, "EXP_512": 512, "EXP_SQUARE": 512**2, "EXP_EIGHTH_SQUARE": 8 * 512**2}


def table_of(name):
    return getattr(tables, name)()


@pytest.mark.parametrize("name", TABLES)
def test_every_entry_is_within_two_units_of_the_function(name):
    function, low, high, steps, bits, _, _ = TABLES[name]
    found = table_of(name)
    assert len(found) == high - low + 1
    with mp.workdps(DIGITS):
        wanted = [function(mpf(i) / steps) * 2**bits for i in range(low, high + 1)]
        assert max(abs(int(f) - w) for f, w in zip(found, wanted, strict=True)) <= 2


@pytest.mark.parametrize("name", TABLES)
def test_entries_are_whole_never_turn_back_and_end_exactly(name):
    found = table_of(name)
    assert found.dtype == np.float64
    assert (found == np.rint(found)).all()
    steps = np.diff(found)
    assert (steps >= 0).all() or (steps <= 0).all()
    assert (found[0], found[-1]) == TABLES[name][5]
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 7


@pytest.mark.parametrize("name", ["gates", "chances", "logistic_cdf", "normal_cdf"])
def test_entries_of_i_and_minus_i_sum_to_one(name):
    found, one = table_of(name), 1 << TABLES[name][4]
    assert (found + found[::-1] == one).all()
    assert found[len(found) // 2] == one / 2


@pytest.mark.parametrize("name", ["logistic_cdf", "normal_cdf"])
def test_a_density_rises_to_its_middle_and_falls(name):
    """But for the rounding of each entry, and the mass beyond the reach, which the ends take."""
    mass = np.diff(table_of(name))[1:-1]
    half = len(mass) // 2
    assert all(b >= a - 1 for a, b in pairwise(mass[:half]))
    assert all(b <= a + 1 for a, b in pairwise(mass[half:]))


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_exponentials_cut_off(name):
    with mp.workdps(DIGITS):
        assert getattr(tables, name) == int(mpf(2) ** 128 * exp(mpf(-1) / CONSTANTS[name]))


@pytest.mark.parametrize("name", TABLES)
def test_tables_never_change(name):
    assert hashlib.sha256(table_of(name).astype("<i8").tobytes()).hexdigest()[:16] == TABLES[name][6]
