"""Adam with decoupled weight decay, by torch's fused kernel over lists that are made once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vaekit.training.distributed import World
from vaekit.training.sharded import is_divided, own_part


class AdamW:
    """Adam whose weight decay does not pass through its moments (Loshchilov and Hutter, 2019, arXiv:1711.05101).

    `torch.optim.AdamW` calls the same kernel, but gathers and groups its lists anew at every step, which for small
    networks takes longer than the arithmetic. What is multiplied with inputs decays; biases, scales, and a prior's own
    locations do not.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        By name; those named "weight" that have two or more dimensions decay.
    weight_decay : float
        Times the learning rate, a step.
    world : World, optional
        The processes, which may each have a part of some parameters; then they have that part of the moments too.
    """

    def __init__(
        self, parameters: Mapping[str, torch.nn.Parameter], weight_decay: float, world: World | None = None
    ) -> None:
        self.world = world or World()
        self.parameters = list(parameters.values())
        self.decay = [
            weight_decay if name.endswith("weight") and p.dim() > 1 else 0.0 for name, p in parameters.items()
        ]
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.taken = torch.zeros((), device=self.parameters[0].device)  # steps

    @torch.no_grad()
    def step(self, rate: float, clip_norm: float) -> Tensor:
        """Take one step along gradients scaled down to a norm of `clip_norm`; return their norm, and drop them."""
        norm = self._norm()
        self.taken += 1
        for decay in set(self.decay):
            self._move(decay, rate, (norm / clip_norm).clamp_min(1.0))
        for p in self.parameters:
            p.grad = None
        return norm

    def _norm(self) -> Tensor:
        """Return the norm of all gradients, also of the parts that other processes have."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = norm_of([g for g in gradients if not is_divided(g)])
        if divided := [own_part(g) for g in gradients if is_divided(g)]:
            norm = (norm.square() + self.world.total(norm_of(divided).square())).sqrt()
        return norm

    def _move(self, decay: float, rate: float, scale: Tensor) -> None:
        """Take the step of those that decay so; the kernel divides by the scale in its one pass."""
        chosen = [i for i, p in enumerate(self.parameters) if p.grad is not None and self.decay[i] == decay]
        gradients = [self.parameters[i].grad for i in chosen]
        torch._fused_adamw_(
            [own_part(self.parameters[i]) for i in chosen],
            [own_part(gradient) for gradient in gradients if gradient is not None],
            [own_part(self.means[i]) for i in chosen],
            [own_part(self.squares[i]) for i in chosen],
            [],
            [self.taken] * len(chosen),
            lr=rate,
            beta1=0.9,
            beta2=0.999,
            weight_decay=decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
            grad_scale=scale,
        )

    @torch.no_grad()
    def forget_traces(self) -> None:
        """Set moments under 1e-30 to 0; called once in 100 steps, no mean falls to a subnormal number.

        With those a processor is a hundred times slower. Inputs that are seldom other than 0, as at the margins of
        pictures, leave such means behind: they made a step of 784-400-20 take 7 % longer after the first epoch.
        """
        for moment in map(own_part, (*self.means, *self.squares)):
            moment.masked_fill_(moment.abs() < 1e-30, 0.0)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state by name."""
        named = {"taken": self.taken}
        for i, (mean, square) in enumerate(zip(self.means, self.squares, strict=True)):
            named |= {f"{i}.mean": mean, f"{i}.square": square}
        return named


def norm_of(tensors: list[Tensor]) -> Tensor:
    """Return the norm of all numbers in some tensors."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))
