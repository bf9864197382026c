"""Two processes on two cores, beside one process on one core.

Protocol: steps of `Run` on MNIST, everything included but the held-out bound, one thread a process, each process kept
to a core of its own, gradients over gloo. "alone" is one process with a batch of its own while the other waits; "apart"
two such at once that do not talk, which is what the machine's cores, caches and memory allow; "together" two that train
one model with batches of twice the size; "same batch" two that share a batch of the same size. Taken in turn, five
times; medians of rows a second over all processes. Efficiencies are over twice "alone", "of talking" over "apart". With
--hosts the processes are in network namespaces of their own, joined by a pair of virtual network devices (root and
iproute2 are needed).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _report import publish

from vaekit.data.batches import Batches
from vaekit.tasks.fit import Options, choose_architecture, choose_settings, make_model
from vaekit.tasks.loading import load_rows
from vaekit.training.distributed import World, joined
from vaekit.training.loop import Run

DATA = Path(__file__).parents[2] / "shared/data"
ROWS, TURNS = 10_000, 5
CASES: dict[str, tuple[int, int, dict[str, Any]]] = {  # with the batch of a process and the steps of a turn
    "784-512-512": (256, 12, {"hidden": (512, 512), "network": "mlp"}),
    "784-512-512, large batch": (1024, 4, {"hidden": (512, 512), "network": "mlp"}),
    "convolutions, 28 × 28": (64, 3, {"network": "conv"}),
}
HOSTS = ("vaekit-a", "vaekit-b")


def make_run(rows: np.ndarray, said: dict[str, Any], batch_size: int, world: World) -> Run:
    options = Options(likelihood="bernoulli", precision="float32", compile="no", batch_size=batch_size, **said)
    train, held_out, schema, *_ = load_rows(rows, options)
    architecture = choose_architecture(options, schema, train)
    model = make_model(architecture, schema, train, options)
    settings = choose_settings(options, len(train), model, architecture.network)
    batches = Batches(train, settings.batch_size, 0, share=(world.rank, world.size))
    return Run(model.train(), batches, torch.from_numpy(held_out), settings, world=world)


def rows_per_second(run: Run, steps: int) -> float:
    """Return the rows of all processes a second."""
    began, rows = time.perf_counter(), 0
    for step, x in zip(range(steps), run.batches.epoch(0), strict=False):
        rows += run.batches.part(step).total
        run._step(x)
    return rows / (time.perf_counter() - began)


def work() -> None:
    """Measure, as one of the two processes; the first prints what it found."""
    torch.set_num_threads(1)
    rows = np.load(DATA / "mnist.npz")["x_train"][:ROWS]
    with joined() as world:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[world.rank]})
        for name, (size, steps, said) in CASES.items():
            own, alone = make_run(rows, said, size, World()), world.is_first
            whole, half = (make_run(rows, said, n, world) for n in (2 * size, size))
            found: dict[str, list[float]] = {"alone": [], "apart": [], "together": [], "same batch": []}
            for turn in range(TURNS + 1):  # the first is not counted
                world.agree(0.0)
                speeds = {"alone": rows_per_second(own, steps) if alone else 0.0}
                world.agree(0.0)
                speeds["apart"] = float(world.total(torch.tensor(rows_per_second(own, steps))))
                speeds["together"] = rows_per_second(whole, steps)
                speeds["same batch"] = rows_per_second(half, steps)
                for how, speed in speeds.items():
                    found[how] += [speed] if turn else []
            if world.is_first:
                weights = sum(p.numel() for p in own.model.parameters())
                print(json.dumps({"case": name, "weights": weights, "batch": size} | found), flush=True)


@contextmanager
def hosts() -> Iterator[list[list[str]]]:
    """Make two hosts with an address each, 10.77.0.1 and 10.77.0.2, for the block; yield what runs a command there."""

    def ip(words: str) -> None:
        subprocess.run(["ip", *words.split()], check=True)

    try:
        for name in HOSTS:
            ip(f"netns add {name}")
        ip(f"link add veth0 netns {HOSTS[0]} type veth peer name veth0 netns {HOSTS[1]}")
        for i, name in enumerate(HOSTS, 1):
            ip(f"-n {name} addr add 10.77.0.{i}/24 dev veth0")
            ip(f"-n {name} link set veth0 up")
            ip(f"-n {name} link set lo up")
        yield [["ip", "netns", "exec", name] for name in HOSTS]
    finally:
        for name in HOSTS:
            subprocess.run(["ip", "netns", "delete", name], check=False)


def measure(places: list[list[str]], address: str, device: str) -> list[dict[str, Any]]:
    """Return what two processes find, one in each place."""
    said = {"WORLD_SIZE": "2", "MASTER_ADDR": address, "MASTER_PORT": "29417", "OMP_NUM_THREADS": "1"}
    said |= {"GLOO_SOCKET_IFNAME": device, "GOMP_SPINCOUNT": "10000"}
    workers = [
        subprocess.Popen(
            [*place, sys.executable, __file__, "--work"],
            env=os.environ | said | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank, place in enumerate(places)
    ]
    printed = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise SystemExit("a worker failed")
    return [json.loads(line) for line in printed[0].splitlines()]


def row(found: dict[str, Any]) -> dict[str, Any]:
    """Return a line of the table: medians, and the efficiencies of a turn's own numbers."""
    speeds = {how: statistics.median(found[how]) for how in ("alone", "apart", "together", "same batch")}

    def efficiency(how: str, beside: str, times: int) -> float:
        return statistics.median(a / (times * b) for a, b in zip(found[how], found[beside], strict=True))

    return (
        {"step": found["case"], "weights": found["weights"], "batch": found["batch"]}
        | {f"{how} rows/s": speed for how, speed in speeds.items()}
        | {"efficiency": efficiency("together", "alone", 2), "of the machine": efficiency("apart", "alone", 2)}
        | {
            "of talking": efficiency("together", "apart", 1),
            "same batch / 2 alone": efficiency("same batch", "alone", 2),
        }
    )


def main() -> None:
    apart = "--hosts" in sys.argv
    load = os.getloadavg()[0]
    if apart:
        with hosts() as places:
            found = measure(places, "10.77.0.1", "veth0")
    else:
        found = measure([[], []], "127.0.0.1", "lo")
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish("scaling_hosts" if apart else "scaling", protocol, [row(case) for case in found], load_before=load)


if __name__ == "__main__":
    work() if "--work" in sys.argv else main()
