"""What each job of a model is worth beside something cheap.

The cheap methods are fitted on one half of the rows (the first, third, …), and all are measured on the other half, of
which the model may have seen some in training. They read what the encoder reads: numbers in units of their spread,
categories one-hot, gaps 0.
"""

from __future__ import annotations

import io
import lzma
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.data.batches import seed_of
from vaekit.data.fields import Categorical, Constant
from vaekit.data.frames import columns_of
from vaekit.errors import VaekitError
from vaekit.models.fitted import Fitted
from vaekit.tasks.compress import compress
from vaekit.tasks.evaluate import knn_accuracy
from vaekit.tasks.impute import expected
from vaekit.tasks.likelihood import log_likelihood
from vaekit.tasks.observe import observed
from vaekit.tasks.score import known, oddities, references_of, surprise_nats
from vaekit.tasks.tiles import in_tiles
from vaekit.training.precision import own_randomness

Floats = NDArray[Any]

GAPS = 0.2  # of the values, that are taken away
FEW = 200  # rows whose gaps are filled
SAMPLED = 16  # draws for each row's likelihood
TREES = 100
NEIGHBOURS = 5


@dataclass(frozen=True)
class Comparison:
    """A job as the model does it and as something cheap does.

    Parameters
    ----------
    job, measure : str
    figures : dict of str to float
        By method, the model's own first.
    higher : bool
        Whether a larger figure is better.
    note : str
        Why there are no figures, or what was done.
    """

    job: str
    measure: str
    figures: dict[str, float] = field(default_factory=dict)
    higher: bool = True
    note: str = ""

    @property
    def best(self) -> str:
        """The method with the best figure, "" where there are none."""
        pick: Callable[..., str] = max if self.higher else min
        return pick(self.figures, key=self.figures.__getitem__) if self.figures else ""


class Halves:
    """Rows in the forms that models and cheap methods read, in two halves.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    labels : ndarray of shape (n_samples,), optional
    """

    def __init__(self, fitted: Fitted, data: Any, labels: Floats | None) -> None:
        self.fitted, self.data, self.labels = fitted, data, labels
        self.rows = fitted.rows(data)  # [n, *event_shape]
        self.first, self.second = self.rows[::2], self.rows[1::2]

    def read(self, rows: Tensor) -> Floats:
        """Return what the encoder reads of codes [n, *event_shape]: [n, width]."""
        inputs = self.fitted.model.inputs
        return in_tiles(lambda x: inputs(x).flatten(1).float(), rows).numpy()  # type: ignore[operator]

    def codes(self, rows: Tensor) -> Floats:
        """Return the posterior means of rows, [n, d]."""
        model = self.fitted.model.eval()
        return in_tiles(lambda x: model.posterior(observed(model, x)).mean.cpu(), rows).numpy()

    def numbers(self) -> list[int]:
        """Return the places of a row's values that are numbers and vary."""
        schema = self.fitted.schema
        spread = np.nanstd(self.first.flatten(1).float().numpy(), axis=0)
        is_number = [not isinstance(f, Categorical | Constant) for f in schema.fields]
        if schema.is_block:
            return [j for j in range(schema.n_dims) if spread[j] > 0]
        return [j for j, number in enumerate(is_number) if number and spread[j] > 0]


