"""Average and adaptive pooling: loops, central differences, PyTorch over drawn settings, divisors, errors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pool_cases import draw_input, drawn, normal, refused_by_torch, window_settings

from dltwice import nn
from dltwice.gradcheck import gradcheck
from dltwice.twin import compare

AVERAGE = {1: (nn.AvgPool1d, torch.nn.AvgPool1d), 2: (nn.AvgPool2d, torch.nn.AvgPool2d)}


@st.composite
def average_settings(draw, axes):
    config = draw(window_settings(axes)) | {"count_include_pad": draw(st.booleans())}
    if axes == 2:
        config["divisor_override"] = draw(st.sampled_from([None, None, 1, 5, -3]))
    return config


@pytest.mark.parametrize("axes", [1, 2])
@drawn
@given(data=st.data())
def test_average_equals_torch(axes, data):
    config = data.draw(average_settings(axes))
    x = data.draw(draw_input(axes))
    ours, theirs = AVERAGE[axes]
    layer, twin = ours(**config), theirs(**config)
    assert repr(layer) == repr(twin)
    if refused_by_torch(twin, x):
        with pytest.raises(ValueError, match="is too small: no window fits"):
            layer(x)
        return
    compare(layer, twin, x)


@drawn
@given(data=st.data())
def test_adaptive_equals_torch(data):
    """Sizes that do not divide, None, more places than cells."""
    one = st.integers(1, 11)
    output_size = data.draw(st.one_of(one, st.tuples(*[st.one_of(one, st.none())] * 2)))
    x = data.draw(draw_input(2))
    layer, twin = nn.AdaptiveAvgPool2d(output_size), torch.nn.AdaptiveAvgPool2d(output_size)
    assert repr(layer) == repr(twin)
    compare(layer, twin, x)


@drawn
@given(x=draw_input(1), output_size=st.one_of(st.integers(1, 11), st.tuples(st.integers(1, 11))))
def test_adaptive_of_signals_equals_torch(x, output_size):
    layer, twin = nn.AdaptiveAvgPool1d(output_size), torch.nn.AdaptiveAvgPool1d(output_size)
    assert repr(layer) == repr(twin)
    compare(layer, twin, x)


def average_loops(x, dy, layer, size):
    """The definition, number by number: y and dx."""
    (N, C, H, W), (K_h, K_w), (S_h, S_w), (P_h, P_w) = x.shape, layer.kernel_size, layer.stride, layer.padding
    y, dx = np.zeros((N, C, *size)), np.zeros(x.shape)
    for n, c, h, w in np.ndindex(y.shape):
        rows = [h * S_h - P_h + i for i in range(K_h)]
        columns = [w * S_w - P_w + j for j in range(K_w)]
        cells = [(row, column) for row in rows for column in columns]
        padded = [cell for cell in cells if cell[0] < H + P_h and cell[1] < W + P_w]
        inside = [(row, column) for row, column in cells if 0 <= row < H and 0 <= column < W]
        divisor = layer.divisor_override or len(padded if layer.count_include_pad else inside)
        for row, column in inside:
            y[n, c, h, w] += x[n, c, row, column] / divisor
            dx[n, c, row, column] += dy[n, c, h, w] / divisor
    return y, dx


CONFIGS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
    {"kernel_size": (2, 3), "stride": (3, 1), "padding": (1, 0), "divisor_override": 5},
    {"kernel_size": 1, "stride": 3},
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_average_equals_loops(config):
    layer, x = nn.AvgPool2d(**config), normal(2, 3, 8, 6)
    y = layer(x)
    dy = normal(*y.shape, seed=1)
    expected_y, expected_dx = average_loops(x, dy, layer, y.shape[2:])
    np.testing.assert_allclose(y, expected_y, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(layer.backward(dy), expected_dx, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("output_size", [1, 4, (2, 5), (None, 3), (9, 7)])
def test_adaptive_equals_loops(output_size):
    layer, x = nn.AdaptiveAvgPool2d(output_size), normal(2, 3, 7, 5)
    y = layer(x)
    dy, dx, (H_out, W_out) = normal(*y.shape, seed=1), np.zeros(x.shape), y.shape[2:]
    for n, c, h, w in np.ndindex(y.shape):
        rows = range(math.floor(h * 7 / H_out), math.ceil((h + 1) * 7 / H_out))
        columns = range(math.floor(w * 5 / W_out), math.ceil((w + 1) * 5 / W_out))
        cells = [(row, column) for row in rows for column in columns]
        mean = sum(x[n, c, row, column] for row, column in cells) / len(cells)
        assert y[n, c, h, w] == pytest.approx(mean, rel=1e-12, abs=1e-14)
        for row, column in cells:
            dx[n, c, row, column] += dy[n, c, h, w] / len(cells)
    np.testing.assert_allclose(layer.backward(dy), dx, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_central_differences_at_every_entry(config):
    gradcheck(nn.AvgPool2d(**config), normal(2, 2, 6, 5))


@pytest.mark.parametrize("output_size", [1, 3, (None, 4), (9, 2)])
def test_central_differences_of_adaptive(output_size):
    gradcheck(nn.AdaptiveAvgPool2d(output_size), normal(2, 2, 7, 5))


def test_central_differences_in_one_dimension():
    gradcheck(nn.AvgPool1d(3, 2, 1, ceil_mode=True), normal(2, 3, 8))
    gradcheck(nn.AdaptiveAvgPool1d(4), normal(2, 3, 9))


def test_what_hangs_over_the_padding_never_counts():
    """One row of 4 cells, windows of 3 in steps of 2, a zero before and after: the last one holds 2 cells."""
    x = np.array([[6.0, 6.0, 6.0, 6.0]])
    for include, expected in [(True, [4, 6, 3]), (False, [6, 6, 6])]:
        layer = nn.AvgPool1d(3, 2, 1, ceil_mode=True, count_include_pad=include)
        np.testing.assert_array_equal(layer(x), [expected])
        compare(layer, torch.nn.AvgPool1d(3, 2, 1, True, include), x)


def test_global_average_is_the_mean_of_each_channel():
    x = normal(2, 3, 5, 4)
    np.testing.assert_allclose(nn.AdaptiveAvgPool2d(1)(x)[..., 0, 0], x.mean(axis=(2, 3)), rtol=1e-14)


def test_nan_stays_in_its_windows():
    x = normal(1, 1, 6, 6)
    x[0, 0, 1, 4] = np.nan
    x[0, 0, 5, 0] = np.inf
    pairs = [(nn.AvgPool2d(2), torch.nn.AvgPool2d(2)), (nn.AvgPool2d(3, 2), torch.nn.AvgPool2d(3, 2))]
    pairs += [(nn.AdaptiveAvgPool2d(4), torch.nn.AdaptiveAvgPool2d(4))]
    for ours, theirs in pairs:
        compare(ours, theirs, x)


def test_float32_equals_torch():
    x = normal(4, 6, 9, 10).astype(np.float32)
    for config in CONFIGS:
        compare(nn.AvgPool2d(**config), torch.nn.AvgPool2d(**config), x)
    compare(nn.AdaptiveAvgPool2d((4, 3)), torch.nn.AdaptiveAvgPool2d((4, 3)), x)


def test_an_empty_batch_stays_empty():
    for layer in (nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(2)):
        assert layer(np.zeros((0, 3, 4, 4))).shape == (0, 3, 2, 2)
        assert layer.backward(np.zeros((0, 3, 2, 2))).shape == (0, 3, 4, 4)


def test_adaptive_follows_the_size_of_the_input():
    layer = nn.AdaptiveAvgPool2d((None, 2))
    assert [layer(normal(1, 1, *size)).shape[2:] for size in [(3, 8), (5, 4)]] == [(3, 2), (5, 2)]


REFUSED_BY_BOTH = [
    ("AvgPool2d", {"kernel_size": 0}, "kernel_size must be at least 1, got 0"),
    ("AvgPool2d", {"kernel_size": 2, "stride": (1, 0)}, r"stride must be at least 1, got \(1, 0\)"),
    (
        "AvgPool2d",
        {"kernel_size": 3, "padding": 2},
        "padding must be at most half of kernel_size, got padding 2",
    ),
    ("AvgPool2d", {"kernel_size": 2, "padding": -1}, "padding must be at least 0"),
    ("AvgPool2d", {"kernel_size": 9}, "no window fits: kernel_size 9"),
    (
        "AvgPool2d",
        {"kernel_size": 2, "divisor_override": 0},
        "divisor_override must be an integer other than 0",
    ),
    ("AvgPool2d", {"kernel_size": 2, "divisor_override": 1.5}, "must be an integer other than 0, got 1.5"),
    ("AdaptiveAvgPool2d", {"output_size": -1}, "output_size must be at least 1, got -1"),
    ("AdaptiveAvgPool2d", {"output_size": (2, -1)}, "output_size must be at least 1"),
    ("AdaptiveAvgPool2d", {"output_size": None}, "output_size must be an integer or a tuple, got None"),
    ("AdaptiveAvgPool2d", {"output_size": (2,)}, "output_size must be one integer or 2 of them"),
    ("AdaptiveAvgPool2d", {"output_size": (1, 2, 3)}, "output_size must be one integer or 2 of them"),
]


@pytest.mark.parametrize(("name", "config", "message"), REFUSED_BY_BOTH, ids=str)
def test_both_refuse(name, config, message):
    with pytest.raises(ValueError, match=message):
        getattr(nn, name)(**config)(normal(2, 3, 8, 8))
    with pytest.raises((RuntimeError, TypeError)):
        getattr(torch.nn, name)(**config)(torch.zeros(2, 3, 8, 8))


def test_both_refuse_in_one_dimension():
    for output_size in (None, (None,), (1, 2), -1):
        with pytest.raises(ValueError, match="output_size must be"):
            nn.AdaptiveAvgPool1d(output_size)
        with pytest.raises((RuntimeError, TypeError)):
            torch.nn.AdaptiveAvgPool1d(output_size)(torch.zeros(1, 1, 4))
    with pytest.raises(TypeError, match="divisor_override"):
        nn.AvgPool1d(2, divisor_override=2)
    with pytest.raises(TypeError, match="divisor_override"):
        torch.nn.AvgPool1d(2, divisor_override=2)


@pytest.mark.parametrize("shape", [(8, 8), (1, 1, 3, 8, 8), (2, 3, 0, 8)], ids=str)
@pytest.mark.parametrize("name", ["AvgPool2d", "AdaptiveAvgPool2d"])
def test_both_refuse_the_input(name, shape):
    message = (
        "a channel and a cell at least" if 0 in shape else r"must have shape \(N, C, H, W\), or \(C, H, W\)"
    )
    with pytest.raises(ValueError, match=message):
        getattr(nn, name)(2)(np.zeros(shape))
    with pytest.raises((RuntimeError, IndexError)):
        getattr(torch.nn, name)(2)(torch.zeros(shape))


def test_an_output_without_a_place_is_refused():
    """PyTorch computes it, and refuses its backward."""
    with pytest.raises(ValueError, match="output_size must be at least 1, got 0"):
        nn.AdaptiveAvgPool2d(0)
    y = torch.nn.AdaptiveAvgPool2d(0)(torch.zeros(1, 1, 4, 4, requires_grad=True))
    with pytest.raises(RuntimeError, match="non-zero size"):
        y.backward(torch.zeros(1, 1, 0, 0))
