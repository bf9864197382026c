"""A model as a Keras model of built-in layers and operations, which plain Keras loads."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node
from torch.fx.node import map_arg
from torch.utils._pytree import tree_leaves, tree_map

from vaekit.errors import MissingExtraError, ParameterError
from vaekit.tasks.agreement import Array, Runs
from vaekit.tasks.export_onnx import quiet
from vaekit.tasks.keras_operations import BATCH, LAYERS, OPERATIONS, Words


def as_keras(module: nn.Module, example: Tensor, names: Sequence[str], described: dict[str, str]) -> bytes:
    """Return a module of one input as a .keras file of any number of rows.

    Parameters
    ----------
    module : nn.Module
    example : Tensor of shape (n, ...)
        At least two rows, of which values do not matter.
    names : sequence of str
        Of the input, and of each output.
    described : dict of str to str
        Of which the file has the model's name.

    Raises
    ------
    MissingExtraError
        When Keras is not installed.
    ParameterError
        When the module does what `OPERATIONS` has no words for.
    """
    keras = _library()
    with quiet(), torch.enable_grad():  # as for ONNX
        program = torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        program = program.run_decompositions({})
        program.graph.eliminate_dead_code()
    with quiet():  # Keras's own warnings among it
        rows = keras.Input(example.shape[1:], dtype=str(example.dtype).removeprefix("torch."), name=names[0])
        outputs = dict(zip(names[1:], _translated(program, Words(keras, rows), rows), strict=True))
        return _saved(keras.Model(rows, outputs, name=described["model"]))


def keras_runner(file: bytes) -> Runs:
    """Return what runs a .keras file, as plain Keras loads it."""
    keras = _library()
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder, "model.keras")
        path.write_bytes(file)
        model = keras.saving.load_model(path)
    order = [key for key in ("codes", "reconstruction", "rows") if key in model.output]

    def run(rows: Array) -> list[Array]:
        with quiet():
            answers = model(rows)
            return [keras.ops.convert_to_numpy(answers[key]) for key in order]

    return run


def _translated(program: ExportedProgram, words: Words, rows: Any) -> Sequence[Any]:
    """Return the outputs of a graph, its operations done by Keras; what depends on no row is done by torch."""
    values: dict[Node, Any] = {}
    constants = _constants(program)
    for node in program.graph.nodes:
        args, kwargs = (map_arg(part, lambda n: values[n]) for part in (node.args, node.kwargs))
        if node.op == "placeholder":
            values[node] = constants.get(node.name, rows)
        elif node.op == "output":
            return list(args[0])
        elif any(_depends(leaf) for leaf in tree_leaves((args, kwargs))) or BATCH in _sizes(node, values):
            values[node] = _said(node, words, tree_map(_plain, args), tree_map(_plain, kwargs))
        else:
            values[node] = node.target(*args, **kwargs)
    raise AssertionError


def _said(node: Node, words: Words, args: Any, kwargs: Any) -> Any:
    """Return one operation's answer, in the dtype that torch gives it."""
    target: Any = node.target
    name = getattr(target, "overloadpacket", target).__name__
    if name in LAYERS:
        return LAYERS[name](words, _name(node), *args, **kwargs)
    if name not in OPERATIONS:
        raise ParameterError(
            f"The model cannot be written for Keras: '{name}' has no counterpart there. Use NAME.onnx."
        )
    own = node.meta.get("val")
    if name in ("cat", "mul") and isinstance(own, Tensor):  # where torch takes Boolean and whole numbers along
        args = tree_map(lambda x: words.cast(x, own.dtype) if hasattr(x, "dtype") else x, args)
    return OPERATIONS[name](words, *args, **kwargs)


def _constants(program: ExportedProgram) -> dict[str, Tensor]:
    """Return parameters, buffers and constants by the names of their placeholders."""
    signature = program.graph_signature
    known = {**program.state_dict, **program.constants}
    names = signature.inputs_to_parameters | signature.inputs_to_buffers | signature.inputs_to_lifted_tensor_constants
    return {place: known[name].detach() for place, name in names.items()}


def _depends(value: Any) -> bool:
    return type(value).__name__ == "KerasTensor"


def _sizes(node: Node, values: dict[Node, Any]) -> list[int]:
    """Return the sizes among what a node reads."""
    return [values[n] for n in node.all_input_nodes if isinstance(values[n], int)]


def _plain(value: Any) -> Any:
    return value.numpy() if isinstance(value, Tensor) else value


def _name(node: Node) -> str:
    """Return a layer's name: the path of its torch module, which under autocast its weight alone tells."""
    path = [place for place, _ in node.meta.get("nn_module_stack", {}).values()][-1]
    weight = str(node.args[1]).removeprefix("p_model_").removesuffix("_weight")
    return str(path).removeprefix("model.").replace(".", "_") or weight


def _saved(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return path.read_bytes()


def _library() -> Any:
    try:
        with _backend(), quiet():
            import keras
    except ImportError as missing:
        raise MissingExtraError("keras") from missing
    return keras


@contextmanager
def _backend() -> Iterator[None]:
    """Have Keras stand on torch, which is here, unless the environment says otherwise."""
    asked = "KERAS_BACKEND" in os.environ
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        yield
    finally:
        if not asked:
            del os.environ["KERAS_BACKEND"]
