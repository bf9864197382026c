"""Classes learned after the model: a linear one on the codes of rows with a label."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from vaekit.data.labels import Labels
from vaekit.models.fitted import Fitted
from vaekit.models.linear_classes import LinearClasses
from vaekit.tasks.embed import embed

MOST_STEPS = 1000


def learn_classes(fitted: Fitted, data: Any, labels: Any) -> None:
    """Give a fitted model a logistic regression on its codes, scaled to unit variance over all rows.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    labels : array, series or frame of one column
        −1 or a gap where a class is not known.
    """
    codes = embed(fitted, data).astype(np.float64)  # [n, d]
    classes = Labels.of(labels, len(codes))
    centre, scale = codes.mean(0), codes.std(0).clip(1e-12)
    known = classes.index >= 0
    found = LogisticRegression(max_iter=MOST_STEPS).fit((codes[known] - centre) / scale, classes.index[known])
    weight = _for_each(found.coef_) / scale  # [K, d]
    bias = _for_each(found.intercept_) - weight @ centre
    fitted.linear = LinearClasses(torch.from_numpy(weight).float(), torch.from_numpy(bias).float())
    fitted.record["classes"] = classes.to_json()


def _for_each(of_second: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return what each class has, where of two classes the second's alone are given."""
    return np.concatenate([np.zeros_like(of_second), of_second]) if len(of_second) == 1 else of_second
