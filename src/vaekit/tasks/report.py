"""Report: one page about a model on data, which holds all it shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vaekit.data.batches import spread
from vaekit.data.frames import columns_of, is_frame
from vaekit.data.labels import Labels
from vaekit.data.progress import Tell
from vaekit.data.rows import n_rows, take_rows
from vaekit.models.fitted import Fitted
from vaekit.storage.model_file import weights_digest
from vaekit.tasks.baselines import Comparison, baselines
from vaekit.tasks.embed import embed
from vaekit.tasks.evaluate import evaluate
from vaekit.tasks.figures import Figure, bar_chart, line_chart, picture_strip
from vaekit.tasks.model_card import MEANT_FOR
from vaekit.tasks.plane import Plane
from vaekit.tasks.reconstruct import decode, reconstruct
from vaekit.tasks.sample import sample
from vaekit.tasks.score import Scores, score
from vaekit.tasks.units import active_units

Array = NDArray[Any]

MOST_ROWS = 1_000  # that are looked at
SHOWN = 12  # pictures, or rows of a table, side by side
MOST_UNITS = 16  # that are walked along
STEPS = 9  # of a walk, from −2.5 to 2.5 standard deviations of the unit
FARTHEST = 2.5
MOST_COLUMNS = 12  # of a table of rows

MEANINGS = {
    "n": "rows that the figures are of",
    "elbo_nats": "the evidence lower bound on log p(x), nats a row; higher is likelier",
    "nll_nats": "−log p(x) by importance sampling, nats a row; lower is likelier",
    "bits_per_dim": "the same in bits a value: what a value would take in an ideal archive",
    "reconstruction_nats": "log p(x | z), the part of the bound that rewards close reconstructions",
    "kl_nats": "what a code says beyond the prior, nats a row; 0 where the posterior has collapsed",
    "active_units": "latent units whose mean varies from row to row",
    "latent_dim": "latent units in all",
    "mse": "squared error of reconstructions, in the data's units; of a table by each number's variance",
    "importance_samples": "draws a row, for nll_nats",
    "trustworthiness": "1 where codes that are near have rows that are",
    "continuity": "1 where rows that are near have codes that are",
    "knn_preservation": "share of the 10 nearest rows that are among the 10 nearest codes",
    "intrinsic_dimension": "of what the rows lie on, by distances to neighbours",
    "knn_accuracy": "share of classes that 10 neighbours among codes tell rightly",
}


@dataclass(frozen=True)
class Table:
    """Lines of cells."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Section:
    """A part of the page."""

    title: str
    words: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    points: str = ""  # of the map, as JSON


def report(fitted: Fitted, data: Any, labels: Any = None, tell: Tell | None = None) -> str:
    """Return a page about a model on data, as HTML that needs nothing beside itself; the same for the same rows.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
        Up to 1,000 rows, spread evenly, are looked at.
    labels : array of shape (n_samples,), optional
        Classes, for the colours of the map and what neighbours are worth.
    tell : callable, optional
        Is told the share that is done.
    """
    seen = Seen.of(fitted, data, labels)
    sections = []
    for done, part in enumerate(PARTS):
        sections.append(part(seen))
        if tell is not None:
            tell((done + 1) / len(PARTS))
    return page(seen, sections)


@dataclass(frozen=True)
class Seen:
    """What the page is about: a model, some rows, and what is known of each."""

    fitted: Fitted
    data: Any
    labels: Labels | None
    codes: Array  # [n, d]
    scores: Scores
    figures: dict[str, float | int]
    n_given: int

    @classmethod
    def of(cls, fitted: Fitted, data: Any, labels: Any) -> Seen:
        """Return it for up to 1,000 of the rows."""
        n = n_rows(data)
        chosen = spread(n, MOST_ROWS)
        classes = None if labels is None else Labels.of(labels, n)
        if classes is not None:
            classes = Labels(classes.values, classes.index[chosen], classes.name)
        some = take_rows(data, chosen.tolist())
        figures = evaluate(fitted, some, importance_samples=16)
        return cls(fitted, some, classes, embed(fitted, some), score(fitted, some, 16), figures, n)

    @property
    def is_picture(self) -> bool:
        """Whether rows are pictures."""
        return self.fitted.schema.is_picture

    @property
    def white(self) -> float | None:
        """The value of a picture that is shown white, None for the dtype's own."""
        return getattr(self.fitted.schema.fields[0], "high", None)


# -- the parts ---------------------------------------------------------------------------------------------------------


