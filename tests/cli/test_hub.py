"""Push and pull, against a fake of the Hugging Face Hub on this machine: as much of its HTTP as they ask for."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import vaekit as vk
from vaekit.errors import MissingExtraError, ModelFileError, ParameterError, ServiceError
from vaekit.storage.header import read_header
from vaekit.tasks.model_card import BEGIN, END, model_card

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=")  # huggingface_hub's own, where it uploads

TOKEN = "hf_good"  # noqa: S105 - of the fake


class Hub(ThreadingHTTPServer):
    """Repositories by name: their commits from first to last, each with its files, and whether they are private."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.repos, self.private, self.blobs, self.messages, self.agents = {}, {}, {}, [], set()
        self.is_full = False
        self.endpoint = f"http://127.0.0.1:{self.server_port}"

    def put(self, repo, **files):
        """Add a commit, as a person would by the Hub's pages."""
        commits = self.repos.setdefault(repo, [{}])
        commits.append(commits[-1] | {name.replace("_", "."): content for name, content in files.items()})

    def files(self, repo):
        return self.repos[repo][-1]


def oid(repo, number):
    return hashlib.sha1(f"{repo} {number}".encode()).hexdigest()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": len(content)} | headers).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def handle_any(self):
        hub = self.server
        hub.agents.add(self.headers["User-Agent"])
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if self.headers.get("Authorization") and not known:
            return self.answer(401, {"error": "Invalid credentials"}, X_Error_Message="Invalid credentials")
        for method, pattern, act in ROUTES:
            if self.command in method and (found := re.fullmatch(pattern, self.path.partition("?")[0])):
                return act(self, hub, known, body, *found.groups())
        return self.answer(404, {"error": f"the fake knows no {self.command} {self.path}"})

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def may_see(self, repo, known):
        if repo in self.server.repos and (known or not self.server.private.get(repo)):
            return True
        self.answer(404 if known else 401, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        return False

    def create(self, hub, known, body):
        asked = json.loads(body)
        repo = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] == "others":
            return self.answer(403, {"error": "Forbidden"}, X_Error_Message="You don't have the rights")
        status = 409 if repo in hub.repos else 200
        if status == 200:
            hub.repos[repo], hub.private[repo] = [{}], asked.get("visibility") == "private"
        return self.answer(status, {"url": f"{hub.endpoint}/{repo}", "id": repo})

    def tell(self, hub, known, body, repo, revision):
        if self.may_see(repo, known):
            if revision == "v9":
                return self.answer(404, X_Error_Code="RevisionNotFound")
            sha = oid(repo, len(hub.repos[repo]) - 1)
            return self.answer(200, {"id": repo, "sha": sha, "private": hub.private.get(repo, False), "tags": []})
        return None

    def judge_yaml(self, hub, known, body):
        assert "\nlibrary_name: vaekit\ntags:\n- autoencoder\n" in json.loads(body)["content"]
        self.answer(200, {"errors": [], "warnings": []})

    def preupload(self, hub, known, body, repo):
        files = json.loads(body)["files"]
        modes = ["lfs" if b"\0" in base64.b64decode(f["sample"]) else "regular" for f in files]
        told = [{"path": f["path"], "uploadMode": m, "shouldIgnore": False} for f, m in zip(files, modes, strict=True)]
        self.answer(200, {"files": told})

    def lfs_batch(self, hub, known, body, repo):
        wanted = json.loads(body)["objects"]
        told = [o | {"actions": {"upload": {"href": f"{hub.endpoint}/lfs/{o['oid']}"}}} for o in wanted]
        self.answer(200, {"transfer": "basic", "objects": told})

    def keep(self, hub, known, body, digest):
        if hub.is_full:
            return self.answer(403, {"error": "Storage limit reached"}, X_Error_Message="Storage limit reached")
        assert hashlib.sha256(body).hexdigest() == digest
        hub.blobs[digest] = body
        return self.answer(200)

    def commit(self, hub, known, body, repo):
        lines = [json.loads(line) for line in body.splitlines()]
        hub.messages += [line["value"]["summary"] for line in lines if line["key"] == "header"]
        new = {v["path"]: base64.b64decode(v["content"]) for v in values(lines, "file")}
        new |= {v["path"]: hub.blobs[v["oid"]] for v in values(lines, "lfsFile")}
        hub.repos[repo].append(hub.files(repo) | new)
        made = oid(repo, len(hub.repos[repo]) - 1)
        self.answer(200, {"success": True, "commitOid": made, "commitUrl": f"{hub.endpoint}/{repo}/commit/{made}"})

    def resolve(self, hub, known, body, repo, revision, name):
        if not self.may_see(repo, known):
            return None
        names = {oid(repo, n): n for n in range(len(hub.repos[repo]))} | {"main": len(hub.repos[repo]) - 1}
        if revision not in names:
            return self.answer(404, X_Error_Code="RevisionNotFound")
        commit = {"X_Repo_Commit": oid(repo, names[revision])}
        content = hub.repos[repo][names[revision]].get(name)
        if content is None:
            return self.answer(404, X_Error_Code="EntryNotFound", **commit)
        return self.answer(200, content, ETag=f'"{hashlib.sha256(content).hexdigest()}"', **commit)


