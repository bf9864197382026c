"""Disentangling metrics: laws that hold for each, and what each says of codes that are known."""

from functools import cache

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import vaekit
from vaekit.data.sprites import Sprites
from vaekit.errors import DataError
from vaekit.tasks import disentangling as task

SIZES = (3, 12, 20, 16)
FACTORS = np.stack(np.unravel_index(np.random.default_rng(0).permutation(11_520)[:1_500], SIZES), axis=1)
NOISE = np.random.default_rng(1).normal(size=(*SIZES, 4))  # of each combination of factors
ROTATION = scipy.linalg.hadamard(4) / 2  # each unit hears all factors alike


@cache
def dci_of(codes: bytes):
    return task.dci(np.frombuffer(codes).reshape(len(FACTORS), -1), FACTORS)


def dci(encode):
    return dci_of(encode(FACTORS).astype(float).tobytes())


# From what makes codes [n, d] of factors [n, 4] to a score; one for each figure.
METRICS = {
    "mig": lambda encode: task.mig(encode(FACTORS), FACTORS),
    "sap": lambda encode: task.sap(encode(FACTORS), FACTORS),
    "disentanglement": lambda encode: dci(encode).disentanglement,
    "completeness": lambda encode: dci(encode).completeness,
    "informativeness": lambda encode: dci(encode).informativeness,
    "factor_vae_score": lambda encode: task.factor_vae_score(encode, SIZES, votes=200),
}
CHANCE = {"informativeness": np.mean([1 / size for size in SIZES]), "factor_vae_score": 1 / 4}
LUCK = {"disentanglement": 0.03, "completeness": 0.03, "informativeness": 0.03}  # of forests

metrics = pytest.mark.parametrize("name", METRICS)


def one_to_one(factors):
    """Return each factor as a unit of mean 0 and variance 1."""
    sizes = np.array(SIZES)
    return (factors - (sizes - 1) / 2) / np.sqrt((sizes**2 - 1) / 12)


def rotated(factors):
    return one_to_one(factors) @ ROTATION


def noise(factors):
    return NOISE[tuple(factors.T)]


def imperfect(factors):
    """Return codes that tell two factors with noise, and two of them mixed, so that each figure is between its ends."""
    first, second, *others = (one_to_one(factors) + 0.3 * noise(factors)).T
    return np.stack([first + second, first - second, *others], axis=1)


class TestLaws:
    @metrics
    def test_units_that_tell_one_factor_each_score_one(self, name):
        assert METRICS[name](one_to_one) == pytest.approx(1, abs=0.06)

    @metrics
    def test_noise_scores_no_more_than_a_guess(self, name):
        assert METRICS[name](noise) == pytest.approx(CHANCE.get(name, 0), abs=0.07)

    @pytest.mark.parametrize("name", [name for name in METRICS if name != "informativeness"])
    def test_a_rotation_scores_lower(self, name):
        assert METRICS[name](rotated) < METRICS[name](one_to_one) - 0.3

    def test_a_rotation_tells_as_much_to_whoever_looks_at_all_units(self):
        assert METRICS["informativeness"](rotated) > METRICS["informativeness"](noise) + 0.3

    @metrics
    def test_scores_are_between_their_ends_for_what_is_imperfect(self, name):
        assert CHANCE.get(name, 0) + 0.05 < METRICS[name](imperfect) < 0.99

    @metrics
    def test_places_of_units_do_not_matter(self, name):
        moved = METRICS[name](lambda v: imperfect(v)[:, [2, 0, 3, 1]])
        assert moved == pytest.approx(METRICS[name](imperfect), abs=LUCK.get(name, 1e-9))

    @metrics
    def test_scales_of_units_do_not_matter(self, name):
        scaled = METRICS[name](lambda v: imperfect(v) * [-4, 0.25, 1024, 2])
        assert scaled == pytest.approx(METRICS[name](imperfect), abs=LUCK.get(name, 0.01))

    @metrics
    def test_dead_units_do_not_matter(self, name):
        wider = METRICS[name](lambda v: np.hstack([np.full((len(v), 2), 7.1), imperfect(v)]))
        assert wider == METRICS[name](imperfect)

    @metrics
    def test_codes_of_dead_units_alone_score_no_more_than_a_guess(self, name):
        assert METRICS[name](lambda v: np.zeros((len(v), 2))) <= CHANCE.get(name, 0) + (0.1 if name in CHANCE else 0)

    @metrics
    def test_a_second_call_says_the_same(self, name):
        first = METRICS[name](imperfect)
        dci_of.cache_clear()
        assert METRICS[name](imperfect) == first


