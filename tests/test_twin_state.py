"""twin.compare on layers that have buffers, modes, or gradients of almost 0."""

import numpy as np
import pytest
import torch

from dltwice import nn
from dltwice.twin import compare

ROWS = np.random.default_rng(1).standard_normal((6, 4))


class OneVariance(nn.BatchNorm1d):
    """Follows the biased variance: batch norm as many tell it."""

    def _follow(self, mean, unbiased_var):
        super()._follow(mean, unbiased_var * 5 / 6)


class NeverFollows(nn.BatchNorm1d):
    """Leaves its running statistics as they were."""

    def _follow(self, mean, unbiased_var):
        pass


class StatisticsAreConstants(nn.BatchNorm1d):
    """Sends the gradient back as if mean and variance did not depend on x."""

    def backward(self, dy):
        x_hat, inv_std, axes, _ = self._recall()
        self._save(x_hat, inv_std, axes, False)
        return super().backward(dy)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (OneVariance(4), r"^running_var\["),
        (NeverFollows(4), r"^running_mean\[.*\nalso different: running_var, num_batches_tracked$"),
        (StatisticsAreConstants(4), r"^gradient of input\["),
    ],
    ids=lambda value: type(value).__name__,
)
def test_finds_the_wrong_batch_norm(layer, message):
    with pytest.raises(AssertionError, match=message):
        compare(layer, torch.nn.BatchNorm1d(4), ROWS)


def test_a_buffer_that_is_missing():
    class NoCount(nn.BatchNorm1d):
        def forward(self, x):
            y = super().forward(x)
            del self.buffers["num_batches_tracked"]
            return y

    with pytest.raises(AssertionError, match=r"^num_batches_tracked: NumPy has none"):
        compare(NoCount(4), torch.nn.BatchNorm1d(4), ROWS)


def test_both_layers_must_be_in_one_mode():
    with pytest.raises(ValueError, match=r"NumPy layer is in evaluation mode.*PyTorch layer in training"):
        compare(nn.BatchNorm1d(4).eval(), torch.nn.BatchNorm1d(4), ROWS)
    with pytest.raises(ValueError, match=r"call train\(\) or eval\(\) on both"):
        compare(nn.Dropout(), torch.nn.Dropout().eval(), ROWS)


@pytest.mark.parametrize("training", [True, False])
def test_buffers_stay_as_they_are(training):
    layer, twin = nn.BatchNorm1d(4).train(training), torch.nn.BatchNorm1d(4).train(training)
    compare(layer, twin, ROWS)
    assert layer.training is twin.training is training
    for state in (layer.state_dict(), twin.state_dict()):
        assert not np.any(np.asarray(state["running_mean"]))
        assert state["num_batches_tracked"] == 0
    assert layer.running_mean.dtype == np.float32


def test_the_table_with_buffers():
    assert repr(compare(nn.BatchNorm1d(4), torch.nn.BatchNorm1d(4), ROWS)).splitlines()[4:] == [
        "gradient of weight   4         float64  < 1e-10",
        "gradient of bias     4         float64  < 1e-10",
        "running_mean         4         float64  < 1e-10",
        "running_var          4         float64  < 1e-10",
        "num_batches_tracked  a number  int64    < 1e-10",
    ]


def bias_before_norm(library, linear=None, **options):
    linear = linear or library.Linear
    return library.Sequential(
        linear(4, 5, **options), library.BatchNorm1d(5), library.ReLU(), library.Linear(5, 3)
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_gradient_that_is_0_but_for_rounding(dtype):
    """A bias before batch norm has no effect: both libraries give it a gradient of rounding errors."""
    compare(bias_before_norm(nn, rng=0), bias_before_norm(torch.nn), ROWS.astype(dtype))

    class WrongBias(nn.Linear):
        def backward(self, dy):
            dx = super().backward(dy)
            self.grads["bias"] += dx.dtype.type(1e-3)
            return dx

    with pytest.raises(AssertionError, match=r"^gradient of 0.bias\["):
        compare(bias_before_norm(nn, WrongBias, rng=0), bias_before_norm(torch.nn), ROWS.astype(dtype))


def test_small_gradients_are_still_compared():
    """Rounding is of the largest gradient, so a vanishing one is judged by its own size."""

    class Shrinks(nn.Identity):
        factor = 1e-8

        def forward(self, x):
            return 1e-8 * super().forward(x)

        def backward(self, dy):
            return self.factor * super().backward(dy)

    class TorchShrinks(torch.nn.Module):
        def forward(self, x):
            return 1e-8 * x

    def network(library, shrinks):
        return library.Sequential(library.Linear(4, 4), shrinks, library.Linear(4, 2))

    compare(network(nn, Shrinks()), network(torch.nn, TorchShrinks()), ROWS)
    wrong = Shrinks()
    wrong.factor = 1.001e-8
    with pytest.raises(AssertionError, match=r"^gradient of input\[.*\nalso different: gradient of 0.weight"):
        compare(network(nn, wrong), network(torch.nn, TorchShrinks()), ROWS)


def test_the_upstream_gradient_is_not_the_input():
    """The seed that drew x must not draw dy again: the gradient of batch norm along x is 0."""
    x = np.random.default_rng(0).standard_normal((6, 4))
    layer = nn.BatchNorm1d(4)
    report = compare(layer, torch.nn.BatchNorm1d(4), x.astype(np.float32))
    assert report.rows[1].name == "gradient of input"
    with pytest.raises(AssertionError, match="gradient of input"):
        compare(StatisticsAreConstants(4), torch.nn.BatchNorm1d(4), x)
