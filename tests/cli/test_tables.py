"""The verbs of tables: gaps filled, and rows of which some values are given."""

import polars as pl
import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory, vaekit):
    place = tmp_path_factory.mktemp("tables")
    site = ["north", "south", None, "east"] * 40
    table = pl.DataFrame({"site": site, "warmth": [14.5, 20.5, 15.0, None] * 40, "visits": [1, 5, 2, 9] * 40})
    table.write_csv(place / "m.csv")
    done = vaekit("fit", place / "m.csv", "-o", place / "m.vae", "--for", "imputation", "--epochs", 30, "--quiet")
    assert done.status == 0, done.err
    return place


def test_gaps_are_filled_in_a_pipe(folder, vaekit):
    done = vaekit("impute", folder / "m.vae", folder / "m.csv", "--quiet")
    found, given = pl.read_csv(done.text.encode()), pl.read_csv(folder / "m.csv")
    assert found.null_count().sum_horizontal().item() == 0
    assert found["visits"].equals(given["visits"])
    assert done.err == ""


def test_draws_and_intervals_are_written(folder, vaekit, tmp_path):
    words = (folder / "m.vae", folder / "m.csv", "-o", tmp_path / "d.csv", "--draws", 3)
    assert vaekit("impute", *words, "--intervals", tmp_path / "s.csv").status == 0
    assert pl.read_csv(tmp_path / "d.csv")["draw"].unique().sort().to_list() == [0, 1, 2]
    lines = pl.read_csv(tmp_path / "s.csv")
    assert lines.columns == ["row", "column", "value", "low", "high", "probability"]
    assert len(lines) == 80


def test_given_values_are_held(folder, vaekit):
    done = vaekit("sample", folder / "m.vae", "-n", 5, "--given", "site=south", "--given", "visits=5")
    rows = pl.read_csv(done.text.encode())
    assert (rows["site"] == "south").all()
    assert (rows["visits"] == 5).all()
    done = vaekit("sample", folder / "m.vae", "-n", 6, "--balance", "site")
    assert sorted(pl.read_csv(done.text.encode())["site"]) == ["east"] * 2 + ["north"] * 2 + ["south"] * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sample", "--given", "site"], "--given must be column=value"),
        (["sample", "--given", "site=mars"], "Column 'site' has value mars"),
        (["sample", "--given", "warmth=1e9"], "given asks for warmth = 1e9"),
        (["sample", "--balance", "visits"], "balance must name a column of categories; got 'visits'"),
        (["impute", "m.csv", "--draws", "0"], "The number of draws must be at least 1; got 0."),
        (["impute", "m.csv", "--intervals", "s.csv", "--coverage", "2"], "must be between 0 and 1; got 2."),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(folder, vaekit, monkeypatch, words, said):
    monkeypatch.chdir(folder)
    verb, *others = words
    done = vaekit(verb, "m.vae", *others)
    assert done.status in (1, 2)
    assert said in done.err
    assert "Traceback" not in done.err
