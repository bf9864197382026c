"""A served model says what the estimator says, whoever asks beside whom, and loses nothing when it is stopped."""

import asyncio
import io
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import polars as pl
import pytest

import vaekit
from vaekit.data import builtin
from vaekit.serve.application import application
from vaekit.serve.bodies import ARROW, JSON, NPY, OCTETS
from vaekit.serve.limits import Limits


def mixed(n=80):
    rng = np.random.default_rng(0)
    height = [None if gap else h for h, gap in zip(rng.normal(170, 9, n).round(1), rng.random(n) < 0.2, strict=True)]
    city = [None if gap else c for c, gap in zip(rng.choice(["Bern", "Oslo"], n), rng.random(n) < 0.2, strict=True)]
    day = pl.Series(pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 12, 31), eager=True)[:n])
    return pl.DataFrame({"height": height, "visits": rng.poisson(3, n), "city": city, "day": day})


def plain(frame):
    return json.loads(json.dumps(frame.to_dicts(), default=str))


@pytest.fixture(scope="module")
def table():
    return vaekit.VAE(2, epochs=2, hidden=(8,)).fit(mixed())


@pytest.fixture(scope="module")
def digits():
    pictures, labels = builtin.load("digits")[:300], builtin.labels("digits")[:300]
    return vaekit.VAE(3, epochs=2, hidden=(16,)).fit(pictures, labels=labels)


PICTURES = builtin.load("digits")[:40]


def running(vae, talk, **limits):
    """Return what the coroutine function `talk` makes of a client of the application."""

    async def main():
        app = application(vae.fitted_, Limits(**limits))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client,
        ):
            return await talk(client)

    return asyncio.run(main())


def ask(vae, verb, content=None, *, sent=JSON, accept=JSON, method="POST", path=None, **limits):
    content = json.dumps(content).encode() if sent == JSON and not isinstance(content, bytes) else content
    headers = {"content-type": sent, "accept": accept}
    return running(vae, lambda c: c.request(method, path or f"/v1/{verb}", content=content, headers=headers), **limits)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def arrow(frame):
    file = io.BytesIO()
    frame.write_ipc_stream(file)
    return file.getvalue()


def scores(vae, rows):
    return pl.DataFrame(vae.score_rows(rows)._asdict())


ARRAYS = {"embed": lambda v, x: v.transform(x), "reconstruct": lambda v, x: v.reconstruct(x), "impute": lambda v, x: x}


@pytest.mark.parametrize("verb", ARRAYS)
@pytest.mark.parametrize("form", [JSON, NPY])
def test_pictures_are_answered_as_the_estimator_does(digits, verb, form):
    sent = {"rows": PICTURES.tolist()} if form == JSON else npy(PICTURES)
    found = ask(digits, verb, sent, sent=form, accept=form)
    assert found.status_code == 200, found.text
    rows = np.array(found.json()["rows"]) if form == JSON else np.load(io.BytesIO(found.content))
    np.testing.assert_array_equal(rows, ARRAYS[verb](digits, PICTURES))


def test_classes_are_told_with_their_probabilities(digits):
    found = ask(digits, "classify", {"rows": PICTURES.tolist()}).json()["rows"]
    probabilities = [[row[f"p({k})"] for k in range(10)] for row in found]
    np.testing.assert_array_equal(probabilities, digits.class_probabilities(PICTURES))
    assert [row["label"] for row in found] == digits.classify(PICTURES).tolist()


@pytest.mark.parametrize("form", [JSON, ARROW])
@pytest.mark.parametrize("as_columns", [False, True])
def test_tables_with_gaps_and_dates_are_answered_as_the_estimator_does(table, form, as_columns):
    frame = mixed(20)
    rows = {name: [row[name] for row in plain(frame)] for name in frame.columns} if as_columns else plain(frame)
    sent = {"rows": rows} if form == JSON else arrow(frame)
    expected = {
        "embed": pl.DataFrame(table.transform(frame), schema=["z0", "z1"]),
        "score": scores(table, frame),
        "impute": table.impute(frame),
        "reconstruct": table.reconstruct(frame),
    }
    for verb, wanted in expected.items():
        found = ask(table, verb, sent, sent=form, accept=ARROW)
        assert found.status_code == 200, found.text
        assert pl.read_ipc_stream(found.content).equals(wanted), verb
    assert ask(table, "impute", sent, sent=form).json()["rows"] == plain(table.impute(frame))


