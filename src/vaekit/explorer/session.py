"""What a page is about: a model, rows, their codes and the plane these are drawn on; and every answer it gives."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vaekit.data.batches import spread
from vaekit.data.fields import Categorical
from vaekit.data.frames import columns_of, is_frame
from vaekit.data.labels import Labels
from vaekit.data.progress import Tell
from vaekit.data.rows import take_rows
from vaekit.errors import DataError, ParameterError, VaekitError
from vaekit.explorer.looks import Plain, look, of_cells, of_levels, packed, said
from vaekit.models.fitted import Fitted
from vaekit.tasks.embed import embed
from vaekit.tasks.explain import explain
from vaekit.tasks.impute import impute
from vaekit.tasks.plane import Plane
from vaekit.tasks.reconstruct import reconstruct
from vaekit.tasks.sample import sample
from vaekit.tasks.score import Scores, known, score
from vaekit.tasks.tiles import in_tiles
from vaekit.tasks.units import active_units

MOST_DRAWN = 20_000  # points that are drawn and scored; beyond them there is a density
BINS = 192  # of the density, each way
MOST_DECODED = 1_024  # codes at once
MOST_COLUMNS = 64  # that points are coloured by
MOST_CLASSES = 12  # of a column that is drawn in colours of classes
NEAREST = 8
FARTHEST = 3.0  # standard deviations that a slider goes to

SCORED_UNASKED = 2_000  # points at most whose scores are the first colour
NATS, ODDITY, NOTHING = "log-likelihood, nats", "anomaly, nats of surprise", "nothing"


class Session:
    """A model with rows to look at.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows, optional
        Without, what the model makes of the codes that its file keeps.
    labels : array of shape (n_samples,), optional
    tell : callable, optional
        Is told the share of rows that is embedded.
    """

    def __init__(self, fitted: Fitted, data: Any = None, labels: Any = None, tell: Tell | None = None) -> None:
        self.fitted, self.schema, self.given = fitted, fitted.schema, data is not None
        if data is None:
            self.codes = known(fitted).codes.numpy()
            self.rows = self._as_data(self._means(self.codes))
        else:
            self.codes, self.rows = embed(fitted, data, tell), data
        self.n = len(self.codes)
        self.labels = None if labels is None else Labels.of(labels, self.n)
        self.plane = Plane.of(self.codes)
        self.points = self.plane.flat(self.codes)  # [n, 2]
        self.drawn = spread(self.n, MOST_DRAWN)
        self.share = 0.0  # of the drawn rows that are scored
        self.ended = False
        self._chance, self._scoring = Lock(), Lock()  # torch has one stream of random numbers

    # -- what is told once -------------------------------------------------------------------------------------------

    def about(self) -> Plain:
        """Return what the page has to know before anything is asked."""
        schema = self.schema
        low, high = self.points.min(0), self.points.max(0)
        channels, height, width = schema.event_shape if schema.is_picture else (0, 0, 0)
        return {
            "title": f"{self.fitted.architecture.model} of {schema.noun}",
            "kind": "pictures" if schema.is_picture else "table",
            "shape": [height, width, channels],
            "columns": [] if schema.is_picture else self._columns(),
            "given": self.given,
            "n": self.n,
            "n_drawn": len(self.drawn),
            "latent_dim": self.codes.shape[1],
            "centre": self.plane.centre.tolist(),
            "axes": self.plane.axes.tolist(),
            "axis_names": list(self.plane.names),
            "box": [float(low[0]), float(high[0]), float(low[1]), float(high[1])],
            "bins": BINS,
            "mean": self.codes.mean(0).tolist(),
            "units": self._units(),
            "colours": list(self.colours),
            "colour": self._usual_colour(),
        }

    def _columns(self) -> list[Plain]:
        fields = self.schema.fields * self.schema.n_dims if self.schema.is_block else self.schema.fields
        return [
            {
                "name": name,
                "kind": field.kind,
                "choices": [said(c) for c in field.categories] if isinstance(field, Categorical) else None,
            }
            for name, field in zip(self.schema.names, fields, strict=True)
        ]

    def _units(self) -> list[Plain]:
        active, worth = active_units(self.fitted, self.codes)
        spread_of = self.codes.std(0)
        return [{"unit": k, "kl_nats": float(worth[k]), "std": float(spread_of[k])} for k in active]

    def drawn_points(self) -> bytes:
        """Return the drawn points as float32 [m, 3]: across, up, number of the row."""
        return np.column_stack([self.points[self.drawn], self.drawn]).astype("<f4").tobytes()

    def density(self) -> bytes:
        """Return how many points are in each bin of the points' box, float32 [BINS, BINS], the lowest first."""
        counts, _, _ = np.histogram2d(self.points[:, 1], self.points[:, 0], BINS)
        return counts.astype("<f4").tobytes()

    # -- colours -----------------------------------------------------------------------------------------------------

    @cached_property
    def colours(self) -> dict[str, str]:
        """What points can be coloured by, and whether it is a label, a column or a score."""
        found = {} if self.labels is None else {self.labels.name: "label"}
        names = [] if self.schema.is_picture else self.schema.names[:MOST_COLUMNS]
        return found | {n: "column" for n in names if n not in found} | {NATS: "score", ODDITY: "score", NOTHING: ""}

    def _usual_colour(self) -> str:
        if self.labels is not None:
            return self.labels.name
        texts = (f.name for f in self.schema.fields if isinstance(f, Categorical) and not self.schema.is_block)
        scores = NATS if len(self.drawn) <= SCORED_UNASKED else NOTHING
        return next((name for name in texts if name in self.colours), scores)

    def colour(self, name: str) -> Plain:
        """Return the colour of each drawn point: a number, or the place of its class among names, −1 where unknown."""
        what = self.colours.get(name)
        if what is None:
            raise ParameterError(f"Points cannot be coloured by {name!r}. Choose one of {', '.join(self.colours)}.")
        if what == "label" and self.labels is not None:
            return _classes([said(v) for v in self.labels.values.tolist()], self.labels.index[self.drawn])
        if name == NOTHING:
            return _classes(["rows"], np.zeros(len(self.drawn), np.int64))
        if what == "score":
            part = self.scores.log_likelihood_nats if name == NATS else self.scores.oddity_nats
            return {"values": _finite(part)}
        values = self._values(name)[self.drawn]
        texts = np.array([said(v) for v in values.tolist()])
        names = np.unique(texts[texts != ""])
        if values.dtype.kind in "OUb" or len(names) <= 2:
            return _of_texts(texts)
        return {"values": [None if v != v else v for v in values.astype(np.float64).tolist()]}

    def _values(self, name: str) -> NDArray[Any]:
        if is_frame(self.rows):
            return columns_of(self.rows)[0][name]
        return np.asarray(self.rows)[:, self.schema.names.index(name)]

    @property
    def scores(self) -> Scores:
        """The scores of the drawn rows, computed once."""
        with self._scoring:
            return self._scores

    @cached_property
    def _scores(self) -> Scores:
        return score(self.fitted, take_rows(self.rows, self.drawn.tolist()), tell=self._progress)

    def _progress(self, share: float) -> None:
        if self.ended:  # nobody waits for the scores of many rows
            raise VaekitError("The page has ended.")
        self.share = share

    # -- answers -----------------------------------------------------------------------------------------------------

    def decode(self, codes: Any) -> Plain:
        """Return the rows of codes [n, d]."""
        z = np.asarray(codes, dtype=np.float32)
        if z.ndim != 2 or z.shape[1] != self.codes.shape[1] or not np.isfinite(z).all():
            raise DataError(f"Expected finite codes of shape (n, {self.codes.shape[1]}); got {z.shape}.")
        if not 1 <= len(z) <= MOST_DECODED:
            raise ParameterError(f"From 1 to {MOST_DECODED:,} codes are decoded at once; got {len(z):,}.")
        return look(self.schema, self.decoded(z))

    def decoded(self, codes: NDArray[Any]) -> Any:
        """Return E[x | z], in the data's units."""
        return self.schema.decode(self._means(codes))

    def _means(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Return E[x | z] of codes: a frame must not wait for the tile that whole data are decoded in."""
        model = self.fitted.model.eval()
        z = torch.from_numpy(np.ascontiguousarray(codes)).to(model.device)
        size = 1 if len(z) == 1 else 64
        return in_tiles(lambda tile: model.likelihood(tile).mean.cpu(), z, size).numpy()

    def _as_data(self, means: NDArray[Any]) -> Any:
        """Return rows with values that the schema knows, next to means."""
        schema = self.schema
        if schema.is_block:
            return schema.decode(schema.fields[0].nearest(means))
        return schema.decode(np.stack([f.nearest(means[:, j]) for j, f in enumerate(schema.fields)], 1), drawn=True)

    def codes_of(self, rows: list[int]) -> Plain:
        """Return the codes of some rows, and where they are on the map."""
        chosen = [self._checked(int(number)) for number in rows[:MOST_DECODED]]
        return {"codes": self.codes[chosen].tolist(), "at": self.points[chosen].tolist()}

    def row(self, number: int) -> Plain:
        """Return what a row of the data is, what its code keeps of it, and the rows near to it."""
        return {"row": number, **self._shown(take_rows(self.rows, [self._checked(number)]), number)}

    def _checked(self, number: int) -> int:
        if not 0 <= number < self.n:
            raise ParameterError(f"There is no row {number}: rows are numbered from 0 to {self.n - 1}.")
        return number

    def place(self, *, pixels: bytes | None = None, cells: list[str] | None = None) -> Plain:
        """Return the same of a row of the user's: a picture's bytes [H, W, channels], or the texts of its cells."""
        return self._shown(self._own(pixels, cells), None)

    def odd(self, number: int | None = None, *, pixels: bytes | None = None, cells: list[str] | None = None) -> Plain:
        """Return how likely and how odd a row is, of the data or of the user's, and why: draws, which take a while."""
        row = self._own(pixels, cells) if number is None else take_rows(self.rows, [self._checked(int(number))])
        scores = score(self.fitted, row)
        return {
            "nats": _finite(scores.log_likelihood_nats)[0],
            "bits_per_dim": _finite(scores.bits_per_dim)[0],
            "oddity_nats": _finite(scores.oddity_nats)[0],
            "tail_probability": float(scores.tail_probability[0]),
            "why": self._why(row),
        }

    def _own(self, pixels: bytes | None, cells: list[str] | None) -> Any:
        schema = self.schema
        if not schema.is_picture:
            return of_cells(schema, [list(map(str, cells or []))])
        channels, height, width = schema.event_shape
        if len(pixels or b"") != channels * height * width:
            raise DataError(f"A picture has {channels * height * width} bytes here; got {len(pixels or b'')}.")
        return of_levels(schema, np.frombuffer(pixels or b"", np.uint8).reshape(1, height, width, channels))

    def _shown(self, row: Any, number: int | None) -> Plain:
        """Return code, place, reconstruction and near rows of a single row."""
        code = embed(self.fitted, row)  # [1, d]
        at = self.points[number] if number is not None else self.plane.flat(code)[0]
        return {
            "code": code[0].tolist(),
            "at": at.tolist(),
            "given": look(self.schema, row),
            "kept": look(self.schema, reconstruct(self.fitted, row)),
            "near": self._near(code[0], number),
            "label": self._label(number),
        }

    def _label(self, number: int | None) -> str:
        is_known = number is not None and self.labels is not None and self.labels.index[number] >= 0
        return said(self.labels.values.tolist()[self.labels.index[number]]) if is_known and self.labels else ""

    def _why(self, row: Any) -> Plain:
        """Return by how many nats each value, and the code, is odder than usual."""
        nats = explain(self.fitted, row).to_numpy()[0]
        by_value, latent = np.nan_to_num(nats[:-1]), float(np.nan_to_num(nats[-1]))
        if self.schema.is_picture:
            by_pixel = by_value.reshape(self.schema.event_shape).sum(0)  # [H, W]
            return {"pixels": packed(by_pixel.astype("<f4")), "latent": latent}
        return {"values": by_value.tolist(), "latent": latent}

    def _near(self, code: NDArray[Any], number: int | None) -> Plain:
        """Return the nearest rows by their codes, the row itself left out."""
        distance = np.sqrt(np.square(self.codes - code).sum(1))
        if number is not None:
            distance[number] = np.inf
        k = min(NEAREST, self.n - (number is not None))
        order = np.argpartition(distance, k - 1)[:k] if k else np.empty(0, np.int64)
        order = order[np.argsort(distance[order], kind="stable")]
        rows = look(self.schema, take_rows(self.rows, order.tolist())) if k else {}
        return {"rows": order.tolist(), "distances": distance[order].tolist(), **rows}

    def fill(self, cells: list[str], edited: list[str]) -> Plain:
        """Return what each cell is expected to hold given all others of its row, as it was and as it is edited.

        A cell that is empty is a gap, and what is expected there given the rest is what fills it.
        """
        n = self.schema.n_dims
        if self.schema.is_picture:
            raise ParameterError(f"Cells are of tables; the model was fitted on {self.schema.noun}.")
        rows = [[*one[:j], "", *one[j + 1 :]] for one in (cells, edited) for j in range(n)]
        at_random = replace(self.fitted, masking=None)  # a cell is empty here because it was asked about
        with self._chance:
            whole = look(self.schema, impute(at_random, of_cells(self.schema, rows)))["cells"]
        return {"before": [whole[j][j] for j in range(n)], "after": [whole[n + j][j] for j in range(n)]}

    def sample(self, n: int, given: dict[str, str], seed: int) -> Plain:
        """Return new rows, and where they land."""
        if not 1 <= n <= 64:
            raise ParameterError(f"From 1 to 64 rows are drawn at once; got {n}.")
        with self._chance:
            rows = sample(self.fitted, n, seed, given=given or None)
        return look(self.schema, rows) | {"at": self._landing(rows).tolist()}

    def _landing(self, rows: Any) -> NDArray[Any]:
        try:
            return self.plane.flat(embed(self.fitted, rows))
        except DataError:  # a draw whose gaps the encoder does not know has no code
            return np.empty((0, 2))

    def inside(self, outline: Any) -> NDArray[np.int64]:
        """Return the numbers of the rows within an outline on the map, [k, 2], of which 3 points at least."""
        from matplotlib.path import Path

        corners = np.asarray(outline, dtype=np.float64)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
            raise ParameterError("An outline has three points or more, each with two finite numbers.")
        return np.flatnonzero(Path(corners).contains_points(self.points))


def _classes(names: list[str], index: NDArray[Any]) -> Plain:
    return {"names": names, "values": index.tolist()}


def _of_texts(texts: NDArray[Any]) -> Plain:
    """Return the commonest texts as classes; rarer ones are unknown."""
    names, counts = np.unique(texts[texts != ""], return_counts=True)
    kept = np.sort(names[np.argsort(-counts, kind="stable")[:MOST_CLASSES]]).tolist()
    place = {name: k for k, name in enumerate(kept)}
    return {"names": kept, "values": [place.get(text, -1) for text in texts.tolist()]}


def _finite(values: NDArray[Any]) -> list[float]:
    return np.nan_to_num(values, neginf=-1e9, posinf=1e9).astype(np.float64).tolist()
