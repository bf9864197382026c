"""Evaluate: one number for each question people ask of a model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.data.batches import spread
from vaekit.data.fields import Categorical, Constant, Real
from vaekit.data.progress import Tell
from vaekit.errors import DataError
from vaekit.models.fitted import Fitted
from vaekit.tasks.embed import embed
from vaekit.tasks.likelihood import IMPORTANCE_SAMPLES, terms
from vaekit.tasks.neighbourhoods import MOST_ROWS, neighbourhoods
from vaekit.tasks.tiles import in_tiles
from vaekit.training.measures import ACTIVE_VARIANCE, unit_means


def evaluate(
    fitted: Fitted,
    data: Any,
    labels: Any = None,
    importance_samples: int = IMPORTANCE_SAMPLES,
    tell: Tell | None = None,
) -> dict[str, float | int]:
    """Return the model's figures on rows; nats are summed over a row's values and averaged over rows.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    labels : array of shape (n_samples,), optional
        Classes; adds `knn_accuracy`, of 10 nearest neighbours on the codes, in five-fold cross-validation.
    importance_samples : int
    tell : callable, optional
        Is told the share that is done.

    Returns
    -------
    dict
        n, elbo_nats, nll_nats, bits_per_dim, reconstruction_nats (log p(x | z) under the posterior), kl_nats,
        active_units, latent_dim, mse (in the data's own units; for a table of its numbers, each divided by its
        variance), importance_samples; of up to 2,000 rows those of `vaekit.tasks.neighbourhoods.neighbourhoods`.
    """
    rows = fitted.rows(data)
    found = terms(fitted.model, rows, importance_samples, tell)
    _, variance = unit_means(fitted.model, rows)
    nll = -float(found.log_likelihood.mean())
    figures: dict[str, float | int] = {
        "n": len(rows),
        "elbo_nats": float(found.elbo.mean()),
        "nll_nats": nll,
        "bits_per_dim": nll / fitted.schema.n_dims / math.log(2),
        "reconstruction_nats": float(found.reconstruction.mean()),
        "kl_nats": float((found.reconstruction - found.elbo).mean()),
        "active_units": int((variance > ACTIVE_VARIANCE * fitted.model.unit_variance).sum()),
        "latent_dim": fitted.model.latent_dim,
        "mse": mean_squared_error(fitted, rows),
        "importance_samples": importance_samples,
    }
    some = rows[spread(len(rows), MOST_ROWS)]
    figures |= neighbourhoods(*read_and_coded(fitted, some))
    if labels is not None:
        figures["knn_accuracy"] = knn_accuracy(embed(fitted, data), labels)
    return figures


def read_and_coded(fitted: Fitted, rows: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what the encoder reads of rows of codes [n, *event_shape], [n, width], and their codes [n, d]."""
    model = fitted.model.eval()
    read = in_tiles(lambda x: model.inputs(x).flatten(1).float().cpu(), rows)  # type: ignore[operator]
    return read.numpy(), in_tiles(lambda x: model.posterior(x).mean.cpu(), rows).numpy()


def mean_squared_error(fitted: Fitted, rows: Any) -> float:
    """Return the mean squared difference of rows and their reconstructions, over the numbers among their values."""
    schema = fitted.schema
    error = (
        in_tiles(fitted.model.eval().reconstruct, rows) - rows.cpu().float()
    ).numpy()  # [n, *event_shape], NaN at gaps
    if schema.is_block:
        return float(np.nanmean((error * _unit(schema.fields[0])) ** 2))
    numbers = [j for j, f in enumerate(schema.fields) if not isinstance(f, Categorical | Constant)]
    spread = np.nanvar(rows.cpu().float().numpy(), axis=0)[numbers].clip(1e-12) if len(rows) > 1 else 1.0
    return float(np.nanmean(error[:, numbers] ** 2 / spread)) if numbers else 0.0


def knn_accuracy(codes: NDArray[np.float32], labels: Any, neighbours: int = 10) -> float:
    """Return the five-fold cross-validated accuracy of nearest neighbours on codes, of rows whose class is no gap."""
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    classes = np.asarray(labels)  # [n], or [n, 1] of a table with one column
    if classes.size != len(codes):
        raise DataError(f"The labels have shape {classes.shape}, for {len(codes)} rows. Give one label a row.")
    classes = classes.reshape(-1)
    known = np.array([value is not None and value == value for value in classes.tolist()])
    codes, classes = codes[known], classes[known]
    rarest = int(np.unique(classes, return_counts=True)[1].min())
    if rarest < 5 or len(np.unique(classes)) < 2:
        raise DataError(
            f"The rarest class has {rarest} rows, or there is one class only; five folds need 5 rows of each of two."
        )
    return float(cross_val_score(KNeighborsClassifier(neighbours), codes, classes, cv=5).mean())


def _unit(field: Any) -> Any:
    if isinstance(field, Real):
        return np.asarray(field.scale)
    return field.numerator / field.denominator if hasattr(field, "numerator") else 1.0
