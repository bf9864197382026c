"""New rows of tables: ours beside CTGAN's TVAE, a Gaussian copula and SMOTE.

Protocol: of three tables (UCI's Adult with its own test rows; ADBench's magic gamma and cardio, of which three tenths
are kept for testing, stratified, seed 0) each generator is fitted on the training rows, class and all, and makes as
many rows as these are, then four times as many. Ours is fitted for synthesis, all else as it comes; the
copula and TVAE are SDV's, TVAE with its 300 epochs; SMOTE is imbalanced-learn's, each class being brought to twice its
number and the new rows alone kept, so it has one size. "F1" (macro) and "AUROC" are of scikit-learn's histogram
gradient boosting, trained on the new rows and tested on the real test rows; "F1 x4" on four times as many. "told apart"
is the AUROC with which the same booster, in three folds, tells new rows from real ones: 0.5 is best. "margins" is the
mean over columns of the Kolmogorov-Smirnov distance of numbers and the total variation of categories; "pairs" the mean
over pairs of columns of the difference in normalised mutual information, numbers cut at the deciles of the real ones.
"nearer" is the share of new rows nearer to a training row than to any of as many test rows (Euclidean, standardised,
categories as 0 and 1 over √2; of 2,000 new rows, the same number of training and test rows, at most 5,000): 0.5 is best
and 1 a copy. Ours and TVAE from seed 0 on, with as many seeds as are told; the figures are means.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from itertools import combinations, product
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
import pandas as pd
from _report import CACHE, publish
from likelihood import DATA
from scipy.spatial import cKDTree
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score, normalized_mutual_info_score, roc_auc_score
from sklearn.model_selection import cross_val_score, train_test_split

TARGET = "class"
TIMES = 4
TOLD_APART, NEAR, NEAR_AMONG = 10_000, 2_000, 5_000  # rows
FIGURES = ("F1", "AUROC", "F1 x4", "told apart", "margins", "pairs", "nearer", "seconds")

Frame = pd.DataFrame
Generator = Callable[[Frame, int], Callable[[int], Frame]]  # fitted on rows, with a seed: from a number to new rows


# -- tables ------------------------------------------------------------------------------------------------------------


def adult() -> tuple[Frame, Frame]:
    """Return Adult's training and test rows."""
    with np.load(DATA / "adult.npz", allow_pickle=False) as file:
        return tuple(_adult(file, part) for part in ("train", "test"))  # type: ignore[return-value]


def _adult(file: Any, part: str) -> Frame:
    numbers = pd.DataFrame(file[f"num_{part}"].astype(np.int64), columns=[str(name) for name in file["num_names"]])
    codes = pd.DataFrame(file[f"cat_{part}"], columns=[str(name) for name in file["cat_names"]])
    return numbers.join(codes.map("c{}".format)).assign(**{TARGET: [f"c{y}" for y in file[f"y_{part}"]]})


def adbench(name: str) -> tuple[Frame, Frame]:
    """Return training and test rows of a table of numbers with a class."""
    with np.load(DATA / "adbench" / f"{name}.npz") as file:
        table = pd.DataFrame(file["X"], columns=[f"x{j}" for j in range(file["X"].shape[1])])
        table[TARGET] = [f"c{y}" for y in file["y"]]
    train, test = train_test_split(table, test_size=0.3, stratify=table[TARGET], random_state=0)
    varies = train.nunique() > 1
    return train.loc[:, varies].reset_index(drop=True), test.loc[:, varies].reset_index(drop=True)


TABLES: dict[str, Callable[[], tuple[Frame, Frame]]] = {
    "adult": adult,
    "magic gamma": lambda: adbench("22_magic.gamma"),
    "cardio": lambda: adbench("6_cardio"),
}


def categories(rows: Frame) -> list[str]:
    """Return the names of the columns that are no numbers."""
    return [name for name in rows if not pd.api.types.is_numeric_dtype(rows[name])]


# -- generators --------------------------------------------------------------------------------------------------------


def ours(rows: Frame, seed: int) -> Callable[[int], Frame]:
    import vaekit

    model = vaekit.VAE(purpose="synthesis", random_state=seed).fit(rows)
    return lambda n: model.sample(n, random_state=seed)


def tvae(rows: Frame, seed: int) -> Callable[[int], Frame]:
    return _sdv("TVAESynthesizer", rows, seed)


