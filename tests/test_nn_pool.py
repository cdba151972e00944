"""Max pooling: loops, central differences, PyTorch over drawn settings, ties, NaN, −∞, indices, errors."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pool_cases import draw_input, drawn, normal, reads_only_padding, refused_by_torch, window_settings

from dltwice import nn
from dltwice.gradcheck import gradcheck
from dltwice.nn.functional import pool_taps
from dltwice.twin import compare

KINDS = {1: (nn.MaxPool1d, torch.nn.MaxPool1d), 2: (nn.MaxPool2d, torch.nn.MaxPool2d)}


@st.composite
def max_settings(draw, axes):
    dilation = st.integers(1, 3)
    return draw(window_settings(axes)) | {
        "dilation": draw(st.one_of(dilation, st.tuples(*[dilation] * axes))),
        "return_indices": draw(st.booleans()),
    }


@pytest.mark.parametrize("axes", [1, 2])
@drawn
@given(data=st.data())
def test_equals_torch(axes, data):
    """Shapes, ties, several windows over one cell: output, indices and gradient."""
    config = data.draw(max_settings(axes))
    x = data.draw(draw_input(axes))
    ours, theirs = KINDS[axes]
    layer, twin = ours(**config), theirs(**config)
    assert repr(layer) == repr(twin)
    if refused_by_torch(twin, x):
        with pytest.raises(ValueError, match="is too small: no window fits"):
            layer(x)
        return
    if reads_only_padding(layer, x.shape[-axes:]):
        with pytest.raises(ValueError, match="a window reads nothing of x"):
            layer(x)
        return
    check_with_indices(ours, theirs, config, x)


def check_with_indices(ours, theirs, config, x):
    with_indices = config | {"return_indices": True}
    y, indices = ours(**with_indices)(x)
    expected_y, expected = theirs(**with_indices)(torch.tensor(x))
    np.testing.assert_array_equal(y, expected_y.numpy())
    np.testing.assert_array_equal(indices, expected.numpy())
    assert indices.dtype == np.int64
    without = config | {"return_indices": False}
    compare(ours(**without), theirs(**without), x)


def max_loops(x, dy, kernel_size, stride, padding, dilation, size):
    """The definition, number by number: y, dx, and the number of the cell that had the maximum."""
    (N, C, H, W), dx = x.shape, np.zeros(x.shape)
    y, indices = np.full((N, C, *size), -np.inf), np.zeros((N, C, *size), int)
    for n, c, h, w in np.ndindex(y.shape):
        best = None
        for i, j in np.ndindex(*kernel_size):
            row = h * stride[0] - padding[0] + i * dilation[0]
            column = w * stride[1] - padding[1] + j * dilation[1]
            if not (0 <= row < H and 0 <= column < W):
                continue
            if best is None or x[n, c, row, column] > x[n, c, best[0], best[1]]:
                best = (row, column)
        y[n, c, h, w], indices[n, c, h, w] = x[n, c, best[0], best[1]], best[0] * W + best[1]
        dx[n, c, best[0], best[1]] += dy[n, c, h, w]
    return y, dx, indices


CONFIGS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": (2, 3), "stride": (3, 1), "padding": (1, 0)},
    {"kernel_size": (3, 1), "stride": 1, "dilation": (2, 1)},
    {"kernel_size": 1, "stride": 3},
]


@pytest.mark.parametrize("values", ["all different", "many equal"])
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_equals_loops(config, values):
    rng = np.random.default_rng(0)
    x = (
        rng.standard_normal((2, 3, 7, 6))
        if values == "all different"
        else rng.integers(0, 3, (2, 3, 7, 6)) / 1
    )
    layer = nn.MaxPool2d(**config, return_indices=True)
    y, indices = layer(x)
    dy = rng.standard_normal(y.shape)
    loops = max_loops(x, dy, layer.kernel_size, layer.stride, layer.padding, layer.dilation, y.shape[2:])
    np.testing.assert_array_equal(y, loops[0])
    np.testing.assert_allclose(layer.backward(dy), loops[1], rtol=1e-14)
    np.testing.assert_array_equal(indices, loops[2])


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_central_differences_at_every_entry(config):
    gradcheck(nn.MaxPool2d(**config), normal(2, 2, 6, 5))


def test_central_differences_in_one_dimension():
    gradcheck(nn.MaxPool1d(3, 2, 1, dilation=2, ceil_mode=True), normal(2, 3, 9))


def test_of_equal_values_the_first_gets_the_gradient():
    """Row by row, as the eye reads: not the topmost of the leftmost column."""
    layer = nn.MaxPool2d(2)
    layer(np.array([[[0.0, 1.0], [1.0, 0.0]]]))
    np.testing.assert_array_equal(layer.backward(np.array([[[7.0]]])), [[[0, 7], [0, 0]]])
    layer(np.zeros((1, 2, 2)))
    np.testing.assert_array_equal(layer.backward(np.array([[[7.0]]])), [[[7, 0], [0, 0]]])


def test_a_cell_of_several_windows_gets_their_sum():
    layer = nn.MaxPool1d(3, 1)
    np.testing.assert_array_equal(layer(np.array([[0.0, 1.0, 9.0, 2.0, 3.0]])), [[9, 9, 9]])
    np.testing.assert_array_equal(layer.backward(np.array([[1.0, 10.0, 100.0]])), [[0, 0, 111, 0, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_nan_and_infinities_as_torch(config, dtype):
    """NaN passes on, of several the last; where all is −∞ the first cell inside the input counts."""
    rng = np.random.default_rng(3)
    choices = np.array([0, 1, np.nan, -np.inf, np.inf], dtype)
    for odds in ([0.6, 0.2, 0.1, 0.1, 0], [0, 0, 0.1, 0.9, 0], [0.1, 0.1, 0.4, 0.2, 0.2]):
        x = rng.choice(choices, (3, 4, 7, 6), p=odds)
        assert x.dtype == dtype
        check_with_indices(nn.MaxPool2d, torch.nn.MaxPool2d, config, x)
    nothing = np.full((1, 1, 7, 6), -np.inf, dtype)
    check_with_indices(nn.MaxPool2d, torch.nn.MaxPool2d, config, nothing)


def test_padding_is_never_the_maximum():
    """Zeros in the place of −∞ would win over negative values."""
    x = -1 - np.abs(normal(2, 3, 5, 5))
    assert (nn.MaxPool2d(3, 2, padding=1)(x) < 0).all()
    compare(nn.MaxPool2d(3, 2, padding=1), torch.nn.MaxPool2d(3, 2, padding=1), x)


def test_more_taps_than_a_byte_counts():
    x = normal(1, 2, 40, 37)
    check_with_indices(nn.MaxPool2d, torch.nn.MaxPool2d, {"kernel_size": (20, 18), "stride": 5}, x)
    check_with_indices(nn.MaxPool1d, torch.nn.MaxPool1d, {"kernel_size": 300, "stride": 7}, normal(2, 1, 700))


def test_float32_equals_torch():
    x = normal(4, 6, 9, 10).astype(np.float32)
    for config in CONFIGS:
        compare(nn.MaxPool2d(**config), torch.nn.MaxPool2d(**config), x)


def test_an_empty_batch_stays_empty():
    layer = nn.MaxPool2d(2)
    assert layer(np.zeros((0, 3, 4, 4))).shape == (0, 3, 2, 2)
    assert layer.backward(np.zeros((0, 3, 2, 2))).shape == (0, 3, 4, 4)


def test_output_size_equals_torch_on_a_grid():
    grid = itertools.product(range(1, 9), range(1, 6), range(1, 5), range(4), range(1, 4), (False, True))
    refused = 0
    for size, K, S, P, D, ceil_mode in grid:
        try:
            expected = torch.nn.functional.max_pool1d(torch.zeros(1, 1, size), K, S, P, D, ceil_mode).shape[
                -1
            ]
        except RuntimeError:
            refused += 1
            with pytest.raises(ValueError, match=r"padding must be at most half|no window fits"):
                nn.pool_output_size(size, K, S, P, D, ceil_mode)
            continue
        assert nn.pool_output_size(size, K, S, P, D, ceil_mode) == expected, (size, K, S, P, D, ceil_mode)
    assert refused > 100
    assert nn.pool_output_size(7, 3) == nn.pool_output_size(7, 3, 3) == 2


def test_taps_are_the_places_inside_the_input():
    for size, K, S, P, D, out in itertools.product(
        range(1, 6), (1, 2, 3), (1, 2, 3), (0, 1), (1, 2, 4), (1, 3)
    ):
        pairs = pool_taps((size,), (K,), (S,), (P,), (D,), (out,))
        for t, (places, cells) in enumerate(pairs):
            inside = [o for o in range(out) if 0 <= o * S - P + t * D < size]
            assert np.arange(out)[places].tolist() == inside
            assert np.arange(size)[cells].tolist() == [o * S - P + t * D for o in inside]


REFUSED_BY_BOTH = [
    ({"kernel_size": 0}, "kernel_size must be at least 1, got 0"),
    ({"kernel_size": (2, 0)}, r"kernel_size must be at least 1, got \(2, 0\)"),
    ({"kernel_size": 2, "stride": 0}, "stride must be at least 1, got 0"),
    ({"kernel_size": 2, "padding": -1}, "padding must be at least 0, got -1"),
    (
        {"kernel_size": 3, "padding": 2},
        "got padding 2 with kernel_size 3: use 1 or less",
    ),
    ({"kernel_size": 3, "padding": 2, "dilation": 3}, "padding must be at most half of kernel_size"),
    ({"kernel_size": (4, 2), "padding": 2}, "padding 2 with kernel_size 2: use 1"),
    ({"kernel_size": 2, "dilation": 0}, "dilation must be at least 1, got 0"),
    ({"kernel_size": (2, 2, 2)}, "kernel_size must be one integer or 2 of them"),
    ({"kernel_size": 1.5}, "kernel_size must be an integer or a tuple, got 1.5"),
    (
        {"kernel_size": 9},
        r"x of \(8, 8\) cells is too small: no window fits: kernel_size 9",
    ),
    (
        {"kernel_size": 4, "dilation": 3},
        "kernel_size 4 with dilation 3 covers 10 cells",
    ),
]


@pytest.mark.parametrize(("config", "message"), REFUSED_BY_BOTH, ids=str)
def test_both_refuse(config, message):
    with pytest.raises(ValueError, match=message):
        nn.MaxPool2d(**config)(normal(2, 3, 8, 8))
    with pytest.raises((RuntimeError, TypeError)):
        torch.nn.MaxPool2d(**config)(torch.zeros(2, 3, 8, 8))


WRONG_INPUTS = [
    ((8, 8), r"x must have shape \(N, C, H, W\), or \(C, H, W\) for a single example, got \(8, 8\): add"),
    ((1, 1, 3, 8, 8), "x must have shape"),
    ((2, 0, 8, 8), "x must have a channel and a cell at least"),
    ((2, 3, 0, 8), "only the batch may be empty"),
    ((0, 8, 8), "x must have a channel"),
]


@pytest.mark.parametrize(("shape", "message"), WRONG_INPUTS, ids=str)
def test_both_refuse_the_input(shape, message):
    with pytest.raises(ValueError, match=message):
        nn.MaxPool2d(2)(np.zeros(shape))
    with pytest.raises(RuntimeError):
        torch.nn.MaxPool2d(2)(torch.zeros(shape))


def test_a_window_of_padding_alone_is_refused():
    """PyTorch returns −∞ for it, and an index that is not in the input."""
    settings = {"kernel_size": 2, "stride": 1, "padding": 1, "dilation": 2, "return_indices": True}
    y, index = torch.nn.MaxPool2d(**settings)(torch.zeros(1, 1, 1))
    assert torch.isinf(y).all()
    assert index.item() >= 1
    with pytest.raises(ValueError, match="a window reads nothing of x, of 1 cells"):
        nn.MaxPool2d(**settings)(np.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match=r"x must have shape \(N, C, L\), or \(C, L\).*got \(4,\)"):
        nn.MaxPool1d(2)(np.zeros(4))


def test_wrong_output_size_settings():
    for arguments, message in [((0, 2), "size must be at least 1"), ((4, 2, 0), "stride must be at least 1")]:
        with pytest.raises(ValueError, match=message):
            nn.pool_output_size(*arguments)