def values(lines, key):
    return [line["value"] for line in lines if line["key"] == key]


NAME = r"([\w-]+/[\w-]+)"
ROUTES = [
    (("POST",), "/api/repos/create", Answers.create),
    (("POST",), "/api/validate-yaml", Answers.judge_yaml),
    (("GET",), rf"/api/models/{NAME}(?:/revision/([\w-]+))?", Answers.tell),
    (("POST",), f"/api/models/{NAME}/preupload/main", Answers.preupload),
    (("POST",), f"/{NAME}.git/info/lfs/objects/batch", Answers.lfs_batch),
    (("PUT",), r"/lfs/(\w+)", Answers.keep),
    (("POST",), f"/api/models/{NAME}/commit/main", Answers.commit),
    (("GET", "HEAD"), rf"/{NAME}/resolve/([\w-]+)/([\w.]+)", Answers.resolve),
]


def point_to(endpoint, monkeypatch):
    """Do what HF_ENDPOINT would do to a process that has not begun."""
    from huggingface_hub import constants

    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A fake hub that this process takes for the Hub, and that knows who asks."""
    from huggingface_hub import constants

    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        point_to(server.endpoint, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server
        server.shutdown()
        thread.join()


# -- there and back ----------------------------------------------------------------------------------------------------


def test_a_model_comes_back_byte_for_byte(vaekit, hub, room, tmp_path):
    pushed = vaekit("push", room / "grey.vae", "ada/grey", "--message", "the first")
    assert pushed.status == 0, pushed.err
    assert pushed.text == f"{hub.endpoint}/ada/grey/commit/{oid('ada/grey', 1)}\n"
    assert pushed.err == f"pushed {room}/grey.vae; take it with: vaekit pull ada/grey -o m.vae\n"
    assert hub.files("ada/grey").keys() == {"model.vae", "README.md"}
    assert (hub.private["ada/grey"], hub.messages) == (False, ["the first"])
    assert any(agent.startswith("vaekit/") for agent in hub.agents)

    pulled = vaekit("pull", "ada/grey", "-o", tmp_path / "m.vae")
    assert (pulled.status, pulled.text) == (0, "")
    assert re.fullmatch(rf"wrote {tmp_path}/m.vae \(\d\.\d MB\)\n", pulled.err)
    assert (tmp_path / "m.vae").read_bytes() == (room / "grey.vae").read_bytes()


def test_python_pushes_and_loads_any_revision(hub, room):
    first, second = vk.load(room / "real.vae"), vk.load(room / "grey.vae")
    address = first.push("ada/numbers", private=True)
    assert hub.private["ada/numbers"]
    second.push("ada/numbers")
    commit = address.rpartition("/")[2]
    rows = np.load(room / "real.npy")
    np.testing.assert_array_equal(vk.load(f"hf://ada/numbers@{commit}").transform(rows), first.transform(rows))
    assert vk.load("hf://ada/numbers").schema_.is_picture


def test_a_model_that_was_loaded_is_there_without_the_network(hub, room, monkeypatch):
    vk.load(room / "real.vae").push("ada/numbers")
    vk.load("hf://ada/numbers")
    point_to("http://127.0.0.1:9", monkeypatch)
    assert vk.load("hf://ada/numbers").latent_dim_ == 2


# -- the card ----------------------------------------------------------------------------------------------------------


def test_the_card_tells_what_the_file_holds_and_no_row(vaekit, hub, room):
    assert vaekit("push", room / "table.vae", "ada/table", "-q").status == 0
    card = hub.files("ada/table")["README.md"].decode()
    header = read_header(room / "table.vae")
    for words in ("library_name: vaekit", "- vae", "# table\n", 'vaekit.load("hf://ada/table")', "## Licence"):
        assert words in card
    for words in (header["weights_sha256"], str(vk.Schema.from_json(header["schema"])), "nats a row", "60 rows"):
        assert words in card
    assert f"| {header['record']['metrics']['valid_elbo_nats']:.2f} |" in card
    heights = {line.split(",")[0] for line in (room / "table.csv").read_text().splitlines()[1:]}
    told = str(vk.Schema.from_json(header["schema"]))  # the ends of a column's range
    assert {height for height in heights if height in card.replace(told, "")} == set()


def test_a_person_s_own_words_stay_when_a_model_is_pushed_again(vaekit, hub, room):
    assert vaekit("push", room / "real.vae", "ada/mine", "-q").status == 0
    card = hub.files("ada/mine")["README.md"].decode()
    hub.put("ada/mine", README_md=card.replace("library_name", "license: mit\nlibrary_name").encode() + b"My words.\n")
    older = hub.files("ada/mine")["README.md"].decode()
    assert vaekit("push", room / "grey.vae", "ada/mine", "-q").status == 0
    newer = hub.files("ada/mine")["README.md"].decode()
    split = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    assert split.split(newer) == split.split(older)
    assert "pictures of 6 × 6" in newer
    assert "pictures of 6 × 6" not in older


def test_a_page_without_marks_is_left_alone(room):
    assert model_card(read_header(room / "real.vae"), "ada/mine", "# All mine\n") == "# All mine\n"


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_a_damaged_or_foreign_file_is_refused_and_the_older_one_stays(vaekit, hub, room, tmp_path):
    content = (room / "real.vae").read_bytes()
    flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    (tmp_path / "m.vae").write_bytes(b"older")
    for damaged, words in (
        (flipped, "model.vae of ada/bad is damaged: its SHA-256 does not match its content."),
        (content[:-100], "model.vae of ada/bad is damaged"),
        (b"<html>", "model.vae of ada/bad is no vaekit model"),
    ):
        hub.put("ada/bad", model_vae=damaged)
        pulled = vaekit("pull", "ada/bad", "-o", tmp_path / "m.vae")
        assert (pulled.status, pulled.text) == (1, "")
        assert words in pulled.err
        with pytest.raises(ModelFileError):
            vk.load("hf://ada/bad")
    assert (tmp_path / "m.vae").read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".vaekit")] == []


def test_only_models_are_pushed(vaekit, hub, room):
    pushed = vaekit("push", room / "real.npy", "ada/numbers")
    assert pushed.status == 1
    assert "is no vaekit model" in pushed.err
    assert hub.repos == {}


CASES = {
    "pull ada/none -o m.vae": (1, "There is no repository ada/none that you may see at"),
    "pull ada/there@v9 -o m.vae": (1, "ada/there has no revision 'v9'. Leave it, or take a branch, tag or commit"),
    "pull ada/empty -o m.vae": (1, "ada/empty holds no model.vae. Name a repository that `vaekit push` filled."),
    "pull a/b/c -o m.vae": (2, "A repository is called OWNER/NAME; got 'a/b/c'."),
    "pull ada/there -o no/m.vae": (1, "no does not exist; create it first: mkdir -p no"),
    "push real.vae others/there": (1, "Your token may not write to others/there."),
    "push real.vae ada/there --private": (1, "ada/there is there already, and public."),
    "push none.vae ada/there": (1, "There is no file none.vae."),
}


@pytest.mark.parametrize("words", CASES)
def test_a_refusal_is_one_sentence(vaekit, hub, room, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real.vae").symlink_to(room / "real.vae")
    hub.put("ada/there", model_vae=b"older")
    hub.put("ada/empty", README_md=b"")
    status, told = CASES[words]
    answer = vaekit(*words.split())
    assert (answer.status, answer.text) == (status, "")
    assert told in answer.err
    assert answer.err.count("\n") == 1
    assert hub.files("ada/there") == {"model.vae": b"older"}


@pytest.mark.parametrize(("token", "words"), [("", "Nobody is logged in"), ("hf_bad", "does not know your token")])
def test_a_push_wants_a_token(vaekit, hub, room, monkeypatch, token, words):
    monkeypatch.setenv("HF_TOKEN", token)
    pushed = vaekit("push", room / "real.vae", "ada/numbers")
    assert pushed.status == 1
    assert words in pushed.err
    assert "hf auth login" in pushed.err
    assert hub.repos == {}


def test_a_file_that_cannot_be_sent_leaves_no_commit(vaekit, hub, room):
    hub.is_full = True
    pushed = vaekit("push", room / "real.vae", "ada/numbers")
    assert pushed.status == 1
    assert f"The file cannot be sent to {hub.endpoint}: 403 Forbidden: Storage limit reached." in pushed.err
    assert hub.files("ada/numbers") == {}


def test_what_is_private_is_not_there_for_others(hub, room, monkeypatch):
    vk.load(room / "real.vae").push("ada/secret", private=True)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ServiceError, match=r"no repository ada/secret that you may see .* log in with: hf auth login"):
        vk.load("hf://ada/secret")


def test_a_hub_that_cannot_be_reached(vaekit, hub, room, monkeypatch, tmp_path):
    nowhere, what_to_do = "http://127.0.0.1:9", "Check the network, and HF_ENDPOINT if it is set."
    point_to(nowhere, monkeypatch)
    for words in (("push", room / "real.vae", "ada/numbers"), ("pull", "ada/numbers", "-o", tmp_path / "m.vae")):
        answer = vaekit(*words)
        assert answer.status == 1
        assert answer.err == f"vaekit: The Hub cannot be reached at {nowhere}. {what_to_do}\n"


def test_without_the_package_the_install_line_is_said(room, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'vaekit\[hub\]'"):
        vk.load("hf://ada/numbers")


def test_a_name_that_is_none(hub):
    with pytest.raises(ParameterError, match="OWNER/NAME"):
        vk.load("hf://a/b/c/d")