def baselines(fitted: Fitted, data: Any, labels: Floats | None = None) -> list[Comparison]:
    """Return what the model's jobs are worth on rows beside something cheap.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    labels : ndarray of shape (n_samples,), optional
        Classes.
    """
    halves = Halves(fitted, data, labels)
    jobs = (reduction, compression, classes, anomalies, gaps, new_rows)
    with own_randomness(seed_of(20)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cheap methods on odd data
        return [job(halves) for job in jobs]


def reduction(halves: Halves) -> Comparison:
    """How much of the variance of numbers is left over when a row has been told in d numbers, beside PCA of as many."""
    from sklearn.decomposition import PCA

    said = ("Reduce dimensions", "share of the variance that is lost")
    places = halves.numbers()
    model, d = halves.fitted.model, halves.fitted.model.latent_dim
    if d >= len(places):
        return Comparison(*said, note=f"a code has {d} numbers and a row {len(places)}: nothing is reduced.")
    first, second = (_filled(rows, halves.first)[:, places] for rows in (halves.first, halves.second))
    told = in_tiles(lambda x: model.reconstruct(x).cpu().float(), halves.second).flatten(1).numpy()[:, places]
    pca = PCA(min(d, *first.shape)).fit(first)
    by_pca = pca.inverse_transform(pca.transform(second))
    scale = first.var(0) if not halves.fitted.schema.is_block else np.full(len(places), first.var(0).mean())
    return Comparison(*said, {
        "the model": float((np.square(told - second) / scale).mean()),
        f"PCA, {pca.n_components_} components": float((np.square(by_pca - second) / scale).mean()),
    }, higher=False)  # fmt: skip


def compression(halves: Halves) -> Comparison:
    """How many bytes a row takes without loss, beside xz and PNG."""
    from PIL import Image

    said, data, n = ("Compress without loss", "bytes a row"), halves.data, len(halves.rows)
    figures = {"the model's archive": len(compress(halves.fitted, data)) / n}
    figures["xz"] = len(lzma.compress(_raw_bytes(halves.fitted, data), preset=9)) / n
    if halves.fitted.schema.is_picture and np.asarray(data).dtype == np.uint8:
        sheet = np.asarray(data).reshape(n * data.shape[1], *data.shape[2:])
        file = io.BytesIO()
        Image.fromarray(sheet.squeeze()).save(file, format="PNG", optimize=True)
        figures["PNG of all pictures in one"] = len(file.getvalue()) / n
    return Comparison(*said, figures, higher=False, note="the model's own file is not counted: many archives share it.")


def classes(halves: Halves) -> Comparison:
    """How often ten neighbours among codes are right about the class, beside those among rows and PCA's codes."""
    from sklearn.decomposition import PCA

    said = ("Feed a classifier", "share of classes that 10 neighbours tell rightly, five folds")
    if halves.labels is None:
        return Comparison(*said, note="no labels were given.")
    read = halves.read(halves.rows)
    d = min(halves.fitted.model.latent_dim, *read.shape)
    try:
        return Comparison(*said, {
            "codes of the model": knn_accuracy(halves.codes(halves.rows), halves.labels),
            "rows as they are": knn_accuracy(read, halves.labels),
            f"PCA, {d} components": knn_accuracy(PCA(d).fit_transform(read), halves.labels),
        })  # fmt: skip
    except VaekitError as error:
        return Comparison(*said, note=str(error))


def anomalies(halves: Halves) -> Comparison:
    """How well rows whose second half is another row's are told from whole ones, beside isolation forest and kNN."""
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score
    from sklearn.neighbors import NearestNeighbors

    said = ("Find odd rows", "area under the ROC curve; 0.5 is chance")
    second, broken = halves.second, _broken(halves.second)
    read = [halves.read(rows) for rows in (halves.first, second, broken)]
    forest = IsolationForest(n_estimators=TREES, random_state=0).fit(read[0])
    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(read[0]))).fit(read[0])
    scores = {
        "the model": [_oddity(halves.fitted, rows) for rows in (second, broken)],
        "isolation forest": [-forest.score_samples(rows) for rows in read[1:]],
        f"distance to the {NEIGHBOURS}th nearest": [near.kneighbors(rows)[0][:, -1] for rows in read[1:]],
    }
    is_broken = np.repeat([0, 1], len(second))
    figures = {name: float(roc_auc_score(is_broken, np.concatenate(both))) for name, both in scores.items()}
    note = "the second half of an odd row's values is another row's; each value is usual, together they are not."
    return Comparison(*said, figures, note=note)


