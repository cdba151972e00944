"""What every layer keeps to: types, inputs left alone, any memory layout, errors that say what to do."""

import copy

import numpy as np
import pytest

from dltwice import nn

LAYERS = {
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(4), (4, 3, 6)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((4, 2)), (4, 3, 6, 5)),
    "AvgPool1d": (lambda: nn.AvgPool1d(3, 2, 1), (4, 3, 6)),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), (4, 3, 6, 5)),
    "AvgPool2d overlapping": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), (4, 3, 6, 5)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (4, 3)),
    "BatchNorm1d of signals": (lambda: nn.BatchNorm1d(3), (4, 3, 6)),
    "BatchNorm1d in evaluation": (lambda: nn.BatchNorm1d(3).eval(), (4, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), (4, 3, 6, 5)),
    "BatchNorm2d in evaluation": (lambda: nn.BatchNorm2d(3).eval(), (4, 3, 6, 5)),
    "Conv1d": (lambda: nn.Conv1d(3, 2, 3, rng=0), (4, 3, 6)),
    "Conv2d": (lambda: nn.Conv2d(3, 2, 3, rng=0), (4, 3, 6, 5)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 2, 3, rng=0), (4, 3, 6, 5)),
    "Dropout": (lambda: nn.Dropout(rng=0), (4, 3)),
    "Dropout in evaluation": (lambda: nn.Dropout(rng=0).eval(), (4, 3)),
    "Flatten": (nn.Flatten, (4, 3, 2)),
    "GELU": (nn.GELU, (4, 3)),
    "GELU tanh": (lambda: nn.GELU("tanh"), (4, 3)),
    "Identity": (nn.Identity, (4, 3)),
    "LeakyReLU": (nn.LeakyReLU, (4, 3)),
    "Linear": (lambda: nn.Linear(3, 2, rng=0), (4, 3)),
    "MaxPool1d": (lambda: nn.MaxPool1d(3, 2, 1), (4, 3, 6)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), (4, 3, 6, 5)),
    "MaxPool2d overlapping": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (4, 3, 6, 5)),
    "MaxPool2d of one picture": (lambda: nn.MaxPool2d(2), (3, 6, 5)),
    "ReLU": (nn.ReLU, (4, 3)),
    "Sequential": (lambda: nn.Sequential(nn.Linear(3, 2, rng=0), nn.Tanh(), nn.BatchNorm1d(2)), (4, 3)),
    "Sigmoid": (nn.Sigmoid, (4, 3)),
    "Softmax": (lambda: nn.Softmax(1), (4, 3)),
    "Tanh": (nn.Tanh, (4, 3)),
}
LOSSES = {"BCEWithLogitsLoss", "CrossEntropyLoss", "MSELoss"}  # these and the perceptron have their own tests
every = pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def run(layer, x, dy):
    """Return output and gradient of a copy of `layer`, so that masks are the same each time."""
    layer = copy.deepcopy(layer)
    return layer(x), layer.backward(dy), layer.grads


def test_none_is_left_out():
    classes = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    assert {name.split()[0] for name in LAYERS} == classes - LOSSES - {"Module", "Parameter", "Perceptron"}


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_stays_and_input_is_left_alone(make, shape, dtype):
    layer, x = make(), normal(*shape).astype(dtype)
    before, y = x.copy(), layer(x)
    dy = normal(*y.shape, seed=1).astype(dtype)
    dy_before, y_before, dx = dy.copy(), y.copy(), layer.backward(dy)
    assert y.dtype == dx.dtype == dtype
    assert {gradient.dtype for gradient in layer.grads.values()} <= {np.dtype(dtype)}
    assert layer.grads.keys() == layer.params.keys()
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(dy, dy_before)
    np.testing.assert_array_equal(y, y_before)
    assert dx.shape == x.shape


@every
def test_arrays_need_not_be_contiguous_nor_writable(make, shape):
    layer = make()
    x, dy = normal(*shape), normal(*layer(normal(*shape)).shape, seed=1)
    expected = run(layer, x, dy)
    for change in (
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        lambda a: a[::-1].copy()[::-1],
    ):
        other_x, other_dy = change(x), change(dy)
        other_x.flags.writeable = other_dy.flags.writeable = False
        y, dx, gradients = run(layer, other_x, other_dy)
        np.testing.assert_allclose(y, expected[0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(dx, expected[1], rtol=1e-12, atol=1e-13)
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, expected[2][name], rtol=1e-12, atol=1e-13)


@every
def test_backward_can_be_called_again(make, shape):
    """Gradients are replaced, not added, and what forward kept is not spent."""
    layer = make()
    dy = normal(*layer(normal(*shape)).shape, seed=1)
    dx, gradients = layer.backward(dy), {name: value.copy() for name, value in layer.grads.items()}
    np.testing.assert_array_equal(layer.backward(dy), dx)
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(layer.grads[name], gradient)


@every
def test_errors_of_every_layer(make, shape):
    with pytest.raises(ValueError, match=r"x must hold floats .*got int64.*astype"):
        make()(np.zeros(shape, int))
    with pytest.raises(ValueError, match=r"backward was called before forward: call y = layer\(x\) first"):
        make().backward(normal(*shape))
    layer = make()
    y = layer(normal(*shape))
    with pytest.raises(ValueError, match="dy must have the shape of the output"):
        layer.backward(normal(*y.shape, 1))
