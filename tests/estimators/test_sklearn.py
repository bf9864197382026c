"""scikit-learn's own contract, and its tools around our estimators."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import vaekit
from vaekit.estimators.vae import ESTIMATORS

IRIS = load_iris()
RNG = np.random.default_rng(0)


def small(**settings):
    return vaekit.VAE(2, **{"epochs": 3, "hidden": (8,)} | settings)


# -- the contract ------------------------------------------------------------------------------------------------------


@parametrize_with_checks([estimator(2, epochs=3, hidden=(8,)) for estimator in ESTIMATORS.values()])
def test_it_keeps_scikit_learns_contract(estimator, check):
    check(estimator)


def test_gaps_are_allowed_and_infinities_are_not():
    rows = IRIS.data.copy()
    rows[::9, 1] = np.nan
    assert small().__sklearn_tags__().input_tags.allow_nan
    assert np.isfinite(small().fit(rows).transform(rows)).all()
    rows[0, 0] = np.inf
    with pytest.raises(vaekit.DataError, match="finite"):
        small().fit(rows)


# -- parameters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS.values())
def test_a_clone_has_the_same_parameters_and_nothing_learned(estimator):
    first = estimator(3, epochs=2, hidden=(9, 5), kinds={"a": "real"}, random_state=7).set_params(beta=2.0)
    again = clone(first)
    assert again.get_params() == first.get_params()
    assert not hasattr(again, "fitted_")


def test_init_only_stores():
    odd = {"latent_dim": -3, "hidden": "odd", "beta": "x", "epochs": 0}
    assert {k: vaekit.VAE(**odd).get_params()[k] for k in odd} == odd
    with pytest.raises(vaekit.ParameterError):
        vaekit.VAE(**odd).fit(IRIS.data)


def test_every_parameter_is_constrained_and_documented():
    names = set(vaekit.VAE().get_params())
    assert names == set(vaekit.VAE._parameter_constraints)
    described = vaekit.VAE.__doc__.split("Attributes\n")[0]
    assert all(f"\n    {name}" in described or f", {name} :" in described for name in names)


WRONG = {
    "latent_dim": (0, 1.5, "two"),
    "preset": ("slow", 1),
    "purpose": ("storage", 1),
    "likelihood": ("normal",),
    "kinds": ("real",),
    "network": ("cnn",),
    "hidden": ((0,), (), (1.5,), "wide", 300),
    "activation": ("swish",),
    "prior": ("gmm",),
    "second_stage": ("third", 1),
    "levels": (0, 1.5, "two"),
    "objective": ("mse",),
    "draws": (0, 2.5),
    "strength": (-0.1, "strong", np.nan),
    "beta": (-1, "one", np.nan),
    "free_nats": (-0.1, "some", np.nan),
    "warmup": (-0.1, 1.1),
    "cycles": (0, 1.5, None),
    "epochs": (0, 1.5),
    "time": (0, -1, "soon", "3d"),
    "batch_size": (0, 0.5),
    "micro_batch": (0, 0.5),
    "recompute": ("yes",),
    "shard": ("yes",),
    "learning_rate": (0, -1e-3, np.inf),
    "weight_decay": (-0.1, "some", np.nan),
    "valid": (1.0, -0.1),
    "random_state": (-1, "seed"),
    "device": ("tpu",),
    "precision": ("float16",),
    "threads": (0,),
    "compile": ("maybe", 1),
    "encoder": ("mlp", 3),
    "decoder": ("mlp", 3),
    "verbose": ("yes",),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_parameter_is_named_with_its_value_at_fit(name, value):
    with pytest.raises(vaekit.ParameterError, match=name) as raised:
        small().set_params(**{name: value}).fit(IRIS.data)
    assert str(value) in str(raised.value)


def test_every_parameter_has_a_wrong_value_among_these():
    assert WRONG.keys() == vaekit.VAE().get_params().keys()


def test_a_message_lists_the_choices_in_their_order():
    with pytest.raises(vaekit.ParameterError, match="a str among {'fast', 'balanced', 'best'}. Got 'slow' instead."):
        small(preset="slow").fit(IRIS.data)


def test_numbers_of_numpy_are_numbers():
    vae = vaekit.VAE(np.int64(2), epochs=np.int32(2), hidden=np.array([8]), beta=np.float32(1), warmup=np.float64(0.1))
    path_free = vae.set_params(batch_size=np.int64(30), learning_rate=np.float32(1e-3), random_state=np.int64(3))
    assert path_free.fit(IRIS.data).transform(IRIS.data).shape == (150, 2)


def test_numbers_of_numpy_can_be_saved(tmp_path):
    vae = vaekit.VAE(
        np.int64(2), epochs=np.int32(2), hidden=np.array([8]), beta=np.float32(1), random_state=np.int64(3)
    )
    vae.set_params(batch_size=np.int64(30), learning_rate=np.float32(1e-3), threads=np.int64(1), warmup=np.float32(0.1))
    path = vae.fit(IRIS.data, checkpoint=tmp_path / "c").save(tmp_path / "m.vae")
    np.testing.assert_array_equal(vaekit.load(path).transform(IRIS.data), vae.transform(IRIS.data))


def test_random_states_are_scikit_learns():
    same = [small(random_state=np.random.RandomState(4)).fit_transform(IRIS.data) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    other = small(random_state=np.random.RandomState(5)).fit_transform(IRIS.data)
    assert not np.array_equal(same[0], other)
    assert small(random_state=None).fit(IRIS.data).sample(2).shape == (2, 4)


def test_a_second_fit_forgets_the_first():
    fresh, used = small(), small().fit(RNG.normal(size=(40, 7)))
    np.testing.assert_array_equal(used.fit(IRIS.data).transform(IRIS.data), fresh.fit_transform(IRIS.data))
    assert used.n_features_in_ == 4


# -- tools around it ---------------------------------------------------------------------------------------------------


def test_a_pipeline_classifies_its_codes():
    pipeline = make_pipeline(StandardScaler(), small(epochs=30), LogisticRegression())
    assert pipeline.fit(IRIS.data, IRIS.target).score(IRIS.data, IRIS.target) > 0.7
    assert list(pipeline[:-1].get_feature_names_out()) == ["vae0", "vae1"]


def test_a_grid_search_picks_the_likelier_model():
    search = GridSearchCV(small(learning_rate=1e-2), {"epochs": [1, 40]}, cv=2).fit(IRIS.data)
    assert search.best_params_ == {"epochs": 40}
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    assert cross_val_score(small(), IRIS.data, cv=3).shape == (3,)


def test_a_grid_search_reaches_into_a_pipeline():
    pipeline = make_pipeline(small(), LogisticRegression())
    search = GridSearchCV(pipeline, {"vae__latent_dim": [1, 2]}, cv=2).fit(IRIS.data, IRIS.target)
    assert search.best_params_["vae__latent_dim"] in (1, 2)


@pytest.mark.parametrize("estimator", [estimator(2, epochs=2, hidden=(8,)) for estimator in ESTIMATORS.values()])
def test_score_is_the_mean_log_likelihood(estimator):
    estimator.fit(IRIS.data, IRIS.target)
    assert estimator.score(IRIS.data) == pytest.approx(estimator.score_samples(IRIS.data).mean())
    assert estimator.score(IRIS.data) == pytest.approx(-estimator.evaluate(IRIS.data)["nll_nats"])


@pytest.mark.parametrize(("library", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_codes_come_as_frames_where_asked(library, frame):
    vae = small().set_output(transform=library).fit(IRIS.data)
    codes = vae.transform(IRIS.data)
    assert isinstance(codes, frame)
    assert list(codes.columns) == list(vae.get_feature_names_out()) == ["vae0", "vae1"]
    np.testing.assert_array_equal(codes.to_numpy(), vae.set_output(transform="default").transform(IRIS.data))


def test_names_of_an_autoencoder_s_codes_are_its_own():
    autoencoder = vaekit.Autoencoder(3, epochs=1, hidden=(4,)).fit(IRIS.data)
    assert list(autoencoder.get_feature_names_out()) == ["autoencoder0", "autoencoder1", "autoencoder2"]


def test_names_follow_the_units_that_were_kept():
    vae = vaekit.VAE(epochs=2).fit(RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8))
    assert len(vae.get_feature_names_out()) == vae.latent_dim_ == vae.transform(np.zeros((1, 8, 8), np.uint8)).shape[1]


# -- frames ------------------------------------------------------------------------------------------------------------

COLUMNS = {
    "height": RNG.normal(170, 10, 60).round(1),
    "visits": (RNG.poisson(3, 60) * RNG.integers(0, 4, 60)).astype(np.int32),
    "smokes": RNG.integers(0, 2, 60).astype(bool),
    "city": RNG.choice(["Bern", "Oslo", "Rome"], 60).tolist(),
}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_frames_with_texts_come_back_as_they_came(make):
    frame = make(COLUMNS)
    vae = small().fit(frame)
    assert list(vae.feature_names_in_) == list(COLUMNS)
    assert vae.n_features_in_ == 4
    for answer in (vae.reconstruct(frame), vae.sample(60), vae.inverse_transform(vae.transform(frame))):
        assert isinstance(answer, make)
        assert list(answer.columns) == list(COLUMNS)
        assert list(answer.dtypes) == list(frame.dtypes)
        assert set(answer["city"]) <= {"Bern", "Oslo", "Rome"}


def test_pandas_and_polars_give_the_same_codes():
    as_pandas, as_polars = (small().fit_transform(make(COLUMNS)) for make in (pd.DataFrame, pl.DataFrame))
    np.testing.assert_array_equal(as_pandas, as_polars)


def test_columns_are_found_by_name_not_by_place():
    frame = pl.DataFrame(COLUMNS)
    vae = small().fit(frame)
    shuffled = frame.select("city", "height", "smokes", pl.lit(7).alias("another"), "visits")
    np.testing.assert_array_equal(vae.transform(shuffled), vae.transform(frame))


def test_an_array_has_no_names():
    assert not hasattr(small().fit(IRIS.data), "feature_names_in_")


def test_frames_of_numbers_give_what_their_arrays_give():
    frame = pd.DataFrame(IRIS.data, columns=IRIS.feature_names)
    vae = small().fit(frame)
    assert list(vae.feature_names_in_) == IRIS.feature_names
    assert vae.transform(frame).shape == (150, 2)


def test_history_is_a_frame_of_the_epochs():
    history = small().fit(IRIS.data).history_
    assert history["epoch"].to_list() == [1, 2, 3]
    assert {"seconds", "elbo_nats", "kl_nats", "valid_elbo_nats"} <= set(history.columns)


def test_paths_are_data(tmp_path):
    np.save(tmp_path / "x.npy", IRIS.data)
    vae = small().fit(tmp_path / "x.npy")
    np.testing.assert_array_equal(vae.transform(str(tmp_path / "x.npy")), small().fit_transform(IRIS.data))


def test_verbose_is_heard_on_standard_error(capsys):
    small(verbose=True).fit(IRIS.data)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "epoch 3/3" in shown.err
    small().fit(IRIS.data)
    assert capsys.readouterr().err == ""
