"""Write each verb's help into its page, between the markers: `python docs/make_help.py`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from typer.testing import CliRunner

from vaekit.cli.app import VERBS, app

PAGES = Path(__file__).parent / "verbs"
BLOCK = re.compile(r"(<!-- help:begin -->\n).*?(<!-- help:end -->)", re.DOTALL)
COLUMNS = 100


@cache
def help_of(verb: str) -> str:
    """Return what `vaekit VERB --help` prints, 100 columns wide and without colour."""
    done = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb"}).invoke(
        app, [verb, "--help"], prog_name="vaekit", terminal_width=COLUMNS, max_content_width=COLUMNS
    )
    assert done.exit_code == 0, done.output
    return "\n".join(line.rstrip() for line in done.output.strip().splitlines())


def with_help(page: str, verb: str) -> str:
    """Return a page with its verb's help as it is now."""
    return BLOCK.sub(lambda found: f"{found[1]}```text\n{help_of(verb)}\n```\n{found[2]}", page)


def main() -> None:
    """Rewrite the pages."""
    for verb in VERBS:
        path = PAGES / f"{verb.__name__}.md"
        path.write_text(with_help(path.read_text(encoding="utf-8"), verb.__name__), encoding="utf-8")


if __name__ == "__main__":
    main()
