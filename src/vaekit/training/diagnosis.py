"""What went well or wrong in a run, in plain sentences with advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vaekit.data.html import html_list


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    topic : str
    level : {"good", "warning"}
    sentence : str
    advice : str
        "" where nothing need be done.
    """

    topic: str
    level: str
    sentence: str
    advice: str = ""

    def __str__(self) -> str:
        """Return the finding as one line."""
        mark = "ok" if self.level == "good" else "!!"
        return f"{mark}  {self.topic}: {self.sentence} {self.advice}".rstrip()


class Diagnosis(list[str]):
    """The sentences of a diagnosis, which a notebook shows as points."""

    def _repr_html_(self) -> str:
        return html_list(self)


def diagnose(metrics: dict[str, Any], history: list[dict[str, float]], reason: str) -> list[Finding]:
    """Return the findings of a finished run.

    Parameters
    ----------
    metrics : dict
        ``latent_dim``, ``n_units_tried``, ``active_units``, ``valid_elbo_nats``, ``train_elbo_nats``,
        ``without_latent_nats``.
    history : list of dict
        One row an epoch.
    reason : str
        Why the run ended.
    """
    return [_units(metrics), _gap(metrics), _overfitting(metrics), _finished(history, reason)]


def _units(metrics: dict[str, Any]) -> Finding:
    active, dim, tried = metrics["active_units"], metrics["latent_dim"], metrics["n_units_tried"]
    if active == 0:
        return Finding(
            "latent units",
            "warning",
            f"none of {dim} units is active: the posterior has collapsed and the model ignores its latent.",
            "Train longer, raise warmup, or lower beta.",
        )
    if tried > dim:
        return Finding("latent units", "good", f"{dim} of {tried} units carry information and were kept.")
    if active < dim:
        return Finding(
            "latent units",
            "good",
            f"{active} of {dim} units are active.",
            f"A latent_dim of {active} would do as well.",
        )
    return Finding("latent units", "good", f"all {dim} units are active.", "A larger latent_dim may do better.")


def _gap(metrics: dict[str, Any]) -> Finding:
    gain = metrics["valid_elbo_nats"] - metrics["without_latent_nats"]
    valid, without = metrics["valid_elbo_nats"], metrics["without_latent_nats"]
    words = f"{valid:.2f} nats a held-out row against {without:.2f} without a latent"
    if gain > 0:
        return Finding("use of the latent", "good", f"{words}: the latent is worth {gain:.2f} nats.")
    return Finding(
        "use of the latent",
        "warning",
        f"{words}: the latent is worth nothing on these data.",
        "Train longer or on more rows; if it stays so, the columns may be independent of each other.",
    )


def _overfitting(metrics: dict[str, Any]) -> Finding:
    train, valid = metrics["train_elbo_nats"], metrics["valid_elbo_nats"]
    gain = max(abs(train - metrics["without_latent_nats"]), 1e-9)
    words = f"{train:.2f} nats on training rows, {valid:.2f} on held-out rows"
    if train - valid > 0.2 * gain:
        return Finding("over-fitting", "warning", f"{words}.", "Use more rows, a smaller hidden, or fewer epochs.")
    return Finding("over-fitting", "good", f"{words}: little or none.")


def _finished(history: list[dict[str, float]], reason: str) -> Finding:
    if reason == "interrupted":
        return Finding(
            "training",
            "warning",
            "it was interrupted; the best weights so far were kept.",
            "Go on with --resume.",
        )
    late = [row["valid_elbo_nats"] for row in history if row["progress"] >= 0.9]
    early = [row["valid_elbo_nats"] for row in history if 0.7 <= row["progress"] < 0.9]
    if len(late) > 1 and early and max(late) - max(early) > 0.02 * abs(max(late)):
        return Finding(
            "training",
            "warning",
            "the held-out bound was still rising at the end.",
            "Give it more epochs or time.",
        )
    return Finding("training", "good", f"{reason} after {len(history)} epochs.")
