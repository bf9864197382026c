"""What saves memory changes no step: a batch in pieces, and activations that are computed twice."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vaekit.data.batches import Part
from vaekit.networks.conv import GatedConv
from vaekit.training.recompute import recomputing


@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 9), st.integers(1, 60))
def test_pieces_are_all_of_a_part_in_order_and_as_even_as_can_be(first, n_rows, after, n_pieces):
    part = Part(first, n_rows, first + n_rows + after)
    rows = list(range(part.total))
    pieces = part.cut(n_pieces)
    assert [row for piece in pieces for row in piece.of(rows)] == part.of(rows)
    assert len(pieces) == n_pieces
    assert max(piece.n_rows for piece in pieces) <= -(-n_rows // n_pieces)
    assert all(len(piece.or_one().of(rows)) == max(piece.n_rows, 1) for piece in pieces)


@pytest.mark.parametrize("settings", [{}, {"objective": "iwae", "levels": 2, "latent_dim": 3}], ids=["elbo", "layers"])
def test_a_batch_in_pieces_gives_the_same_model(make_run, settings):
    whole, pieces = make_run(epochs=3, **settings), make_run(epochs=3, micro_batch=4, **settings)
    whole.train()
    pieces.train()
    for name, weights in whole.model.state_dict().items():
        torch.testing.assert_close(pieces.model.state_dict()[name], weights, rtol=2e-4, atol=2e-5)
    for ours, theirs in zip(pieces.facts.rows, whole.facts.rows, strict=True):
        for number in ("elbo_nats", "kl_nats", "valid_elbo_nats"):
            assert ours[number] == pytest.approx(theirs[number], rel=1e-4)


def test_activations_that_are_computed_twice_give_the_same_model_to_the_last_bit(make_run_of_pictures):
    once, twice = make_run_of_pictures(recompute=False), make_run_of_pictures(recompute=True)
    once.train()
    twice.train()
    weights = twice.model.state_dict()
    assert all(torch.equal(w, weights[name]) for name, w in once.model.state_dict().items())
    assert once.facts.best_nats == twice.facts.best_nats


def saved_bytes(model: torch.nn.Module, x: torch.Tensor) -> int:
    """Return what a forward pass keeps for the backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = model(x)
    assert held.requires_grad
    return sum(kept.values())


def test_less_is_kept_and_blocks_are_put_back(make_run_of_pictures):
    run = make_run_of_pictures(recompute=True)
    encoder, x = run.model.encoder, torch.rand(8, 3, 12, 12)
    before = saved_bytes(encoder, x)
    with recomputing(run.model):
        assert saved_bytes(encoder, x) < before / 2
    assert saved_bytes(encoder, x) == before
    assert all("forward" not in vars(block) for block in run.model.modules() if isinstance(block, GatedConv))
