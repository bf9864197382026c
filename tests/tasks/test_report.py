"""The page about a model: what it holds, and how it looks in a browser."""

import re
import shutil
from functools import cache

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_iris

import vaekit
from vaekit.data import builtin
from vaekit.tasks import report as report_room
from vaekit.tasks.baselines import Comparison, baselines
from vaekit.tasks.report import PARTS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def table():
    rng = np.random.default_rng(0)
    height = rng.normal(170, 10, 120).round(1)
    return pl.DataFrame({
        "height": np.where(rng.random(120) < 0.1, np.nan, height),
        "visits": rng.poisson(3, 120),
        "city <b>": rng.choice(["Bern", "Oslo & co", "<script>"], 120),
        "smokes": rng.random(120) < 0.5,
    }).with_columns(pl.col("height").fill_nan(None))  # fmt: skip


CASES = {
    "pictures": lambda: (builtin.load("digits")[:100], builtin.labels("digits")[:100]),
    "vectors": lambda: (load_iris().data[::2], np.where(load_iris().target[::2] > 0, "other", "setosa")),
    "table": lambda: (table(), None),
}


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    """New rows are told from real ones by a forest, most of a small page's time; any forest does for what is asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vaekit.tasks.baselines.TREES", 10)
        yield


@cache
def made_of(case):
    """Return a model, rows, labels, the page about them, and the comparisons that the page shows."""
    data, labels = CASES[case]()
    vae = vaekit.VAE(2 if case == "vectors" else "auto", preset="fast", epochs=3).fit(data)
    compared = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_room, "baselines", lambda *rows: compared.extend(baselines(*rows)) or compared)
        return vae, data, labels, vae.report(data, labels), compared


@pytest.fixture(scope="module", params=CASES)
def made(request):
    return made_of(request.param)


def test_every_part_has_its_place(made):
    page = made[3]
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert len(titles) == len(PARTS)
    assert titles[0] == "What the data are"
    assert titles[-1] == "Model card"


def test_it_holds_all_it_shows(made):
    without_scripts = re.sub(r"<script>.*?</script>", "", made[3], flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', without_scripts)
    assert "default-src 'none'" in made[3]


def test_every_picture_has_words_in_its_place(made):
    pictures = re.findall(r"<(?:img|svg)\b[^>]*>", re.sub(r"<script>.*?</script>", "", made[3], flags=re.DOTALL))
    assert pictures
    assert all(re.search(r'(?:alt|aria-label)="[^"]{10,}"', picture) for picture in pictures)


def test_the_same_rows_give_the_same_page(made):
    vae, data, labels, page, _ = made
    assert vae.report(data, labels) == page


def test_what_the_data_say_is_no_markup():
    page = made_of("table")[3]
    assert "city <b>" not in page
    assert "city &lt;b&gt;" in page
    assert 'name": "<script>' not in page


def test_one_row_in_two_classes_is_enough_or_said():
    data = load_iris().data[:40]
    vae = vaekit.VAE(2, epochs=1).fit(data)
    assert "five folds need" in vae.report(data, np.array([0] * 39 + [1]))


def test_labels_of_other_rows_are_refused():
    data = load_iris().data[:40]
    with pytest.raises(vaekit.DataError, match="one label a row"):
        vaekit.VAE(2, epochs=1).fit(data).report(data, [1, 2, 3])


# -- beside something cheap --------------------------------------------------------------------------------------------


def test_each_job_is_compared_or_says_why_not(made):
    found = made[4]
    assert len(found) == 6
    for comparison in found:
        assert comparison.figures or comparison.note
        assert np.isfinite(list(comparison.figures.values())).all(), comparison


def test_the_best_is_the_highest_or_the_lowest():
    figures = {"the model": 1.0, "other": 2.0}
    assert Comparison("job", "measure", figures).best == "other"
    assert Comparison("job", "measure", figures, higher=False).best == "the model"


# -- in a browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to look at the page with")
def test_the_page_works_in_a_browser(made, browser, tmp_path):
    (tmp_path / "page.html").write_text(made[3], encoding="utf-8")
    heard, shots = [], []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme, viewport={"width": 1000, "height": 800})
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: heard.append(request.url) if request.url.startswith("http") else None)
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_selector("#map .point")
        assert page.locator("#map .point").count() == len(made[1])
        shots.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.set_viewport_size({"width": 360, "height": 700})
        page.wait_for_function("document.documentElement.scrollWidth <= 360")
        page.close()
    assert heard == []
    assert shots[0] != shots[1]
