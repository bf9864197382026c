"""Who may ask the server, how much, and that what it carries is what the session says."""

import json
import socket
import sys
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

import vaekit
from vaekit.cli.app import app
from vaekit.explorer import server
from vaekit.explorer.guard import MOST_BYTES

with warnings.catch_warnings():  # it asks for httpx's successor, and works with httpx
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

TOKEN, PORT = "t0ken", 8123
HERE = f"http://127.0.0.1:{PORT}"
GETS = ["", *server.FILES, *server.TOLD]


@pytest.fixture(scope="module")
def client(sessions):
    return TestClient(server.application(sessions["table"], TOKEN, PORT), base_url=HERE, follow_redirects=False)


@pytest.mark.parametrize("path", GETS)
def test_everything_is_there_for_who_knows_the_token(client, path):
    answer = client.get(f"/{TOKEN}/{path}")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("token", ["", "wrong", "t0kem", "t0ken0", "T0KEN", "%00", "é", ".."])
@pytest.mark.parametrize("path", ["", "about", "explore.js", "points"])
def test_nothing_is_there_without_the_token(client, token, path):
    answer = client.get(f"/{token}/{path}")
    assert answer.status_code == 403
    assert "does not open the page" in answer.text


@pytest.mark.parametrize("question", server.ASKED)
def test_no_question_is_answered_without_the_token(client, question):
    assert client.post(f"/wrong/{question}", json={}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:80", "localhost", ""])
def test_another_name_of_this_machine_is_refused(client, host):
    assert client.get(f"/{TOKEN}/about", headers={"host": host}).status_code == 403


def test_localhost_is_this_machine(client):
    assert client.get(f"/{TOKEN}/about", headers={"host": f"localhost:{PORT}"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8123", "http://127.0.0.1:80"])
def test_another_page_is_refused(client, origin):
    asked = {"url": f"/{TOKEN}/decode", "json": {"z": [[0, 0]]}}
    assert client.post(**asked, headers={"origin": origin}).status_code == 403
    assert client.post(**asked, headers={"origin": HERE}).status_code == 200


def test_too_much_is_refused_with_and_without_its_length_being_said(client):
    path = f"/{TOKEN}/decode"
    assert client.post(path, content=b" " * (MOST_BYTES + 1)).status_code == 413
    pieces = (b" " * 2**20 for _ in range(MOST_BYTES // 2**20 + 1))
    assert client.post(path, content=pieces).status_code == 413
    assert client.get(f"/{TOKEN}/about", headers={"content-length": "-5"}).status_code == 413


@pytest.mark.parametrize(
    "path", ["../pyproject.toml", "..%2f..%2fetc/passwd", "static/explore.js", "refused.html", "x"]
)
def test_no_other_file_is_there(client, path):
    assert client.get(f"/{TOKEN}/{path}").status_code in (403, 404)


def test_the_address_without_its_last_slash_leads_to_the_page(client):
    answer = client.get(f"/{TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (307, f"/{TOKEN}/")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"7", b'{"z": "x"}', b'{"z": [[1], [1, 2]]}', b'{"z": [[NaN, 1]]}', b'{"z": {}}',
     b'{"z": [["a", "b"]]}', b'{"z": [[1e999, 0]]}', b"\xff\xfe", b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_question_is_refused_in_words(client, body):
    answer = client.post(f"/{TOKEN}/decode", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("question", server.ASKED)
@pytest.mark.parametrize("asked", [{}, {"row": "x", "rows": 3, "z": 3, "cells": 3, "by": [], "outline": "x", "n": {}}])
def test_every_question_survives_what_makes_no_sense(client, question, asked):
    assert client.post(f"/{TOKEN}/{question}", json=asked).status_code == 400


def test_questions_are_answered_as_the_session_does(client, sessions):
    session = sessions["table"]

    def ask(question, **asked):
        return client.post(f"/{TOKEN}/{question}", json=asked).json()

    same = json.loads(json.dumps(session.row(3)))
    assert ask("row", row=3) == same
    assert ask("decode", z=[[0.5, -1]]) == session.decode([[0.5, -1]])
    assert ask("codes", rows=[4, 2])["codes"] == session.codes[[4, 2]].tolist()
    assert ask("colour", by="site") == session.colour("site")
    assert ask("sample", n=3, given={"site": "east"}, seed=1) == session.sample(3, {"site": "east"}, 1)
    assert ask("place", cells=same["given"]["cells"][0])["code"] == same["code"]
    assert ask("odd", row=3) == ask("odd", cells=same["given"]["cells"][0]) == session.odd(3)
    assert client.get(f"/{TOKEN}/points").content == session.drawn_points()
    assert np.frombuffer(client.get(f"/{TOKEN}/density").content, "<f4").sum() == session.n
    assert client.get(f"/{TOKEN}/about").json() == json.loads(json.dumps(session.about()))


def test_an_export_is_a_download(client):
    outline = [[-99, -99], [99, -99], [99, 99], [-99, 99]]
    answer = client.post(f"/{TOKEN}/export", json={"what": "codes", "outline": outline})
    assert answer.headers["content-disposition"] == 'attachment; filename="codes.csv"'
    assert answer.text.startswith("row,z0,z1\n0")


# -- listening and the command -----------------------------------------------------------------------------------------


def test_it_listens_to_this_machine_alone():
    with server.listening(0) as sock:
        host, port = sock.getsockname()
        assert host == "127.0.0.1"
        assert server.address(sock, "abc") == f"http://127.0.0.1:{port}/abc/"
        with pytest.raises(vaekit.ParameterError, match=f"Port {port} cannot be used"):
            server.listening(port)
    with pytest.raises(vaekit.ParameterError, match="Port 70000"):
        server.listening(70_000)


def test_tokens_are_long_and_new():
    assert len({server.new_token() for _ in range(50)}) == 50
    assert len(server.new_token()) >= 32


def test_it_says_which_extra_it_needs_before_any_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "vaekit.explorer.server", None)
    monkeypatch.delattr("vaekit.explorer.server")
    done = CliRunner().invoke(app, ["explore", "no-such-model.vae"])
    assert isinstance(done.exception, vaekit.MissingExtraError)
    assert "pip install 'vaekit[explore]'" in str(done.exception)


def test_the_command_opens_the_page_and_ends_at_ctrl_c(sessions, monkeypatch, capsys):
    from vaekit.cli.explore import _serve

    opened, answered = [], []

    class Interrupted:
        def run(self, sockets: list[socket.socket]) -> None:
            answered.extend(sockets)
            raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(sessions["table"], "ended", False)  # which the end sets, and other tests share
    monkeypatch.setattr(server, "server_of", lambda *_: Interrupted())
    _serve(sessions["table"], 0, opens=True, quiet=False)
    assert opened == [capsys.readouterr().out.strip()]
    assert len(answered) == 1
    _serve(sessions["table"], 0, opens=False, quiet=True)
    assert len(opened) == 1
