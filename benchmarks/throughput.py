"""Rows a second of embed, sample and score, beside a bare forward pass of the same networks.

Protocol: a VAE of the default size for 28 × 28 pictures, fitted for one epoch on MNIST; a million rows (the test
pictures over and over) for embed, as many draws for sample, a fiftieth of them for score with 64 importance samples.
The bare pass is torch's own linear, glu and loss in float32, in batches of 1,024 (for score 32 rows with their 64
draws), without checks, conversions, or answers that are the same in any company. The two in turn, three times; medians.
Ratios are ours over bare.
"""

from __future__ import annotations

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command does for itself

import argparse
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from _report import publish
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, glu, linear

import vaekit

MNIST = Path(__file__).parents[2] / "shared/data/mnist.npz"
TURNS, BATCH, DRAWS, SCORED = 3, 1024, 64, 50


def gated(mlp: torch.nn.Module, h: Tensor) -> Tensor:
    for layer, residual in zip(mlp.layers, mlp.residual, strict=True):
        out = glu(layer.linear(h))
        h = h + out if residual else out
    return h


def encode(model: torch.nn.Module, x: Tensor) -> Tensor:
    """Return the posterior's statistics of bytes [n, 784]."""
    return linear(gated(model.encoder, x.float() / 255), model.head.weight, model.head.bias)


def decode(model: torch.nn.Module, z: Tensor) -> Tensor:
    """Return logits [n, 784]."""
    return linear(gated(model.decoder.body, z), model.decoder.head.weight, model.decoder.bias.flatten())


def bare_embed(model: torch.nn.Module, rows: Tensor) -> None:
    torch.cat([encode(model, x)[:, : model.latent_dim] for x in rows.split(BATCH)])


def bare_sample(model: torch.nn.Module, rows: Tensor) -> None:
    z = model.prior.sample(len(rows))
    torch.cat([(255 * decode(model, part).sigmoid()).round().to(torch.uint8) for part in z.split(BATCH)])


def bare_score(model: torch.nn.Module, rows: Tensor) -> None:
    for x in rows.split(2 * BATCH // DRAWS):
        loc, log_scale = encode(model, x).chunk(2, 1)
        noise = torch.randn(DRAWS, *loc.shape)
        z = (loc + log_scale.exp() * noise).flatten(0, 1)
        target = (x.float() / 255).expand(DRAWS, -1, -1).flatten(0, 1)
        log_p = -binary_cross_entropy_with_logits(decode(model, z), target, reduction="none").sum(1)
        log_q = (-0.5 * noise.square() - log_scale).sum(-1).flatten()
        weights = (log_p + model.prior().log_prob(z) - log_q).view(DRAWS, -1)
        weights.logsumexp(0) - math.log(DRAWS)


def seconds(f: Callable[[], object]) -> float:
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    n = parser.parse_args().rows
    data = np.load(MNIST)
    with torch.enable_grad():
        vae = vaekit.VAE(likelihood="bernoulli", epochs=1, levels=1, prior="autoregressive").fit(data["x_train"])
    rows = np.resize(data["x_test"], (n, 28, 28))
    flat, model = torch.from_numpy(rows.reshape(n, 784)), vae.model_.eval()
    some = n // SCORED
    verbs = {
        "embed": (lambda: vae.transform(rows), lambda: bare_embed(model, flat), n),
        "sample": (lambda: vae.sample(n), lambda: bare_sample(model, flat), n),
        "score": (lambda: vae.score_samples(rows[:some]), lambda: bare_score(model, flat[:some]), some),
    }
    table = []
    for verb, (ours, bare, count) in verbs.items():
        pairs = [(seconds(ours), seconds(bare)) for _ in range(TURNS)]
        ours_s, bare_s = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = bare_s / ours_s
        table.append(
            {"verb": verb, "rows": count, "rows/s": count / ours_s, "bare rows/s": count / bare_s, "ratio": ratio}
        )
    protocol = __doc__.split("Protocol: ")[1].strip().replace("\n", " ")
    publish("throughput", protocol, table, bar=0.9, threads=torch.get_num_threads())


if __name__ == "__main__":
    main()
