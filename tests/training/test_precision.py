"""Products are bfloat16 where that was measured to be faster, and nowhere else."""

import pytest
import torch
from torch import nn

from vaekit.training import precision

WIDE, NARROW = nn.Linear(400, 300), nn.Linear(30, 30)


@pytest.fixture
def seconds(monkeypatch):
    """What a product takes, by dtype; the processor has the instructions."""
    found = {torch.float32: 3.0, torch.bfloat16: 1.0}
    monkeypatch.setattr(precision, "product_seconds", found.__getitem__)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    precision.has_fast_bfloat16.cache_clear()
    yield found
    precision.has_fast_bfloat16.cache_clear()


@pytest.mark.parametrize(("half", "chosen"), [(1.0, "bfloat16"), (2.0, "bfloat16"), (2.5, "float32"), (6.0, "float32")])
def test_wide_layers_are_multiplied_in_what_is_faster(seconds, half, chosen):
    seconds[torch.bfloat16] = half
    assert precision.choose_precision("auto", "cpu", WIDE) == chosen


def test_narrow_layers_stay_in_float32(seconds):
    assert precision.choose_precision("auto", "cpu", NARROW) == "float32"


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_what_the_user_says_is_taken(asked):
    assert precision.choose_precision(asked, "cpu", NARROW) == asked


def test_a_processor_without_the_instructions_is_not_asked(monkeypatch, seconds):
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, probe, lambda: False)
    monkeypatch.setattr(precision, "product_seconds", None)
    assert not precision.has_fast_bfloat16()
