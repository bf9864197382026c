"""Every likelihood is built for every kind it says it accepts, alone and beside others, and answers in its dtype."""

import numpy as np
import polars as pl
import pytest
import torch

from vaekit.data.fields import FIELDS
from vaekit.data.schema import Schema
from vaekit.distributions.likelihoods import LIKELIHOODS
from vaekit.errors import ParameterError
from vaekit.models.build import ACCEPTS, BLOCKS_ALONE, NATURAL, Architecture, build, choose_likelihoods

RNG = np.random.default_rng(0)
N = 40
COLUMNS = {
    "binary": RNG.integers(0, 2, N),
    "levels": RNG.integers(1, 6, N) / 2,
    "integer": RNG.integers(-50, 50, N),
    "count": RNG.negative_binomial(1, 0.1, N),
    "unit": RNG.random(N),
    "real": RNG.normal(size=N),
    "heavy-tailed": RNG.standard_cauchy(N),
    "categorical": RNG.choice(["a", "b", "c"], N),
    "constant": np.full(N, 7),
}
assert set(COLUMNS) == set(FIELDS)

PAIRS = [(name, kind) for name in LIKELIHOODS if name not in BLOCKS_ALONE for kind in sorted(ACCEPTS[name])]


def test_the_tables_name_every_likelihood_and_kind():
    assert set(ACCEPTS) == set(LIKELIHOODS)
    assert set(NATURAL) | {"constant"} == set(FIELDS)
    assert all(kind in ACCEPTS[name] for kind, name in NATURAL.items())


def schema_of(*kinds: str) -> tuple[Schema, pl.DataFrame]:
    frame = pl.DataFrame({kind: COLUMNS[kind] for kind in kinds})
    return Schema.infer(frame, kinds={kind: kind for kind in kinds}), frame


def answers(schema: Schema, frame: pl.DataFrame, asked: str) -> tuple[torch.Tensor, pl.DataFrame, pl.DataFrame]:
    """Scores, reconstructions and draws of an untrained model."""
    codes = schema.encode(frame)
    torch.manual_seed(0)
    model = build(Architecture("vae", 2, choose_likelihoods(schema, codes, asked), hidden=(8,)), schema).eval()
    x = model.observation.observe(torch.from_numpy(codes))
    model.prepare(torch.from_numpy(codes))
    with torch.no_grad():
        score = model.log_likelihood(x, torch.randn(3, N, 2))
        means, draws = model.reconstruct(x), model.likelihood(torch.randn(N, 2)).sample()
    return score, schema.decode(means.numpy()), schema.decode(draws.numpy())


@pytest.mark.parametrize(("name", "kind"), PAIRS)
@pytest.mark.parametrize("beside", [(), ("real", "categorical", "constant", "count")])
def test_a_likelihood_is_built_for_each_kind_it_accepts(name, kind, beside):
    schema, frame = schema_of(kind, *(b for b in beside if b != kind))
    score, means, draws = answers(schema, frame, name)
    assert torch.isfinite(score).all()
    assert means.schema == draws.schema == frame.schema
    if "constant" in frame.columns:
        assert means["constant"].equals(frame["constant"])
    if not (name == "continuous-bernoulli" and kind == "levels"):  # which draws between levels
        schema.encode(draws)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_likelihood_refuses_all_other_kinds(name):
    for kind in sorted(set(FIELDS) - ACCEPTS[name] - {"constant"}):
        schema, frame = schema_of(kind)
        with pytest.raises(ParameterError, match=f"The likelihood '{name}' is for .* data, but these are {kind}"):
            choose_likelihoods(schema, schema.encode(frame), name)


@pytest.mark.parametrize("name", sorted(BLOCKS_ALONE))
def test_a_likelihood_of_blocks_refuses_tables_and_gaps(name):
    gaps = RNG.integers(0, 5, (N, 4)) / 2
    gaps[0, 0] = np.nan
    for schema, data in (schema_of("levels"), (Schema.infer(gaps), gaps)):
        with pytest.raises(ParameterError, match="in pictures and vectors without gaps; these data are others"):
            choose_likelihoods(schema, schema.encode(data), name)


@pytest.mark.parametrize("kind", NATURAL)
def test_the_natural_likelihood_of_a_column(kind):
    schema, frame = schema_of(kind)
    assert choose_likelihoods(schema, schema.encode(frame)) == (NATURAL[kind],)