def what_the_data_are(seen: Seen) -> Section:
    """Return what the schema says, and a line for each column."""
    schema = seen.fitted.schema
    words = [f"{schema.noun.capitalize()}; {seen.n_given:,} rows were given, {len(seen.codes):,} of them looked at."]
    lines = [
        (f.name, f.stated, likelihood or "kept as it is", "yes" if f.missing else "no")
        for f, likelihood in zip(schema.fields, seen.fitted.architecture.likelihoods, strict=True)
    ]
    header = ("column" if not schema.is_block else "values", "kind", "likelihood", "gaps at fit")
    return Section("What the data are", words, [Table("What was learned of each column", header, lines)])


def learning_curve(seen: Seen) -> Section:
    """Return the bound over epochs."""
    history = seen.fitted.record["history"]
    epochs = [row["epoch"] for row in history]
    lines = {
        "training rows": [r["elbo_nats"] for r in history],
        "held-out rows": [r["valid_elbo_nats"] for r in history],
    }
    last = lines["held-out rows"][-1]
    alt = (
        f"The bound over {len(epochs)} epochs: from {lines['held-out rows'][0]:.1f} to {last:.1f} nats a held-out row."
    )
    chart = line_chart(epochs, lines, ("epoch", "nats a row"), alt, "What was maximised, by epoch")
    seconds = seen.fitted.record["seconds"]
    return Section(
        "Learning curve",
        [f"{len(epochs)} epochs in {seconds:.0f} s; {seen.fitted.record['reason']}. Higher is better."],
        figures=[chart],
    )


def bound_and_likelihood(seen: Seen) -> Section:
    """Return each figure with its meaning."""
    lines = [(name, f"{value:,.4g}" if isinstance(value, float) else f"{value:,}", MEANINGS.get(name, ""))
             for name, value in seen.figures.items()]  # fmt: skip
    words = ["Nats are logarithms of probabilities or, of real numbers, of densities, which may exceed 1."]
    return Section(
        "Bound and likelihood", words, [Table("Figures on these rows", ("figure", "value", "meaning"), lines)]
    )


def diagnosis(seen: Seen) -> Section:
    """Return the findings, and the KL of each unit."""
    record = seen.fitted.record
    lines = [("fine" if f["level"] == "good" else "look here", f["topic"], f"{f['sentence']} {f['advice']}".strip())
             for f in record["diagnosis"]]  # fmt: skip
    kl = record["metrics"]["kl_by_unit_nats"]
    figures = []
    if kl:
        order = np.argsort(kl)[::-1]
        alt = f"KL by unit: the largest {max(kl):.2f} nats, the smallest {min(kl):.2f}, {sum(kl):.1f} in all."
        names, nats = [str(k) for k in order], [kl[k] for k in order]
        figures = [bar_chart(names, nats, ("latent unit", "KL, nats"), alt, "What each unit says of a row")]
    return Section("Collapse and other faults", [], [Table("Findings", ("", "topic", "finding"), lines)], figures)


def reconstructions(seen: Seen) -> Section:
    """Return rows and what is left of them after their codes, from the worst to the best."""
    nats = seen.scores.log_likelihood_nats
    order = np.argsort(nats, kind="stable")[np.linspace(0, len(nats) - 1, min(SHOWN, len(nats))).astype(int)]
    rows = take_rows(seen.data, order.tolist())
    back = reconstruct(seen.fitted, rows)
    words = ["From the least likely row to the likeliest, evenly spread between."]
    if seen.is_picture:
        both = np.concatenate([_pictures(rows), _pictures(back)])
        ends = f"from {nats[order[0]]:.0f} to {nats[order[-1]]:.0f} nats"
        alt = f"{len(order)} pictures above their reconstructions, log p(x) {ends}."
        caption = "Above the pictures, below what the code keeps of them"
        return Section("Reconstructions", words, figures=[picture_strip(both, seen.white, len(order), alt, caption)])
    (header, given), (_, kept) = _cells(rows), _cells(back)
    lines = [[f"{nats[row]:.1f}", *(x if x == y else f"{x} → {y}" for x, y in zip(a, b, strict=True))]
             for row, a, b in zip(order, given, kept, strict=True)]  # fmt: skip
    return Section("Reconstructions", words, [Table("Value → its reconstruction", ("nats", *header), lines)])


def samples(seen: Seen) -> Section:
    """Return new rows."""
    n = 4 * SHOWN if seen.is_picture else SHOWN
    rows = sample(seen.fitted, n)
    words = [f"Drawn from the model with the prior '{seen.fitted.architecture.prior}'; none is a row of the data."]
    if seen.is_picture:
        alt = f"{n} pictures that the model made."
        return Section(
            "New rows", words, figures=[picture_strip(_pictures(rows), seen.white, SHOWN, alt, "New pictures")]
        )
    header, lines = _cells(rows)
    return Section("New rows", words, [Table("New rows", header, lines)])