@pytest.mark.parametrize("verb", ["embed", "score", "impute", "reconstruct"])
def test_a_row_is_answered_alike_alone_and_in_company(table, verb):
    rows = plain(mixed(24))

    async def together(client):
        asked = [client.post(f"/v1/{verb}", json={"rows": [row]}) for row in rows]
        answers = [answer.json()["rows"][0] for answer in await asyncio.gather(*asked)]
        return answers, (await client.get("/metrics")).text

    answers, told = running(table, together)
    assert answers == [ask(table, verb, {"rows": [row]}).json()["rows"][0] for row in rows]
    assert int(re.search(r"vaekit_batch_rows_count (\d+)", told)[1]) < len(rows)


@pytest.mark.parametrize("form", [JSON, ARROW])
def test_a_column_of_gaps_alone_is_filled(table, form):
    rows = [row | {"city": None, "height": None} for row in plain(mixed(2))]
    untold = mixed(2).with_columns(city=pl.lit(None), height=pl.lit(None))
    found = ask(table, "impute", {"rows": rows} if form == JSON else arrow(untold), sent=form)
    assert found.status_code == 200, found.text
    assert all(row["city"] in ("Bern", "Oslo") and row["height"] > 0 for row in found.json()["rows"])


def test_a_bad_row_spoils_no_others(digits):
    good, bad = PICTURES.tolist(), np.full((1, 8, 8), 99).tolist()

    async def together(client):
        sent = [*([row] for row in good), bad]
        return await asyncio.gather(*(client.post("/v1/embed", json={"rows": rows}) for rows in sent))

    *answers, refused = running(digits, together)
    assert refused.status_code == 422
    np.testing.assert_array_equal([a.json()["rows"][0] for a in answers], digits.transform(PICTURES))


def test_samples_and_archives(table, digits):
    asked = {"n": 5, "seed": 3, "given": {"city": "Oslo"}}
    found = ask(table, "sample", asked, accept=ARROW)
    assert pl.read_ipc_stream(found.content).equals(table.sample(5, given={"city": "Oslo"}, random_state=3))
    blob = ask(digits, "compress", npy(PICTURES), sent=NPY)
    assert blob.headers["content-type"] == OCTETS
    assert blob.content == digits.compress(PICTURES)
    back = ask(digits, "decompress", blob.content, sent=OCTETS, accept=NPY)
    np.testing.assert_array_equal(np.load(io.BytesIO(back.content)), PICTURES)


def pickled():
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    return file.getvalue()


