"""How fast training is: beside others at the same task, until others' quality is reached, and beside the processor.

Two cores, two threads, the 60,000 training pictures of MNIST. The bound is summed over pixels, in nats a picture: the
Bernoulli log-likelihood minus the KL.

Speed: 784-400-20 with ReLU, batches of 128, Adam with a learning rate of 1e-3 (ours: the peak of its cycle). In each
round every contestant starts in turn in a process of its own; its first epoch warms up, with compilation, and the
second is timed, from the end of one to the end of the other. The others train on grey levels as if they were
probabilities; ours binarises each batch afresh, averages weights, looks for numbers that are not finite and measures
the bound of 600 pictures of the test part, all within the time. Pythae and PyTorch's example read the loss at each
step, as they ship. Precision is each one's default: ours is bfloat16 where the processor multiplies it faster,
the others float32.

Quality: Pythae trains the same network for 20 epochs, with a learning rate of 1e-3 and batches of 128 (its own defaults
are 1e-4 and 64), on grey levels or on pictures binarised afresh at every use. Its test bound is the target of
VAE(preset="fast", likelihood="bernoulli", time=budget), which holds a tenth of the pictures out; budgets grow until it
is reached. Seconds are those of trainer.train(), and of the whole of fit(). The test pictures are binarised once with
numpy's seed 777, and the bound is the mean of 16 draws. One seed each.

Operations: those of matrix products and convolutions in one step of the bound, forward and backward, two for each
multiplication with addition, over the seconds of a step with all that an epoch does, medians of three epochs. The peak
is the fastest product of two 2048 × 2048 matrices, taken before each network. Priors are standard normal.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import venv
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _report import CACHE, publish

DATA = Path(__file__).parents[2] / "shared/data"
MNIST, COLOUR = DATA / "mnist.npz", DATA / "gtsrb_32.npz"
PEERS = Path(__file__).parent / "peers"
ENVIRONMENT = {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": "10000", "CUDA_VISIBLE_DEVICES": ""}
ROWS = 60_000
EPOCHS, STEP_EPOCHS = 2, 4  # of speed and of operations; the first warms up
PYTHAE_EPOCHS = 20  # of quality, all timed
BUDGETS = (5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 60, 90, 120)  # seconds
OURS, PYTHAE = "vaekit", "Pythae's BaseTrainer"


def contestants() -> dict[str, tuple[str, str]]:
    """Return the interpreter and the script of each contestant, after making the environments that they need."""
    pythae = environment("pythae", f"torch=={version('torch').split('+')[0]}", "pythae==0.1.2")
    keras = environment("keras", "keras==3.15.1", "jax==0.10.2")
    return {
        OURS: (sys.executable, "vaekit_fit.py"),
        "Keras 3 fit, JAX": (keras, "keras_jax.py"),
        "PyTorch's example": (sys.executable, "pytorch_example.py"),
        PYTHAE: (pythae, "pythae_trainer.py"),
    }


def environment(name: str, *requirements: str) -> str:
    """Return the interpreter of an environment in the cache, made where it is not there yet."""
    folder = CACHE / "-".join([name, *(word.split("==")[1] for word in requirements)])
    python, done = folder / "bin/python", folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
        done.touch()
    return str(python)


def answers(python: str, script: str, *words: Any) -> list[dict[str, Any]]:
    """Run a script of peers/ in a process of its own and return the JSON lines that it prints."""
    command = [python, str(PEERS / script), *map(str, words), "--rows", str(ROWS)]
    ended = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{script} failed:\n{ended.stderr[-2000:]}")
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


def protocol(part: str) -> str:
    """Return the paragraph of this file's docstring that a part's name opens, after the one that all parts share."""
    paragraphs = [" ".join(words.split()) for words in __doc__.split("\n\n")]
    return f"{paragraphs[1]} {next(words for words in paragraphs if words.startswith(part))}"


def speed(rounds: int) -> None:
    epochs: dict[str, list[float]] = {}
    about: dict[str, Any] = {}
    entered = contestants()
    for _ in range(rounds):
        for name, (python, script) in entered.items():
            for answer in answers(python, script, MNIST, "--epochs", EPOCHS):
                epochs.setdefault(name, []).append(answer.pop("seconds"))
                about[name] = answer
    ours = statistics.median(epochs[OURS])
    table = [
        {
            "contestant": name,
            "seconds an epoch": statistics.median(seconds),
            "fastest": min(seconds),
            "slowest": max(seconds),
            "times ours": statistics.median(seconds) / ours,
        }
        for name, seconds in epochs.items()
    ]
    publish("training_speed", protocol("Speed:"), table, epochs=epochs, contestants=about)


def quality() -> None:
    entered = contestants()
    peers = {}
    for pixels in ("grey", "binarised"):
        words = (MNIST, "--epochs", PYTHAE_EPOCHS, "--pixels", pixels)
        (peers[pixels],) = answers(*entered[PYTHAE], *words)
    trials: list[dict[str, Any]] = []
    for budget in BUDGETS:
        trials += answers(*entered[OURS], MNIST, "--budget", budget)
        if trials[-1]["elbo_nats"] >= max(peer["elbo_nats"] for peer in peers.values()):
            break
    table = [comparison(pixels, peer, trials) for pixels, peer in peers.items()]
    publish("training_speed_quality", protocol("Quality:"), table, pythae=peers, vaekit=trials)


def comparison(pixels: str, peer: dict[str, Any], trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a peer's row beside the first of our trials that is as good, or the last where none is."""
    ours = next((trial for trial in trials if trial["elbo_nats"] >= peer["elbo_nats"]), trials[-1])
    return {
        "Pythae trained on": pixels,
        "its seconds": peer["seconds"],
        "its test ELBO": peer["elbo_nats"],
        "our budget": ours["budget"],
        "our whole fit": ours["seconds"],
        "our test ELBO": ours["elbo_nats"],
        "reached": ours["elbo_nats"] >= peer["elbo_nats"],
        "its seconds / budget": peer["seconds"] / ours["budget"],
        "its seconds / whole fit": peer["seconds"] / ours["seconds"],
    }


def operations() -> None:
    found = answers(sys.executable, "vaekit_flops.py", MNIST, "--colour", COLOUR, "--epochs", STEP_EPOCHS)
    peaks = [answer for answer in found if "peak" in answer]
    fastest = {name: max(a["flops_per_second"] for a in peaks if a["peak"] == name) for name in ("float32", "bfloat16")}
    table = [
        {
            "network": answer["network"],
            "batch": answer["batch"],
            "precision": answer["precision"],
            "GFLOP a step": answer["flops"] / 1e9,
            "ms a step": answer["seconds"] * 1e3,
            "GFLOP/s": answer["flops"] / answer["seconds"] / 1e9,
            "share of its peak": answer["flops"] / answer["seconds"] / fastest[answer["precision"]],
        }
        for answer in found
        if "network" in answer
    ]
    gigaflops = {name: flops / 1e9 for name, flops in fastest.items()}
    publish("training_speed_operations", protocol("Operations:"), table, peak_gflops_per_second=gigaflops)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of the first part")
    parser.add_argument("--only", choices=("speed", "quality", "flops"), help="one part of the three")
    words = parser.parse_args()
    parts = {"speed": partial(speed, words.rounds), "quality": quality, "flops": operations}
    for name, measure in parts.items():
        if words.only in (None, name):
            measure()


if __name__ == "__main__":
    main()
