"""Each operation of whole numbers is the formula in its docstring, computed in Python's own whole numbers."""

from itertools import product as every

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf, tanh
from torch import nn

from vaekit.codec import integer_network as network
from vaekit.codec import tables
from vaekit.codec.integer_network import Activate, Gate, Interleave, Product, Reshape, Residual
from vaekit.errors import CodecError

SEEDS = st.integers(0, 2**32 - 1)


def rounded(total, multiplier, shift, low, high):
    """clip(⌊total · m / 2^shift + 1/2⌋, low, high)."""
    return min(max((2 * total * multiplier + (1 << shift)) >> (shift + 1), low), high)


def whole(h):
    """Floats as Python's whole numbers."""
    return np.frompyfunc(int, 1, 1)(h)


def each(h, function):
    return np.frompyfunc(function, 1, 1)(h).astype(object)


def convolved(h, weight, stride, padding):
    """[n, out, H', W'] by the sum itself."""
    n, channels, height, width = h.shape
    out, _, kernel, _ = weight.shape
    sides = [(side + 2 * padding - kernel) // stride + 1 for side in (height, width)]
    found = np.zeros((n, out, *sides), dtype=object)
    for i, j, k, m in every(*map(range, sides), range(kernel), range(kernel)):
        y, x = i * stride + k - padding, j * stride + m - padding
        if 0 <= y < height and 0 <= x < width:
            found[:, :, i, j] += h[:, :, y, x] @ weight[:, :, k, m].T
    return found


def made_product(rng, shape, bias_shape, most_weight, *, bits=8, stride=1, padding=0):
    n_out = shape[0]
    weight = rng.integers(-most_weight, most_weight + 1, shape)
    bias = rng.integers(-(1 << bits), (1 << bits) + 1, bias_shape)
    multiplier, shift = rng.integers(1, 1 << 9, n_out), rng.integers(0, 14, n_out)
    return Product(weight, bias, multiplier, shift, -1000, 1000, stride, padding)


def by_hand(step, h):
    weight, bias = whole(step.weight), whole(step.bias)
    total = convolved(h, weight, step.stride, step.padding) if weight.ndim == 4 else h @ weight.T
    total = total + (bias if bias.ndim == 3 else bias.reshape(-1, *[1] * (total.ndim - 2)))
    found = np.empty_like(total)
    for o in range(len(weight)):
        m, s = int(step.multiplier[o]), int(step.shift[o])
        found[:, o] = each(total[:, o], lambda t, m=m, s=s: rounded(t, m, s, step.low, step.high))
    return found


def equal(found, wanted):
    assert found.shape == wanted.shape
    assert (whole(found) == wanted).all()


# -- products ----------------------------------------------------------------------------------------------------------


@given(seed=SEEDS, n=st.integers(0, 4), n_in=st.integers(1, 9), n_out=st.integers(1, 5))
@pytest.mark.parametrize("most_weight", [127, 1 << 20])
def test_a_product_is_the_sum_in_float32_and_in_float64(most_weight, seed, n, n_in, n_out):
    rng = np.random.default_rng(seed)
    step, h = made_product(rng, (n_out, n_in), n_out, most_weight), rng.integers(-255, 256, (n, n_in))
    assert network.check([step], 255) == 1000
    equal(step(h.astype(float)), by_hand(step, whole(h)))


@given(
    seed=SEEDS, kernel=st.integers(1, 4), stride=st.integers(1, 3), padding=st.integers(0, 2), by_place=st.booleans()
)
def test_a_convolution_is_the_sum(seed, kernel, stride, padding, by_place):
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(4, 8, 2))
    sides = [(side + 2 * padding - kernel) // stride + 1 for side in (height, width)]
    shape, bias_shape = (3, 2, kernel, kernel), (3, *sides) if by_place else 3
    step = made_product(rng, shape, bias_shape, 127, stride=stride, padding=padding)
    h = rng.integers(-255, 256, (2, 2, height, width))
    network.check([step], 255)
    equal(step(h.astype(float)), by_hand(step, whole(h)))


@given(seed=SEEDS)
def test_float32_and_float64_agree_wherever_both_are_exact(seed):
    rng = np.random.default_rng(seed)
    step, h = made_product(rng, (4, 60), 4, 127, bits=20), rng.integers(-255, 256, (30, 60)).astype(float)
    network.check([step], 255)
    assert step.in_float32
    narrow = step(h)
    wide = Product(step.weight, step.bias, step.multiplier, step.shift, step.low, step.high)
    wide.in_float32 = False
    assert (narrow == wide(h)).all()


@given(seed=SEEDS, most_weight=st.sampled_from([127, 1 << 20]))
def test_a_part_gives_some_outputs_of_some_inputs_the_others_being_zero(seed, most_weight):
    rng = np.random.default_rng(seed)
    step, h = made_product(rng, (6, 8), 6, most_weight), rng.integers(-255, 256, (5, 8)).astype(float)
    network.check([step], 255)
    rows, n_known = rng.permutation(6)[: rng.integers(1, 7)], int(rng.integers(0, 9))
    part = step.part(rows, slice(0, n_known))
    h[:, n_known:] = 0
    assert (part(h[:, :n_known]) == step(h)[:, rows]).all()


@pytest.mark.parametrize(
    ("weight", "bias", "multiplier", "shift", "said"),
    [
        ([[1 << 53, 1]], 0, 1, 0, "cannot hold"),  # the sum
        ([[1]], 1 << 53, 1, 0, "cannot hold"),  # the bias
        ([[1]], 0, 1 << 53, 0, "cannot hold"),  # what it is multiplied by
        ([[-(1 << 52)]], -(1 << 53), 1, 0, "cannot hold"),
        ([[1]], 0, 1, 53, "power of two"),
        ([[1]], 0, 1, -1, "power of two"),
    ],
)
def test_a_product_that_would_not_be_exact_is_refused(weight, bias, multiplier, shift, said):
    step = Product(*(np.array(x) for x in (weight, [bias], [multiplier], [shift])), -5, 5)
    with pytest.raises(CodecError, match=said):
        network.check([step], 1)


def test_one_output_beyond_the_bound_is_enough():
    weight = np.array([[1], [1], [1 << 53]])
    zeros, ones = np.zeros(3, int), np.ones(3, int)
    with pytest.raises(CodecError, match="cannot hold"):
        network.check([Product(weight, zeros, ones, zeros, -5, 5)], 2)


@pytest.mark.parametrize("total", [(1 << 52) + 1, (1 << 53) - 1, 1 - (1 << 53)])
def test_a_sum_that_half_cannot_be_added_to_is_refused(total):
    """There float64 holds 1/2 more no longer."""
    step = Product(np.array([[1]]), np.array([0]), np.array([1]), np.array([0]), -(1 << 53), 1 << 53)
    with pytest.raises(CodecError, match="cannot hold"):
        network.check([step], abs(total))
    network.check([step], (1 << 52) - 1)
    assert int(step(np.array([[2.0**52 - 1]]))[0, 0]) == (1 << 52) - 1


def test_products_at_the_bound_are_exact():
    """Every sum is as large as float32 may hold: one unit more, and order would matter."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (4, 500))
    reach = (1 << 24) // int(np.abs(weight).sum(1).max())
    h = rng.choice([-reach, reach - 1, reach], (50, 500))
    zeros, ones = np.zeros(4, int), np.ones(4, int)
    found = Product(weight, zeros, ones, zeros, -(1 << 40), 1 << 40)
    network.check([found], reach)
    assert found.in_float32
    assert (found(h.astype(float)) == (h.astype(object) @ weight.T.astype(object)).astype(float)).all()


# -- between products --------------------------------------------------------------------------------------------------


@given(seed=SEEDS, shift=st.integers(0, 6), shape=st.sampled_from([(), (2, 3)]))
def test_a_gate_is_its_formula(seed, shift, shape):
    rng, (low, *_), middle = np.random.default_rng(seed), tables.gates(), len(tables.gates()) // 2
    h = rng.integers(-2000, 2001, (3, 8, *shape))
    step = Gate(shift, 255)
    assert network.check([step], 2000) == 255
    share = each(h[:, 4:], lambda g: int(tables.gates()[min(max(g + middle, 0), 2 * middle)]))
    wanted = np.empty((3, 4, *shape), dtype=object)
    for place in np.ndindex(wanted.shape):
        wanted[place] = rounded(int(h[:, :4][place]), int(share[place]), shift + 12, -255, 255)
    equal(step(h.astype(float)), wanted)
    assert low == 0


FUNCTIONS = {
    "relu": lambda x: max(x, mpf(0)),
    "tanh": tanh,
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "elu": lambda x: x if x > 0 else mp.expm1(x),
}


def test_every_function_is_tried():
    assert FUNCTIONS.keys() == network.FUNCTIONS.keys()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_near_the_real_ones(name):
    """In units of 2^−12 at steps of 1/128: a table's two units, twice that under tanh, and |x| of them under silu."""
    h = np.arange(-1500, 1501, 7)
    found = network.FUNCTIONS[name](h.astype(float))
    assert (found == np.rint(found)).all()
    for i, y in zip(h.tolist(), found.tolist(), strict=True):
        assert abs(y - FUNCTIONS[name](mpf(i) / 128) * 4096) <= 4 + 2 * abs(i) / 128


@given(seed=SEEDS, multiplier=st.integers(1, 1 << 20), shift=st.integers(0, 40))
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_activation_is_its_function_in_other_steps(name, seed, multiplier, shift):
    h = np.random.default_rng(seed).integers(-2000, 2001, (4, 3)).astype(float)
    step = Activate(name, multiplier, shift, 4095)
    assert network.check([step], 2000) == 4095
    wanted = each(whole(network.FUNCTIONS[name](h)), lambda y: rounded(y, multiplier, shift, -4095, 4095))
    equal(step(h), wanted)


@given(seed=SEEDS, multiplier=st.integers(1, 1 << 20), shift=st.integers(0, 24))
def test_a_residual_adds_what_its_steps_make(seed, multiplier, shift):
    rng = np.random.default_rng(seed)
    inner, h = made_product(rng, (5, 5), 5, 127), rng.integers(-255, 256, (3, 5))
    step = Residual([inner], np.array([multiplier]), np.array([shift]), 255)
    assert network.check([step], 255) == 255
    kept = each(whole(h), lambda x: rounded(x, multiplier, shift, -255, 255))
    equal(step(h.astype(float)), each(kept + by_hand(inner, whole(h)), lambda x: min(max(x, -255), 255)))


@pytest.mark.parametrize(
    "outer", [lambda steps: Residual(steps, np.ones(1, int), np.zeros(1, int), 255), lambda steps: steps[0]]
)
def test_what_stands_within_a_residual_is_checked_too(outer):
    broken = Product(*(np.array(x) for x in ([[1 << 53]], [0], [1], [0])), -5, 5)
    with pytest.raises(CodecError, match="cannot hold"):
        network.check([outer([broken])], 255)


def test_reshape_keeps_rows_and_order():
    h = np.arange(24.0).reshape(2, 12)
    assert (Reshape([3, 2, 2])(h) == h.reshape(2, 3, 2, 2)).all()
    assert (Reshape([-1])(h.reshape(2, 3, 4)) == h).all()


@given(seed=SEEDS, cut=st.tuples(st.integers(0, 1), st.integers(0, 1)))
def test_interleave_after_a_convolution_is_a_transposed_convolution(seed, cut):
    """torch's 4 × 4 of stride 2, of small whole numbers, which float64 adds up exactly."""
    rng = np.random.default_rng(seed)
    w, h = rng.integers(-9, 10, (2, 3, 4, 4)), rng.integers(-9, 10, (2, 2, 3, 4))
    up = nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1, bias=False).double()
    up.weight.data = torch.from_numpy(w).double()
    height, width = 6 - cut[0], 8 - cut[1]
    wanted = up(torch.from_numpy(h).double()).detach().numpy()[..., :height, :width]
    four = np.zeros((2, 2, 3, 2, 3, 3), dtype=int)  # row, column, out, in, 3, 3
    for row, column, i, j in every(range(2), range(2), range(3), range(3)):
        k, m = row + 3 - 2 * i, column + 3 - 2 * j  # of the 4 × 4, the one that reaches the pixel
        if 0 <= k < 4 and 0 <= m < 4:
            four[row, column, :, :, i, j] = w[:, :, k, m].T
    zeros, ones = np.zeros(12, int), np.ones(12, int)
    steps = [
        Product(four.reshape(12, 2, 3, 3), zeros, ones, zeros, -(1 << 20), 1 << 20, padding=1),
        Interleave(height, width),
    ]
    assert network.check(steps, 9) == 1 << 20
    assert (network.run(steps, h.astype(float)) == wanted).all()


def test_an_empty_network_gives_what_it_reads():
    h = np.arange(6.0).reshape(2, 3)
    assert network.run([], h) is h
    assert network.check([], 7) == 7