class TestMig:
    def test_is_that_of_the_papers_formula(self):
        factors = np.repeat([[0], [1]], 500, axis=0)
        halves = np.concatenate([np.zeros(500), np.tile([0.0, 1.0], 250)])[:, None]  # P(v = 0 | z = 0) = 2/3
        conditional = 0.75 * (np.log(3) - 2 / 3 * np.log(2))
        assert task.mig(halves, factors) == pytest.approx(1 - conditional / np.log(2))

    def test_two_units_that_tell_the_same_leave_no_gap(self):
        codes = np.hstack([FACTORS, 2.0 * FACTORS])
        assert task.mig(codes, FACTORS) == pytest.approx(0)

    @given(seed=st.integers(0, 999))
    @settings(max_examples=10)
    def test_is_within_its_ends(self, seed):
        rng = np.random.default_rng(seed)
        codes = rng.normal(size=(100, 3)) + FACTORS[:100] @ rng.normal(size=(4, 3))
        assert 0 <= task.mig(codes, FACTORS[:100]) <= 1


class TestSap:
    def test_is_that_of_squared_correlations(self):
        codes = FACTORS + noise(FACTORS)
        squared = np.corrcoef(codes.T, FACTORS.T)[:4, 4:] ** 2
        ordered = np.sort(squared, axis=0)
        assert task.sap(codes, FACTORS) == pytest.approx((ordered[-1] - ordered[-2]).mean())

    def test_of_categories_has_a_guess_below_it(self):
        codes = np.stack([np.array([0, 2, 1])[FACTORS[:, 0]], noise(FACTORS)[:, 0]], axis=1)  # values in another order
        assert task.sap(codes, FACTORS[:, :1], categorical=[0]) == pytest.approx(1 - 1 / 3, abs=0.05)
        assert task.sap(codes, FACTORS[:, :1]) < 0.5


class TestDci:
    def test_a_factor_in_two_units_is_disentangled_but_not_complete(self):
        # each unit tells half of the values of factor 2 apart
        low, high = np.minimum(FACTORS[:, 2], 10), np.maximum(FACTORS[:, 2], 10)
        found = task.dci(np.column_stack([FACTORS[:, [0, 1, 3]], low, high]), FACTORS)
        assert found.disentanglement > 0.95
        assert found.completeness < 0.9
        assert found.informativeness > 0.99

    def test_few_rows_need_not_hold_every_value(self):
        assert 0 <= task.dci(imperfect(FACTORS)[:30], FACTORS[:30]).informativeness <= 1

    def test_a_unit_of_two_factors_is_complete_but_not_disentangled(self):
        both = FACTORS[:, 0] * 20 + FACTORS[:, 2]
        found = task.dci(np.column_stack([both, FACTORS[:, [1, 3]]]), FACTORS)
        assert found.completeness > 0.95
        assert found.disentanglement == pytest.approx(0.75, abs=0.03)  # half of all that matters is half as good


class TestWhatIsRefused:
    @pytest.mark.parametrize("metric", [task.mig, task.sap, task.dci])
    @pytest.mark.parametrize(
        ("codes", "factors", "message"),
        [
            (FACTORS[:10], FACTORS, r"got shapes \[10, 4\] and \[1500, 4\]"),
            (FACTORS[:, 0], FACTORS, r"got shapes \[1500\]"),
            (np.full((1_500, 2), np.nan), FACTORS, "finite numbers"),
            (FACTORS, FACTORS * [1, 0, 1, 1], "Factor 1 has one value in all rows"),
        ],
    )
    def test_says_why(self, metric, codes, factors, message):
        with pytest.raises(DataError, match=message):
            metric(codes, factors)


class TestSprites:
    SPRITES = Sprites()

    def of(self, model, **settings):
        return task.disentangling(model, self.SPRITES, rows=600, votes=80, **settings)

    def places(self, pictures):
        """Return where the shape is and how large, a unit each, and a unit that varies too little to be active."""
        mass = pictures.sum((1, 2), dtype=float)
        across, down = ((pictures.sum(axis) @ np.arange(64)) / mass for axis in (1, 2))
        return np.stack([across / 9, down / 9, np.sqrt(mass) / 4, mass / 1e4], axis=1)

    def test_codes_of_places_tell_places(self):
        found = self.of(self.places)
        assert found["active_units"] == 3
        assert found["n"] == 600
        assert found["mig"] > 0.4
        assert found["sap"] > 0.5
        assert found["dci_disentanglement"] > 0.35
        assert 0.5 < found["factor_vae_score"] < 0.9  # of three factors of five
        assert found == self.of(self.places)

    def test_a_fitted_model_is_asked_as_its_transform_is(self):
        vae = vaekit.VAE(3, prior="normal", network="mlp", hidden=(16,), epochs=2).fit(self.SPRITES.sample(300, 0)[0])
        found = self.of(vae.transform)
        assert found == self.of(vae.fitted_)
        assert set(found) > {"mig", "sap", "factor_vae_score", "dci_completeness", "dci_informativeness"}
        assert all(0 <= found[name] <= 1 for name in set(found) - {"n", "active_units"})