@pytest.mark.parametrize("kind", ["real", "heavy-tailed", "integer", "count"])
def test_values_that_many_rows_share_have_probabilities_of_their_own(kind):
    values = np.where(np.arange(200) % 2 == 0, COLUMNS[kind][0], np.resize(COLUMNS[kind], 200))
    frame = pl.DataFrame({kind: values, "real": np.resize(COLUMNS["real"], 200)} if kind != "real" else {kind: values})
    schema = Schema.infer(frame, kinds={kind: kind})
    codes = schema.encode(frame)
    names = choose_likelihoods(schema, codes)
    assert names[0] == NATURAL[kind] + "-atoms"
    model = build(Architecture("vae", 2, names, hidden=(8,)), schema).eval()
    model.prepare(torch.from_numpy(codes))
    with torch.no_grad():
        draws = schema.decode(model.likelihood(torch.zeros(4000, 2)).sample().numpy(), drawn=True)
    assert (draws[kind] == values[0]).mean() == pytest.approx((values == values[0]).mean(), abs=0.1)


def test_a_columns_score_is_the_same_alone_and_beside_others():
    """The sum of columns' log-likelihoods, each in its own units."""
    schema, frame = schema_of("real", "heavy-tailed", "integer", "count", "categorical", "binary")
    codes = torch.from_numpy(schema.encode(frame))
    names = choose_likelihoods(schema, codes.numpy())
    model = build(Architecture("vae", 2, names, hidden=(8,)), schema).eval()
    model.prepare(codes)
    with torch.no_grad():
        together = model.observation(model.observation.initial(codes).expand(N, -1)).log_prob(codes)
        together = together - model.observation.log_units(codes)
    for j, kind in enumerate(frame.columns):
        alone, column = schema_of(kind)
        codes = torch.from_numpy(alone.encode(column))
        one = build(Architecture("vae", 2, (names[j],), hidden=(8,)), alone).observation
        one.prepare(codes)
        with torch.no_grad():
            found = one(one.initial(codes).expand(N, -1)).log_prob(codes) - one.log_units(codes)
        torch.testing.assert_close(together[:, j], found[:, 0], rtol=1e-4, atol=1e-4)


def test_scores_of_reals_are_densities_in_the_users_units():
    frame = pl.DataFrame({"a": COLUMNS["real"], "b": COLUMNS["real"] + RNG.normal(size=N)})
    wide = frame * 1000.0
    scores = [answers(Schema.infer(data), data, "gaussian")[0] for data in (frame, wide)]
    torch.testing.assert_close(scores[0] - 2 * np.log(1000.0), scores[1], rtol=1e-4, atol=1e-3)


def test_grey_levels_in_a_table_are_binarised_for_a_bernoulli():
    schema, frame = schema_of("levels", "real")
    codes = torch.from_numpy(schema.encode(frame))
    names = choose_likelihoods(schema, codes.numpy(), "bernoulli")
    seen = build(Architecture("vae", 2, names, hidden=(8,)), schema).observation.observe(codes)
    assert set(seen[:, 0].unique().tolist()) == {0.0, 4.0}
    assert torch.equal(seen[:, 1], codes[:, 1])


def test_gaps_in_a_table_stay_gaps_whatever_is_observed():
    frame = pl.DataFrame({"flag": [True, None, False, True] * 10, "real": COLUMNS["real"]})
    schema = Schema.infer(frame)
    codes = torch.from_numpy(schema.encode(frame))
    model = build(Architecture("vae", 2, choose_likelihoods(schema, codes.numpy()), hidden=(8,)), schema)
    seen = model.observation.observe(codes)
    assert torch.equal(seen.isnan(), codes.isnan())
    assert torch.equal(seen[:, 1], codes[:, 1])


def test_relative_counts_in_a_table_know_their_total():
    counts = RNG.negative_binomial(1, 0.1, (N, 4)).astype(np.int64)
    frame = pl.DataFrame(counts, schema=list("abcd"), orient="row").with_columns(e=pl.Series(COLUMNS["real"]))
    schema = Schema.infer(frame, kinds=dict.fromkeys("abcd", "count"))
    codes = torch.from_numpy(schema.encode(frame))
    names = choose_likelihoods(schema, codes.numpy(), "negative-binomial-library")
    model = build(Architecture("vae", 2, names, hidden=(8,)), schema).eval()
    assert torch.equal(model.observation.exposure(codes), codes[:, :4].sum(1).clamp_min(1))
    with torch.no_grad():
        torch.testing.assert_close(model.reconstruct(codes)[:, :4].sum(1), codes[:, :4].sum(1).clamp_min(1))


def test_a_table_of_constants_is_refused():
    with pytest.raises(ParameterError, match="nothing to learn"):
        schema_of("constant")
