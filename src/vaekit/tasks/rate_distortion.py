"""Rate and distortion: what lossy archives of rows take, and what is left of the rows in them."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from vaekit.codec import archive, packing
from vaekit.codec.dial import Dial
from vaekit.codec.loss import Loss
from vaekit.data.progress import Tell
from vaekit.errors import DataError
from vaekit.models.fitted import Fitted

Array = NDArray[Any]

QUALITIES = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90)
WINDOW = 7  # of structural similarity


def rate_distortion(
    fitted: Fitted, data: Any, labels: Any = None, tell: Tell | None = None
) -> list[dict[str, float | int]]:
    """Return a point of the curve for each of some qualities of `compress`.

    Parameters
    ----------
    fitted : Fitted
    data : array of n_samples rows
        Pictures, vectors or windows of time.
    labels : array of shape (n_samples,), optional
        Classes; adds `accuracy`: a logistic regression is fitted on the first half of the rows as they are, and asked
        about the other half as it comes back.
    tell : callable, optional
        Is told the share that is done.

    Returns
    -------
    list of dict
        quality, bits_per_value (of the archive, without the model), mse and largest_error (in the data's own units),
        psnr_db (of the range of the data; None where nothing is lost), and for pictures ssim.

    Raises
    ------
    DataError
        When the rows are a table, whose columns have units of their own.
    """
    if not fitted.schema.is_block:
        raise DataError(
            "Rate and distortion are of pictures and vectors, whose values have one unit; the model is of columns. "
            "Compress them with max_error."
        )
    rows, points = packing.as_rows(data), []
    for done, quality in enumerate(QUALITIES, 1):
        blob = packing.compress(rows, fitted.integer_model, dial=Dial(quality=quality))
        found = archive.decompress(blob, fitted.integer_model)
        points.append({"quality": quality, "bits_per_value": 8 * len(blob) / rows.size})
        points[-1] |= asdict(Loss.between(rows, found))
        if fitted.schema.is_picture:
            points[-1]["ssim"] = ssim(rows, found)
        if labels is not None:
            points[-1]["accuracy"] = accuracy(rows, found, labels)
        if tell is not None:
            tell(done / len(QUALITIES))
    return points


def ssim(rows: Array, found: Array) -> float:
    """Return the mean structural similarity of pictures [n, H, W] or [n, H, W, C], in windows of 7 × 7.

    Source: Wang et al. (2004), eq. 13, doi:10.1109/TIP.2003.819861.
    """
    x, y = (part.astype(np.float64) for part in (rows, found))
    size = (0, WINDOW, WINDOW, *[0] * (x.ndim - 3))
    mean_x, mean_y, xx, yy, xy = (uniform_filter(v, size) for v in (x, y, x * x, y * y, x * y))
    extent = max(float(x.max() - x.min()), 1e-12)
    c1, c2 = (0.01 * extent) ** 2, (0.03 * extent) ** 2
    covariance, variances = xy - mean_x * mean_y, xx - mean_x**2 + yy - mean_y**2
    similar = (2 * mean_x * mean_y + c1) * (2 * covariance + c2) / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))
    return float(similar.mean())


def accuracy(rows: Array, found: Array, labels: Any) -> float:
    """Return how often a classifier of rows as they are is right about others as they come back."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes, half = np.asarray(labels).reshape(-1), len(rows) // 2
    if len(classes) != len(rows) or len(np.unique(classes[:half])) < 2:
        raise DataError(
            f"There are {len(classes)} labels for {len(rows)} rows. Give one a row, of two classes or more."
        )
    flat, back = (part.reshape(len(rows), -1) for part in (rows, found))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(flat[:half], classes[:half])
    return float(classifier.score(back[half:], classes[half:]))


def drawn(points: list[dict[str, Any]]) -> bytes:
    """Return the curve of points as a PNG: PSNR and bits a value."""
    from matplotlib.figure import Figure

    lossy = [point for point in points if point["psnr_db"] is not None]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="bits a value", ylabel="PSNR, dB")
    axes.plot([p["bits_per_value"] for p in lossy], [p["psnr_db"] for p in lossy], "o-")
    for point in lossy:
        at = (point["bits_per_value"], point["psnr_db"])
        axes.annotate(str(point["quality"]), at, xytext=(4, -10), textcoords="offset points", fontsize=8)
    axes.set_title("by quality")
    axes.grid(alpha=0.3, which="both")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()
