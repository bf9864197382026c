"""The model and the objective of rows some of whose classes are known."""

import numpy as np
import pytest
import torch

from vaekit.data.schema import Schema
from vaekit.models.build import Architecture, build
from vaekit.objectives import elbo
from vaekit.objectives.semi_supervised import SemiSupervised, distances, kl_of_classes, unit
from vaekit.priors.class_mixture import ClassMixture

K, D = 3, 4


def prior(seed=0):
    torch.manual_seed(seed)
    made = ClassMixture(D, K, per_class=2)
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return made


@pytest.fixture(params=["vector", "picture", "table"])
def case(request):
    """A model, its codes and classes of which half are known."""
    rng = np.random.default_rng(0)
    n = 60
    data = {
        "vector": rng.normal(size=(n, 6)),
        "picture": rng.integers(0, 256, (n, 12, 12), dtype=np.uint8),
        "table": np.column_stack([rng.normal(size=n), rng.integers(0, 5, n)]),
    }[request.param]
    schema = Schema.infer(data)
    codes = torch.from_numpy(np.ascontiguousarray(schema.encode(data)))
    torch.manual_seed(0)
    likelihood = "discretized-logistic" if request.param == "picture" else "gaussian"
    names = (likelihood,) * len(schema.fields)
    model = build(Architecture("vae", D, names, hidden=(8,), n_classes=K), schema)
    model.prepare(codes)
    classes = torch.from_numpy(np.where(rng.random(n) < 0.5, rng.integers(0, K, n), -1))
    return model, codes, classes


# -- the prior ---------------------------------------------------------------------------------------------------------


def test_the_joint_densities_of_all_classes_add_up_to_the_prior():
    made, z = prior(), torch.randn(2, 50, D, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(made.log_joint(z).logsumexp(-1), made().log_prob(z), atol=1e-4, rtol=1e-4)


def test_rows_of_a_class_are_drawn_of_its_own_density():
    made = prior()
    torch.manual_seed(0)
    for k in range(K):
        z = made.sample_of(torch.full((4000,), k))
        parts = made.logits.view(K, 2)[k].softmax(0)
        torch.testing.assert_close(z.mean(0), (parts[:, None] * made.locs.view(K, 2, D)[k]).sum(0), atol=0.15, rtol=0)


def test_all_rows_are_those_of_the_classes_by_their_share():
    made = prior()
    torch.manual_seed(0)
    share = made.logits.softmax(0).view(K, 2).sum(1)
    classes = torch.multinomial(share, 4000, replacement=True)
    torch.testing.assert_close(made.sample_of(classes).mean(0), made.sample(4000).mean(0), atol=0.15, rtol=0)


def test_a_class_prior_keeps_units_as_its_marginal():
    made, z = prior(), torch.randn(4000, D, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wide = made.sample(20_000)[:, [0, 2]]
        assert made.keep_units(torch.tensor([0, 2]), torch.zeros(D))
        assert made.log_joint(z[:, :2]).shape == (4000, K)
        torch.testing.assert_close(made.sample(20_000).std(0), wide.std(0), atol=0.05, rtol=0.05)


# -- the objective -----------------------------------------------------------------------------------------------------


def test_gradients_reach_every_parameter(case):
    model, codes, classes = case
    objective = SemiSupervised(model, codes, classes)
    objective(model.train(), model.observation.observe(codes)).loss.backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name
        assert p.grad.any(), name


def test_out_of_training_it_is_the_elbo(case):
    model, codes, classes = case
    objective, x = SemiSupervised(model, codes, classes), model.observation.observe(codes)
    torch.manual_seed(3)
    first = objective(model.eval(), x)
    torch.manual_seed(3)
    assert torch.equal(first.value, elbo(model, x).value)


def test_a_class_costs_what_the_bound_without_it_has_too_much(case):
    """Where the classifier is p(y | z), the bound is that of a VAE whose prior is the mixture."""
    model, codes, classes = case
    objective, x = SemiSupervised(model, codes, classes), model.observation.observe(codes)
    with torch.no_grad():
        z, log_q = objective._drawn(model, x, 1)
        joint = model.prior.log_joint(z[0])
        exact = joint.log_softmax(-1)
        by_classes = log_q[0] - (exact.exp() * (joint - exact)).sum(-1)
        torch.testing.assert_close(by_classes, log_q[0] - model.prior().log_prob(z[0]), atol=1e-3, rtol=1e-4)


def test_the_worst_change_is_of_its_length_and_worse_than_one_by_chance(case):
    model, codes, classes = case
    objective = SemiSupervised(model, codes, classes)
    with torch.no_grad():
        model.classifier[-1].weight.mul_(20.0)  # else all is flat
    inputs = model.inputs(codes)
    log_y = model.log_classes(inputs).detach()
    torch.manual_seed(0)
    worst = objective._worst(model, inputs, log_y)
    torch.testing.assert_close(worst.flatten(1).norm(dim=1), torch.full((len(codes),), objective.near))
    by_chance = objective.near * unit(torch.randn_like(inputs))
    found = [kl_of_classes(log_y, model.log_classes(inputs + r)).mean() for r in (worst, by_chance)]
    assert found[0] > found[1]


def test_distances_are_of_the_data(case):
    model, codes, _ = case
    near, far = distances(model.inputs, codes)
    assert 0 < 4 * near < far


def test_a_row_without_neighbours_is_no_failure():
    schema = Schema.infer(data := np.zeros((5, 2)) + np.arange(5)[:, None])
    model = build(Architecture("vae", 1, ("gaussian",) * len(schema.fields), hidden=(4,), n_classes=2), schema)
    codes = torch.from_numpy(np.ascontiguousarray(schema.encode(data)))
    near, far = distances(model.inputs, codes)
    assert 0 < near < far
