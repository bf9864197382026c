"""A CSV of your own, with reals, counts, categories and gaps: fit, embed, score, sample.

python examples/your_own_csv.py visits.csv

Where the file does not exist yet, a small one is made up: visits to a shop.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

import vaekit


def make_up(path: Path, n: int = 600) -> None:
    rng = np.random.default_rng(0)
    member = rng.random(n) < 0.4
    minutes = rng.gamma(3, 4, n) * (1 + member)
    items = rng.poisson(minutes / 8)
    spent = items * rng.gamma(8, 0.9, n) + rng.normal(0, 0.5, n)
    day = rng.choice(["weekday", "Saturday", "Sunday"], n, p=[0.6, 0.25, 0.15])
    gaps = rng.random(n) < 0.06
    table = pl.DataFrame({"member": member, "day": day, "minutes": minutes, "items": items, "spent": spent})
    table = table.with_columns(pl.col("minutes").round(1), pl.col("spent").round(2))
    table.with_columns(minutes=pl.when(pl.Series(gaps)).then(None).otherwise("minutes")).write_csv(path)


parser = argparse.ArgumentParser()
parser.add_argument("csv", type=Path, nargs="?", default=Path("visits.csv"))
parser.add_argument("--epochs", type=int, default=40)
options = parser.parse_args()
if not options.csv.exists():
    make_up(options.csv)

vae = vaekit.VAE(epochs=options.epochs).fit(options.csv)
print(vae.schema_, *vae.findings_, sep="\n", end="\n\n")
vae.save(options.csv.with_suffix(".vae"))

table = pl.read_csv(options.csv)
codes, scores = vae.transform(table), vae.score_rows(table)
judged = table.with_columns(pl.from_numpy(codes, [f"z{j}" for j in range(vae.latent_dim_)]))
judged = judged.with_columns(nats=scores.log_likelihood_nats, tail_probability=scores.tail_probability)
print("the five oddest rows, with their codes:", judged.sort("nats").head(5), sep="\n", end="\n\n")
print("five rows that never were:", vae.sample(5, random_state=1), sep="\n")
