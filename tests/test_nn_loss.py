"""Losses: loops, central differences, PyTorch, and what must not overflow."""

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
sizes = st.integers(1, 6)
both = pytest.mark.parametrize("reduction", ["mean", "sum"])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def classes(N, C, seed=0):
    return np.random.default_rng(seed).integers(0, C, N)


def probabilities(*shape, seed=0):
    return np.random.default_rng(seed).random(shape)


@both
@drawn
@given(N=sizes, C=sizes, seed=st.integers(0, 50), scale=st.sampled_from([1, 30, 1000]))
def test_cross_entropy_equals_torch(reduction, N, C, seed, scale):
    twins = nn.CrossEntropyLoss(reduction=reduction), torch.nn.CrossEntropyLoss(reduction=reduction)
    compare(*twins, scale * normal(N, C, seed=seed), target=classes(N, C, seed))


@both
@drawn
@given(shape=st.lists(sizes, max_size=4), seed=st.integers(0, 50))
def test_mse_equals_torch(reduction, shape, seed):
    twins = nn.MSELoss(reduction=reduction), torch.nn.MSELoss(reduction=reduction)
    compare(*twins, normal(*shape, seed=seed), target=normal(*shape, seed=seed + 1))


@both
@drawn
@given(
    shape=st.lists(sizes, max_size=4),
    seed=st.integers(0, 50),
    scale=st.sampled_from([1, 30, 1000]),
    hard=st.booleans(),
    dtype=st.sampled_from([np.float64, np.float32]),
)
def test_bce_equals_torch(reduction, shape, seed, scale, hard, dtype):
    twins = nn.BCEWithLogitsLoss(reduction=reduction), torch.nn.BCEWithLogitsLoss(reduction=reduction)
    target = probabilities(*shape, seed=seed + 1)
    target = np.round(target) if hard else target
    compare(*twins, (scale * normal(*shape, seed=seed)).astype(dtype), target=target)


@both
def test_equal_loops(reduction):
    x, count = 3 * normal(4, 3), {"mean": (4, 12), "sum": (1, 1)}[reduction]
    y, t, z = classes(4, 3).tolist(), probabilities(4, 3), x.tolist()
    cross = sum(math.log(sum(map(math.exp, row))) - row[k] for row, k in zip(z, y, strict=True))
    square = binary = 0.0
    for n in range(4):
        for k in range(3):
            p = 1 / (1 + math.exp(-z[n][k]))
            square += (z[n][k] - t[n, k]) ** 2
            binary -= t[n, k] * math.log(p) + (1 - t[n, k]) * math.log(1 - p)
    assert nn.CrossEntropyLoss(reduction=reduction)(x, y) == pytest.approx(cross / count[0], rel=1e-12)
    assert nn.MSELoss(reduction=reduction)(x, t) == pytest.approx(square / count[1], rel=1e-12)
    assert nn.BCEWithLogitsLoss(reduction=reduction)(x, t) == pytest.approx(binary / count[1], rel=1e-12)


@both
def test_central_differences(reduction):
    gradcheck(nn.CrossEntropyLoss(reduction=reduction), normal(4, 3), target=[0, 2, 1, 1])
    gradcheck(nn.MSELoss(reduction=reduction), normal(4, 3), target=normal(4, 3, seed=1))
    gradcheck(nn.BCEWithLogitsLoss(reduction=reduction), normal(4, 3), target=probabilities(4, 3))


def test_nothing_overflows():
    cross, binary = nn.CrossEntropyLoss(), nn.BCEWithLogitsLoss(reduction="sum")
    with np.errstate(all="raise", under="ignore"):
        assert cross(np.array([[1000.0, 0.0]]), [0]) == 0
        assert cross(np.array([[1000.0, 0.0]]), [1]) == 1000
        np.testing.assert_array_equal(cross.backward(), [[1, -1]])
        assert binary(np.array([1000.0, -1000.0]), [1, 0]) == 0
        assert binary(np.array([1000.0, -1000.0]), [0, 1]) == 2000
        np.testing.assert_array_equal(binary.backward(), [1, -1])


def test_the_loss_of_knowing_nothing():
    assert nn.CrossEntropyLoss()(np.zeros((5, 10)), np.arange(5)) == pytest.approx(math.log(10))
    assert nn.BCEWithLogitsLoss()(np.zeros(4), [0, 1, 1, 0]) == pytest.approx(math.log(2))


def test_a_small_gradient_is_not_lost():
    """The gradient in a logit of −40 is e⁻⁴⁰: subtracting from 1 would give 0."""
    loss = nn.BCEWithLogitsLoss()
    loss(np.array([-40.0]), [0])
    assert loss.backward()[0] == pytest.approx(math.exp(-40), rel=1e-12)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_stays_and_nothing_is_modified(loss, dtype):
    x = np.asfortranarray(normal(4, 3)).astype(dtype)
    target = [0, 2, 1, 1] if isinstance(loss, nn.CrossEntropyLoss) else np.round(probabilities(4, 3))
    before, target_before = x.copy(), np.copy(target)
    assert type(loss(x, target)) is float
    assert loss.backward().dtype == dtype
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(target, target_before)
    np.testing.assert_array_equal(loss.backward(-2.0), -2 * loss.backward())


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()], ids=repr)
def test_input_need_not_be_contiguous(loss):
    wide = normal(4, 6)
    target = [0, 2, 1, 1] if isinstance(loss, nn.CrossEntropyLoss) else np.round(probabilities(4, 3))
    expected, expected_gradient = loss(wide[:, ::2].copy(), target), loss.backward()
    assert loss(wide[:, ::2], target) == expected
    np.testing.assert_array_equal(loss.backward(), expected_gradient)


WRONG = [
    (lambda: nn.CrossEntropyLoss(reduction="none"), "reduction must be"),
    (lambda: nn.CrossEntropyLoss()(np.zeros(3), [0]), r"input must have shape \(N, C\)"),
    (lambda: nn.CrossEntropyLoss()(np.zeros((2, 3)), [0]), "target must hold 2 classes"),
    (lambda: nn.CrossEntropyLoss()(np.zeros((2, 3)), [0.0, 1.0]), "not one-hot rows"),
    (
        lambda: nn.CrossEntropyLoss()(np.zeros((2, 3)), [1, 3]),
        "target must be in 0…2, got values from 1 to 3",
    ),
    (lambda: nn.CrossEntropyLoss()(np.zeros((2, 3)), [-1, 0]), "target must be in 0…2"),
    (lambda: nn.MSELoss()(np.zeros((2, 3)), np.zeros(2)), "target must have the shape of input"),
    (lambda: nn.MSELoss()(np.zeros(2, int), np.zeros(2)), "input must hold floats"),
    (lambda: nn.MSELoss().backward(), "backward was called before forward"),
    (lambda: nn.BCEWithLogitsLoss()(np.zeros((2, 1)), np.zeros(2)), "target must have the shape of input"),
    (lambda: nn.BCEWithLogitsLoss()(np.zeros(2), [0, 2]), r"target must be from 0 to 1, got .* 0.0 to 2.0"),
    (lambda: nn.BCEWithLogitsLoss()(np.zeros(2), [-1, 1]), "target must be from 0 to 1"),
    (lambda: nn.BCEWithLogitsLoss()(np.zeros(2), [0, np.nan]), "target must be from 0 to 1"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
