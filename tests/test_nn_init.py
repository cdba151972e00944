"""Initial values: bounds and deviations by PyTorch's own formulas, and by the statistics of what is drawn."""

import inspect
import math

import numpy as np
import pytest
import torch

from dltwice import nn

WEIGHTS = {
    "Linear": nn.Linear(200, 300),
    "Conv1d": nn.Conv1d(30, 50, 7),
    "Conv2d": nn.Conv2d(16, 40, (3, 5)),
    "Conv2d in groups": nn.Conv2d(32, 64, 5, groups=2),
    "ConvTranspose2d": nn.ConvTranspose2d(24, 40, 3),
}
weights = pytest.mark.parametrize("layer", WEIGHTS.values(), ids=WEIGHTS)
GAINS = [("relu", 0), ("leaky_relu", 0), ("leaky_relu", 0.3), ("tanh", 0), ("sigmoid", 0), ("linear", 0)]


def fans(weight):
    return torch.nn.init._calculate_fan_in_and_fan_out(torch.tensor(weight))


def check_uniform(values, bound):
    assert np.abs(values).max() <= np.float32(bound)
    assert np.abs(values).max() > 0.999 * bound
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert values.mean() == pytest.approx(0, abs=0.03 * bound)


def check_normal(values, std):
    assert values.std() == pytest.approx(std, rel=0.02)
    assert values.mean() == pytest.approx(0, abs=0.03 * std)
    assert np.mean(np.abs(values) < std) == pytest.approx(0.6827, abs=0.01)  # a normal curve, no other


@weights
@pytest.mark.parametrize("gain", [1.0, 5 / 3])
def test_xavier(layer, gain):
    both = sum(fans(layer.weight))
    check_uniform(nn.init.xavier_uniform_(layer.weight, gain, rng=0), gain * math.sqrt(6 / both))
    check_normal(nn.init.xavier_normal_(layer.weight, gain, rng=0), gain * math.sqrt(2 / both))


@weights
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize(("nonlinearity", "a"), GAINS)
def test_kaiming(layer, mode, nonlinearity, a):
    fan = fans(layer.weight)[mode == "fan_out"]
    std = torch.nn.init.calculate_gain(nonlinearity, a) / math.sqrt(fan)
    check_uniform(nn.init.kaiming_uniform_(layer.weight, a, mode, nonlinearity, rng=0), math.sqrt(3) * std)
    check_normal(nn.init.kaiming_normal_(layer.weight, a, mode, nonlinearity, rng=0), std)


@weights
@pytest.mark.parametrize("name", ["xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"])
def test_spread_of_torch(layer, name):
    """What both draw by default has the same deviation, and the same largest value where it is bounded."""
    torch.manual_seed(0)
    ours = getattr(nn.init, name)(layer.weight, rng=0)
    theirs = getattr(torch.nn.init, name)(torch.empty(layer.weight.shape)).numpy()
    assert ours.std() == pytest.approx(theirs.std(), rel=0.03)
    if "uniform" in name:
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=2e-3)


@pytest.mark.parametrize(
    ("name", "param"),
    [
        *[(f"conv{transpose}{n}d", None) for transpose in ("", "_transpose") for n in (1, 2, 3)],
        ("linear", None),
        ("sigmoid", None),
        ("tanh", None),
        ("relu", None),
        ("selu", None),
        ("leaky_relu", None),
        ("leaky_relu", 0.2),
        ("leaky_relu", 1),
    ],
)
def test_gain_equals_torch(name, param):
    assert nn.init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


def test_plain_distributions():
    values = np.empty((100, 200))
    nn.init.uniform_(values, -2, 6, rng=0)
    assert -2 <= values.min() < -1.99
    assert 5.99 < values.max() <= 6
    assert values.mean() == pytest.approx(2, abs=0.05)
    nn.init.normal_(values, 3, 0.5, rng=0)
    check_normal(values - 3, 0.5)
    check_normal(nn.init.normal_(values, rng=1), 1)
    assert 0 <= nn.init.uniform_(values, rng=1).min() < values.max() <= 1
    assert (nn.init.constant_(values, 7) == 7).all()
    assert (nn.init.zeros_(values) == 0).all()


def test_arguments_are_those_of_torch():
    names = ("uniform_", "normal_", "constant_", "zeros_", "xavier_uniform_", "xavier_normal_")
    for name in (*names, "kaiming_uniform_", "kaiming_normal_", "calculate_gain"):
        ours, theirs = (
            {key: value.default for key, value in inspect.signature(getattr(init, name)).parameters.items()}
            for init in (nn.init, torch.nn.init)
        )
        ours.pop("rng", None)
        theirs.pop("generator", None)
        assert list(ours.items()) == list(theirs.items())


def test_in_place_in_the_type_of_the_array_and_by_the_seed():
    for dtype in (np.float32, np.float64):
        layer = nn.Linear(3, 4, dtype=dtype)
        weight = layer.weight
        assert nn.init.kaiming_normal_(weight, rng=5) is layer.weight is weight
        assert weight.dtype == dtype
        again = nn.init.kaiming_normal_(np.empty((4, 3), dtype), rng=np.random.default_rng(5))
        np.testing.assert_array_equal(weight, again)
        assert (nn.init.kaiming_normal_(weight, rng=6) != again).all()
    view = np.zeros((6, 4))
    nn.init.uniform_(view[::2], 1, 2, rng=0)
    assert (view[::2] >= 1).all()
    assert (view[1::2] == 0).all()


WRONG = [
    (lambda: nn.init.xavier_uniform_(np.zeros(3)), r"axes \(out, in, …\).*got shape \(3,\)"),
    (lambda: nn.init.kaiming_normal_(np.zeros((0, 3))), r"got shape \(0, 3\)"),
    (lambda: nn.init.kaiming_normal_(np.zeros((2, 3)), mode="fan"), 'mode must be "fan_in" or "fan_out"'),
    (lambda: nn.init.kaiming_normal_(np.zeros((2, 3)), nonlinearity="swish"), "nonlinearity must be one of"),
    (lambda: nn.init.calculate_gain("leaky_relu", "steep"), "param must be the slope"),
    (lambda: nn.init.calculate_gain("leaky_relu", True), "param must be the slope"),
    (lambda: nn.init.zeros_([1.0, 2.0]), "an array of floats, filled in place, got list"),
    (lambda: nn.init.normal_(np.zeros(3, int)), "got an array of int64"),
    (lambda: nn.init.normal_(torch.zeros(3)), "got Tensor"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