def gaps(halves: Halves) -> Comparison:
    """How far filled values are off where a fifth of the numbers were taken away, beside means and kNN."""
    from sklearn.impute import KNNImputer

    said = ("Fill gaps", "root mean squared error, in units of each value's spread")
    places = halves.numbers()
    if len(places) < 2:
        return Comparison(*said, note="there are no two numbers in a row.")
    whole = halves.second[:FEW].float().cpu()
    first = halves.first.flatten(1).float().cpu().numpy()[:, places]
    taken = torch.zeros(whole.flatten(1).shape, dtype=torch.bool)
    taken[:, places] = torch.rand(len(whole), len(places)) < GAPS
    taken = taken.view_as(whole) & ~whole.isnan()
    holed = whole.masked_fill(taken, torch.nan)
    by_model = expected(halves.fitted.model, holed.to(halves.rows.device)).flatten(1).numpy()[:, places]
    flat, mask = whole.flatten(1).numpy()[:, places], taken.flatten(1).numpy()[:, places]
    seen = holed.flatten(1).numpy()[:, places]
    scale, mean = np.nanstd(first, axis=0), np.nanmean(first, axis=0)
    near = (
        KNNImputer(n_neighbors=NEIGHBOURS, keep_empty_features=True).fit(first / scale).transform(seen / scale) * scale
    )
    found = {"the model": by_model, "means": np.broadcast_to(mean, flat.shape), f"{NEIGHBOURS} neighbours": near}
    off = {name: float(np.sqrt(np.square((x - flat) / scale)[mask].mean())) for name, x in found.items()}
    return Comparison(*said, off, higher=False)


def new_rows(halves: Halves) -> Comparison:
    """How well a forest tells new rows from real ones, beside those of one Gaussian."""
    said = ("Make new rows", "area under the ROC curve of a forest that tells them from real ones; 0.5 is best")
    model, n = halves.fitted.model.eval(), len(halves.second)
    with torch.no_grad():
        p = model.likelihood(model.prior.sample(n))
        drawn = (p.mean if halves.fitted.schema.is_picture else p.sample()).cpu()
    if halves.fitted.schema.is_picture:
        drawn = drawn.round()
    first, real = halves.read(halves.first), halves.read(halves.second)
    rng = np.random.default_rng(0)
    normal = rng.multivariate_normal(first.mean(0), np.cov(first.T).reshape(first.shape[1], -1), n, method="eigh")
    return Comparison(*said, {
        "the model": _told_apart(real, halves.read(drawn.to(halves.rows.device))),
        "a Gaussian": _told_apart(real, normal),
    }, higher=False)  # fmt: skip


# -- parts -------------------------------------------------------------------------------------------------------------


def _filled(rows: Tensor, like: Tensor) -> Floats:
    """Return codes as numbers [n, D], a gap as the mean of others."""
    flat, usual = rows.flatten(1).float().cpu().numpy(), like.flatten(1).float().cpu().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of columns of gaps alone
        means = np.nan_to_num(np.nanmean(usual, axis=0))
    return np.where(np.isnan(flat), means, flat)


def _raw_bytes(fitted: Fitted, data: Any) -> bytes:
    """Return the bytes of an array, or of a frame's columns one after the other, texts as lines."""
    if not fitted.schema.is_frame:
        return np.ascontiguousarray(data).tobytes()
    columns, _, _ = columns_of(data)
    return b"".join(
        "\n".join(map(str, values)).encode() if values.dtype == object else values.tobytes()
        for values in columns.values()
    )


def _broken(rows: Tensor) -> Tensor:
    """Return rows [n, *event_shape] whose second half of values is that of the next row."""
    flat = rows.flatten(1).clone()
    half = flat.shape[1] // 2
    flat[:, half:] = flat[:, half:].roll(1, dims=0)
    return flat.view_as(rows)


def _oddity(fitted: Fitted, rows: Tensor) -> Floats:
    nats = log_likelihood(fitted.model, rows, SAMPLED)
    return surprise_nats(known(fitted), oddities(fitted.model, references_of(fitted), rows, nats))


def _told_apart(real: Floats, made: Floats) -> float:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    rows, is_made = np.concatenate([real, made]), np.repeat([0, 1], [len(real), len(made)])
    forest = RandomForestClassifier(TREES, random_state=0)
    chance = cross_val_predict(forest, rows, is_made, cv=5, method="predict_proba")[:, 1]
    auc = float(roc_auc_score(is_made, chance))
    return max(auc, 1 - auc)
