"""Networks of whole numbers are near the networks that they were made of."""

import numpy as np
import pytest
import torch
from torch import nn

from vaekit.codec import integer_network as network
from vaekit.codec.quantise import NARROW, WIDE, Output, blocks, integer_steps
from vaekit.networks.conv import ConvDecoder, ConvEncoder
from vaekit.networks.mlp import ACTIVATIONS, MLP

NETWORKS = {
    "gated": (lambda: MLP(6, (12, 12), "gated"), (6,)),
    **{name: (lambda name=name: MLP(6, (12, 9), name), (6,)) for name in ACTIVATIONS},
    "convolving": (lambda: ConvEncoder((2, 9, 7), 4, 8), (2, 9, 7)),
    "odd sides up": (lambda: ConvDecoder(6, (3, 9, 13), 4), (6,)),
}


def network_of(name):
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    module = make().eval()
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return module, torch.randn(20, *shape)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_blocks_are_the_network(name):
    module, h = network_of(name)
    expected = module(h)
    for block in blocks(module):
        h = block(h)
    torch.testing.assert_close(h.view(expected.shape), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("width", "tolerance"), [(NARROW, 0.05), (WIDE, 0.02)])
@torch.no_grad()
def test_whole_numbers_are_near_real_ones(name, width, tolerance):
    """Of the outputs' spread: narrow numbers have 8 bits, wide ones 12; activations read steps of 1/128."""
    module, h = network_of(name)
    parts = blocks(module)
    h = (h * 32).round().clamp(-255, 255) / 32
    if parts[-1].activation:
        head = nn.Linear(len(module(h)[0].flatten()), 5)
        parts, module = [*parts, *blocks(head)], nn.Sequential(module, head)
    expected = module(h).flatten(1).double().numpy()
    n_out = len(parts[-1].weight)
    output = Output(np.full(n_out, 1 / 256), np.zeros(n_out), 1 << 18)
    steps = integer_steps(parts, h, 1 / 32, 255, output, width)
    network.check(steps, 255)
    found = network.run(steps, (h * 32).double().numpy()).reshape(expected.shape) / 256
    assert np.abs(found - expected).max() < tolerance * expected.std() * 4
