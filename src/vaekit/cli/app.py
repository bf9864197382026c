"""The application: its verbs, and how a failure is said.

Exit status: 0 done, 1 failed, 2 misused.
"""

from __future__ import annotations

import os
import re
import sys
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer

from vaekit.cli.classify import classify
from vaekit.cli.compress import compress
from vaekit.cli.decompress import decompress
from vaekit.cli.demo import demo
from vaekit.cli.embed import embed
from vaekit.cli.evaluate import evaluate
from vaekit.cli.explore import explore
from vaekit.cli.export import export
from vaekit.cli.fit import fit
from vaekit.cli.impute import impute
from vaekit.cli.info import info
from vaekit.cli.interpolate import interpolate
from vaekit.cli.list import list
from vaekit.cli.pull import pull
from vaekit.cli.push import push
from vaekit.cli.reconstruct import reconstruct
from vaekit.cli.report import report
from vaekit.cli.sample import sample
from vaekit.cli.score import score
from vaekit.cli.serve import serve
from vaekit.cli.sweep import sweep
from vaekit.cli.test import test
from vaekit.cli.tune import tune
from vaekit.errors import ParameterError, VaekitError

VERBS = (
    *(fit, sweep, embed, reconstruct, sample, interpolate, score, classify, impute, evaluate, report, explore),
    *(compress, decompress, tune, list, test, export, info, push, pull, serve, demo),
)

app = typer.Typer(
    name="vaekit",
    help="Variational autoencoders on your own data: fit ONE model, then embed, reconstruct, sample, score with it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in VERBS:
    app.command(help=verb.__doc__)(verb)


@app.callback(invoke_without_command=True)
def options(
    ctx: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Variational autoencoders on your own data: fit ONE model, then embed, reconstruct, sample, score with it."""
    ctx.obj = {"debug": debug}
    if version:
        from importlib.metadata import version as installed

        print(installed("vaekit"))
        raise typer.Exit


def main() -> NoReturn:
    """Run the command and exit with its status."""
    # OpenMP's threads spin while they wait; on a machine shared with others that costs three times what it saves.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    debug = "--debug" in sys.argv or bool(os.environ.get("VAEKIT_DEBUG"))
    if "--debug" in sys.argv[2:]:  # wherever it stands
        sys.argv.remove("--debug")
    if isinstance(sys.stdout, TextIOWrapper):  # no letter is worth a failure
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            app(prog_name="vaekit")
        finally:
            _flush()
    except KeyboardInterrupt:
        _fail("interrupted", 1)
    except BrokenPipeError:  # the reader of our output has left
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        _fail(_sentence(error), 2 if isinstance(error, ParameterError) else 1)
    sys.exit(0)


def _flush() -> None:
    """Write out now what is buffered, while a failure can still be told."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again when it leaves
        raise


def _sentence(error: Exception) -> str:
    if isinstance(error, VaekitError):
        return _in_options(str(error))
    if isinstance(error, MemoryError):
        return "There is not enough memory for this. Take fewer rows with --rows, or a smaller model."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'Standard output'}: {error.strerror}. Check the path, and the space that is left."
    name = type(error).__name__
    return f"Something unforeseen happened ({name}: {error}). Run it again with --debug and report what it shows."


def _in_options(words: str) -> str:
    """Return a sentence with Python's keyword arguments as the command's options.

    Examples
    --------
    >>> _in_options("Use kinds={'age': 'real'}, or device='cpu'.")
    'Use --kinds age=real, or --device cpu.'
    >>> _in_options("Use objective='elbo', or free_nats=0.")
    'Use --objective elbo, or --free-nats 0.'
    """
    words = words.replace("name one: -::", "name one, after --: -::")  # else it reads as an option
    words = re.sub(r"kinds=\{'([^']*)': '([^']*)'\}", r"--kinds \1=\2", words)
    values = r"(?:'([\w-]+)'|([\d.]*\d))"
    return re.sub(rf"(?<![\w-])([a-z_]+)={values}", lambda m: f"--{m[1].replace('_', '-')} {m[2] or m[3]}", words)


def _fail(words: str, status: int) -> NoReturn:
    print(f"vaekit: {words}", file=sys.stderr)
    sys.exit(status)