def latent_map(seen: Seen) -> Section:
    """Return the codes in two dimensions, to be looked at closely."""
    plane = Plane.of(seen.codes)
    z, axes = plane.flat(seen.codes), plane.names
    nats = seen.scores.log_likelihood_nats
    groups = _groups(seen)
    points = {
        "axes": axes,
        "nats": np.nan_to_num(nats, neginf=-1e9).round(2).tolist(),
        "groups": [
            {"name": name, "at": rows.tolist(), "x": z[rows, 0].round(4).tolist(), "y": z[rows, 1].round(4).tolist()}
            for name, rows in groups
        ],
    }
    by = "log p(x)" if len(groups) == 1 else _coloured_by(seen)
    words = [
        f"Each point is the code of a row, coloured by {by}. Across: {axes[0]}. Point at one for its row and its nats; "
        "drag to zoom."
    ]
    return Section("Map of the codes", words, points=json.dumps(points))


def traversals(seen: Seen) -> Section:
    """Return what each active unit does when it alone is moved."""
    variance, mean = seen.codes.var(0), seen.codes.mean(0)
    active, _ = active_units(seen.fitted, seen.codes)
    shown = active[:MOST_UNITS]
    if not shown:
        return Section("A walk along each unit", ["No unit is active: all rows have the same code."])
    steps = np.linspace(-FARTHEST, FARTHEST, STEPS)
    walks = np.repeat(mean[None], len(shown) * STEPS, 0).reshape(len(shown), STEPS, -1)
    for i, k in enumerate(shown):
        walks[i, :, k] = mean[k] + steps * np.sqrt(variance[k])
    rows = decode(seen.fitted, walks.reshape(-1, walks.shape[-1]))
    words = [
        f"All units stand at their means but one, which goes from −{FARTHEST:g} to {FARTHEST:g} of its standard "
        f"deviations. {len(shown)} of {len(active)} active units, those that say most first."
    ]
    if seen.is_picture:
        alt = f"A line of {STEPS} pictures for each of the units {', '.join(map(str, shown))}."
        strip = picture_strip(
            _pictures(rows), seen.white, STEPS, alt, "A line for each unit: " + ", ".join(map(str, shown))
        )
        return Section("A walk along each unit", words, figures=[strip])
    header, cells = _cells(rows)
    lines = [[str(k), _changes(header, cells[i * STEPS], cells[(i + 1) * STEPS - 1])] for i, k in enumerate(shown)]
    return Section(
        "A walk along each unit", words, [Table("From one end to the other", ("unit", "what changes"), lines)]
    )


def worth(seen: Seen) -> Section:
    """Return what each job is worth beside something cheap."""
    is_known = seen.labels is not None and bool((seen.labels.index >= 0).all())
    found = baselines(seen.fitted, seen.data, seen.labels.index if is_known and seen.labels is not None else None)
    words = [
        "Cheap methods are fitted on every other row of these, and all are measured on the rest, of which the model "
        "may have seen some in training: rows that it never saw make a fairer page. The model is best at "
        f"{sum(_is_best(c) for c in found)} of {sum(bool(c.figures) for c in found)} jobs.",
        *(f"{c.job}: {c.note}" for c in found if c.note),
    ]
    lines = [_compared(c) for c in found if c.figures]
    header = ("job", "what is measured", "the model", "something cheap", "best")
    return Section("What each job is worth beside something cheap", words, [Table("By job", header, lines)])


def model_card(seen: Seen) -> Section:
    """Return what the model is, and what it is not for."""
    fitted, record = seen.fitted, seen.fitted.record
    architecture, settings = fitted.architecture, record["settings"]
    n_weights = sum(p.numel() for p in fitted.model.parameters())
    networks = f"{architecture.network} {'-'.join(map(str, architecture.hidden))}"
    steps = f"batches of {settings['batch_size']}, learning rate {settings['learning_rate']:g}"
    lines = [
        ("model", f"{architecture.model}, {networks}, {n_weights:,} weights"),
        ("latent", f"{fitted.model.latent_dim} units, prior {architecture.prior}, {architecture.levels} layer(s)"),
        ("trained on", f"{fitted.schema.n_rows:,} rows of {fitted.schema.noun}"),
        ("held out", f"{record['held_out_rows']:,} rows, which scores are compared with"),
        ("objective", f"{settings['objective']}, beta {settings['beta']:g}"),
        ("training", f"{len(record['history'])} epochs, {steps}, {settings['precision']} on {settings['device']}"),
        ("seed", str(settings["seed"])),
        ("versions", f"vaekit {version('vaekit')}, torch {torch.__version__.split('+')[0]}"),
        ("weights", f"SHA-256 {weights_digest(fitted.model.state_dict())}"),
    ]
    return Section("Model card", [MEANT_FOR], [Table("The model", ("", ""), lines)])


PARTS: tuple[Callable[[Seen], Section], ...] = (
    what_the_data_are,
    learning_curve,
    bound_and_likelihood,
    diagnosis,
    reconstructions,
    samples,
    latent_map,
    traversals,
    worth,
    model_card,
)


