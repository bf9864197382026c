"""Weights that lie in parts with the processes of a run, each of which holds its part of every layer alone.

A layer's weights are gathered when it is called, dropped after it, and gathered again for its backward pass, whose
gradients come back in parts, added up over processes: FSDP, the fully sharded data parallel training of Zhao et al.
(2023, arXiv:2304.11277), by torch's `fully_shard`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.networks.conv import GatedConv, GatedResidual, GatedUp
from vaekit.networks.mlp import GatedLinear
from vaekit.priors import Prior

LAYERS = (GatedConv, GatedLinear, GatedResidual, GatedUp, nn.Conv2d, nn.Linear)


class Shards:
    """The layers of a model's networks while their weights are divided; all else of it is whole in each process.

    Parameters
    ----------
    model : nn.Module
        Its layers are exchanged for divided ones, and put back by `put_together`.
    device : str
        Where the parts are. Of the whole weights never more than one layer's are there.
    """

    def __init__(self, model: nn.Module, device: str) -> None:
        from torch import distributed
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(torch.device(device).type, (distributed.get_world_size(),))
        self.model, self.layers = model, dict(_layers(model))
        for name, layer in self.layers.items():
            divided: Any = fully_shard(copy.deepcopy(layer), mesh=mesh, reshard_after_forward=True)
            divided.set_force_sum_reduction_for_comms(True)
            divided.set_gradient_divide_factor(1.0)  # a loss has the weight of its rows: gradients are added up
            model.set_submodule(name, divided)
            for p in layer.parameters():
                p.data = p.data.new_empty(0)

    def put_together(self) -> None:
        """Give each process the whole model."""
        for name, layer in self.layers.items():
            divided = self.model.get_submodule(name)
            for p, part in zip(layer.parameters(), divided.parameters(), strict=True):
                p.data = whole(part.detach())
            self.model.set_submodule(name, layer)


def _layers(module: nn.Module, above: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield by name the outermost layers below a module; those of priors, which are small, are left out."""
    for name, child in module.named_children():
        if isinstance(child, LAYERS):
            yield above + name, child
        elif not isinstance(child, Prior):
            yield from _layers(child, f"{above}{name}.")


# -- tensors, of which some are divided: DTensors, whose import takes most of a second ---------------------------------


def is_divided(tensor: Tensor) -> bool:
    """Whether each process has a part of it alone."""
    return hasattr(tensor, "full_tensor")


def own_part(tensor: Tensor) -> Tensor:
    """Return what this process has of it, in the same memory.

    Examples
    --------
    >>> own_part(torch.ones(2))
    tensor([1., 1.])
    """
    return tensor.to_local() if is_divided(tensor) else tensor  # type: ignore[attr-defined]


def whole(tensor: Tensor) -> Tensor:
    """Return all of it; the processes gather it together."""
    return tensor.full_tensor() if is_divided(tensor) else tensor  # type: ignore[attr-defined]


def gathered(tensors: Mapping[str, Tensor], *, keep: bool) -> dict[str, Tensor]:
    """Return whole tensors in the processor's memory, or in a process that does not keep them none.

    One after the other is gathered, so that no device holds all.
    """
    found = {}
    for name, tensor in tensors.items():
        everything = whole(tensor)
        if keep:
            found[name] = everything.cpu()
    return found


def hand_out(tensors: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> None:
    """Fill divided tensors, in place, from the whole ones that the first process knows."""
    from torch.distributed.tensor import distribute_tensor

    for name, tensor in tensors.items():
        if is_divided(tensor):
            source = known.get(name, torch.empty(tensor.shape, dtype=tensor.dtype)).to(tensor.device)
            placed: Any = tensor
            tensor.copy_(distribute_tensor(source, placed.device_mesh, placed.placements))
