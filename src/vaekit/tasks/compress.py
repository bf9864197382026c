"""Compress: rows to bytes, all of them or as much as is asked for, and back."""

from __future__ import annotations

import os
from typing import Any

from vaekit.codec import archive, packing
from vaekit.codec.dial import Dial
from vaekit.models.fitted import Fitted
from vaekit.storage.header import read_integer_model


def compress(
    fitted: Fitted,
    data: Any,
    *,
    embed_model: bool = False,
    quality: float | None = None,
    max_error: float | str | None = None,
    target_bits: float | None = None,
) -> bytes:
    """Return data as an archive that gives the very same data back, or with one of the last three, nearly the same.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame
    embed_model : bool
        Whether the archive holds the model it needs.
    quality, max_error, target_bits : float, optional
        How much may be lost: see `vaekit.codec.dial.Dial`.
    """
    said = (quality, max_error, target_bits)
    dial = None if all(word is None for word in said) else Dial(*said)
    return packing.compress(data, fitted.integer_model, embed_model=embed_model, dial=dial)


def decompress(blob: bytes, model: str | os.PathLike[str] | None = None) -> Any:
    """Return the data of an archive, bit for bit.

    Parameters
    ----------
    blob : bytes
        What `compress` returned.
    model : path, optional
        The model file, where the archive does not hold the model.

    Raises
    ------
    CodecError
        When the archive is damaged, or was made with another model.

    Examples
    --------
    >>> import numpy as np, vaekit
    >>> X = np.random.default_rng(0).integers(0, 2, (50, 8)).astype(bool)
    >>> vae = vaekit.VAE(latent_dim=1, epochs=2).fit(X)
    >>> blob = vae.compress(X, embed_model=True)
    >>> bool((vaekit.decompress(blob) == X).all())
    True
    """
    return archive.decompress(blob, None if model is None else read_integer_model(model))
