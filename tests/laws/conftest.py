"""One constructor for each name in a registry, so that a law speaks of all of them; a new name must bring its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vaekit.distributions.likelihood import Likelihood
from vaekit.distributions.likelihoods import LIKELIHOODS
from vaekit.distributions.product import ProductLikelihood
from vaekit.models.build import MODELS

D = 3  # values in a row
UNIT = torch.tensor([0.5, 2.0, 30.0])
LEVELS = torch.arange(17.0)[:, None].expand(-1, D)


@dataclass(frozen=True, eq=False)
class LikelihoodCase:
    """A likelihood, all it can observe, and what its data look like.

    Parameters
    ----------
    make : callable
    support : Tensor of shape (n_points, D)
        Every code there is for probabilities; for densities a fine grid over nearly all mass.
    width : Tensor of shape (D,)
        What a point of the support stands for, in the unit the density answers in: 1 for probabilities.
    draw : callable
        From n to codes [n, D] of plausible data.
    exposure : float, optional
        A row's total.
    discretized : bool
        Whether it is a density cut into levels, which has a cdf and a mean to within half a level.
    chained : bool
        Whether a value's distribution is one given the values before it.
    """

    make: Callable[[], Likelihood]
    support: Tensor
    draw: Callable[[int], Tensor]
    width: Tensor = field(default_factory=lambda: torch.ones(D))
    exposure: float | None = None
    discretized: bool = False
    chained: bool = False

    @torch.no_grad()
    def distribution(self, n: int, seed: int = 0, spread: float = 1.0) -> Any:
        """p(x | parameters) of n equal rows, its parameters drawn at random."""
        likelihood = self.random(seed)
        parameters = spread * torch.randn(1, *likelihood.parameter_shape)
        return likelihood(parameters.expand(n, *parameters.shape[1:]), self.exposures(n))

    def random(self, seed: int) -> Likelihood:
        """The likelihood with its own parameters moved at random."""
        torch.manual_seed(seed)
        likelihood = self.make().eval()
        with torch.no_grad():
            for p in likelihood.parameters():
                p += 0.5 * torch.randn_like(p)
        return likelihood

    def exposures(self, n: int) -> Tensor | None:
        return None if self.exposure is None else torch.full((n,), self.exposure)

    def log_prob(self, seed: int = 0, spread: float = 1.0) -> Tensor:
        """log p of every point of the support, in the user's units: [n_points, D] in float64."""
        with torch.no_grad():
            found = self.on_support(self.distribution(len(self.support), seed, spread).log_prob)
        return found.double() - self.make().log_units(self.support).double()

    def on_support(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """A function's answers [n_points, D] at every point of the support, all other values of a row being held."""
        if not self.chained:
            return function(self.support)
        rows = self.draw(1).expand(len(self.support), D)
        changed = [torch.where(torch.arange(D) == j, self.support, rows) for j in range(D)]
        return torch.stack([function(codes)[:, j] for j, codes in enumerate(changed)], 1)


def _levels(n: int) -> Tensor:
    return torch.randint(0, 17, (n, D)).float().mul(torch.tensor([1.0, 0.5, 0.9])).round()


def _reals(n: int) -> Tensor:
    return torch.randn(n, D)


def _whole(n: int) -> Tensor:
    return (torch.randn(n, D) * UNIT).round() / UNIT


def _counts(n: int) -> Tensor:
    return torch.poisson(torch.tensor([0.3, 4.0, 50.0]).expand(n, D) * torch.rand(n, D) * 2)


def _ends(n: int) -> Tensor:
    return _levels(n).sub(4).mul(2).clamp(0, 16)


def _binary(n: int) -> Tensor:
    return (torch.rand(n, D) < torch.tensor([0.02, 0.5, 0.9])).float()


def _grid(low: float, high: float, n: int) -> Tensor:
    return torch.linspace(low, high, n)[:, None].expand(-1, D)


def levels_case(name: str, draw: Callable[[int], Tensor] = _levels) -> LikelihoodCase:
    return LikelihoodCase(lambda: LIKELIHOODS[name]((D,), n_levels=17), LEVELS, draw, discretized=True)


def density_case(name: str, reach: float = 100.0) -> LikelihoodCase:
    grid = _grid(-reach, reach, 40_001)
    step = 2 * reach / 40_000
    return LikelihoodCase(lambda: LIKELIHOODS[name]((D,), unit=UNIT), grid, _reals, step * UNIT)


def count_case(name: str, exposure: float | None = None) -> LikelihoodCase:
    return LikelihoodCase(lambda: LIKELIHOODS[name]((D,)), _grid(0, 39_999, 40_000), _counts, exposure=exposure)


def _often(codes: Tensor, atoms: Tensor) -> Tensor:
    """Codes of which half are atoms: atoms has the shape [D, A]."""
    which = torch.randint(0, atoms.shape[1], codes.shape)
    chosen = atoms.expand(len(codes), -1, -1).gather(2, which[..., None])[..., 0]
    return torch.where(torch.rand(codes.shape) < 0.5, chosen, codes)


POWERS = torch.tensor([[1.0, 0.5, 0.0], [0.25, 1.0, 0.0]])


def make_bent() -> Likelihood:
    likelihood = LIKELIHOODS["gaussian"]((D,), unit=UNIT)
    likelihood.bend(POWERS)
    return likelihood


def bent_case() -> LikelihoodCase:
    """What a point of the support stands for is a width of the user's, so wider further out."""
    grid = _grid(-30, 30, 40_001)
    return LikelihoodCase(make_bent, grid, _reals, 60 / 40_000 * make_bent().log_units(grid).exp())


def make_product() -> ProductLikelihood:
    parts = [
        (LIKELIHOODS["discretized-logistic"]((1,), n_levels=None, unit=UNIT[2:]), [2]),
        (LIKELIHOODS["discretized-logistic"]((2,), n_levels=None, unit=UNIT[[1, 0]]), [1, 0]),
    ]
    return ProductLikelihood(parts, D)


WHOLE = torch.arange(-6000.0, 6001.0)[:, None] / UNIT

ATOMS = torch.tensor([[-3.0, 0.0, 2.0]]) / UNIT[:, None]
REAL_ATOMS = torch.tensor([-0.5001, 0.7003]).expand(D, -1), torch.tensor(1e-6)
COUNTED_ATOMS = torch.tensor([0.0, 7.0]).expand(D, -1)


def atoms_and_grid() -> tuple[Tensor, Tensor]:
    """A grid with the atoms among its points, and what each stands for: an atom for itself, others for a width."""
    grid, atoms = torch.linspace(-100, 100, 40_001), REAL_ATOMS[0][0]
    points = torch.cat([grid, atoms]).sort().values[:, None].expand(-1, D)
    is_atom = (points[..., None] == atoms).any(-1)
    return points, torch.where(is_atom, 1.0, 200 / 40_000 * UNIT)


ATOMS_AND_GRID = atoms_and_grid()

CASES: dict[str, LikelihoodCase] = {
    "bernoulli": LikelihoodCase(lambda: LIKELIHOODS["bernoulli"]((D,)), _grid(0, 1, 2), _binary),
    "continuous-bernoulli": LikelihoodCase(
        lambda: LIKELIHOODS["continuous-bernoulli"]((D,), top=16.0),
        _grid(0, 16, 20_001),
        lambda n: 16 * torch.rand(n, D) ** torch.tensor([0.2, 1.0, 3.0]),
        torch.full((D,), 1 / 20_000),  # a density per unit of x / top
    ),
    "discretized-logistic": levels_case("discretized-logistic"),
    "discretized-logistic-context": dataclasses.replace(levels_case("discretized-logistic-context"), chained=True),
    "discretized-logistic-ends": levels_case("discretized-logistic-ends", _ends),
    "discretized-logistic-mixture": levels_case("discretized-logistic-mixture"),
    "discretized-logistic-mixture-ends": levels_case("discretized-logistic-mixture-ends", _ends),
    "gaussian": density_case("gaussian"),
    "gaussian-heteroscedastic": density_case("gaussian-heteroscedastic"),
    "gaussian-analytic": density_case("gaussian-analytic"),
    "student-t": density_case("student-t", reach=1000.0),
    "gaussian-atoms": dataclasses.replace(
        density_case("gaussian"),
        make=lambda: LIKELIHOODS["gaussian-atoms"]((D,), *REAL_ATOMS, unit=UNIT),
        draw=lambda n: _often(_reals(n), REAL_ATOMS[0]),
        support=ATOMS_AND_GRID[0],
        width=ATOMS_AND_GRID[1],
    ),
    "discretized-logistic-atoms": LikelihoodCase(
        lambda: LIKELIHOODS["discretized-logistic-atoms"]((D,), ATOMS, 0.5 / UNIT, n_levels=None, unit=UNIT),
        WHOLE,
        lambda n: _often(_whole(n), ATOMS),
    ),
    "negative-binomial-atoms": LikelihoodCase(
        lambda: LIKELIHOODS["negative-binomial-atoms"]((D,), COUNTED_ATOMS, torch.tensor(0.5)),
        _grid(0, 39_999, 40_000),
        lambda n: _often(_counts(n), COUNTED_ATOMS),
    ),
    "zero-inflated-negative-binomial": count_case("zero-inflated-negative-binomial"),
    "zero-inflated-negative-binomial-library": count_case("zero-inflated-negative-binomial-library", exposure=30.0),
    "negative-binomial": count_case("negative-binomial"),
    "negative-binomial-library": count_case("negative-binomial-library", exposure=30.0),
    "categorical": LikelihoodCase(
        lambda: LIKELIHOODS["categorical"]((D,), n_categories=5),
        _grid(0, 4, 5),
        lambda n: torch.randint(0, 5, (n, D)).float().mul(torch.tensor([1.0, 0.4, 0.1])).round(),
    ),
    # Not names of their own, but forms that the names above take in a model.
    "two levels": LikelihoodCase(
        lambda: LIKELIHOODS["discretized-logistic"]((D,), n_levels=2), _grid(0, 1, 2), _binary, discretized=True
    ),
    "whole numbers": LikelihoodCase(
        lambda: LIKELIHOODS["discretized-logistic"]((D,), n_levels=None, unit=UNIT), WHOLE, _whole, discretized=True
    ),
    "mixture of whole numbers": LikelihoodCase(
        lambda: LIKELIHOODS["discretized-logistic-mixture"]((D,), n_levels=None, unit=UNIT),
        WHOLE,
        _whole,
        discretized=True,
    ),
    "bent tails": bent_case(),
    "product": LikelihoodCase(make_product, WHOLE, _whole, discretized=True),
}
assert set(LIKELIHOODS) <= set(CASES), f"no case for {set(LIKELIHOODS) - set(CASES)}"

DISCRETIZED = [name for name, case in CASES.items() if case.discretized and name != "product"]  # which has no cdf


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> LikelihoodCase:
    return CASES[request.param]


@pytest.fixture(params=[name for name, case in CASES.items() if not case.chained])
def unchained(request: pytest.FixtureRequest) -> LikelihoodCase:
    return CASES[request.param]


@pytest.fixture(params=[name for name, case in CASES.items() if not case.make().density])
def discrete(request: pytest.FixtureRequest) -> LikelihoodCase:
    return CASES[request.param]


@pytest.fixture(params=DISCRETIZED)
def discretized(request: pytest.FixtureRequest) -> LikelihoodCase:
    return CASES[request.param]


# -- data of every kind --------------------------------------------------------------------------------------------


def table(n: int = 64) -> Any:
    """A frame with a column of every kind, with gaps."""
    import polars as pl

    rng = np.random.default_rng(0)
    shared = rng.normal(size=n)
    some = rng.random(n) < 0.2
    return pl.DataFrame(
        {
            "real": shared + rng.normal(size=n),
            "integer": np.rint(40 + 12 * shared).astype(np.int64),
            "count": rng.negative_binomial(1, 0.1, n),
            "flag": shared > 0,
            "word": np.where(shared > 0.5, "high", np.where(shared < -0.5, "low", "middle")),
            "gappy": pl.Series(np.where(some, np.nan, shared)).fill_nan(None),
            "gappy_flag": pl.Series([None if g else bool(s > 0) for g, s in zip(some, shared, strict=True)]),
            "gappy_word": pl.Series([None if g else "ab"[int(s > 0)] for g, s in zip(some, shared, strict=True)]),
        }
    )


def pictures(shape: tuple[int, ...], levels: int = 256, n: int = 48) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    shade = rng.random((n, *[1] * len(shape)))
    drawn = (shade + 0.1 * rng.normal(size=(n, *shape))).clip(0, 1) * (levels - 1)
    return np.rint(drawn).astype(np.uint8)


def _gappy(raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    holes = np.random.default_rng(1).random(raw.shape) < 0.1
    return np.where(holes, np.nan, raw)


def _matrix(n: int = 48, d: int = 6) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 1)) + 0.5 * rng.normal(size=(n, d)) * np.arange(1, d + 1) + 100 * np.arange(d)


