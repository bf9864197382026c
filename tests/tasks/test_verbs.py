"""Reconstruct, decode, interpolate and sample, on arrays and frames."""

import numpy as np
import polars as pl
import pytest

import vaekit
from vaekit.errors import DataError, ParameterError
from vaekit.tasks.tiles import TILE


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    """A mixed table: a real column that follows a category, a count and a Boolean."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 600)
    return pl.DataFrame(
        {
            "kind": np.array(["a", "b", "c"])[kind],
            "size": 10.0 * kind + rng.normal(size=600),
            "parts": rng.negative_binomial(2, 0.3, 600),
            "large": kind == 2,
        }
    )


@pytest.fixture(scope="module")
def vae(table: pl.DataFrame) -> vaekit.VAE:
    return vaekit.VAE(latent_dim=2, epochs=20, hidden=(64, 64), learning_rate=5e-3).fit(table)


def test_samples_keep_names_dtypes_and_dependence(vae: vaekit.VAE, table: pl.DataFrame) -> None:
    new = vae.sample(500)
    assert new.schema == table.schema
    means = dict(new.group_by("kind").agg(pl.col("size").mean()).iter_rows())
    assert means["a"] < means["b"] < means["c"]
    assert new["parts"].min() >= 0


def test_samples_follow_their_seed(vae: vaekit.VAE) -> None:
    assert vae.sample(20, random_state=1).equals(vae.sample(20, random_state=1))
    assert not vae.sample(20, random_state=1).equals(vae.sample(20, random_state=2))


@pytest.mark.parametrize("shape", [(6, 6), (5,)])
def test_more_samples_than_a_tile_are_all_drawn(shape: tuple[int, ...]) -> None:
    data = np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8)
    new = vaekit.VAE(2, hidden=(8,), epochs=2).fit(data).sample(2 * TILE + 3)
    assert new.shape == (2 * TILE + 3, *shape)
    assert new.dtype == np.uint8
    assert len(np.unique(new[[0, TILE, TILE + 1, 2 * TILE, 2 * TILE + 1, 2 * TILE + 2]], axis=0)) == 6


def test_low_temperature_is_less_varied(vae: vaekit.VAE) -> None:
    assert vae.sample(300, temperature=0.05)["size"].std() < vae.sample(300)["size"].std()


def test_reconstruction_knows_the_category(vae: vaekit.VAE, table: pl.DataFrame) -> None:
    again = vae.reconstruct(table)
    assert again.schema == table.schema
    assert (again["kind"] == table["kind"]).mean() > 0.9


def test_interpolation_starts_and_ends_at_the_reconstructions(vae: vaekit.VAE, table: pl.DataFrame) -> None:
    path = vae.interpolate(table, (0, 5), steps=7)
    assert len(path) == 7
    ends = vae.reconstruct(table[[0, 5]])
    assert path["kind"][0] == ends["kind"][0]
    assert path["kind"][-1] == ends["kind"][1]
    np.testing.assert_allclose([path["size"][0], path["size"][-1]], ends["size"], rtol=1e-3)


def test_inverse_transform_of_transform_is_reconstruct(vae: vaekit.VAE, table: pl.DataFrame) -> None:
    assert vae.inverse_transform(vae.transform(table)).equals(vae.reconstruct(table))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda v, t: v.interpolate(t, (0, 600)), ParameterError, "row 600, but the data have rows 0 to 599"),
        (lambda v, t: v.interpolate(t, (0, 1), steps=1), ParameterError, "steps must be at least 2"),
        (lambda v, t: v.sample(0), ParameterError, "at least 1; got 0"),
        (lambda v, t: v.sample(3, temperature=0), ParameterError, "must be positive; got 0"),
        (lambda v, t: v.inverse_transform([[1.0]]), DataError, r"shape \(n, 2\); got \(1, 1\)"),
        (lambda v, t: v.inverse_transform([[1.0, np.nan]]), DataError, "finite codes"),
    ],
)
def test_misuse_is_refused(vae: vaekit.VAE, table: pl.DataFrame, call, error, words) -> None:
    with pytest.raises(error, match=words):
        call(vae, table)
