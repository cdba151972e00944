"""Conv1d, Conv2d and ConvTranspose2d: loops, central differences, PyTorch over drawn settings."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dltwice import nn
from dltwice.gradcheck import gradcheck
from dltwice.nn import functional
from dltwice.twin import compare

drawn = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@st.composite
def conv_settings(draw, axes=2):
    def one_or_each(least, most):
        number = st.integers(least, most)
        return draw(st.one_of(number, st.tuples(*[number] * axes)))

    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    config = {
        "in_channels": groups * draw(st.integers(1, 6)),
        "out_channels": groups * draw(st.integers(1, 3)),
        "kernel_size": one_or_each(1, 4),
        "stride": one_or_each(1, 5),
        "dilation": one_or_each(1, 3),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    config["padding"] = draw(st.sampled_from(["same", "valid"])) if draw(st.booleans()) else one_or_each(0, 3)
    if config["padding"] == "same":
        config["stride"] = 1
    return config


def draw_input(data, config, axes):
    shape = (
        data.draw(st.integers(1, 3)),
        config["in_channels"],
        *(data.draw(st.integers(1, 9)) for _ in range(axes)),
    )
    seed = data.draw(st.integers(0, 100))
    return np.random.default_rng(seed).standard_normal(shape)


def twins(ours, theirs, config):
    return ours(**config, rng=1), theirs(**config)


def fits(torch_layer, x):
    try:
        torch_layer.double()(torch.tensor(x))
    except RuntimeError:
        return False
    return True


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    ("ours", "theirs", "axes"), [(nn.Conv1d, torch.nn.Conv1d, 1), (nn.Conv2d, torch.nn.Conv2d, 2)]
)
@drawn
@given(data=st.data())
def test_equals_torch(ours, theirs, axes, data):
    config = data.draw(conv_settings(axes))
    x = draw_input(data, config, axes)
    layer, twin = twins(ours, theirs, config)
    if not fits(twin, x):
        with pytest.raises(ValueError, match="x is too small"):
            layer(x)
        return
    compare(layer, twin, x)
    assert repr(layer) == repr(twin)


@drawn
@given(data=st.data())
def test_transposed_equals_torch(data):
    config = data.draw(conv_settings())
    if isinstance(config["padding"], str):
        config["padding"] = 1
    most = max(np.min(config["stride"]), np.min(config["dilation"])) - 1
    config["output_padding"] = data.draw(st.integers(0, int(most)))
    x = draw_input(data, config, 2)
    layer, twin = twins(nn.ConvTranspose2d, torch.nn.ConvTranspose2d, config)
    assume(fits(twin, x))
    compare(layer, twin, x)
    assert repr(layer) == repr(twin)


def conv2d_loops(x, weight, bias, stride, padding, dilation, groups):
    """The definition, number by number."""
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    (N, _, H, W), (F, Cg, K, L) = x.shape, weight.shape
    size = [
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip((H, W), (K, L), stride, dilation, strict=True)
    ]
    y = np.zeros((N, F, *size))
    for n, f, h, w in np.ndindex(y.shape):
        y[n, f, h, w] = bias[f]
        for c, i, j in np.ndindex(Cg, K, L):
            channel = f // (F // groups) * Cg + c
            value = x[n, channel, h * stride[0] + i * dilation[0], w * stride[1] + j * dilation[1]]
            y[n, f, h, w] += weight[f, c, i, j] * value
    return y


CONFIGS = [
    {"kernel_size": 3},
    {"kernel_size": (2, 3), "stride": (3, 1), "padding": (1, 2)},
    {"kernel_size": 2, "stride": 4, "dilation": (1, 3)},
    {"kernel_size": (3, 1), "padding": 2, "groups": 2},
    {"kernel_size": 1, "groups": 4},
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_equals_loops(config):
    rng = np.random.default_rng(0)
    layer = nn.Conv2d(4, 8, **config, rng=rng, dtype=np.float64)
    x = rng.standard_normal((2, 4, 7, 6))
    expected = conv2d_loops(
        x, layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups
    )
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_central_differences_at_every_entry(kind, config):
    rng = np.random.default_rng(1)
    gradcheck(kind(4, 4, **config, rng=rng), rng.standard_normal((2, 4, 6, 5)))


def test_central_differences_in_one_dimension():
    rng = np.random.default_rng(1)
    gradcheck(nn.Conv1d(3, 2, 3, stride=2, padding=1, dilation=2, rng=rng), rng.standard_normal((2, 3, 9)))


@pytest.mark.parametrize("channels", [1, 3, 4, 16])
@pytest.mark.parametrize("stride", [1, 2])
def test_both_ways_to_spread_agree(channels, stride):
    rng = np.random.default_rng(0)
    y, weight = rng.standard_normal((2, 2, 3, 4, 5)), rng.standard_normal((2, 3, channels, 3, 2))
    arguments = (y, weight, (12, 13), (stride, stride), (1, 2))
    np.testing.assert_allclose(
        functional.spread_by_taps(*arguments), functional.spread_at_once(*arguments), rtol=1e-12, atol=1e-12
    )


def test_fold_is_the_transpose_of_windows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 8, 7))
    view = functional.windows(x, (3, 2), (2, 1), (1, 3))
    columns = rng.standard_normal(view.shape)
    folded = functional.fold(columns, (8, 7), (2, 1), (1, 3))
    np.testing.assert_allclose(np.sum(view * columns), np.sum(x * folded), rtol=1e-12)


def test_windows_are_the_columns_of_torch():
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 7))
    view = functional.windows(x, (3, 2), (2, 1), (1, 3))
    expected = torch.nn.functional.unfold(torch.tensor(x), (3, 2), dilation=(1, 3), stride=(2, 1))
    np.testing.assert_array_equal(view.reshape(expected.shape), expected.numpy())


def test_output_size_equals_torch_on_a_grid():
    for N, K, S, P, D in itertools.product(range(1, 11), range(1, 5), range(1, 4), range(3), range(1, 4)):
        if D * (K - 1) + 1 > N + 2 * P:
            with pytest.raises(ValueError, match="kernel covers"):
                nn.conv_output_size(N, K, S, P, D)
            continue
        expected = torch.nn.functional.conv1d(torch.zeros(1, 1, N), torch.zeros(1, 1, K), None, S, P, D)
        assert nn.conv_output_size(N, K, S, P, D) == expected.shape[-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [2, 8])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_keeps_the_type_and_the_input(kind, channels, dtype):
    rng = np.random.default_rng(0)
    layer = kind(channels, 4, 3, stride=2, padding=1, rng=rng, dtype=np.float64)
    x = rng.standard_normal((2, channels, 7, 7)).astype(dtype)
    before, weight = x.copy(), layer.weight.copy()
    y = layer(x)
    dy = rng.standard_normal(y.shape).astype(dtype)
    dy_before = dy.copy()
    dx = layer.backward(dy)
    assert {y.dtype, dx.dtype, *(g.dtype for g in layer.grads.values())} == {np.dtype(dtype)}
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(dy, dy_before)
    np.testing.assert_array_equal(layer.weight, weight)


def test_float32_equals_torch():
    x = np.random.default_rng(0).standard_normal((4, 6, 9, 9)).astype(np.float32)
    compare(nn.Conv2d(6, 5, 3, padding=1), torch.nn.Conv2d(6, 5, 3, padding=1), x)


@pytest.mark.parametrize(
    "change", [lambda x: x[:, :, ::2], lambda x: x.swapaxes(2, 3), lambda x: x[::-1], np.asfortranarray]
)
def test_input_need_not_be_contiguous(change):
    x = change(np.random.default_rng(0).standard_normal((3, 4, 8, 6)))
    compare(nn.Conv2d(4, 3, 3), torch.nn.Conv2d(4, 3, 3), x)
    compare(nn.ConvTranspose2d(4, 3, 3), torch.nn.ConvTranspose2d(4, 3, 3), x)


def test_gradient_need_not_be_contiguous():
    rng = np.random.default_rng(0)
    layer = nn.Conv2d(5, 3, 3, rng=0)
    x, dy = rng.standard_normal((2, 5, 6, 6)), rng.standard_normal((4, 4, 3, 2)).T
    layer(x)
    dx = layer.backward(dy)
    np.testing.assert_array_equal(layer.backward(dy.copy()), dx)


def test_a_single_picture_needs_no_batch_axis():
    x = np.random.default_rng(0).standard_normal((4, 8, 6))
    compare(nn.Conv2d(4, 3, 3, padding=1), torch.nn.Conv2d(4, 3, 3, padding=1), x)
    compare(nn.ConvTranspose2d(4, 3, 3), torch.nn.ConvTranspose2d(4, 3, 3), x)
    compare(nn.Conv1d(4, 3, 3), torch.nn.Conv1d(4, 3, 3), x[:, 0])


def test_initial_values():
    layer = nn.Conv2d(8, 32, 3, groups=2, rng=5)
    bound = 1 / (4 * 3 * 3) ** 0.5
    assert layer.weight.dtype == np.float32
    assert 0.98 * bound < np.abs(layer.weight).max() <= bound
    assert np.abs(layer.bias).max() <= bound
    np.testing.assert_array_equal(layer.weight, nn.Conv2d(8, 32, 3, groups=2, rng=5).weight)
    assert not np.array_equal(layer.weight, nn.Conv2d(8, 32, 3, groups=2, rng=6).weight)
    transposed = nn.ConvTranspose2d(8, 32, 3, rng=5)
    assert 0.98 < np.abs(transposed.weight).max() * (32 * 3 * 3) ** 0.5 <= 1


WRONG_SETTINGS = [
    ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
    ({"out_channels": 2.0}, "out_channels must be an integer, got 2.0"),
    ({"kernel_size": 0}, "kernel_size must be at least 1, got 0"),
    ({"kernel_size": (3, 3, 3)}, r"kernel_size must be one integer or 2 of them, got \(3, 3, 3\)"),
    ({"stride": 0}, "stride must be at least 1, got 0"),
    ({"stride": (1, 0)}, r"stride must be at least 1, got \(1, 0\)"),
    ({"dilation": 0}, "dilation must be at least 1"),
    ({"padding": -1}, "padding must be at least 0, got -1"),
    ({"padding": 0.5}, "padding must be an integer or a tuple, got 0.5"),
    ({"padding": "full"}, 'padding must be a number, a tuple, "same" or "valid"'),
    ({"padding": "same", "stride": 2}, r'padding="same" needs stride 1, got stride=\(2, 2\)'),
    ({"groups": 3}, "groups must divide in_channels, got groups=3 and in_channels=4"),
    ({"groups": 4}, "groups must divide out_channels, got groups=4 and out_channels=6"),
    ({"padding_mode": "reflect"}, 'padding_mode must be "zeros"'),
]


@pytest.mark.parametrize(("change", "message"), WRONG_SETTINGS, ids=str)
def test_wrong_settings(change, message):
    with pytest.raises(ValueError, match=message):
        nn.Conv2d(**({"in_channels": 4, "out_channels": 6, "kernel_size": 3} | change))


WRONG_INPUTS = [
    (np.zeros((1, 3, 8, 8)), "x must have in_channels=4 channels.*got 3 in"),
    (np.zeros((8, 8)), r"x must have shape \(N, C, H, W\), or \(C, H, W\).*got \(8, 8\)"),
    (np.zeros((1, 1, 4, 8, 8)), "x must have shape"),
    (np.zeros((1, 4, 8, 8), dtype=np.uint8), r"x must hold floats.*got uint8.*astype\(np.float32\)"),
    (np.zeros((1, 4, 2, 8)), "kernel covers 3 cells .* padded input has 2: use a larger input"),
]


@pytest.mark.parametrize(("x", "message"), WRONG_INPUTS)
def test_wrong_input(x, message):
    with pytest.raises(ValueError, match=message):
        nn.Conv2d(4, 6, 3)(x)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_wrong_gradient(kind):
    layer = kind(4, 6, 3)
    with pytest.raises(ValueError, match="backward was called before forward"):
        layer.backward(np.zeros((1, 6, 6, 6)))
    shape = layer(np.zeros((1, 4, 8, 8))).shape
    with pytest.raises(ValueError, match=r"dy must have the shape of the output.*got \(1, 6, 1, 1\)"):
        layer.backward(np.zeros((1, 6, 1, 1)))
    assert layer.backward(np.zeros(shape)).shape == (1, 4, 8, 8)


def test_wrong_transposed_settings():
    with pytest.raises(ValueError, match="output_padding must be smaller than stride or dilation"):
        nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=2)
    with pytest.raises(ValueError, match=r"padding must leave something of the output of \(3, 3\)"):
        nn.ConvTranspose2d(4, 6, 3, padding=2)(np.zeros((1, 4, 1, 1)))
    with pytest.raises(ValueError, match="x must have in_channels=4"):
        nn.ConvTranspose2d(4, 6, 3)(np.zeros((1, 6, 1, 1)))
