"""Dropout: its mask, its mean, its backward, and nothing at all in evaluation."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltwice import nn
from dltwice.gradcheck import gradcheck
from dltwice.twin import compare

drawn = settings(max_examples=60, deadline=None, derandomize=True)
chances = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@drawn
@given(shape=st.lists(st.integers(1, 6), max_size=4), p=chances, seed=st.integers(0, 50))
def test_equals_torch_with_the_same_mask(shape, p, seed):
    x, dy, layer = normal(*shape, seed=seed), normal(*shape, seed=99), nn.Dropout(p, rng=seed)
    mask = torch.tensor(copy.deepcopy(layer)(np.ones(shape)))
    leaf = torch.tensor(x, requires_grad=True)
    expected = leaf * mask
    expected.backward(torch.tensor(dy))
    np.testing.assert_allclose(layer(x), expected.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(layer.backward(dy), leaf.grad.numpy(), rtol=1e-10)
    assert set(np.ravel(mask)) <= {0.0, 1 / (1 - p) if p < 1 else 0.0}


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_equals_torch_on_average(p):
    """Share of zeros, mean and deviation of 200,000 entries: of ours, of PyTorch's, and by theory."""
    ones = np.ones(200_000)
    torch.manual_seed(0)
    for y in (nn.Dropout(p, rng=0)(ones), torch.nn.Dropout(p)(torch.tensor(ones)).numpy()):
        assert (y == 0).mean() == pytest.approx(p, abs=0.005)
        assert y.mean() == pytest.approx(1, abs=0.02)
        assert y.std() == pytest.approx((p / (1 - p)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("p", [0, 0.3, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_evaluation_is_the_identity(p, dtype):
    layer, twin, x = nn.Dropout(p).eval(), torch.nn.Dropout(p).eval(), normal(3, 4).astype(dtype)
    compare(layer, twin, x)
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(layer.backward(2 * x), 2 * x)
    assert repr(layer) == repr(twin)


def test_p_of_0_and_1_equal_torch_in_training():
    with np.errstate(all="raise"):
        compare(nn.Dropout(0), torch.nn.Dropout(0), normal(3, 4))
        compare(nn.Dropout(1), torch.nn.Dropout(1), normal(3, 4))
        assert not nn.Dropout(1)(normal(3, 4)).any()


def test_equals_loops():
    layer, x = nn.Dropout(0.4, rng=3), normal(4, 5)
    y, rng = layer(x), np.random.default_rng(3)
    for row in range(4):
        for column in range(5):
            kept = rng.random(dtype=np.float32) >= 0.4
            assert y[row, column] == pytest.approx(x[row, column] / 0.6 if kept else 0)


@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_central_differences(p):
    gradcheck(nn.Dropout(p, rng=0), normal(3, 4))
    gradcheck(nn.Dropout(p, rng=0).eval(), normal(3, 4))


def test_each_forward_draws_a_new_mask_and_backward_uses_the_last():
    layer, x = nn.Dropout(rng=0), np.ones((8, 8))
    first, second = layer(x), layer(x)
    assert (first != second).any()
    np.testing.assert_array_equal(layer.backward(x), second)
    np.testing.assert_array_equal(layer.backward(x), second)


def test_the_mask_depends_on_the_seed_and_not_on_the_type():
    x = np.ones((8, 8))
    np.testing.assert_array_equal(nn.Dropout(rng=1)(x), nn.Dropout(rng=1)(x.astype(np.float32)))
    assert (nn.Dropout(rng=1)(x) != nn.Dropout(rng=2)(x)).any()


def test_two_layers_may_share_a_generator():
    rng = np.random.default_rng(0)
    first, second = nn.Dropout(rng=rng), nn.Dropout(rng=rng)
    assert (first(np.ones(64)) != second(np.ones(64))).any()


def test_a_network_passes_the_mode_on():
    net, x = nn.Sequential(nn.Dropout(rng=0), nn.Sequential(nn.Dropout(rng=1))), np.ones((6, 6))
    assert (net(x) != x).any()
    np.testing.assert_array_equal(net.eval()(x), x)
    assert (net.train()(x) != x).any()


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_p_must_be_a_probability(p):
    with pytest.raises(ValueError, match="p must be a probability from 0 to 1"):
        nn.Dropout(p)


def test_inplace_is_refused():
    with pytest.raises(ValueError, match="inplace must be False"):
        nn.Dropout(0.5, True)
