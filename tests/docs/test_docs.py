"""The documentation says what is so: its code runs, its help texts are the command's, its links resolve."""

import contextlib
import importlib.util
import io
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from vaekit.cli.app import VERBS, app
from vaekit.objectives import OBJECTIVES
from vaekit.priors import PRIORS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {str(page.relative_to(ROOT)): page for page in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))}
NAMES = [verb.__name__ for verb in VERBS]

FENCE = re.compile(r"(?sm)(?:<!-- (?P<note>[^\n]*?) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$")
LINK = re.compile(r"\]\((?!https?:)([^)\s]*)\)")


@dataclass
class Block:
    language: str
    code: str
    note: str
    line: int
    follows: bool  # nothing but blank lines stands between this block and the one before

    @property
    def is_skipped(self) -> bool:
        return self.note.startswith("not run:") and len(self.note) > len("not run: ")

    @property
    def commands(self) -> list[list[str]]:
        lines = self.code.replace("\\\n", " ").splitlines()
        return [shlex.split(line.removeprefix("$ "), comments=True) for line in lines if line.strip()]


def blocks(page: Path) -> list[Block]:
    text, end, found_blocks = page.read_text(encoding="utf-8"), 0, []
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start("code")) + 1
        follows = not text[end : found.start()].strip()
        found_blocks.append(Block(found["language"], found["code"], found["note"] or "", line, follows))
        end = found.end()
    return found_blocks


def make_measurements(path: Path) -> None:
    rng = np.random.default_rng(0)
    site = rng.choice(["north", "south", "east"], 120)
    warmth = rng.normal(15, 5, 120) + 5 * (site == "south")
    visits = rng.negative_binomial(2, 0.1, 120)
    visits[5] = 0
    gaps = pl.Series(rng.random(120) < 0.1)
    table = pl.DataFrame({"site": site, "warmth": warmth.round(1), "visits": visits})
    table.with_columns(warmth=pl.when(gaps).then(None).otherwise("warmth")).write_csv(path)


FITTED: dict[tuple[str, ...], bytes] = {}  # models that several pages begin with, by the words that fit them


def run_command(words: list[str]) -> None:
    if words[0] != "vaekit":
        pytest.fail(f"only commands of vaekit are run; mark the block with a comment 'not run: why': {words}")
    if is_shared(words):
        fit_once(words)
    else:
        run_words(words)


def is_shared(words: list[str]) -> bool:
    """Whether nothing but a model file comes of a command, and that always the same."""
    return words[1:3] == ["fit", "builtin:digits"] and "--log" not in words


def fit_once(words: list[str]) -> None:
    model, told = Path(words[words.index("-o") + 1]), tuple(word for word in words if word != "--quiet")
    if told not in FITTED:
        run_words(words)
        FITTED[told] = model.read_bytes()
    model.write_bytes(FITTED[told])


def run_words(words: list[str]) -> None:
    done = CliRunner().invoke(app, words[1:])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, f"{shlex.join(words)}: {done.output}"


def run_page(page: Path, folder: Path) -> None:
    namespace: dict[str, object] = {"__name__": "__page__"}
    printed = ""
    for block in blocks(page):
        where = f"{page.name}, line {block.line}"
        if block.is_skipped:
            continue
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
            if block.language == "python":
                exec(compile(block.code, where, "exec"), namespace)  # noqa: S102
            elif block.language in ("sh", "console"):
                for words in block.commands:
                    run_command(words)
        if block.language == "text" and block.follows:
            assert block.code.strip() == printed.strip(), f"{where}: what is shown is not what is printed"
        printed = out.getvalue() if block.language == "python" else ""


@pytest.fixture(autouse=True)
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def after_fit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the page of `fit` leaves behind: the other verbs' pages start from there."""
    folder = tmp_path_factory.mktemp("fit")
    make_measurements(folder / "measurements.csv")
    run_page(DOCS / "verbs" / "fit.md", folder)
    return folder


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if page.parent.name != "verbs"])
def test_the_code_of_a_page_runs(name: str, tmp_path: Path) -> None:
    run_page(PAGES[name], tmp_path)


@pytest.mark.parametrize("verb", [name for name in NAMES if name != "fit"])
def test_the_code_of_a_verbs_page_runs(verb: str, after_fit: Path, tmp_path: Path) -> None:
    shutil.copytree(after_fit, tmp_path / "here")
    run_page(DOCS / "verbs" / f"{verb}.md", tmp_path / "here")


def test_the_page_of_fit_leaves_its_models(after_fit: Path) -> None:
    expected = {"m.vae", "digits.vae", "auto.vae", "three.vae", "own.vae", "digits.jsonl"}
    assert expected <= set(os.listdir(after_fit))


@pytest.mark.parametrize("name", PAGES)
def test_commands_that_are_not_run_at_least_exist(name: str) -> None:
    for block in blocks(PAGES[name]):
        for words in block.commands if block.language in ("sh", "console") and block.is_skipped else []:
            if words[0] == "vaekit":
                options = {word for word in words[2:] if re.match(r"--?[a-z]", word)}
                assert options <= set(re.findall(r"(?<![\w-])--?[a-z-]+", make_help().help_of(words[1]))), words


@cache
def make_help():
    spec = importlib.util.spec_from_file_location("make_help", DOCS / "make_help.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("verb", NAMES)
def test_the_help_in_a_page_is_the_commands(verb: str) -> None:
    page = (DOCS / "verbs" / f"{verb}.md").read_text(encoding="utf-8")
    assert "<!-- help:begin -->" in page
    assert page == make_help().with_help(page, verb), "out of date; run: python docs/make_help.py"


def test_every_verb_has_a_page_and_a_place_in_the_readme_and_no_page_is_left_over() -> None:
    assert sorted(NAMES) == sorted(page.stem for page in (DOCS / "verbs").glob("*.md"))
    readme = PAGES["README.md"].read_text(encoding="utf-8")
    assert [verb for verb in NAMES if f"| [{verb}](docs/verbs/{verb}.md) |" not in readme] == []


def test_every_prior_and_objective_has_its_row_on_the_page_of_models() -> None:
    page = (DOCS / "models.md").read_text(encoding="utf-8")
    assert [name for name in (*PRIORS, *OBJECTIVES) if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("name", PAGES)
def test_links_resolve(name: str) -> None:
    page = PAGES[name]
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{link} names no heading"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_picture_of_the_readme_is_small() -> None:
    assert (DOCS / "images" / "overview.png").stat().st_size < 300_000
