"""gradcheck finds wrong gradients."""

import copy

import numpy as np
import pytest

from dltwice import nn
from dltwice.gradcheck import gradcheck

X = np.random.default_rng(0).standard_normal((2, 3, 5, 5))


class Wrong(nn.Conv2d):
    """Applies `mutate` to its gradients."""

    def __init__(self, mutate):
        super().__init__(3, 2, 3, rng=0)
        self.mutate = mutate

    def backward(self, dy):
        dx = super().backward(dy).copy()
        self.mutate(dx, self.grads)
        return dx


def set_to_zero(dx, grads):
    dx[...] = 0


def transpose_weight(dx, grads):
    grads["weight"] = grads["weight"].swapaxes(2, 3)


def mean_instead_of_sum(dx, grads):
    grads["bias"] = grads["bias"] / 2


def one_entry(dx, grads):
    dx[1, 2, 3, 4] += 1e-4


@pytest.mark.parametrize(
    ("mutate", "message"),
    [
        (set_to_zero, r"gradient of input\[.*NumPy has 0.0, central difference has"),
        (transpose_weight, r"gradient of weight\["),
        (mean_instead_of_sum, r"gradient of bias\["),
        (one_entry, r"gradient of input\[1, 2, 3, 4\]: .*\(1 of 150 entries"),
    ],
)
def test_finds_wrong_gradients(mutate, message):
    with pytest.raises(AssertionError, match=message):
        gradcheck(Wrong(mutate), X)


def test_a_backward_that_returns_zeros_needs_a_random_gradient():
    """The gradient of Σ softmax(x) is 0: with all ones from above, zeros would pass."""

    class Softmax(nn.Module):
        def forward(self, x):
            self._save(x)
            e = np.exp(x - x.max(axis=-1, keepdims=True))
            return e / e.sum(axis=-1, keepdims=True)

        def backward(self, dy):
            return np.zeros_like(dy)

    with pytest.raises(AssertionError, match="gradient of input"):
        gradcheck(Softmax(), X)


def test_layer_and_input_stay_as_they_are():
    layer, x = nn.Conv2d(3, 2, 3, rng=0), X.copy()
    before = layer.state_dict()
    report = gradcheck(layer, x)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(layer.weight, before["weight"])
    assert layer.weight.dtype == np.float32
    assert layer.grads == {}
    assert [row.name for row in report.rows] == [
        "gradient of input",
        "gradient of weight",
        "gradient of bias",
    ]


def test_integer_input():
    with pytest.raises(ValueError, match="x must hold floats"):
        gradcheck(nn.ReLU(), np.arange(3))


# -- training and evaluation -------------------------------------------------------------------------------
ROWS = np.random.default_rng(1).standard_normal((5, 3))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layer", [nn.BatchNorm1d(3), nn.Dropout(0.4, rng=0)], ids=repr)
def test_layers_that_change_or_draw_in_training(layer, training):
    before = layer.train(training).state_dict()
    mask = copy.deepcopy(layer)(ROWS)
    gradcheck(layer, ROWS)
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    np.testing.assert_array_equal(layer(ROWS), mask)  # the generator has not moved


def test_finds_a_batch_norm_whose_statistics_are_constants():
    class Constant(nn.BatchNorm1d):
        def backward(self, dy):
            x_hat, inv_std, axes, _ = self._recall()
            self._save(x_hat, inv_std, axes, False)
            return super().backward(dy)

    gradcheck(Constant(3).eval(), ROWS)
    with pytest.raises(AssertionError, match=r"gradient of input\["):
        gradcheck(Constant(3), ROWS)


def test_finds_a_mask_that_is_drawn_again_for_backward():
    class DrawsAgain(nn.Dropout):
        def backward(self, dy):
            return self.forward(dy)

    with pytest.raises(AssertionError, match=r"gradient of input\["):
        gradcheck(DrawsAgain(0.5, rng=0), ROWS)


def test_a_gradient_that_is_0_but_for_rounding():
    """A bias before batch norm has no effect; its central differences are rounding errors."""

    def network(linear):
        return nn.Sequential(linear(3, 4, rng=0), nn.BatchNorm1d(4), nn.Tanh())

    class WrongBias(nn.Linear):
        def backward(self, dy):
            dx = super().backward(dy)
            self.grads["bias"] += 1e-6
            return dx

    gradcheck(network(nn.Linear), ROWS)
    with pytest.raises(AssertionError, match=r"gradient of 0.bias\["):
        gradcheck(network(WrongBias), ROWS)
