"""Classify: the classes of rows, by a model that was fitted with labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vaekit.data.progress import Tell
from vaekit.errors import ParameterError
from vaekit.models.classes import ModelOfClasses
from vaekit.models.fitted import Fitted
from vaekit.tasks.observe import observed
from vaekit.tasks.tiles import in_tiles


def classify(fitted: Fitted, data: Any, tell: Tell | None = None) -> NDArray[Any]:
    """Return the likeliest class of each row, in the labels' own values: [n_samples]."""
    return classes_of(fitted)[class_probabilities(fitted, data, tell).argmax(1)]


def class_probabilities(fitted: Fitted, data: Any, tell: Tell | None = None) -> NDArray[np.float32]:
    """Return the probability of each class, the same at every call and in any company.

    Parameters
    ----------
    fitted : Fitted
        Of a model that was fitted with labels.
    data : array or frame of n_samples rows
    tell : callable, optional
        Is told the share that is done.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        In the order of `classes_of`.

    Raises
    ------
    ParameterError
        When the model was fitted without labels.
    """
    classes_of(fitted)
    return in_tiles(lambda x: _probabilities(fitted, x), fitted.rows(data), tell=tell).numpy()


def classes_of(fitted: Fitted) -> NDArray[Any]:
    """Return the classes that a model learned, in their own values: [n_classes]."""
    found = fitted.record.get("classes")
    if found is None:
        raise ParameterError("The model knows no classes: it was fitted without labels. Fit one with labels.")
    return np.array(found["values"])


def place_of(fitted: Fitted, value: Any) -> int:
    """Return the number of a class, which may be said as text."""
    classes = classes_of(fitted)
    places = [k for k, known in enumerate(classes.tolist()) if value == known or str(value) == str(known)]
    if not places:
        name = fitted.record["classes"]["name"]
        raise ParameterError(f"No row has {name} '{value}'. Its classes are {', '.join(map(str, classes))}.")
    return places[0]


def _probabilities(fitted: Fitted, codes: Tensor) -> Tensor:
    """Return q(y | x) of codes [n, *event_shape]: [n, K]."""
    model = fitted.model.eval()
    x = observed(model, codes)
    if fitted.linear is not None:
        return fitted.linear.log_classes(model.posterior(x).mean.cpu()).exp()
    assert isinstance(model, ModelOfClasses)
    return model.log_classes(model.inputs(x)).exp().cpu()
