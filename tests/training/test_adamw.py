"""AdamW is torch's own, with the gradient's norm bounded and nothing but products' weights decaying."""

import pytest
import torch
from torch import nn

from vaekit.training.adamw import AdamW


def a_layer() -> nn.ParameterDict:
    return nn.ParameterDict({"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(4)})


def torchs_own(parameters: nn.ParameterDict) -> torch.optim.Optimizer:
    groups = [{"params": [parameters[name]], "weight_decay": decay} for name, decay in DECAYS.items()]
    return torch.optim.AdamW(groups, lr=0.1)


WEIGHT_DECAY = 0.05
DECAYS = {"weight": WEIGHT_DECAY, "bias": 0.0}


@pytest.mark.parametrize("clip_norm", [1e9, 0.1])
def test_its_steps_are_those_of_torchs_adamw_on_clipped_gradients(clip_norm):
    ours, theirs = a_layer(), a_layer()
    adam, reference = AdamW(dict(ours.items()), WEIGHT_DECAY), torchs_own(theirs)
    for step in range(5):
        for parameters in (ours, theirs):
            sum(((p - step) ** 3).sum() for p in parameters.values()).backward()
        expected = nn.utils.clip_grad_norm_(theirs.parameters(), clip_norm)
        torch.testing.assert_close(adam.step(0.1, clip_norm), expected)
        reference.step()
        reference.zero_grad()
    for name in DECAYS:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=1e-5)
        assert ours[name].grad is None


@pytest.mark.parametrize(
    ("name", "shape", "decays"), [("a.weight", (2, 2), True), ("a.weight", (2,), False), ("a.loc", (2, 2), False)]
)
def test_only_what_is_multiplied_with_inputs_decays(name, shape, decays):
    p = nn.Parameter(torch.ones(shape))
    adam = AdamW({name: p}, WEIGHT_DECAY)
    (0 * p).sum().backward()
    adam.step(0.1, 100.0)
    torch.testing.assert_close(p.detach(), torch.full(shape, 1 - 0.1 * WEIGHT_DECAY if decays else 1.0))


def test_a_parameter_without_gradient_stays():
    used, idle = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    adam = AdamW({"used.weight": used, "idle.weight": idle}, WEIGHT_DECAY)
    used.sum().backward()
    adam.step(0.1, 100.0)
    assert torch.equal(idle, torch.ones(2, 2))
    assert (used < 1).all()


def test_an_input_that_is_seldom_on_leaves_no_subnormal_mean():
    p = nn.Parameter(torch.ones(2, 2))
    adam = AdamW({"weight": p}, WEIGHT_DECAY)
    for step in range(1000):
        if step % 100 == 0:
            adam.forget_traces()
        (p * (step == 0)).sum().backward()
        adam.step(1e-3, 100.0)
        assert not ((adam.means[0] != 0) & (adam.means[0].abs() < torch.finfo(torch.float32).tiny)).any()
    assert (adam.means[0] == 0).all()
    assert (adam.squares[0] > 0).all()


def test_its_state_is_named_tensor_by_tensor():
    adam = AdamW({"weight": nn.Parameter(torch.ones(2))}, WEIGHT_DECAY)
    assert {name: tuple(t.shape) for name, t in adam.tensors().items()} == {
        "taken": (),
        "0.mean": (2,),
        "0.square": (2,),
    }
