"""What is asked of the model over HTTP: each verb from rows to an array or a frame, as the command writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from vaekit.codec import archive
from vaekit.codec.container import Reader
from vaekit.errors import CodecError, ParameterError
from vaekit.models.fitted import Fitted
from vaekit.tasks.classify import class_probabilities, classes_of
from vaekit.tasks.compress import compress
from vaekit.tasks.embed import embed
from vaekit.tasks.impute import impute
from vaekit.tasks.reconstruct import reconstruct
from vaekit.tasks.sample import sample
from vaekit.tasks.score import score


@dataclass(frozen=True)
class RowVerb:
    """A verb that answers each row by itself.

    Parameters
    ----------
    call : callable
        From a model and rows to as many rows.
    says : str
        One sentence for the description.
    codes : bool
        Whether the answer's columns are latent units and not the data's.
    """

    call: Callable[[Fitted, Any], Any]
    says: str
    codes: bool = False


def _score(fitted: Fitted, data: Any) -> Any:
    return pl.DataFrame(score(fitted, data)._asdict())


def _classify(fitted: Fitted, data: Any) -> Any:
    classes, probabilities = classes_of(fitted), class_probabilities(fitted, data)
    each = {f"p({value})": probabilities[:, k] for k, value in enumerate(classes.tolist())}
    return pl.DataFrame({fitted.record["classes"]["name"]: classes[probabilities.argmax(1)]} | each)


ROW_VERBS = {
    "embed": RowVerb(embed, "The code of each row: the posterior's mean.", codes=True),
    "reconstruct": RowVerb(reconstruct, "What is left of each row after its code."),
    "score": RowVerb(_score, "How likely and how odd each row is."),
    "impute": RowVerb(impute, "The rows with their gaps filled."),
    "classify": RowVerb(_classify, "The class of each row, and the probability of each class."),
}


def row_verbs(fitted: Fitted) -> dict[str, RowVerb]:
    """Return the verbs that a model has."""
    return {name: verb for name, verb in ROW_VERBS.items() if name != "classify" or fitted.record.get("classes")}


def drawn(fitted: Fitted, asked: dict[str, Any], most: int) -> Any:
    """Return the new rows of a request {n, seed, given}.

    Raises
    ------
    ParameterError
        When a setting is outside its rule.
    """
    settings: dict[str, Any] = {"n": 1, "seed": 0, "given": {}} | asked
    unknown = sorted(settings.keys() - {"n", "seed", "given"})
    if unknown:
        raise ParameterError(f"sample takes n, seed and given; got '{unknown[0]}'. Leave it out.")
    for name in ("n", "seed"):
        if type(settings[name]) is not int or not 0 <= settings[name] < 2**63:
            raise ParameterError(f"{name} must be a whole number from 0 on; got {settings[name]!r}.")
    if settings["n"] > most:
        raise ParameterError(f"n must be at most {most:,}; got {settings['n']:,}. Ask several times, other seeds.")
    if not isinstance(settings["given"], dict):
        raise ParameterError('given must be an object, as in {"sex": "female"}.')
    return sample(fitted, settings["n"], settings["seed"], given=settings["given"])


def packed(fitted: Fitted, data: Any) -> bytes:
    """Return rows as an archive."""
    return compress(fitted, data)


def unpacked(fitted: Fitted, blob: bytes, most_bytes: int) -> Any:
    """Return the rows of an archive.

    Raises
    ------
    CodecError
        When it is damaged, of another model, or of more bytes than are answered.
    """
    held = archive.listing(Reader(blob))
    if held.raw_bytes > most_bytes:
        raise CodecError(f"The archive holds {held.raw_bytes:,} bytes; at most {most_bytes:,} are answered. Split it.")
    return archive.decompress(blob, fitted.integer_model)
