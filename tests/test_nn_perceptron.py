"""The perceptron: its rule in loops and on PyTorch's Linear, convergence, and what it cannot learn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltwice import data, nn
from dltwice.twin import copy_weights

drawn = settings(max_examples=60, deadline=None, derandomize=True)


def labelled(N, features, seed):
    """Examples with random labels, which a line may or may not separate."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N, features)), rng.integers(0, 2, N)


def separable(N, features, gap, seed):
    """Examples that a hyperplane separates, with a distance of `gap` or more to it, and that hyperplane."""
    rng = np.random.default_rng(seed)
    w, b = rng.standard_normal(features), rng.standard_normal()
    x = 2 * rng.standard_normal((20 * N, features))
    distance = (x @ w + b) / np.linalg.norm(w)
    x, distance = x[np.abs(distance) >= gap][:N], distance[np.abs(distance) >= gap][:N]
    return x, (distance > 0).astype(int), np.append(w, b)


@drawn
@given(
    N=st.integers(1, 12),
    features=st.integers(1, 5),
    lr=st.sampled_from([1.0, 0.1, 3.0]),
    seed=st.integers(0, 99),
)
def test_equals_loops_after_every_update(N, features, lr, seed):
    x, y = labelled(N, features, seed)
    layer, w, b = nn.Perceptron(features, dtype=np.float64), [0.0] * features, 0.0
    for n in [*range(N), *range(N)]:
        z = b
        for i in range(features):
            z += w[i] * x[n, i]
        error = int(y[n]) - (1 if z >= 0 else 0)
        for i in range(features):
            w[i] += lr * error * x[n, i]
        b += lr * error
        assert layer.update(x[n], y[n], lr) is (error != 0)
        np.testing.assert_allclose(layer.weight, [w], rtol=1e-12)
        np.testing.assert_allclose(layer.bias, [b], rtol=1e-12)


@drawn
@given(
    N=st.integers(1, 12),
    features=st.integers(1, 5),
    lr=st.sampled_from([1.0, 0.1, 3.0]),
    seed=st.integers(0, 99),
)
def test_equals_torch_after_every_update(N, features, lr, seed):
    """The same rule on `torch.nn.Linear`: the same weights after every update, bit by bit."""
    x, y = labelled(N, features, seed)
    layer, twin = nn.Perceptron(features, dtype=np.float64), torch.nn.Linear(features, 1).double()
    copy_weights(layer, twin)
    with torch.no_grad():
        for n in [*range(N), *range(N)]:
            example = torch.tensor(x[n])
            error = float(y[n]) - (twin(example) >= 0).double()
            twin.weight += lr * error * example
            twin.bias += lr * error
            layer.update(x[n], y[n], lr)
            np.testing.assert_array_equal(layer.weight, twin.weight.numpy())
            np.testing.assert_array_equal(layer.bias, twin.bias.numpy())
        np.testing.assert_array_equal(layer(x), (twin(torch.tensor(x))[:, 0] >= 0).double())


@drawn
@given(
    N=st.integers(2, 40),
    features=st.integers(1, 5),
    gap=st.sampled_from([0.2, 0.5, 1.0]),
    lr=st.sampled_from([1.0, 0.05]),
    seed=st.integers(0, 99),
)
def test_separable_data_are_learned_within_the_bound(N, features, gap, lr, seed):
    """Novikoff: from zero weights, at most (R/γ)² mistakes; the bias is the weight of a constant 1."""
    x, y, u = separable(N, features, gap, seed)
    ones = np.column_stack([x, np.ones(len(x))])
    gamma = ((2 * y - 1) * (ones @ u)).min() / np.linalg.norm(u)
    bound = (np.linalg.norm(ones, axis=1).max() / gamma) ** 2
    layer = nn.Perceptron(features, dtype=np.float64)
    mistakes = layer.fit(x, y, lr=lr, epochs=int(bound) + 2)
    assert mistakes[-1] == 0
    assert all(mistakes[:-1])
    assert sum(mistakes) <= bound
    np.testing.assert_array_equal(layer(x), y)


@pytest.mark.parametrize("lr", [1.0, 0.1, 0.37])
@pytest.mark.parametrize("rng", [None, 0, 1])
def test_xor_is_never_learned(lr, rng):
    layer = nn.Perceptron(2, rng=rng)
    mistakes = layer.fit(*data.XOR, lr=lr, epochs=300)
    assert len(mistakes) == 300
    assert min(mistakes) >= 1
    assert (layer(data.XOR.x) == data.XOR.y).sum() <= 3


