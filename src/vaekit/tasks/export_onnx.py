"""A model as ONNX graphs, which run without torch and without vaekit."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.errors import MissingExtraError, ParameterError
from vaekit.tasks.agreement import Runs

OPSET = 20


def as_onnx(module: nn.Module, example: Tensor, names: Sequence[str], described: dict[str, str]) -> bytes:
    """Return a module of one input as an ONNX file of any number of rows.

    Parameters
    ----------
    module : nn.Module
    example : Tensor of shape (n, ...)
        At least two rows, of which values do not matter.
    names : sequence of str
        Of the input, and of each output.
    described : dict of str to str
        The file's metadata.

    Raises
    ------
    MissingExtraError
        When onnx, onnxscript or onnxruntime are not installed.
    ParameterError
        When the module does what ONNX has no words for.
    """
    _library()
    rows = torch.export.Dim("batch")
    try:
        with quiet(), torch.enable_grad():  # under which `elementwise` takes torch's own functions, known to ONNX
            program = torch.onnx.export(
                module,
                (example,),
                input_names=names[:1],
                output_names=names[1:],
                dynamic_shapes=({0: rows},),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:
        raise ParameterError(
            f"The model cannot be written as ONNX: {_first_line(error)} Networks of your own must be made of "
            "operations that torch.onnx.export knows."
        ) from error
    assert program is not None
    proto = program.model_proto
    for key, value in described.items():
        proto.metadata_props.add(key=key, value=value)
    return bytes(proto.SerializeToString())


def onnx_runner(file: bytes) -> Runs:
    """Return what runs an ONNX file in onnxruntime, on one thread of the processor."""
    runtime = _library()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda rows: session.run(None, {name: rows})


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's remarks to itself."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _library() -> Any:
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as missing:
        raise MissingExtraError("onnx") from missing
    return onnxruntime


def _first_line(error: Exception) -> str:
    words = str(error.__cause__ or error).strip().splitlines()
    return (words[0].rstrip(".") if words else type(error).__name__) + "."