DATA: dict[str, Callable[[], Any]] = {
    "binary": lambda: _matrix() > _matrix().mean(0),
    "binary with gaps": lambda: _gappy((_matrix() > _matrix().mean(0)).astype(float)),
    "grey pictures": lambda: pictures((7, 5)),
    "colour pictures": lambda: pictures((6, 9, 3)),
    "pictures with gaps": lambda: _gappy(pictures((5, 6)) / 255),
    "drawings": lambda: (pictures((8, 8)) > 127).astype(np.uint8) * 255,
    "unit pictures": lambda: np.random.default_rng(0).random((48, 6, 6)) ** 2,
    "real": _matrix,
    "real with gaps": lambda: _gappy(_matrix()),
    "counts": lambda: np.random.default_rng(0).negative_binomial(0.3, 0.2, (48, 24)),
    "counts with gaps": lambda: _gappy(np.random.default_rng(0).negative_binomial(0.3, 0.2, (48, 24)).astype(float)),
    "table": table,
}


PICTURES = ["grey pictures", "colour pictures", "pictures with gaps", "drawings", "unit pictures"]

ONE_OF_EACH = ["binary with gaps", "colour pictures", "pictures with gaps", "real", "counts", "table"]

SITUATIONS = [
    (model, network, name)
    for model in MODELS
    for name in (ONE_OF_EACH if model == "conditional" else DATA)  # whose inputs and likelihoods are a VAE's
    for network in ("mlp", "conv")
    if network == "mlp" or name in PICTURES
]


@pytest.fixture(params=SITUATIONS, ids=lambda situation: "-".join(situation))
def situation(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    return request.param


@pytest.fixture
def model_name(situation: tuple[str, str, str]) -> str:
    return situation[0]


@pytest.fixture
def network(situation: tuple[str, str, str]) -> str:
    return situation[1]


@pytest.fixture
def data(situation: tuple[str, str, str]) -> Any:
    return DATA[situation[2]]()


@pytest.fixture(scope="session")
def data_of() -> Callable[[str], Any]:
    return lambda name: DATA[name]()
