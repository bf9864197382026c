"""The conditional VAE: codes of a style and a class, and the bound that it is trained on."""

import numpy as np
import pytest
import torch

import vaekit
from vaekit.data.schema import Schema
from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.distributions.style_and_class import StyleAndClass
from vaekit.models.build import Architecture, build
from vaekit.objectives import elbo
from vaekit.objectives.conditional import Conditional
from vaekit.priors.style_and_class import StyleAndClassPrior

K, D, N = 3, 2, 40


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def posterior():
    """Of five rows, the style's place and spread being other ones for each class."""
    log_classes, shift = noise(5, K).log_softmax(-1), noise(K, 2 * D, seed=1)

    def style(y):
        loc, log_scale = (y @ shift).chunk(2, -1)
        return DiagonalNormal(loc, log_scale.exp())

    return StyleAndClass(log_classes, style)


def blobs(n=240, seed=0):
    """Rows around three far places, by class, and along one direction of two columns, the same for all classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % K
    return 10 * np.eye(5)[y] + rng.normal(size=(n, 1)) * [0.0, 0, 0, 5, 5] + 0.3 * rng.normal(size=(n, 5)), y


@pytest.fixture(params=["vector", "picture", "table"])
def case(request):
    """An untrained model, its codes and classes, of which two of three are known."""
    rng = np.random.default_rng(0)
    data = {
        "vector": rng.normal(size=(N, 6)),
        "picture": rng.integers(0, 256, (N, 12, 12), dtype=np.uint8),
        "table": np.column_stack([rng.normal(size=N), rng.integers(0, 5, N)]),
    }[request.param]
    schema = Schema.infer(data)
    codes = torch.from_numpy(np.ascontiguousarray(schema.encode(data)))
    torch.manual_seed(0)
    names = ("discretized-logistic" if request.param == "picture" else "gaussian",) * len(schema.fields)
    model = build(Architecture("conditional", D, names, hidden=(8,), n_classes=K), schema)
    model.prepare(codes)
    classes = torch.from_numpy(np.where(np.arange(N) % 3 > 0, rng.integers(0, K, N), -1))
    return model, codes, classes


# -- the densities -----------------------------------------------------------------------------------------------------


def test_classes_are_drawn_as_often_as_they_are_likely():
    q = posterior()
    drawn = q.transport(noise(40_000, 1, D + K))[..., D:]
    torch.testing.assert_close(drawn.mean(0), q.log_classes.exp(), atol=0.01, rtol=0)
    assert (drawn.sum(-1) == 1).all()


def test_a_density_is_that_of_its_draws():
    """E_q[p(z) / q(z)] = 1 for a density p that is not 0 anywhere."""
    q, p = posterior(), StyleAndClassPrior(D, K)
    z = q.transport(noise(200_000, 1, D + K))
    wide = StyleAndClass(q.log_classes.roll(1, 0), lambda y: DiagonalNormal(q.style(y).loc, 0.7 * q.style(y).scale))
    torch.testing.assert_close((wide.log_prob(z) - q.log_prob(z)).exp().mean(0), torch.ones(5), atol=0.05, rtol=0)
    flat = p().log_prob(torch.cat([torch.zeros(K, D), torch.eye(K)], -1))
    torch.testing.assert_close(flat, torch.full((K,), float(-np.log(2 * np.pi) - np.log(K))))


def test_the_mean_is_the_likeliest_class_and_its_style():
    q = posterior()
    y = q.mean[:, D:]
    assert torch.equal(y.argmax(1), q.log_classes.argmax(1))
    assert torch.equal(q.mean[:, :D], q.style(y).loc)


def test_rows_of_a_class_are_drawn_of_it():
    prior = StyleAndClassPrior(D, K)
    with torch.no_grad():
        prior.logits.copy_(torch.tensor([0.0, 1.0, -1.0]))
    torch.manual_seed(0)
    assert (prior.sample_of(torch.tensor([2, 0]))[:, D:] == torch.eye(K)[[2, 0]]).all()
    torch.testing.assert_close(prior.sample(20_000)[:, D:].mean(0), prior.logits.softmax(0).detach(), atol=0.02, rtol=0)


# -- the objective -----------------------------------------------------------------------------------------------------


def test_gradients_reach_every_parameter(case):
    model, codes, classes = case
    objective = Conditional(model, codes, classes)
    objective(model.train(), model.observation.observe(codes)).loss.backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name
        assert p.grad.any(), name


def test_out_of_training_it_is_the_elbo(case):
    model, codes, classes = case
    objective, x = Conditional(model, codes, classes), model.observation.observe(codes)
    torch.manual_seed(3)
    first = objective(model.eval(), x)
    torch.manual_seed(3)
    assert torch.equal(first.value, elbo(model, x).value)


def test_where_all_classes_are_known_the_classifier_has_no_part_in_the_terms(case):
    model, codes, classes = case
    objective, x = Conditional(model, codes, classes.clamp_min(0)), model.observation.observe(codes)
    assert objective.unknown == 0
    found = []
    for weight in (1.0, -30.0):
        torch.nn.init.constant_(model.classifier[-1].weight, weight)
        torch.manual_seed(3)
        found.append(objective(model.train(), x))
    for a, b in zip(found[0][:2], found[1][:2], strict=True):
        torch.testing.assert_close(a, b)


def test_of_no_classes_it_is_a_bound_of_rows_without_one(case):
    """Σ_y q(y) L(x, y) − log q(y) is at most log p(x), and near the ELBO's mean, which draws y, too."""
    model, codes, classes = case
    x = model.observation.observe(codes)
    objective = Conditional(model, codes, torch.where(torch.arange(N) < K, torch.arange(N) % K, -1))
    objective.unknown = 1.0
    torch.manual_seed(0)
    found = torch.stack([objective(model.train(), x).elbo.mean() for _ in range(60)]).detach()
    same = torch.stack([elbo(model.eval(), x).elbo.mean() for _ in range(60)]).detach()
    error = (found.var() / 60 + same.var() / 60).sqrt()
    assert abs(found.mean() - same.mean()) < 5 * error


# -- what comes of it --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    x, y = blobs()
    return vaekit.ConditionalVAE(1, epochs=40, hidden=(32,), batch_size=16).fit(x, np.array(list("abc"))[y])


def test_rows_of_a_class_are_asked_for_by_its_name(fitted):
    for k, name in enumerate("abc"):
        rows = fitted.sample(60, given={"label": name})
        assert (np.abs(rows[:, :3] - 10 * np.eye(3)[k]).mean(0) < 1.5).all()


def test_a_row_keeps_its_style_in_another_class(fitted):
    x, y = blobs(seed=1)
    assert (fitted.classify(x) == np.array(list("abc"))[y]).mean() > 0.95
    z = fitted.transform(x)
    z[:, 1:] = np.eye(K)[(y + 1) % K]
    other = fitted.inverse_transform(z)
    assert np.abs(other[:, :3] - 10 * np.eye(3)[(y + 1) % K]).mean() < 1
    assert np.corrcoef(other[:, 3], x[:, 3])[0, 1] > 0.9


def test_without_classes_it_is_refused():
    with pytest.raises(vaekit.ParameterError, match="Give the classes of rows as labels, or use a VAE"):
        vaekit.ConditionalVAE(1, epochs=1).fit(blobs()[0])
