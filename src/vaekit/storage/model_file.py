"""The model file, NAME.vae: weights, schema, architecture and record of training in one safetensors file.

The header's JSON holds ``format`` (this page's version), ``vaekit`` (the package's), ``architecture``, ``units``
(those kept of the decoder's inputs), ``schema``, ``record`` and ``weights_sha256``. The bytes of the integer model
stand as a tensor among the weights, and so do what rows are usually like, some of the rows fitted on, where rows have
gaps, what tells their classes, how far intervals reach, and how gaps depend on what is missing. Files of a newer format
are refused by its number.
"""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.data.schema import Schema
from vaekit.errors import ModelFileError
from vaekit.models.build import Architecture, build
from vaekit.models.calibration import Calibration
from vaekit.models.fitted import Fitted, Usual
from vaekit.models.gaps import Gaps
from vaekit.models.linear_classes import LinearClasses
from vaekit.models.references import References
from vaekit.models.self_masking import SelfMasking
from vaekit.storage.header import FORMAT, INTEGER_MODEL, check_format
from vaekit.storage.tensor_file import read_tensors, write_tensors

BESIDE: dict[str, type[Any]] = {
    "usual": Usual,
    "references": References,
    "gaps": Gaps,
    "linear": LinearClasses,
    "calibration": Calibration,
    "masking": SelfMasking,
}  # what stands among the tensors by its part's name


def save_model(fitted: Fitted, path: str | os.PathLike[str]) -> None:
    """Write a model file, atomically.

    Raises
    ------
    OutputError
        When the path cannot be written.
    """
    tensors = fitted.model.state_dict()
    header = {
        "format": FORMAT,
        "vaekit": version("vaekit"),
        "architecture": fitted.architecture.to_json(),
        "units": _units(fitted),
        "schema": fitted.schema.to_json(),
        "record": fitted.record,
        "weights_sha256": weights_digest(tensors),
    }
    if fitted.integer_model is not None:
        tensors = tensors | {INTEGER_MODEL: torch.frombuffer(bytearray(fitted.integer_model), dtype=torch.uint8)}
    for part in BESIDE:
        held = getattr(fitted, part)
        tensors = tensors | ({} if held is None else {f"{part}.{name}": value for name, value in vars(held).items()})
    write_tensors(path, tensors, header)


def load_model(
    path: str | os.PathLike[str], encoder: nn.Module | None = None, decoder: nn.Module | None = None
) -> Fitted:
    """Return the fitted model of a file.

    Parameters
    ----------
    path : path
    encoder, decoder : nn.Module, optional
        The user's own networks, for a model that was fitted with such: a file holds their weights, not their code.

    Raises
    ------
    ModelFileError
        When the file is missing, damaged, of another kind or of a newer format, or needs the user's networks.
    """
    tensors, header = read_tensors(path)
    check_format(header, path)
    architecture, schema = Architecture.from_json(header["architecture"]), Schema.from_json(header["schema"])
    if architecture.network == "custom" and encoder is None and decoder is None:
        raise ModelFileError(
            f"{path} was fitted with networks of your own; it holds their weights, not their code. "
            "Load it with vaekit.load(path, encoder=..., decoder=...)."
        )
    model = build(architecture, schema, encoder, decoder)
    if len(header["units"]) < architecture.latent_dim:
        model.keep_units(torch.tensor(header["units"]))
    integer_model = tensors.pop(INTEGER_MODEL, None)
    beside = {part: _taken(tensors, part) for part in BESIDE}
    _load_weights(model, tensors, path)
    held = None if integer_model is None else integer_model.numpy().tobytes()
    return Fitted(model.eval(), schema, architecture, header["record"], held, **beside)


def _taken(tensors: dict[str, Tensor], part: str) -> Any:
    """Return what the tensors of a part make, taking them out of all; None where there are none."""
    own = {name: tensors.pop(name) for name in [*tensors] if name.startswith(f"{part}.")}
    return BESIDE[part](**{name.removeprefix(f"{part}."): value for name, value in own.items()}) if own else None


def weights_digest(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of tensors by name: equal weights, equal digest."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _units(fitted: Fitted) -> list[int]:
    return [int(u) for u in fitted.model.decoder.units]


def _load_weights(model: nn.Module, tensors: dict[str, Tensor], path: str | os.PathLike[str]) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelFileError(
            f"The weights of {path} do not fit the networks: {str(error).splitlines()[-1].strip()} "
            "Give the very networks the model was fitted with."
        ) from error
