"""What the page is answered is what the estimators answer."""

import base64
import re

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import vaekit
from vaekit.cli.app import app
from vaekit.data.schema import Schema
from vaekit.explorer import session as module
from vaekit.explorer.exports import export
from vaekit.explorer.looks import cells, levels, look, of_cells, of_levels
from vaekit.explorer.page import page
from vaekit.explorer.session import NATS, NOTHING, ODDITY, Session
from vaekit.tasks.plane import Plane

ALL = [[-99, -99], [99, -99], [99, 99], [-99, 99]]


@pytest.fixture(params=["digits", "table"])
def case(request, sessions):
    vae, data, _ = request.getfixturevalue(request.param)
    return sessions[request.param], vae, data


def test_points_are_the_projected_codes(case):
    session, vae, data = case
    told = np.frombuffer(session.drawn_points(), "<f4").reshape(-1, 3)
    np.testing.assert_allclose(told[:, :2], session.plane.flat(vae.transform(data)), atol=1e-5)
    assert told[:, 2].tolist() == list(range(len(data)))


def test_what_is_decoded_is_the_inverse_transform(case):
    session, vae, data = case
    codes = vae.transform(data[:40])
    schema = vae.fitted_.schema
    alone = [session.decode([z.tolist()]) for z in codes[:5]]
    together, expected = session.decode(codes.tolist()), look(schema, vae.inverse_transform(codes))
    for found in (together, expected):
        assert found.keys() == alone[0].keys()
    if schema.is_picture:
        a, b = (np.frombuffer(base64.b64decode(x["pixels"]), np.uint8).astype(int) for x in (together, expected))
        assert np.abs(a - b).max() <= 16  # of 256: one of the 17 levels, where a mean is on the edge
        assert (a == b).mean() > 0.999
    else:
        for one, other in zip(together["cells"], expected["cells"], strict=True):
            for x, y in zip(one, other, strict=True):
                assert x == y or float(x) == pytest.approx(float(y), rel=1e-3)


def test_a_row_has_the_estimators_figures(case):
    session, vae, data = case
    told = session.row(7) | session.odd(7)
    np.testing.assert_allclose(told["code"], vae.transform(data[7:8])[0], atol=1e-6)
    assert told["nats"] == pytest.approx(vae.score_samples(data[7:8])[0])
    assert told["kept"] == look(vae.fitted_.schema, vae.reconstruct(data[7:8]))
    assert told["given"] == look(vae.fitted_.schema, data[7:8])


def test_nearest_rows_are_in_order_and_others(case):
    session, vae, data = case
    near = session.row(7)["near"]
    distance = np.linalg.norm(vae.transform(data) - vae.transform(data[7:8]), axis=1)
    assert 7 not in near["rows"]
    assert near["distances"] == sorted(near["distances"])
    np.testing.assert_allclose(distance[near["rows"]], near["distances"], rtol=1e-4)
    assert max(near["distances"]) <= np.sort(np.delete(distance, 7))[len(near["rows"]) - 1] + 1e-5


def test_what_is_odd_sums_to_the_score_above_the_average(case):
    session, vae, _ = case
    odd = session.odd(3)
    why = odd["why"]
    values = np.frombuffer(base64.b64decode(why["pixels"]), "<f4") if "pixels" in why else np.array(why["values"])
    usual = float(vae.fitted_.usual.nats.sum())
    assert values.sum() + why["latent"] == pytest.approx(-odd["nats"] - usual, abs=1e-2)


def test_a_row_given_back_is_told_the_same(case):
    session, _, _ = case
    told = session.row(5)
    given = told["given"]
    own = {"pixels": base64.b64decode(given["pixels"])} if "pixels" in given else {"cells": given["cells"][0]}
    placed = session.place(**own)
    assert (placed["code"], placed["kept"]) == (told["code"], told["kept"])
    assert session.odd(**own) == session.odd(5)
    assert placed["near"]["rows"][0] == 5
    assert placed["near"]["distances"][0] == 0


def test_scores_are_colours(case):
    session, vae, data = case
    np.testing.assert_allclose(session.colour(NATS)["values"], vae.score_samples(data), rtol=1e-6)
    assert len(session.colour(ODDITY)["values"]) == len(data)
    with pytest.raises(vaekit.ParameterError, match="cannot be coloured by 'no such'"):
        session.colour("no such")


def test_labels_and_columns_are_colours(sessions, digits, table):
    found = sessions["digits"].colour("label")
    assert [int(found["names"][k]) for k in found["values"]] == digits[2].tolist()
    site, warmth = sessions["table"].colour("site"), sessions["table"].colour("warmth")
    assert [site["names"][k] for k in site["values"]] == table[1]["site"].to_list()
    assert warmth["values"] == table[1]["warmth"].to_list()
    assert sessions["table"].colour("height")["values"].count(None) == table[1]["height"].null_count()
    assert sessions["table"].colour("smokes")["names"] == ["false", "true"]


