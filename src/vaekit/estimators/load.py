"""From a model file back to an estimator."""

from __future__ import annotations

import os

from torch import nn

from vaekit.estimators.base import LatentEstimator
from vaekit.estimators.vae import ESTIMATORS
from vaekit.storage.model_file import load_model
from vaekit.tasks.hub import SCHEME, cached


def load(
    path: str | os.PathLike[str], *, encoder: nn.Module | None = None, decoder: nn.Module | None = None
) -> LatentEstimator:
    """Return the fitted estimator of a model file.

    Parameters
    ----------
    path : path
        A .vae file, or ``hf://OWNER/NAME`` for one on the Hugging Face Hub (``hf://OWNER/NAME@REVISION`` for a branch,
        tag or commit), which is kept in the Hub's own cache.
    encoder, decoder : nn.Module, optional
        Networks of your own, where the model was fitted with such.

    Raises
    ------
    ModelFileError
        When the file is missing, damaged, of another kind or of a newer format.
    ServiceError
        When the Hub does not answer, or refuses.

    Examples
    --------
    >>> import tempfile, numpy as np, vaekit
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = vaekit.VAE(latent_dim=1, epochs=2).fit(X).save(f"{folder}/m.vae")
    ...     vaekit.load(path).transform(X).shape
    (50, 1)
    """
    if isinstance(path, str) and path.startswith(SCHEME):
        path = cached(path.removeprefix(SCHEME))
    fitted = load_model(path, encoder, decoder)
    options = dict(fitted.record["options"])
    kind, seed = options.pop("model"), options.pop("seed")
    estimator = ESTIMATORS[kind](**options, random_state=seed, encoder=encoder, decoder=decoder)
    estimator._adopt(fitted)
    return estimator
