"""Adam, by torch's fused kernel over lists that are made once."""

from __future__ import annotations

import torch
from torch import Tensor


class Adam:
    """Adam (Kingma and Ba, 2015, algorithm 1, arXiv:1412.6980).

    `torch.optim.Adam` calls the same kernel, but gathers and groups its lists anew at every step, which for small
    networks takes longer than the arithmetic.

    Parameters
    ----------
    parameters : list of Parameter
    """

    def __init__(self, parameters: list[torch.nn.Parameter]) -> None:
        self.parameters = parameters
        self.means = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.taken = torch.zeros((), device=parameters[0].device)  # steps

    @torch.no_grad()
    def step(self, rate: float, clip_norm: float) -> Tensor:
        """Take one step along gradients scaled down to a norm of `clip_norm`; return their norm, and drop them.

        The kernel itself divides by the scale, in its one pass over the weights.
        """
        trained = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        weights: list[Tensor] = [self.parameters[i] for i in trained]
        gradients = [p.grad for p in weights if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        self.taken += 1
        torch._fused_adam_(
            weights,
            gradients,
            [self.means[i] for i in trained],
            [self.squares[i] for i in trained],
            [],
            [self.taken] * len(trained),
            lr=rate,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
            grad_scale=(norm / clip_norm).clamp_min(1.0),
        )
        for p in weights:
            p.grad = None
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state by name."""
        named = {"taken": self.taken}
        for i, (mean, square) in enumerate(zip(self.means, self.squares, strict=True)):
            named |= {f"{i}.mean": mean, f"{i}.square": square}
        return named
