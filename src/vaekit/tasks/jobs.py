"""Jobs: a verb, its model and its options, to be done with some rows at a time, here or on another machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vaekit.codec import packing
from vaekit.codec.dial import Dial
from vaekit.data.files import atomic_path
from vaekit.data.readers import read
from vaekit.data.writers import write
from vaekit.storage.header import read_integer_model
from vaekit.storage.model_file import load_model
from vaekit.tasks.embed import embed
from vaekit.tasks.explain import explain, most_telling
from vaekit.tasks.impute import impute, impute_draws, intervals, stacked
from vaekit.tasks.score import score


@dataclass(frozen=True)
class Part:
    """Some rows, and the file of what a verb makes of them.

    Parameters
    ----------
    source : str
        Where the rows are read.
    rows : str or None
        Which of them, "A:B"; all with None.
    first, n_rows : int
        The first one's number in all of the data, and how many there are.
    target : str
        The file.
    names : list of str or None
        Of the rows, where they are pictures in a folder.
    """

    source: str
    rows: str | None
    first: int
    n_rows: int
    target: str
    names: list[str] | None = None


Write = Callable[[Any, Part], None]


@dataclass(frozen=True)
class Job:
    """What writes the file of a part: a verb with its model, which is loaded once.

    Parameters
    ----------
    verb : str
        One of `VERBS`.
    model : str
        The path of the model file.
    options : dict
        The verb's own: plain JSON values.
    """

    verb: str
    model: str
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, part: Part) -> None:
        """Write the file of a part, all of it or nothing."""
        self.write(read(part.source, part.rows), part)

    @cached_property
    def write(self) -> Write:
        """Loads the model; writes what the verb makes of rows."""
        return VERBS[self.verb](self.model, **self.options)


def _embedding(model: str) -> Write:
    fitted = load_model(model)

    def write_codes(rows: Any, part: Part) -> None:
        codes = embed(fitted, rows)
        write(codes, part.target, [f"z{j}" for j in range(codes.shape[1])])

    return write_codes


def _scoring(model: str, importance_samples: int, told: int | None) -> Write:
    import polars as pl

    fitted = load_model(model)

    def write_scores(rows: Any, part: Part) -> None:
        table = pl.DataFrame(score(fitted, rows, importance_samples)._asdict())
        if told is not None:
            table = table.with_columns(why=pl.Series(most_telling(explain(fitted, rows), told)))
        write(table, part.target)

    return write_scores


def _filling(model: str, draws: int, seed: int) -> Write:
    fitted = load_model(model)

    def write_whole(rows: Any, part: Part) -> None:
        whole = impute(fitted, rows) if draws == 1 else stacked(impute_draws(fitted, rows, draws, seed))
        write(whole, part.target, fitted.schema.names)

    return write_whole


def _bounding(model: str, coverage: float) -> Write:
    import polars as pl

    fitted = load_model(model)

    def write_lines(rows: Any, part: Part) -> None:
        write(intervals(fitted, rows, coverage).with_columns(pl.col("row") + part.first), part.target)

    return write_lines


def _compressing(model: str, embed_model: bool, dial: dict[str, Any] | None) -> Write:  # noqa: FBT001 - by its name
    integer, how_much = read_integer_model(model), None if dial is None else Dial(**dial)

    def write_archive(rows: Any, part: Part) -> None:
        with atomic_path(part.target) as path, open(path, "w+b") as stream:
            packing.write(stream, rows, integer, embed_model=embed_model, names=part.names, dial=how_much)

    return write_archive


VERBS: dict[str, Callable[..., Write]] = {
    "embed": _embedding,
    "score": _scoring,
    "impute": _filling,
    "intervals": _bounding,
    "compress": _compressing,
}
