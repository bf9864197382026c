"""vaekit demo."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import Annotated

import typer

STEPS = (
    "fit builtin:digits -o {0}/digits.vae --preset fast",
    "info {0}/digits.vae",
    "embed {0}/digits.vae builtin:digits -o {0}/codes.csv",
    "reconstruct {0}/digits.vae builtin:digits --rows 0:64 -o {0}/reconstructions.png",
    "sample {0}/digits.vae -n 64 -o {0}/samples.png",
    "interpolate {0}/digits.vae builtin:digits --between 0 1 --steps 10 -o {0}/between.png",
    "score {0}/digits.vae builtin:digits -o {0}/scores.csv",
    "impute {0}/digits.vae builtin:digits -o {0}/whole.npy",
    "evaluate {0}/digits.vae builtin:digits",
    "report {0}/digits.vae builtin:digits --labels builtin:digits::labels -o {0}/report.html",
    "explore {0}/digits.vae builtin:digits --labels builtin:digits::labels --export {0}/explore.html",
    "fit builtin:digits -o {0}/classes.vae --labels builtin:digits::labels --preset fast --epochs 5",
    "classify {0}/classes.vae builtin:digits -o {0}/classes.csv",
    "compress {0}/digits.vae builtin:digits -o {0}/digits.vaez --compare",
    "list {0}/digits.vaez",
    "test {0}/digits.vaez --model {0}/digits.vae",
    "decompress {0}/digits.vaez --model {0}/digits.vae -o {0}/digits.npy",
    "tune {0}/digits.vae builtin:digits --quality 15 --epochs 5 -o {0}/tuned.vae",
)


def demo(
    folder: Annotated[str, typer.Option("-o", "--output", metavar="FOLDER", help="Where the results go.")] = "demo",
) -> None:
    """Do every job on scikit-learn's digits.

    Each command is shown as you would type it.

    Example: vaekit demo -o demo
    """
    from vaekit.data.files import output_errors

    with output_errors(folder):
        os.makedirs(folder, exist_ok=True)
    for step in STEPS:
        words = step.format(shlex.quote(folder))
        print(f"\n$ vaekit {words}", flush=True)
        done = subprocess.run([sys.executable, "-m", "vaekit", *shlex.split(words)], check=False)
        if done.returncode:
            raise typer.Exit(done.returncode)
    print(f"\nEverything is in {os.path.join(folder, '')}: open report.html and explore.html, look at samples.png.")
