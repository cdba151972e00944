"""Activations: loops, central differences, PyTorch, and what must not overflow."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltwice import nn
from dltwice.gradcheck import gradcheck
from dltwice.twin import compare

drawn = settings(max_examples=60, deadline=None, derandomize=True)
shapes = st.lists(st.integers(1, 6), max_size=4)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def gelu(x):
    return x * 0.5 * (1 + math.erf(x / 2**0.5))


def gelu_tanh(x):
    return x * 0.5 * (1 + math.tanh((2 / math.pi) ** 0.5 * (x + 0.044715 * x**3)))


# Name: layer, its twin, one entry in plain Python.
ELEMENTWISE = {
    "Identity": (nn.Identity(), torch.nn.Identity(), lambda x: x),
    "Sigmoid": (nn.Sigmoid(), torch.nn.Sigmoid(), lambda x: 1 / (1 + math.exp(-x))),
    "Tanh": (nn.Tanh(), torch.nn.Tanh(), math.tanh),
    "ReLU": (nn.ReLU(), torch.nn.ReLU(), lambda x: x if x > 0 else 0),
    "LeakyReLU": (nn.LeakyReLU(), torch.nn.LeakyReLU(), lambda x: x if x > 0 else 0.01 * x),
    "LeakyReLU 1.5": (nn.LeakyReLU(1.5), torch.nn.LeakyReLU(1.5), lambda x: x if x > 0 else 1.5 * x),
    "LeakyReLU -0.5": (nn.LeakyReLU(-0.5), torch.nn.LeakyReLU(-0.5), lambda x: x if x > 0 else -0.5 * x),
    "GELU": (nn.GELU(), torch.nn.GELU(), gelu),
    "GELU tanh": (nn.GELU(approximate="tanh"), torch.nn.GELU(approximate="tanh"), gelu_tanh),
}
each = pytest.mark.parametrize(("layer", "twin", "entry"), ELEMENTWISE.values(), ids=ELEMENTWISE)


@each
def test_equals_plain_python(layer, twin, entry):
    x = 3 * normal(4, 5)
    expected = [[entry(value) for value in row] for row in x.tolist()]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12, atol=1e-15)


@each
def test_central_differences(layer, twin, entry):
    gradcheck(layer, 2 * normal(3, 4, 2))


@each
@drawn
@given(shape=shapes, seed=st.integers(0, 50), dtype=st.sampled_from([np.float64, np.float32]))
def test_equals_torch(layer, twin, entry, shape, seed, dtype):
    compare(layer, twin, normal(*shape, seed=seed).astype(dtype))


@each
def test_prints_as_torch(layer, twin, entry):
    assert repr(layer) == repr(twin)


@each
def test_at_zero_and_far_away(layer, twin, entry):
    """No warning, no NaN, the values of PyTorch, and its derivative at the kink."""
    for dtype in (np.float64, np.float32):
        x = np.array([0.0, -0.0, 50.0, -50.0, 1000.0, -1000.0, 1e15, -1e15], dtype)
        dy, leaf = normal(8).astype(dtype), torch.tensor(x, requires_grad=True)
        expected = twin(leaf)
        expected.backward(torch.tensor(dy))
        with np.errstate(all="raise", under="ignore", over="ignore" if "GELU" in repr(layer) else "raise"):
            np.testing.assert_allclose(layer(x), expected.detach().numpy(), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(layer.backward(dy), leaf.grad.numpy(), rtol=1e-6, atol=1e-7)


def test_infinity():
    x = np.array([np.inf, -np.inf])
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(nn.Sigmoid()(x), [1, 0])
        np.testing.assert_array_equal(nn.Tanh()(x), [1, -1])
        np.testing.assert_array_equal(nn.ReLU()(x), [np.inf, 0])
        np.testing.assert_array_equal(nn.LeakyReLU()(x), [np.inf, -np.inf])


def test_relu_passes_nan_on():
    np.testing.assert_array_equal(nn.ReLU()(np.array([np.nan, 1.0])), [np.nan, 1])


def test_identity_may_return_its_input():
    x = normal(3)
    np.testing.assert_array_equal(nn.Identity()(x), x)


def test_the_tanh_form_of_gelu_is_near_the_exact_one():
    x = np.linspace(-8, 8, 4001)
    difference = np.abs(nn.GELU()(x) - nn.GELU("tanh")(x)).max()
    assert 1e-4 < difference < 1e-3


# -- softmax ---------------------------------------------------------------------------------------------
@drawn
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    data=st.data(),
    scale=st.sampled_from([1, 30, 1000]),
    dtype=st.sampled_from([np.float64, np.float32]),
)
def test_softmax_equals_torch(shape, data, scale, dtype):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = (scale * normal(*shape, seed=data.draw(st.integers(0, 50)))).astype(dtype)
    layer, leaf, dy = nn.Softmax(dim), torch.tensor(x, requires_grad=True), normal(*shape, seed=99)
    expected = torch.nn.Softmax(dim)(leaf)
    expected.backward(torch.tensor(dy.astype(dtype)))
    tol = 1e-10 if dtype == np.float64 else 1e-5  # of 1: probabilities and their gradients have that scale
    y, dx = layer(x), layer.backward(dy)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=0, atol=tol)
    np.testing.assert_allclose(dx, leaf.grad.numpy(), rtol=0, atol=tol)
    np.testing.assert_allclose(y.sum(axis=dim), 1, rtol=tol)
    assert y.dtype == dx.dtype == dtype
    assert repr(layer) == repr(torch.nn.Softmax(dim))


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
def test_softmax_twin_and_central_differences(dim):
    compare(nn.Softmax(dim), torch.nn.Softmax(dim), normal(3, 4, 2))
    gradcheck(nn.Softmax(dim), normal(3, 4, 2))


def test_softmax_equals_loops():
    x = normal(3, 4)
    y = nn.Softmax(dim=1)(x)
    for n in range(3):
        exponentials = [math.exp(value) for value in x[n].tolist()]
        for k in range(4):
            assert y[n, k] == pytest.approx(exponentials[k] / sum(exponentials), rel=1e-14)


def test_softmax_does_not_overflow():
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(nn.Softmax(0)(np.array([1000.0, 0.0])), [1, 0])
        np.testing.assert_array_equal(nn.Softmax(0)(np.array([-1000.0, -1000.0])), [0.5, 0.5])
        np.testing.assert_array_equal(nn.Softmax(0)(np.array([-np.inf, 0.0])), [0, 1])


WRONG = [
    (lambda: nn.Softmax(2)(normal(3, 4)), r"dim=2 must be an axis of x, got shape \(3, 4\)"),
    (lambda: nn.Softmax(None), "dim must be an integer, got None"),
    (lambda: nn.Softmax(1.0), "dim must be an integer, got 1.0"),
    (lambda: nn.GELU("erf"), "approximate must be"),
    (lambda: nn.ReLU(inplace=True), "inplace must be False"),
    (lambda: nn.LeakyReLU(inplace=True), "inplace must be False"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