def copula(rows: Frame, seed: int) -> Callable[[int], Frame]:
    return _sdv("GaussianCopulaSynthesizer", rows, seed)


def _sdv(kind: str, rows: Frame, seed: int) -> Callable[[int], Frame]:
    import torch
    from sdv import single_table
    from sdv.metadata import Metadata

    torch.manual_seed(seed)
    np.random.seed(seed)
    model = getattr(single_table, kind)(Metadata.detect_from_dataframes({"rows": rows}))
    model.fit({"rows": rows})

    def sample(n: int) -> Frame:
        made = model.sample(n)
        return made["rows"] if isinstance(made, dict) else made

    return sample


def smote(rows: Frame, seed: int) -> Callable[[int], Frame]:
    from imblearn.over_sampling import SMOTE, SMOTENC

    rest, label = rows.drop(columns=TARGET), rows[TARGET]
    twice = {k: 2 * n for k, n in label.value_counts().items()}
    # imbalanced-learn refuses to make more of all classes at once unless a strategy names them
    mixed = categories(rest)
    settings: dict[str, Any] = {"sampling_strategy": twice, "random_state": seed}
    maker = SMOTENC(categorical_features=mixed, **settings) if mixed else SMOTE(**settings)
    found, labels = maker.fit_resample(rest, label)
    made = found.assign(**{TARGET: labels}).iloc[len(rows) :].reset_index(drop=True)
    return lambda n: made.sample(min(n, len(made)), random_state=seed)


GENERATORS: dict[str, Generator] = {"vaekit": ours, "TVAE": tvae, "Gaussian copula": copula, "SMOTE": smote}
TRAINED = ("vaekit", "TVAE")  # whose rows differ with the seed by more than a draw does


# -- figures -----------------------------------------------------------------------------------------------------------


class Numbers:
    """Rows as numbers: categories as the codes of those seen in the real rows."""

    def __init__(self, real: Frame) -> None:
        self.columns, self.mixed = list(real), categories(real)
        self.known = {name: sorted(set(real[name])) for name in self.mixed}

    def __call__(self, rows: Frame) -> np.ndarray:
        """Return rows [n, columns]; a category that no real row has is −1."""
        found = [
            pd.Categorical(rows[name], categories=self.known[name]).codes if name in self.mixed else rows[name]
            for name in self.columns
        ]
        return np.stack([np.asarray(column, dtype=np.float64) for column in found], axis=1)


def booster(mixed: list[int]) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(categorical_features=mixed or None, random_state=0)


def usefulness(made: np.ndarray, test: np.ndarray, mixed: list[int]) -> tuple[float, float]:
    """Return macro F1 and AUROC of a booster trained on made rows; the class is the last column."""
    if len(np.unique(made[:, -1])) < 2:
        return float(f1_score(test[:, -1], np.full(len(test), made[0, -1]), average="macro")), 0.5
    model = booster(mixed).fit(made[:, :-1], made[:, -1])
    chances = model.predict_proba(test[:, :-1])[:, 1]
    return float(f1_score(test[:, -1], model.predict(test[:, :-1]), average="macro")), float(
        roc_auc_score(test[:, -1], chances)
    )


def told_apart(made: np.ndarray, real: np.ndarray, mixed: list[int]) -> float:
    n = min(TOLD_APART, len(made), len(real))
    rng = np.random.default_rng(0)
    rows = np.concatenate([x[rng.permutation(len(x))[:n]] for x in (made, real)])
    return float(cross_val_score(booster(mixed), rows, np.arange(2 * n) < n, scoring="roc_auc", cv=3).mean())


def margins(made: np.ndarray, real: np.ndarray, mixed: list[int]) -> float:
    def distance(j: int) -> float:
        if j not in mixed:
            return float(ks_2samp(made[:, j], real[:, j]).statistic)
        values = np.union1d(made[:, j], real[:, j])
        shares = [[np.mean(x[:, j] == value) for value in values] for x in (made, real)]
        return float(np.abs(np.subtract(*shares)).sum() / 2)

    return float(np.mean([distance(j) for j in range(made.shape[1])]))


