"""Autoencoders and variational autoencoders that do a job on your data.

>>> import vaekit
>>> from sklearn.datasets import load_iris
>>> vae = vaekit.VAE(latent_dim=2, epochs=3).fit(load_iris().data)
>>> vae.transform(load_iris().data).shape
(150, 2)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaekit.data.schema import Schema
    from vaekit.errors import (
        CodecError,
        DataError,
        MissingExtraError,
        ModelFileError,
        OutputError,
        ParameterError,
        ServiceError,
        SourceError,
        TrainingError,
        VaekitError,
    )
    from vaekit.estimators.classifier import Classifier
    from vaekit.estimators.imputer import Imputer
    from vaekit.estimators.load import load
    from vaekit.estimators.outlier_detector import OutlierDetector
    from vaekit.estimators.vae import FSQ, VAE, VQVAE, Autoencoder, ConditionalVAE, HypersphericalVAE
    from vaekit.tasks.compress import decompress

# Bound at first use, so that `vaekit --help` need not import torch.
_HOMES = {
    "VAE": "vaekit.estimators.vae",
    "Autoencoder": "vaekit.estimators.vae",
    "Classifier": "vaekit.estimators.classifier",
    "ConditionalVAE": "vaekit.estimators.vae",
    "FSQ": "vaekit.estimators.vae",
    "HypersphericalVAE": "vaekit.estimators.vae",
    "VQVAE": "vaekit.estimators.vae",
    "Imputer": "vaekit.estimators.imputer",
    "OutlierDetector": "vaekit.estimators.outlier_detector",
    "load": "vaekit.estimators.load",
    "decompress": "vaekit.tasks.compress",
    "Schema": "vaekit.data.schema",
    "VaekitError": "vaekit.errors",
    "ParameterError": "vaekit.errors",
    "CodecError": "vaekit.errors",
    "DataError": "vaekit.errors",
    "ServiceError": "vaekit.errors",
    "SourceError": "vaekit.errors",
    "OutputError": "vaekit.errors",
    "ModelFileError": "vaekit.errors",
    "TrainingError": "vaekit.errors",
    "MissingExtraError": "vaekit.errors",
}

__all__ = [
    "FSQ",
    "VAE",
    "VQVAE",
    "Autoencoder",
    "Classifier",
    "CodecError",
    "ConditionalVAE",
    "DataError",
    "HypersphericalVAE",
    "Imputer",
    "MissingExtraError",
    "ModelFileError",
    "OutlierDetector",
    "OutputError",
    "ParameterError",
    "Schema",
    "ServiceError",
    "SourceError",
    "TrainingError",
    "VaekitError",
    "decompress",
    "load",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("vaekit")
    if name not in _HOMES:
        raise AttributeError(f"module 'vaekit' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