# -- the page ----------------------------------------------------------------------------------------------------------


def page(seen: Seen, sections: list[Section]) -> str:
    """Return the sections as HTML."""
    from jinja2 import Environment
    from plotly.offline import get_plotlyjs

    text = files("vaekit.tasks").joinpath("report.html").read_text(encoding="utf-8")
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)
    return template.render(summary=summary(seen), sections=[asdict(s) for s in sections], plotly=get_plotlyjs())


def summary(seen: Seen) -> str:
    """Return the page in two sentences."""
    figures, record = seen.figures, seen.fitted.record
    warnings = sum(f["level"] == "warning" for f in record["diagnosis"])
    faults = "nothing amiss in training" if not warnings else f"{warnings} thing(s) to look at in training"
    return (
        f"A {seen.fitted.architecture.model} with {figures['latent_dim']} latent units "
        f"({figures['active_units']} active) on {seen.n_given:,} rows of {seen.fitted.schema.noun}: "
        f"{figures['nll_nats']:.2f} nats a row, "
        f"{figures['bits_per_dim']:.3f} bits a value, of which the code takes {figures['kl_nats']:.2f} nats; {faults}."
    )


# -- cells and points --------------------------------------------------------------------------------------------------


def _pictures(rows: Any) -> Array:
    """Return pictures as they are shown, [n, H, W] or [n, H, W, 3 or 4]."""
    shown = np.asarray(rows)
    return shown[..., 0] if shown.ndim == 4 and shown.shape[-1] == 1 else shown


def _cells(rows: Any) -> tuple[list[str], list[list[str]]]:
    """Return names and texts of the first columns of an array or frame."""
    if is_frame(rows):
        import polars as pl

        columns, _, _ = columns_of(rows)
        frame = pl.from_dataframe(rows) if not isinstance(rows, pl.DataFrame) else rows
        names = list(columns)[:MOST_COLUMNS]
        return names, [[_text(v) for v in row] for row in frame.select(names).rows()]
    flat = np.asarray(rows).reshape(len(rows), -1)[:, :MOST_COLUMNS]
    return [f"x{j}" for j in range(flat.shape[1])], [[_text(v) for v in row] for row in flat.tolist()]


def _text(value: Any) -> str:
    if value is None or value != value:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _changes(names: Sequence[str], first: Sequence[str], last: Sequence[str], most: int = 4) -> str:
    """Return which columns change most from one row to another, in words."""
    moved = [(_moved(a, b), f"{name} {a} → {b}") for name, a, b in zip(names, first, last, strict=True) if a != b]
    return ", ".join(words for _, words in sorted(moved, key=lambda pair: -pair[0])[:most]) or "nothing that is shown"


def _moved(a: str, b: str) -> float:
    try:
        return abs(float(a) - float(b)) / (abs(float(a)) + abs(float(b)) + 1e-12)
    except ValueError:
        return 1.0


def _coloured_by(seen: Seen) -> str:
    return seen.labels.name if seen.labels is not None else _telling_column(seen)[0]


def _groups(seen: Seen) -> list[tuple[str, Array]]:
    """Return the rows of each colour: of a class, of a category of a column, or all of them."""
    if seen.labels is not None:
        names, index = [str(v) for v in seen.labels.values], seen.labels.index
    else:
        _, names, index = _telling_column(seen)
    groups = [(name, np.flatnonzero(index == k)) for k, name in enumerate(names)]
    unknown = np.flatnonzero(index < 0)
    groups += [("not known", unknown)] if len(unknown) and names else []
    return [g for g in groups if len(g[1])] or [("rows", np.arange(len(seen.codes)))]


def _telling_column(seen: Seen, most: int = 12) -> tuple[str, list[str], Array]:
    """Return the first column of a few categories, its values and which each row has."""
    if seen.fitted.schema.is_frame and is_frame(seen.data):
        for name, values in columns_of(seen.data)[0].items():
            texts = np.array([_text(v) for v in values.tolist()])
            known, index = np.unique(texts, return_inverse=True)
            if 1 < len(known) <= most:
                return name, known.tolist(), index
    return "", [], np.full(len(seen.codes), -1)


def _is_best(comparison: Comparison) -> bool:
    return bool(comparison.figures) and comparison.best == next(iter(comparison.figures))


def _compared(comparison: Comparison) -> list[str]:
    """Return a job's line: what is measured, the model's figure, those of others and the best method."""
    (_, own), *others = comparison.figures.items()
    cheap = "; ".join(f"{name} {value:,.3g}" for name, value in others)
    better = "higher is better" if comparison.higher else "lower is better"
    return [comparison.job, f"{comparison.measure}; {better}", f"{own:,.3g}", cheap, comparison.best]