def test_and_and_or_are_learned():
    for y in ([0, 0, 0, 1], [0, 1, 1, 1]):
        layer = nn.Perceptron(2)
        assert layer.fit(data.XOR.x, y)[-1] == 0
        np.testing.assert_array_equal(layer(data.XOR.x), y)


def test_irises_are_learned():
    layer = nn.Perceptron(2)
    assert layer.fit(*data.iris_pair())[-1] == 0


def test_begins_at_zero_where_the_step_says_1():
    layer, x = nn.Perceptron(3), np.random.default_rng(0).standard_normal((4, 3))
    assert layer.weight.shape == (1, 3)
    assert layer.bias.shape == (1,)
    assert layer.weight.dtype == layer.bias.dtype == np.float32
    assert not layer.weight.any()
    np.testing.assert_array_equal(layer(x), 1)
    layer.bias = [-1e-9]
    np.testing.assert_array_equal(layer(x), 0)
    assert repr(layer) == "Perceptron(in_features=3)"


def test_output_has_the_type_of_the_input():
    layer, x = nn.Perceptron(2), np.random.default_rng(0).standard_normal((5, 2, 2))[:, ::2].reshape(5, 2)
    for dtype in (np.float32, np.float64):
        y = layer(x.astype(dtype))
        assert y.dtype == dtype
        assert y.shape == (5,)
    before = x.copy()
    layer.fit(x, [0, 1, 0, 1, 0], epochs=3)
    np.testing.assert_array_equal(x, before)


def test_updates_are_in_place():
    layer = nn.Perceptron(2)
    weight, bias = layer.weight, layer.bias
    assert layer.update(np.array([2.0, -1.0]), 0, lr=0.5) is True
    np.testing.assert_array_equal(weight, [[-1, 0.5]])
    np.testing.assert_array_equal(bias, [-0.5])
    assert layer.update(np.array([2.0, -1.0]), 0, lr=0.5) is False


def test_order_of_the_examples():
    """Without a seed in the given order, with one in a new order in each epoch."""
    x, y = labelled(30, 2, seed=0)
    runs = {seed: nn.Perceptron(2, dtype=np.float64, rng=seed) for seed in (None, 0, 1)}
    for layer in runs.values():
        layer.fit(x, y, epochs=5)
    again = nn.Perceptron(2, dtype=np.float64, rng=0)
    again.fit(x, y, epochs=5)
    np.testing.assert_array_equal(again.weight, runs[0].weight)
    assert (runs[0].weight != runs[1].weight).any()
    by_hand = nn.Perceptron(2, dtype=np.float64)
    for n in [*range(30)] * 5:
        by_hand.update(x[n], y[n])
    np.testing.assert_array_equal(by_hand.weight, runs[None].weight)


X = np.zeros((4, 2))
WRONG = [
    (lambda: nn.Perceptron(0), "in_features must be at least 1"),
    (lambda: nn.Perceptron(2)(np.zeros((4, 3))), r"\(N, in_features\) with in_features=2, got \(4, 3\)"),
    (lambda: nn.Perceptron(2)(np.zeros(2)), r"got \(2,\)"),
    (lambda: nn.Perceptron(2)(np.zeros((4, 2), int)), "x must hold floats"),
    (lambda: nn.Perceptron(2).update(X, 1), r"\(in_features,\) with in_features=2, got \(4, 2\)"),
    (lambda: nn.Perceptron(2).update(X[0], -1), "y must be 0 or 1, got -1"),
    (lambda: nn.Perceptron(2).update(X[0], 1, lr=0), "lr must be more than 0, got 0"),
    (lambda: nn.Perceptron(2).fit(X, [-1, 1, 1, -1]), r"y must hold 0 and 1, got \[-1  1\]"),
    (lambda: nn.Perceptron(2).fit(X, [0, 1]), r"y must have shape \(4,\)"),
    (lambda: nn.Perceptron(2).fit(X, [0, 1, 1, 0], epochs=0), "epochs must be at least 1"),
    (lambda: nn.Perceptron(2).backward(np.zeros(4)), "no useful gradient"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
