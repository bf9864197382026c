"""The command, run in this process, and one small model of each sort of data."""

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from vaekit.cli import main
from vaekit.data.writers import write


@dataclass(frozen=True)
class Outcome:
    """What a command answered: its exit status, standard output and standard error."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


def run_command(*words: object, stdin: bytes = b"") -> Outcome:
    """Run `vaekit WORDS` without a terminal."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["vaekit", *map(str, words)])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as left:
            main()
    return Outcome(left.value.code, out.buffer.getvalue(), err.buffer.getvalue().decode())


@pytest.fixture(scope="session")
def vaekit() -> Callable[..., Outcome]:
    return run_command


def grey_pictures(n: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 6, 6), dtype=np.uint8)


def float_pictures(n: int = 40) -> np.ndarray:
    return np.random.default_rng(1).random((n, 6, 6))


def mixed_table(n: int = 60) -> pl.DataFrame:
    """A number of each kind and a text, without gaps."""
    rng = np.random.default_rng(2)
    height = rng.normal(170, 10, n).round(2)
    return pl.DataFrame(
        {
            "height": height,
            "visits": rng.poisson(3, n) * rng.integers(0, 4, n),
            "smokes": rng.integers(0, 2, n).astype(bool),
            "city": rng.choice(["Bern", "Oslo", "Rome"], n),
        }
    )


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of every sort, and the models `grey.vae`, `unit.vae`, `table.vae` and `real.vae`."""
    folder = tmp_path_factory.mktemp("room")
    write(grey_pictures(), folder / "grey.npy")
    write(float_pictures(), folder / "unit.npy")
    write(mixed_table(), folder / "table.csv")
    write(mixed_table(), folder / "table.parquet")
    write(np.random.default_rng(3).normal(size=(50, 3)), folder / "real.npy")
    write({"x_train": grey_pictures(), "x_test": grey_pictures(9)}, folder / "two.npz")
    for data, model in (("grey.npy", "grey"), ("unit.npy", "unit"), ("table.csv", "table"), ("real.npy", "real")):
        options = ("--epochs", 2, "--hidden", 8, "--latent-dim", 2, "--quiet")
        done = run_command("fit", folder / data, "-o", folder / f"{model}.vae", *options)
        assert done.status == 0, done.err
    return folder