def claiming(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue()


ROWS = {"rows": PICTURES.tolist()}
REFUSED = {
    "no route": (404, {"path": "/v1/nothing"}),
    "method": (405, {"method": "GET", "verb": "embed"}),
    "type": (415, {"verb": "embed", "content": b"1,2", "sent": "text/csv"}),
    "accept": (406, {"verb": "embed", "content": ROWS, "accept": "text/html"}),
    "large body": (413, {"verb": "embed", "content": ROWS, "body_bytes": 100}),
    "many rows": (413, {"verb": "embed", "content": ROWS, "rows": 39}),
    "no JSON": (400, {"verb": "embed", "content": b"{"}),
    "deep JSON": (400, {"verb": "embed", "content": b"[" * 50_000}),
    "NaN": (400, {"verb": "embed", "content": b'{"rows": [[NaN]]}'}),
    "a list": (400, {"verb": "embed", "content": [[1]]}),
    "no rows": (422, {"verb": "embed", "content": {}}),
    "empty": (422, {"verb": "embed", "content": {"rows": []}}),
    "ragged": (422, {"verb": "embed", "content": {"rows": [[1], [1, 2]]}}),
    "texts": (422, {"verb": "score", "content": {"rows": [["a"]]}}),
    "huge": (422, {"verb": "embed", "content": {"rows": [[10**400]]}}),
    "shape": (422, {"verb": "embed", "content": {"rows": [[1, 2]]}}),
    "a table": (422, {"verb": "embed", "content": {"rows": [{"x": 1}]}}),
    "a gap": (422, {"verb": "embed", "content": {"rows": np.full((1, 8, 8), None).tolist()}}),
    "pickle": (400, {"verb": "embed", "content": pickled(), "sent": NPY}),
    "short npy": (400, {"verb": "embed", "content": claiming((10**12, 8, 8)), "sent": NPY}),
    "no npy": (400, {"verb": "embed", "content": b"x", "sent": NPY}),
    "nothing": (400, {"verb": "embed", "content": b"", "sent": NPY}),
    "no Arrow": (400, {"verb": "embed", "content": b"\xff\xff\xff\xffxx", "sent": ARROW}),
    "no archive": (422, {"verb": "decompress", "content": b"x" * 99, "sent": OCTETS}),
    "n": (422, {"verb": "sample", "content": {"n": 10**9}}),
    "no n": (422, {"verb": "sample", "content": {"n": True}}),
    "seed": (422, {"verb": "sample", "content": {"seed": -1}}),
    "given": (422, {"verb": "sample", "content": {"given": {"nobody": 1}}}),
    "setting": (422, {"verb": "sample", "content": {"path": "/etc/passwd"}}),
    "timeout": (504, {"verb": "score", "content": ROWS, "seconds": 1e-3}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_gets_its_status_and_one_sentence(digits, case):
    status, asked = REFUSED[case]
    found = ask(digits, **{"verb": ""} | asked)
    assert found.status_code == status, found.text
    assert set(found.json()) == {"error"}
    assert re.fullmatch(r"[^\n]{20,400}[.}]", found.json()["error"]), found.text
    assert "unforeseen" not in found.text


def test_tables_are_refused_by_name(table):
    for cell, word in ((3, "city"), ([1], "city"), ("Rome", "Rome")):
        found = ask(
            table, "embed", {"rows": [plain(mixed(1))[0] | {"city": cell}, plain(mixed(1))[0] | {"city": "Oslo"}]}
        )
        assert found.status_code == 422
        assert word in found.json()["error"]
    assert "height" in ask(table, "score", {"rows": [plain(mixed(1))[0] | {"height": 10**400}]}).json()["error"]
    assert "day" in ask(table, "embed", {"rows": [plain(mixed(1))[0] | {"day": "yesterday"}]}).json()["error"]


def test_numbers_of_a_frame_are_an_array_and_dates_are_not(table):
    rows = {"rows": plain(mixed(3))}
    found = np.load(io.BytesIO(ask(table, "score", rows, accept=NPY).content))
    np.testing.assert_array_equal(found, scores(table, mixed(3)).to_numpy())
    assert ask(table, "reconstruct", rows, accept=NPY).status_code == 422


def test_a_damaged_archive_is_refused_and_one_that_is_too_large(digits):
    blob = digits.compress(PICTURES)
    for place in range(0, len(blob), max(1, len(blob) // 20)):
        damaged = blob[:place] + bytes([blob[place] ^ 85]) + blob[place + 1 :]
        assert ask(digits, "decompress", damaged, sent=OCTETS).status_code == 422, place
    many = digits.compress(np.zeros((3000, 8, 8), np.uint8))
    found = ask(digits, "decompress", many, sent=OCTETS, body_bytes=100_000)
    assert found.status_code == 422
    assert "192,000 bytes" in found.json()["error"]


def test_a_full_queue_is_said_and_what_is_in_it_is_answered(digits):
    async def crowd(client):
        sent = [client.post("/v1/score", json={"rows": [row]}) for row in PICTURES.tolist()]
        return await asyncio.gather(*sent, client.get("/readyz"))

    *answers, ready = running(digits, crowd, queue=8)
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= 8
    assert ready.status_code == 503
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)
    for row, answer in zip(PICTURES, answers, strict=True):
        if answer.status_code == 200:
            assert answer.json()["rows"] == scores(digits, row[None]).to_dicts()


def test_the_description_names_every_route_and_its_references_resolve(digits, table):
    for vae in (digits, table):
        found = ask(vae, "", method="GET", path="/openapi.json").json()
        routes = {route.path: route.methods - {"HEAD"} for route in application(vae.fitted_).routes}
        assert {path: {m.upper() for m in methods} for path, methods in found["paths"].items()} == routes
        assert found["openapi"].startswith("3.")
        assert set(found["info"]) >= {"title", "version"}
        assert all(method["responses"] for path in found["paths"].values() for method in path.values())
        for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(found)):
            place = found
            for word in reference.split("/"):
                place = place[word]
    assert "/v1/classify" not in found["paths"]


def test_what_the_model_is_and_that_it_lives(table):
    found = ask(table, "", method="GET", path="/v1/model").json()
    assert found["latent_dim"] == 2
    assert found["noun"] == "a table of 4 columns"
    assert re.fullmatch("[0-9a-f]{64}", found["weights_sha256"])
    for path in ("/healthz", "/readyz"):
        assert ask(table, "", method="GET", path=path).status_code == 200


def test_metrics_are_in_the_text_format_and_count(digits):
    async def talk(client):
        for path in ("/v1/embed", "/v1/embed", "/v1/none/of/mine"):
            await client.post(path, json=ROWS)
        return (await client.get("/metrics")).text

    told = running(digits, talk)
    assert 'vaekit_requests_total{route="/v1/embed",status="200"} 2' in told
    assert 'vaekit_requests_total{route="other",status="404"} 1' in told
    assert "vaekit_batch_rows_sum 80\n" in told
    assert all(re.fullmatch(r"# TYPE \w+ \w+|\w+(\{[^}]*\})? [-+.\de]+", line) for line in told.splitlines())


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def started(model, port):
    command = [sys.executable, "-m", "vaekit", "serve", str(model), "--port", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=os.environ, text=True)
    assert f"127.0.0.1:{port}" in server.stderr.readline()
    return server


def patient(http, url, row):
    """Return the answer of a client that tries again while there is no server, or it is busy."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            found = http.post(url, json={"rows": [row]}, timeout=30)
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        if found.status_code != 503:
            return found
        time.sleep(0.05)
    raise AssertionError("no answer in a minute")


def wait_for_more_than(n, answers):
    until = time.monotonic() + 60
    while len(answers) <= n:
        assert time.monotonic() < until, "no answers in a minute"
        time.sleep(0.01)


def test_nothing_is_lost_over_a_restart(digits, tmp_path):
    model, port = digits.save(tmp_path / "d.vae"), free_port()
    url, answers, stop = f"http://127.0.0.1:{port}/v1/embed", {}, threading.Event()

    def client(first):
        with httpx.Client() as http:
            for k in itertools.count(first, 4):
                if stop.is_set():
                    return
                answers[k] = patient(http, url, PICTURES[k % 40].tolist())

    server = started(model, port)
    clients = [threading.Thread(target=client, args=(first,)) for first in range(4)]
    for each in clients:
        each.start()
    try:
        wait_for_more_than(8, answers)
        server.send_signal(signal.SIGTERM)
        assert server.communicate(timeout=20)[1] == ""
        assert server.returncode == 0
        before = len(answers)
        server = started(model, port)
        wait_for_more_than(before + 8, answers)
    finally:
        stop.set()
        for each in clients:
            each.join(60)
        server.send_signal(signal.SIGINT)
    assert server.communicate(timeout=20)[1] == ""
    assert server.returncode == 0
    assert 0 < before < len(answers)
    expected = digits.transform(PICTURES)
    for k, answer in answers.items():
        assert answer.status_code == 200, answer.text
        np.testing.assert_array_equal(answer.json()["rows"], expected[k % 40][None])


def test_a_port_that_is_taken_is_said(digits, tmp_path, capsys):
    from vaekit.errors import ParameterError
    from vaekit.serve.server import serve

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ParameterError, match="cannot be had"):
            serve(digits.fitted_, "127.0.0.1", taken.getsockname()[1], Limits(), print)
