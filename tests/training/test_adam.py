"""Adam is torch's own, with the gradient's norm bounded."""

import pytest
import torch
from torch import nn

from vaekit.training.adam import Adam


@pytest.mark.parametrize("clip_norm", [1e9, 0.1])
def test_its_steps_are_those_of_torchs_adam_on_clipped_gradients(clip_norm):
    ours, theirs = (nn.ParameterList([torch.arange(6.0).view(2, 3), torch.ones(4)]) for _ in range(2))
    adam, reference = Adam(list(ours)), torch.optim.Adam(theirs.parameters(), lr=0.1)
    for step in range(5):
        for parameters in (ours, theirs):
            sum(((p - step) ** 3).sum() for p in parameters).backward()
        expected = nn.utils.clip_grad_norm_(theirs.parameters(), clip_norm)
        torch.testing.assert_close(adam.step(0.1, clip_norm), expected)
        reference.step()
        reference.zero_grad()
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)
        assert p.grad is None


def test_a_parameter_without_gradient_stays():
    used, idle = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    adam = Adam([used, idle])
    used.sum().backward()
    adam.step(0.1, 100.0)
    assert torch.equal(idle, torch.ones(2))
    assert (used < 1).all()


def test_its_state_is_named_tensor_by_tensor():
    adam = Adam([nn.Parameter(torch.ones(2))])
    assert {name: tuple(t.shape) for name, t in adam.tensors().items()} == {
        "taken": (),
        "0.mean": (2,),
        "0.square": (2,),
    }