def test_a_cell_is_expected_as_imputation_fills_it(sessions, table):
    vae, data, _ = table
    row = cells(vae.fitted_.schema, data[0:1])[0]
    edited = [("north" if row[0] == "south" else "south"), *row[1:]]
    told = sessions["table"].fill(row, edited)
    alone = data[0:1].with_columns(warmth=pl.lit(None, pl.Float64))
    assert float(told["before"][1]) == pytest.approx(vae.impute(alone)["warmth"][0])
    other = vae.impute(alone.with_columns(site=pl.lit(edited[0])))["warmth"][0]
    assert float(told["after"][1]) == pytest.approx(other)
    assert told["before"][1] != told["after"][1]


def test_new_rows_are_the_samples_of_a_seed(sessions, table):
    vae, _, _ = table
    told = sessions["table"].sample(5, {"site": "north"}, seed=3)
    assert told["cells"] == cells(vae.fitted_.schema, vae.sample(5, given={"site": "north"}, random_state=3))
    assert {row[0] for row in told["cells"]} == {"north"}


def test_an_outline_takes_the_rows_within(case):
    session, vae, data = case
    name, content = export(session, ALL, "codes")
    codes = pl.read_csv(content).to_numpy()
    assert (name, len(codes)) == ("codes.csv", len(data))
    np.testing.assert_allclose(codes[:, 1:], vae.transform(data), rtol=1e-5, atol=1e-6)
    middle = np.median(session.points[:, 0])
    half = [[-99, -99], [middle, -99], [middle, 99], [-99, 99]]
    assert session.inside(half).tolist() == np.flatnonzero(session.points[:, 0] < middle).tolist()


def test_rows_within_an_outline_are_those_of_the_data(sessions, digits, table, tmp_path):
    name, content = export(sessions["digits"], ALL, "rows")
    (tmp_path / name).write_bytes(content)
    assert (np.load(tmp_path / name) == digits[1]).all()
    name, content = export(sessions["table"], ALL, "rows")
    assert pl.read_csv(content).equals(table[1])


def test_rows_of_another_library_are_saved_too(table):
    vae, data, _ = table
    assert pl.read_csv(export(Session(vae.fitted_, data.to_pandas()), ALL, "rows")[1])["warmth"].equals(data["warmth"])


@pytest.mark.parametrize(
    ("ask", "words"),
    {
        "row": (lambda s: s.row(400), "no row 400"),
        "width": (lambda s: s.decode([[0.0]]), "shape"),
        "nan": (lambda s: s.decode([[float("nan")] * 8]), "finite"),
        "many": (lambda s: s.decode(np.zeros((1025, 8))), "From 1 to 1,024"),
        "none": (lambda s: s.decode(np.zeros((0, 8))), "From 1 to 1,024"),
        "pixels": (lambda s: s.place(pixels=b"12"), "64 bytes"),
        "draws": (lambda s: s.sample(65, {}, 0), "From 1 to 64"),
        "corners": (lambda s: s.inside([[0, 0], [1, 1]]), "three points"),
        "nobody": (lambda s: export(s, [[98, 98], [99, 98], [99, 99]], "codes"), "no point within"),
        "what": (lambda s: export(s, ALL, "weights"), "codes or rows"),
        "cells": (lambda s: s.fill([], []), "Cells are of tables"),
    }.values(),
)
def test_what_cannot_be_answered_is_said(sessions, ask, words):
    with pytest.raises(vaekit.VaekitError, match=words):
        ask(sessions["digits"])


def test_texts_that_a_column_does_not_know_are_said(sessions):
    with pytest.raises(vaekit.DataError, match="west"):
        sessions["table"].place(cells=["west", "1", "2", "true", "3"])
    with pytest.raises(vaekit.DataError, match="5 cells"):
        sessions["table"].place(cells=["north"])


def test_many_rows_become_a_density_and_some_points(digits, monkeypatch):
    vae, data, _ = digits
    monkeypatch.setattr(module, "MOST_DRAWN", 100)
    session = Session(vae.fitted_, data)
    counts = np.frombuffer(session.density(), "<f4").reshape(module.BINS, module.BINS)
    assert len(session.drawn) == 100
    assert counts.sum() == len(data)
    row = np.argmax(session.points[:, 1])
    assert counts[-1].sum() >= 1  # the highest line holds the highest point
    low, high = session.points[:, 0].min(), session.points[:, 0].max()
    assert counts[-1, min(int((session.points[row, 0] - low) / (high - low) * module.BINS), module.BINS - 1)] >= 1


