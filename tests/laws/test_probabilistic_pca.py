"""A linear VAE fitted through the front door reaches the exact optimum, that of probabilistic PCA.

Lucas, Tucker, Grosse and Norouzi (2019), Don't blame the ELBO!, arXiv:1911.02469: a linear VAE's bound has no worse
local optimum than the marginal likelihood of probabilistic PCA, and is tight there.
"""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from torch import nn

import vaekit

D, K, SIGMA, N = 6, 2, 0.6, 4000
ALLOWED_NATS = 0.05


@pytest.fixture(scope="module", params=[0, 1])
def problem(request):
    rng = np.random.default_rng(10 + request.param)
    loading, centre = rng.normal(size=(D, K)), 3 * rng.normal(size=D)
    truth = multivariate_normal(centre, loading @ loading.T + SIGMA**2 * np.eye(D))
    train, fresh = truth.rvs(N, random_state=rng), truth.rvs(N, random_state=rng)
    settings = {
        "encoder": nn.Identity(),
        "decoder": nn.Identity(),
        "likelihood": "gaussian",
        "prior": "normal",
        "threads": 1,
    }
    vae = vaekit.VAE(latent_dim=K, epochs=150, batch_size=128, learning_rate=1e-2, **settings).fit(train)
    return truth, train, fresh, vae


def test_the_fitted_model_reaches_the_likelihood_of_the_truth_and_of_pca(problem):
    truth, train, fresh, vae = problem
    found = vae.score(fresh)
    assert found > truth.logpdf(fresh).mean() - ALLOWED_NATS
    assert found > PCA(K).fit(train).score(fresh) - ALLOWED_NATS
    assert found < truth.logpdf(fresh).mean() + ALLOWED_NATS  # nothing is likelier than the truth


def test_its_bound_is_tight(problem):
    truth, _, fresh, vae = problem
    figures = vae.evaluate(fresh)
    assert -figures["nll_nats"] - figures["elbo_nats"] < ALLOWED_NATS
    assert figures["elbo_nats"] > truth.logpdf(fresh).mean() - ALLOWED_NATS


def test_its_exact_density_is_the_one_it_scores(problem):
    _, _, fresh, vae = problem
    marginal = marginal_of(vae)
    assert vae.score(fresh) == pytest.approx(marginal.logpdf(fresh).mean(), abs=0.02)


def test_its_samples_have_the_covariance_of_the_truth(problem):
    truth, _, _, vae = problem
    samples = vae.sample(20_000)
    spread = np.sqrt(np.diag(truth.cov))
    assert np.abs(samples.mean(0) - truth.mean).max() < 0.1 * spread.max()
    assert np.abs((np.cov(samples.T) - truth.cov) / np.outer(spread, spread)).max() < 0.08


def test_its_codes_span_the_principal_subspace(problem):
    _, train, fresh, vae = problem
    ours, theirs = vae.transform(fresh), PCA(K).fit(train).transform(fresh)
    design = np.c_[np.ones(len(ours)), ours]
    residual = theirs - design @ np.linalg.lstsq(design, theirs, rcond=None)[0]
    assert (residual.var(0) < 0.02 * theirs.var(0)).all()


def marginal_of(vae):
    field, model = vae.schema_.fields[0], vae.model_
    loading = model.decoder.head.weight.detach().numpy() * field.scale[:, None]
    centre = model.decoder.bias.detach().numpy()[0] * field.scale + field.loc
    noise = model.observation.log_scale.detach().exp().numpy() * field.scale
    return multivariate_normal(centre, loading @ loading.T + np.diag(noise**2))
