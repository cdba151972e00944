"""twin.compare accepts twins and rejects anything else, naming where."""

import numpy as np
import pytest
import torch

from dltwice import nn
from dltwice.twin import compare, copy_weights

X = np.random.default_rng(0).standard_normal((2, 4, 6, 6))
SETTINGS = (4, 4, 3)


class FlippedKernel(nn.Conv2d):
    """A convolution in the sense of mathematics."""

    def _weight(self, dtype):
        return super()._weight(dtype)[..., ::-1, ::-1]


class TransposedWeight(nn.Linear):
    """Uses W where Wᵀ belongs; square, so that the shapes fit."""

    def forward(self, x):
        self._save(x)
        return x @ self.weight + self.bias


class ZeroGradient(nn.Conv2d):
    """Returns zeros for the input's gradient."""

    def backward(self, dy):
        return np.zeros_like(super().backward(dy))


class WrongWeightGradient(nn.Conv2d):
    """One entry of one gradient is a little off."""

    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["weight"][1, 2, 0, 1] += 1e-6
        return dx


class NoBiasGradient(nn.Conv2d):
    """Forgets the bias."""

    def backward(self, dy):
        dx = super().backward(dy)
        del self.grads["bias"]
        return dx


class Promotes(nn.ReLU):
    """Turns float32 into float64."""

    def forward(self, x):
        return super().forward(x) * np.float64(1)


MUTANTS = [
    (FlippedKernel(*SETTINGS, rng=0), torch.nn.Conv2d(*SETTINGS), r"^output\[\d, \d, \d, \d\]: NumPy has"),
    (TransposedWeight(6, 6, rng=0), torch.nn.Linear(6, 6), r"^output\["),
    (ZeroGradient(*SETTINGS, rng=0), torch.nn.Conv2d(*SETTINGS), r"^gradient of input\[.*NumPy has 0.0"),
    (
        WrongWeightGradient(*SETTINGS, rng=0),
        torch.nn.Conv2d(*SETTINGS),
        r"^gradient of weight\[1, 2, 0, 1\]: NumPy has .*\(1 of 144 entries differ by more\)$",
    ),
    (NoBiasGradient(*SETTINGS, rng=0), torch.nn.Conv2d(*SETTINGS), "^gradient of bias: NumPy has none"),
    (nn.Conv2d(4, 4, 3, stride=2), torch.nn.Conv2d(4, 4, 3), r"^output: NumPy has shape \(2, 4, 2, 2\)"),
    (nn.ReLU(), torch.nn.LeakyReLU(), r"^output\[.*\n?also different: gradient of input$"),
]


@pytest.mark.parametrize(("layer", "twin", "message"), MUTANTS, ids=[type(m[0]).__name__ for m in MUTANTS])
def test_finds_the_wrong_one(layer, twin, message):
    with pytest.raises(AssertionError, match=message):
        compare(layer, twin, X)


def test_finds_zero_where_the_gradient_is_small():
    """A mean over many entries has a small gradient; zeros are no good answer to it."""

    class NoGradient(nn.MSELoss):
        def backward(self, dy=1.0):
            return 0 * super().backward(dy)

    x = np.random.default_rng(0).normal(size=(16, 3, 32, 32)).astype(np.float32)
    with pytest.raises(AssertionError, match="gradient of input"):
        compare(NoGradient(), torch.nn.MSELoss(), x, target=np.zeros_like(x))


def test_finds_promotion():
    with pytest.raises(AssertionError, match=r"output: NumPy has shape .* of float64, PyTorch .* of float32"):
        compare(Promotes(), torch.nn.ReLU(), X.astype(np.float32))


def test_finds_not_a_number():
    class Nan(nn.ReLU):
        def forward(self, x):
            y = super().forward(x)
            y[0, 0, 0, 0] = np.nan
            return y

    with pytest.raises(AssertionError, match=r"output\[0, 0, 0, 0\]: NumPy has nan"):
        compare(Nan(), torch.nn.ReLU(), X)


def test_error_names_both_values():
    layer = nn.Linear(1, 1, bias=False, dtype=np.float64)
    layer.weight = [[2.0]]

    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    doubled = Doubled(1, 1, bias=False)
    doubled.weight = layer.weight
    with pytest.raises(AssertionError, match=r"output\[1, 0\]: NumPy has 12.0, PyTorch has 6.0"):
        compare(doubled, torch.nn.Linear(1, 1, bias=False), np.array([[1.0], [3.0]]))


def test_layers_stay_as_they_are():
    layer, twin = nn.Conv2d(*SETTINGS, rng=0), torch.nn.Conv2d(*SETTINGS)
    before, torch_before = layer.state_dict(), twin.weight.detach().clone()
    compare(layer, twin, X)
    assert layer.weight.dtype == before["weight"].dtype == np.float32
    assert layer.grads == {}
    assert twin.weight.dtype == torch.float32
    assert torch.equal(twin.weight, torch_before)


def test_weights_that_do_not_fit():
    with pytest.raises(ValueError, match="build both layers with the same settings"):
        compare(nn.Conv2d(4, 4, 3), torch.nn.Conv2d(4, 5, 3), X)
    with pytest.raises(ValueError, match="build both layers with the same settings"):
        copy_weights(torch.nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, bias=False))


def test_wrong_input():
    with pytest.raises(ValueError, match="x must hold floats"):
        compare(nn.ReLU(), torch.nn.ReLU(), np.arange(3))
    with pytest.raises(ValueError, match=r"x must hold floats \(float32 or float64\), got float16"):
        compare(nn.ReLU(), torch.nn.ReLU(), np.zeros(3, np.float16))


def test_tolerance_can_be_set():
    class Nearly(nn.ReLU):
        def forward(self, x):
            return super().forward(x) * (1 + 1e-8)

    with pytest.raises(AssertionError, match="allowed is 1e-10"):
        compare(Nearly(), torch.nn.ReLU(), X)
    assert "< 1e-07" in repr(compare(Nearly(), torch.nn.ReLU(), X, rtol=1e-7))


def test_the_table_is_the_same_on_every_machine():
    report = compare(nn.Conv2d(4, 2, (3, 2)), torch.nn.Conv2d(4, 2, (3, 2)), X)
    assert repr(report).splitlines() == [
        "Conv2d: NumPy and PyTorch agree",
        "compared            shape          type     difference",
        "output              2 × 2 × 4 × 5  float64  < 1e-10",
        "gradient of input   2 × 4 × 6 × 6  float64  < 1e-10",
        "gradient of weight  2 × 4 × 3 × 2  float64  < 1e-10",
        "gradient of bias    2              float64  < 1e-10",
    ]
    page = report._repr_html_()
    assert page.count("<tr>") == 5
    assert "<td>&lt; 1e-10</td>" in page
    assert all(0 <= row.difference <= 1e-10 for row in report.rows)