def test_without_data_rows_are_what_the_model_makes_of_its_codes(digits):
    vae, _, _ = digits
    session = Session(vae.fitted_)
    assert not session.about()["given"]
    assert session.n == len(vae.fitted_.usual.codes)
    code = vae.fitted_.usual.codes[3:4].numpy()
    assert session.row(3)["given"] == look(vae.fitted_.schema, session.decoded(code))


def test_without_data_rows_have_values_that_the_schema_knows():
    data = np.random.default_rng(0).integers(0, 17, (40, 6, 6)) / 16
    session = Session(vaekit.VAE(2, epochs=1).fit(data).fitted_)
    assert np.isfinite(session.row(1)["code"]).all()


# -- looks and planes --------------------------------------------------------------------------------------------------


PICTURES = {
    "bytes": lambda codes: codes.astype(np.uint8),
    "from 0 to 1": lambda codes: codes / 255,
    "16 levels": lambda codes: (codes // 17).astype(np.uint8),
    "black and white": lambda codes: codes > 127,
}


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("shape", [(6, 6), (6, 6, 3), (3, 6, 6), (6, 6, 4)])
def test_pictures_become_bytes_and_pictures_again(shape, kind):
    pictures = PICTURES[kind](np.random.default_rng(0).integers(0, 256, (12, *shape)))
    schema = Schema.infer(pictures)
    pixels = levels(schema, pictures)
    assert pixels.shape == (12, 6, 6, {(6, 6): 1, (6, 6, 4): 4}.get(shape, 3))
    assert (pixels.min(), pixels.max()) == (0, 255)
    again = of_levels(schema, pixels)
    assert again.dtype == pictures.dtype
    assert np.allclose(again, pictures, atol=1e-6)
    assert (schema.encode(again) == schema.encode(pictures)).all()


def test_pictures_of_reals_lose_what_bytes_cannot_tell():
    pictures = np.random.default_rng(0).uniform(-1, 1, (500, 6, 6))
    schema = Schema.infer(pictures)
    assert np.abs(of_levels(schema, levels(schema, pictures)) - pictures).max() < 0.01


def test_cells_become_texts_and_a_row_again(table):
    vae, data, _ = table
    schema = vae.fitted_.schema
    assert of_cells(schema, cells(schema, data)).equals(data)


@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_a_point_s_code_lies_at_the_point(d):
    codes = np.random.default_rng(0).normal(size=(60, d)).astype(np.float32) + 3
    plane = Plane.of(codes)
    points = np.random.default_rng(1).normal(size=(20, 2)).astype(np.float32)
    back = plane.flat(plane.codes(points))
    np.testing.assert_allclose(back[:, : min(d, 2)], points[:, : min(d, 2)], atol=1e-5)


def test_the_plane_is_that_of_the_largest_variance():
    codes = np.random.default_rng(0).normal(size=(500, 4)) * [1, 5, 0.1, 3]
    flat = Plane.of(codes).flat(codes)
    assert flat.var(0) == pytest.approx([25, 9], rel=0.3)


# -- the page that stands alone ----------------------------------------------------------------------------------------


def test_the_exported_page_holds_all_it_shows(case):
    session, _, _ = case
    text = page(session)
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', outside)
    assert "default-src 'none'" in text
    assert not re.search(r"^import ", text, re.MULTILINE)
    assert page(session) == text


def test_the_command_writes_the_page(digits, tmp_path, capsys):
    digits[0].save(tmp_path / "m.vae")
    np.save(tmp_path / "x.npy", digits[1])
    words = ["explore", str(tmp_path / "m.vae"), str(tmp_path / "x.npy"), "--export", str(tmp_path / "page.html")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "wrote" in done.stderr


def test_labels_are_of_data():
    done = CliRunner().invoke(app, ["explore", "m.vae", "--labels", "y.npy"])
    assert isinstance(done.exception, vaekit.ParameterError)
    assert "DATA, which is not given" in str(done.exception)


def test_scores_are_given_up_when_the_page_ends(digits):
    session = Session(digits[0].fitted_, digits[1])
    session.ended = True
    with pytest.raises(vaekit.VaekitError, match="has ended"):
        session.colour(NATS)


def test_many_rows_without_labels_are_not_scored_unasked(digits, monkeypatch):
    assert Session(digits[0].fitted_, digits[1]).about()["colour"] == NATS
    monkeypatch.setattr(module, "SCORED_UNASKED", 100)
    session = Session(digits[0].fitted_, digits[1])
    assert session.about()["colour"] == NOTHING
    assert set(session.colour(NOTHING)["values"]) == {0}