def pairs(made: np.ndarray, real: np.ndarray, mixed: list[int]) -> float:
    def cut(x: np.ndarray) -> np.ndarray:
        edges = [np.unique(np.quantile(real[:, j], np.linspace(0.1, 0.9, 9))) for j in range(x.shape[1])]
        return np.stack([x[:, j] if j in mixed else np.searchsorted(edges[j], x[:, j]) for j in range(x.shape[1])], 1)

    told = [
        [normalized_mutual_info_score(x[:, i], x[:, j]) for i, j in combinations(range(x.shape[1]), 2)]
        for x in (cut(made).astype(int), cut(real).astype(int))
    ]
    return float(np.abs(np.subtract(*told)).mean())


def nearer(made: np.ndarray, train: np.ndarray, test: np.ndarray, mixed: list[int]) -> float:
    rng = np.random.default_rng(0)
    n = min(NEAR_AMONG, len(train), len(test))
    sides = [x[rng.permutation(len(x))[:n]] for x in (train, test)]
    some = made[rng.permutation(len(made))[:NEAR]]
    spread = np.where(train.std(0) > 0, train.std(0), 1.0)
    hot = [(j, k) for j in mixed for k in np.unique(train[:, j])]

    def placed(x: np.ndarray) -> np.ndarray:
        numbers = [x[:, j] / spread[j] for j in range(x.shape[1]) if j not in mixed]
        return np.stack(numbers + [(x[:, j] == k) / np.sqrt(2) for j, k in hot], axis=1)

    to_train, to_test = (cKDTree(placed(side)).query(placed(some))[0] for side in sides)
    return float(np.mean(to_train < to_test) + np.mean(to_train == to_test) / 2)


def figures(train: Frame, test: Frame, some: Frame, many: Frame) -> dict[str, float]:
    """Return what new rows are worth."""
    numbers = Numbers(train)
    mixed = [numbers.columns.index(name) for name in numbers.mixed]
    inputs = [j for j in mixed if j != numbers.columns.index(TARGET)]
    real, held, made, more = (numbers(rows) for rows in (train, test, some, many))
    f1, auroc = usefulness(made, held, inputs)
    return {
        "F1": f1,
        "AUROC": auroc,
        "F1 x4": usefulness(more, held, inputs)[0],
        "told apart": told_apart(made, real, mixed),
        "margins": margins(made, real, mixed),
        "pairs": pairs(made, real, mixed),
        "nearer": nearer(made, real, held, mixed),
    }


def measure(table: str, name: str, seed: int) -> dict[str, Any]:
    """Return what a generator's rows are worth."""
    train, test = TABLES[table]()
    begin = time.perf_counter()
    maker = GENERATORS[name](train, seed)
    seconds = time.perf_counter() - begin
    found = figures(train, test, maker(len(train)), maker(TIMES * len(train)))
    return {"table": table, "generator": name, "seed": seed, **found, "seconds": seconds}


def ceiling(table: str) -> dict[str, Any]:
    """Return what the real rows themselves are worth."""
    train, test = TABLES[table]()
    found = figures(train, test, train, train)
    return {"table": table, "generator": "real rows", "seed": 0, **found, "seconds": 0.0}


def summary(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return means over seeds."""
    rows = []
    for table, name in dict.fromkeys((p["table"], p["generator"]) for p in points):
        own = [p for p in points if (p["table"], p["generator"]) == (table, name)]
        means = {k: round(float(np.mean([p[k] for p in own])), 4) for k in FIGURES}
        spread = round(float(np.std([p["F1"] for p in own])), 4)
        rows.append({"table": table, "generator": name, **means, "± F1": spread, "seeds": len(own)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tables", nargs="*", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--seeds", type=int, default=3)
    words = parser.parse_args()
    warnings.filterwarnings("ignore")
    kept = CACHE / "synthesis.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    points = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {(p["table"], p["generator"], p["seed"]) for p in points}
    asked = [("real rows", 0), *((name, 0) for name in GENERATORS)]
    asked += [(name, seed) for seed in range(1, words.seeds) for name in TRAINED]
    for table, (name, seed) in product(words.tables, asked):
        if (table, name, seed) in done:
            continue
        point = ceiling(table) if name == "real rows" else measure(table, name, seed)
        points.append(point)
        with kept.open("a") as file:
            file.write(json.dumps(point) + "\n")
        print(point, flush=True)
    order = {table: i for i, table in enumerate(TABLES)}
    points.sort(key=lambda p: order[p["table"]])
    publish("synthesis", __doc__.split("Protocol: ")[1].strip().replace("\n", " "), summary(points), points=points)


if __name__ == "__main__":
    main()
