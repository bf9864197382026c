"""Device, precision, threads and random numbers of a run: chosen, and put back afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor, nn

from vaekit.errors import ParameterError
from vaekit.training.distributed import processes_here


def choose_device(asked: str = "auto") -> str:
    """Return the device to use; "auto" takes a GPU where there is one."""
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if asked == "auto":
        return "cuda" if found["cuda"] else "cpu"
    if not found[asked]:
        raise ParameterError(f"The device '{asked}' is not there on this machine. Use device='auto' or 'cpu'.")
    return asked


def choose_precision(asked: str, device: str, model: nn.Module) -> str:
    """Return "bfloat16" where it is faster: on GPUs, and for wide layers on processors that multiply it faster.

    Narrow layers gain nothing: benchmarks/precision.py measures both.
    """
    if asked != "auto":
        return asked
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    widest = max((p.numel() for p in model.parameters() if p.dim() > 1), default=0)
    return "bfloat16" if device == "cpu" and has_fast_bfloat16() and widest >= 100_000 else "float32"


@cache
def has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bf16 in hardware, and in at most two thirds of float32's time.

    The second is measured, in some 30 ms: of two processors with AVX512-BF16, one took a quarter of float32's time, the
    other twice as long.
    """
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    if not any(getattr(torch.cpu, probe, lambda: False)() for probe in probes):
        return False
    turns = [(product_seconds(torch.bfloat16), product_seconds(torch.float32)) for _ in range(6)]
    half, single = (min(seconds) for seconds in zip(*turns, strict=True))
    return half <= single * 2 / 3


def product_seconds(dtype: torch.dtype, n: int = 512) -> float:
    """Return what a product of two n × n matrices takes."""
    a = torch.ones(n, n, dtype=dtype)
    began = time.perf_counter()
    a @ a
    return time.perf_counter() - began


def choose_threads(asked: int | None = None, *, small: bool = False) -> int:
    """Return the number of threads: what was asked for, 1 for small work, else the processors there are, at most 16.

    Small products gain nothing from a second thread, and lose much while another program has the other processor.
    Processes that torchrun starts share the processors; it sets OMP_NUM_THREADS to 1 for them, which says nothing then.
    """
    if asked or small:
        return asked or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if (processes := processes_here()) > 1:
        return max(1, min(allowed // processes, 16))
    return min(allowed, 16, int(os.environ.get("OMP_NUM_THREADS") or 16))


def has_convolution(model: nn.Module) -> bool:
    """Whether any part of a model is a convolution."""
    return any(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in model.modules())


def is_small(model: nn.Module, batch_size: int) -> bool:
    """Whether a step is too little work for two threads: under 100 million multiplications, and no convolution."""
    return not has_convolution(model) and batch_size * sum(p.numel() for p in model.parameters()) < 100_000_000


def reseed(device: str, seed: int) -> None:
    """Seed torch's own random numbers on the processor and on the device.

    `torch.manual_seed` would queue a call at every step for devices that are not there.
    """
    torch.default_generator.manual_seed(seed)
    if device.startswith("cuda"):
        torch.cuda.manual_seed(seed)


def random_states(device: str) -> list[Tensor]:
    """Return where torch's own random numbers stand, on the processor and on the device."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if device.startswith("cuda") else [])]


def set_random_states(states: list[Tensor]) -> None:
    """Have random numbers go on from where they stood."""
    torch.set_rng_state(states[0])
    for state in states[1:]:
        torch.cuda.set_rng_state(state)


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Give the block torch's global random numbers to itself, seeded, and put them back as they were."""
    n_devices = torch.cuda.device_count()
    with torch.random.fork_rng(devices=range(n_devices)):
        reseed("cuda" if n_devices else "cpu", seed)
        yield


@contextmanager
def own_randomness_and_threads(seed: int, threads: int) -> Iterator[None]:
    """Give the block torch's global random numbers and threads to itself, and put both back as they were."""
    before = torch.get_num_threads()
    with own_randomness(seed):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
