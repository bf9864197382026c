"""A compiled step is the plain one but for rounding; where it cannot be had, the run goes on without."""

import numpy as np
import pytest
import torch
from torch import nn

from vaekit.data.schema import Schema
from vaekit.objectives import NOT_COMPILED
from vaekit.tasks.fit import choose_architecture, choose_settings, make_model
from vaekit.tasks.options import Options
from vaekit.training.compiling import LONG_SECONDS, Compiled, has_compiler, repays

needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")


def gradients(run, x: torch.Tensor) -> list[torch.Tensor]:
    torch.manual_seed(0)
    loss, sums = run.loss_of(x, torch.ones(()))
    loss.backward()
    found = [loss.detach(), sums, *(p.grad for p in run.model.parameters() if p.grad is not None)]
    run.model.zero_grad(set_to_none=True)
    return found


@needs_compiler
def test_a_compiled_step_has_the_plain_ones_noise_loss_and_gradients(make_run):
    plain, compiled = make_run(), make_run(compiled=True)
    x = next(iter(plain.batches.epoch(0)))
    for ours, theirs in zip(gradients(compiled, x), gradients(plain, x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert compiled.loss_of.chosen is not compiled.loss_of.plain


@pytest.mark.parametrize("error", [RuntimeError("no compiler"), OSError("no room for a cache")])
def test_where_compiling_fails_the_function_stays_as_it_is(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(torch, "compile", lambda function, **_: fail)
    doubled = Compiled(lambda x: 2 * x, "cpu")
    assert [doubled(1), doubled(2)] == [2, 4]


def test_only_a_long_run_repays_its_compilation(monkeypatch):
    monkeypatch.setattr("vaekit.training.compiling.has_compiler", lambda: True)
    small, wide = nn.Linear(10, 10), nn.Linear(1000, 1000)
    assert not repays(small, 1000, 128, None, "cpu")
    assert repays(small, 1_000_000, 128, None, "cpu")
    assert repays(wide, 50_000, 256, None, "cpu")
    assert repays(wide, 10**9, 256, LONG_SECONDS, "cpu")
    assert not repays(wide, 10**9, 256, LONG_SECONDS - 1, "cpu")
    assert not repays(nn.Sequential(wide, nn.Conv2d(1, 1, 3)), 10**9, 256, None, "cpu")
    assert not repays(wide, 10**9, 256, None, "mps")
    monkeypatch.setattr("vaekit.training.compiling.has_compiler", lambda: False)
    assert not repays(wide, 10**9, 256, None, "cpu")


@pytest.mark.parametrize("objective", ["reconstruction", "contractive"])
def test_a_derivative_of_a_derivative_is_not_compiled_however_long_the_run(monkeypatch, objective):
    monkeypatch.setattr("vaekit.tasks.fit.repays", lambda *_: True)
    data = np.random.default_rng(0).normal(size=(40, 3))
    schema = Schema.infer(data)
    options = Options(model="autoencoder", objective=objective, hidden=(4,))
    model = make_model(choose_architecture(options, schema, schema.encode(data)), schema, schema.encode(data), options)
    assert choose_settings(options, len(data), model, "mlp").compiled == (objective not in NOT_COMPILED)
