"""Classes from few labels."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_iris
from sklearn.utils.estimator_checks import parametrize_with_checks

import vaekit
from vaekit.data import builtin
from vaekit.data.labels import Labels

IRIS, SPECIES = load_iris(return_X_y=True)
METHODS = ("semi-supervised", "linear")


EXCEPT = {
    "check_classifiers_classes": "its labels are 1 and −1, and −1 is no class here",
    "check_classifier_data_not_an_array": "whole numbers in a frame are counts, in an array levels",
}


@parametrize_with_checks([vaekit.Classifier(epochs=15)], expected_failed_checks=lambda _: EXCEPT)
def test_it_keeps_scikit_learns_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module", params=METHODS)
def fitted(request):
    labels = np.where(np.arange(150) % 3 == 0, SPECIES, -1)
    return vaekit.Classifier(request.param, epochs=60).fit(IRIS, labels)


def test_it_learns_classes_of_a_third_of_the_rows(fitted):
    assert fitted.score(IRIS, SPECIES) > 0.8
    assert fitted.classes_.tolist() == [0, 1, 2]


def test_probabilities_are_such_and_the_likeliest_is_predicted(fitted):
    each = fitted.predict_proba(IRIS)
    np.testing.assert_allclose(each.sum(1), 1, atol=1e-5)
    assert np.array_equal(fitted.classes_[each.argmax(1)], fitted.predict(IRIS))


def test_a_row_has_the_same_class_in_any_company(fitted):
    whole = fitted.predict_proba(IRIS)
    assert np.array_equal(fitted.predict_proba(IRIS[[7]]), whole[[7]])
    assert np.array_equal(fitted.predict_proba(IRIS[::-1]), whole[::-1])


def test_a_model_file_keeps_the_classes(fitted, tmp_path):
    loaded = vaekit.load(fitted.save(tmp_path / "m.vae"))
    assert np.array_equal(loaded.classify(IRIS), fitted.predict(IRIS))
    assert np.array_equal(loaded.class_probabilities(IRIS), fitted.predict_proba(IRIS))


def test_the_model_does_the_other_jobs_too(fitted):
    vae = fitted.vae_
    assert vae.transform(IRIS).shape == (150, vae.latent_dim_)
    assert np.isfinite(vae.score_samples(IRIS)).all()
    archive = vae.compress(IRIS)
    assert np.array_equal(vae.decompress(archive), IRIS)


def test_same_seed_same_classes():
    labels = np.where(np.arange(150) % 3 == 0, SPECIES, -1)
    first, again = (vaekit.Classifier(epochs=3).fit(IRIS, labels).predict_proba(IRIS) for _ in range(2))
    assert np.array_equal(first, again)


def test_rows_without_a_label_help():
    digits, classes = builtin.load("digits")[:400], builtin.labels("digits")[:400]
    labels = np.full(len(classes), -1)
    for c in range(10):
        labels[np.flatnonzero(classes == c)[:3]] = c
    known = labels >= 0
    few = [
        vaekit.Classifier(preset="fast", epochs=15).fit(*rows)
        for rows in ((digits[known], labels[known]), (digits, labels))
    ]
    wrong = [(c.predict(digits) != classes)[~known].mean() for c in few]
    assert 2 * wrong[1] < wrong[0]


# -- rows of a class ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_species():
    names = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
    return vaekit.VAE(2, epochs=80, random_state=1).fit(IRIS, labels=pd.Series(names, name="species"))


def test_rows_of_a_class_are_like_its_own(of_species):
    lengths = [of_species.sample(300, given={"species": name})[:, 2].mean() for name in ("setosa", "virginica")]
    assert lengths[0] < 3 < lengths[1]  # 1.5 and 5.6 of the petals measured


def test_as_many_rows_of_each_class(of_species):
    rows = of_species.sample(30, balance="species")
    assert set(of_species.classify(rows[0::3])) >= {"setosa"}
    assert rows.shape == (30, 4)


@pytest.mark.parametrize(("asked", "words"), [
    ({"given": {"species": "rose"}}, "No row has species 'rose'"),
    ({"given": {"species": "setosa", "x": 1}}, "stands alone"),
    ({"given": {"colour": "red"}}, "colour"),
])  # fmt: skip
def test_what_cannot_be_asked_is_said(of_species, asked, words):
    with pytest.raises(vaekit.VaekitError, match=words):
        of_species.sample(3, **asked)


def test_a_model_without_labels_says_so():
    with pytest.raises(vaekit.ParameterError, match="without labels"):
        vaekit.VAE(2, epochs=1).fit(IRIS).classify(IRIS)


# -- the gate ----------------------------------------------------------------------------------------------------------

LABELS = {
    "whole numbers": (np.array([2, -1, 0, 2]), [0, 2], [1, -1, 0, 1]),
    "floats that are whole": (np.array([2.0, np.nan, 0.0, 2.0]), [0, 2], [1, -1, 0, 1]),
    "texts": (["b", None, "a", "b"], ["a", "b"], [1, -1, 0, 1]),
    "truth": ([True, False, False, True], [False, True], [1, 0, 0, 1]),
    "a series of polars": (pl.Series("y", ["b", None, "a", "b"]), ["a", "b"], [1, -1, 0, 1]),
    "a frame of one column": (pl.DataFrame({"y": [2, None, 0, 2]}), [0, 2], [1, -1, 0, 1]),
    "a column": (np.array([[2], [-1], [0], [2]]), [0, 2], [1, -1, 0, 1]),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_of_any_kind(case):
    given, values, index = LABELS[case]
    labels = Labels.of(given, 4)
    assert labels.values.tolist() == values
    assert labels.index.tolist() == index


def test_a_column_of_the_table_may_hold_the_labels(tmp_path):
    names = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
    table = pd.DataFrame(IRIS, columns=list("abcd")).assign(species=np.where(np.arange(150) % 2, names, None))
    vae = vaekit.VAE(2, epochs=40).fit(table, labels="species")
    assert list(vae.feature_names_in_) == list("abcd")
    assert set(vae.classify(table)) <= {"setosa", "versicolor", "virginica"}
    assert "knn_accuracy" in vae.evaluate(table.dropna(), labels="species", importance_samples=2)
    assert vaekit.Classifier(epochs=2).fit(table, "species").classes_.tolist() == ["setosa", "versicolor", "virginica"]


WRONG = {
    "too few": ([1, 0], "one label a row"),
    "one class": ([1, 1, -1, 1], "two classes or more"),
    "none known": ([-1, -1, -1, -1], "two classes or more"),
    "measurements": ([0.5, 0.1, 0.2, 0.3], "Give classes"),
    "two columns": (pl.DataFrame({"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}), "2 columns"),
}


@pytest.mark.parametrize("case", WRONG)
def test_labels_that_are_none_are_refused_in_a_sentence(case):
    labels, words = WRONG[case]
    with pytest.raises(vaekit.DataError, match=words):
        Labels.of(labels, 4)


@pytest.mark.parametrize(("name", "value"), [("prior", "flow"), ("levels", 2), ("objective", "iwae"), ("free_nats", 1)])
def test_settings_that_do_not_go_with_labels_are_named(name, value):
    with pytest.raises(vaekit.ParameterError, match=name):
        vaekit.VAE(2, epochs=1, **{name: value}).fit(IRIS, labels=SPECIES)


def test_no_row_with_a_label_is_held_out_while_others_are_enough():
    labels = np.where(np.arange(150) % 10 == 0, SPECIES, -1)
    vae = vaekit.VAE(2, epochs=1).fit(IRIS, labels=labels)
    assert vae.fitted_.record["classes"] == {"name": "label", "values": [0, 1, 2]}
