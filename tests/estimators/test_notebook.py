"""What a notebook shows of a model: tables and points as HTML, plots on axes, and a page beside it."""

import urllib.error
import urllib.request

import numpy as np
import pytest
from matplotlib.figure import Figure

import vaekit
from vaekit.data import builtin
from vaekit.data.schema import Schema


@pytest.fixture(scope="module")
def digits():
    return builtin.load("digits")[:200]


@pytest.fixture(scope="module")
def vae(digits):
    return vaekit.VAE(3, preset="fast", epochs=2, random_state=0).fit(digits)


@pytest.fixture
def ax():
    return Figure().subplots()


def test_a_schema_is_a_table_whose_names_are_escaped():
    html = Schema.infer(_frame())._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert html.count("<tr>") == 3  # its head, and two columns


def _frame():
    import pandas as pd

    return pd.DataFrame({"<b>": np.linspace(0, 1, 20), "sex": ["f", "m"] * 10})


def test_a_model_shows_its_diagnosis_once_it_is_fitted(vae):
    assert "elbo_nats" not in vaekit.VAE()._repr_mimebundle_()["text/html"]
    html = vae._repr_mimebundle_()["text/html"]
    assert "valid_elbo_nats" in html
    assert vae.diagnosis_._repr_html_() in html
    assert vae.diagnosis_._repr_html_().count("<li>") == len(vae.diagnosis_)


def test_history_is_drawn_on_the_axes_given(vae, ax):
    assert vae.plot_history(ax) is ax
    drawn = ax.lines[1].get_ydata()
    assert list(drawn) == vae.history_["valid_elbo_nats"].to_list()


@pytest.mark.parametrize("labels", [None, "known", "few"])
def test_every_row_is_drawn_once_on_a_map(vae, digits, ax, labels):
    classes = builtin.labels("digits")[:200].astype(int)
    given = {None: None, "known": classes, "few": np.where(np.arange(200) < 50, classes, -1)}[labels]
    assert vae.plot_codes(digits, given, ax) is ax
    assert sum(len(dots.get_offsets()) for dots in ax.collections) == 200


def test_axes_of_their_own_without_any(vae):
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    ax = vae.plot_history()
    assert ax.get_ylabel() == "ELBO, nats a row"
    pyplot.close(ax.figure)


def test_a_page_is_served_until_it_is_closed(vae, digits):
    pytest.importorskip("uvicorn", reason="the extra explore is not installed")
    with vae.explore(digits) as page:
        assert page.url in page._repr_html_()
        assert b"<!doctype html>" in urllib.request.urlopen(page.url).read().lower()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(page.url)
