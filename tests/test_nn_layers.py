"""Linear, Flatten, Sequential, and the exchange of weights with PyTorch."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltwice import nn, optim
from dltwice.gradcheck import gradcheck
from dltwice.twin import compare, copy_weights

drawn = settings(max_examples=60, deadline=None, derandomize=True)
sizes = st.integers(1, 6)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@drawn
@given(lead=st.lists(sizes, max_size=3), inputs=sizes, outputs=sizes, bias=st.booleans())
def test_linear_equals_torch(lead, inputs, outputs, bias):
    layer, twin = nn.Linear(inputs, outputs, bias, rng=1), torch.nn.Linear(inputs, outputs, bias)
    compare(layer, twin, normal(*lead, inputs))
    assert repr(layer) == repr(twin)


def test_linear_equals_loops():
    layer, x = nn.Linear(4, 3, dtype=np.float64, rng=0), normal(2, 5, 4)
    y = layer(x)
    for n in range(2):
        for t in range(5):
            for j in range(3):
                z = layer.bias[j]
                for i in range(4):
                    z += x[n, t, i] * layer.weight[j, i]
                assert y[n, t, j] == pytest.approx(z, rel=1e-12)


@pytest.mark.parametrize("dims", [(), (0,), (1, 2), (2, -1), (-3, -2), (0, -1)])
def test_flatten_equals_torch(dims):
    compare(nn.Flatten(*dims), torch.nn.Flatten(*dims), normal(2, 3, 4, 5))
    assert repr(nn.Flatten(*dims)) == repr(torch.nn.Flatten(*dims))


def test_central_differences():
    gradcheck(nn.Linear(4, 3, rng=0), normal(2, 5, 4))
    gradcheck(nn.Flatten(), normal(2, 3, 4))
    gradcheck(network(nn, rng=0), normal(2, 3, 6, 6))


def test_float32_stays_and_nothing_is_modified():
    x = normal(2, 3, 6, 6).astype(np.float32)
    before, net, loss = x.copy(), network(nn, rng=0), nn.CrossEntropyLoss()
    value = loss(net(x), [1, 0])
    dlogits = loss.backward()
    assert isinstance(value, float)
    assert dlogits.dtype == net.backward(dlogits).dtype == np.float32
    assert {grad.dtype for grad in net.grads.values()} == {np.dtype(np.float32)}
    optim.SGD(net.parameters(), lr=0.1).step()
    assert {value.dtype for value in net.params.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(x, before)


def network(library, **options):
    return library.Sequential(
        library.Conv2d(3, 4, 3, padding=1, **options),
        library.ReLU(),
        library.Sequential(library.Conv2d(4, 2, 3, stride=2, **options), library.ReLU()),
        library.Flatten(),
        library.Linear(8, 3, **options),
    )


def test_sequential_equals_torch():
    ours, theirs = network(nn), network(torch.nn)
    compare(ours, theirs, normal(2, 3, 6, 6))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert len(ours) == 5
    assert [type(layer) for layer in ours][3] is type(ours[3]) is nn.Flatten
    assert repr(nn.Sequential()) == repr(torch.nn.Sequential())


def test_state_dict_moves_both_ways():
    ours, theirs = network(nn, rng=0), network(torch.nn).double()
    ours.load_state_dict(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.params[name], value.numpy())
        assert ours.params[name].dtype == np.float64
    other = network(nn, rng=1)
    copy_weights(other, theirs)
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(theirs.state_dict()[name].numpy(), value)


def test_state_dict_is_a_copy():
    layer = nn.Linear(2, 2, rng=0)
    state = layer.state_dict()
    before = layer.weight.copy()
    state["weight"] += 1
    np.testing.assert_array_equal(layer.weight, before)
    layer.load_state_dict(state)
    state["weight"] += 1
    np.testing.assert_array_equal(layer.weight, before + 1)


def test_state_dict_that_does_not_fit():
    layer = nn.Linear(2, 3, rng=0)
    before = layer.state_dict()
    message = "'weight' must have shape .3, 2., got .2, 3.; missing 'bias'; unknown 'gain'"
    with pytest.raises(ValueError, match=message):
        layer.load_state_dict({"weight": np.zeros((2, 3)), "gain": np.zeros(3)})
    np.testing.assert_array_equal(layer.weight, before["weight"])
    with pytest.raises(ValueError, match="build both layers with the same settings"):
        copy_weights(layer, torch.nn.Linear(2, 4))


def test_training_mode():
    net = network(nn)
    assert net.training is True
    assert net.eval() is net
    assert [layer.training for layer in (net, net[0], net[2], net[2][1])] == [False] * 4
    assert net.train().train(False).training is False
    assert net.train()[2][1].training is True
    assert nn.Sequential().eval().training is False


def test_parameters_are_attributes():
    layer = nn.Linear(2, 3, rng=0)
    layer.weight = np.arange(6).reshape(3, 2)
    assert layer.weight is layer.params["weight"]
    assert layer.weight.dtype == np.float32
    assert nn.Linear(2, 3, bias=False).bias is None
    with pytest.raises(ValueError, match="weight must have shape"):
        layer.weight = np.zeros((2, 3))
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'gain'"):
        _ = layer.gain


def test_training_equals_torch():
    torch.manual_seed(0)
    ours, theirs = network(nn), network(torch.nn).double()
    ours.load_state_dict(theirs.state_dict())
    x, target = normal(8, 3, 6, 6), np.random.default_rng(0).integers(0, 3, 8)
    loss, steps = nn.CrossEntropyLoss(), optim.SGD(ours.parameters(), lr=0.5)
    torch_loss, torch_steps = torch.nn.CrossEntropyLoss(), torch.optim.SGD(theirs.parameters(), lr=0.5)
    losses = []
    for _ in range(20):
        losses.append(loss(ours(x), target))
        ours.backward(loss.backward())
        steps.step()
        expected = torch_loss(theirs(torch.tensor(x)), torch.tensor(target))
        torch_steps.zero_grad()
        expected.backward()
        torch_steps.step()
        assert losses[-1] == pytest.approx(expected.item(), rel=1e-10)
    assert losses[-1] < 0.5 * losses[0]


WRONG = [
    (lambda: nn.Linear(0, 1), "in_features must be at least 1"),
    (lambda: nn.Linear(3, 1)(np.zeros((2, 4))), r"in_features=3 values on its last axis, got shape \(2, 4\)"),
    (lambda: nn.Linear(3, 1)(np.zeros((2, 3), int)), "x must hold floats"),
    (lambda: nn.Linear(3, 1).backward(np.zeros((2, 1))), "backward was called before forward"),
    (lambda: nn.Flatten()(np.zeros(3)), r"must be axes of x in this order, got shape \(3,\)"),
    (lambda: nn.Sequential(nn.ReLU(), nn.ReLU), "got type at position 1"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_import_needs_only_numpy():
    others = "{'torch', 'matplotlib', 'scipy', 'sklearn'}"
    code = f"import sys, dltwice.nn, dltwice.optim; sys.exit(bool({others} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_layer_stands_in_a_sequential_once():
    relu = nn.ReLU()
    with pytest.raises(ValueError, match="position 2 is there already"):
        nn.Sequential(relu, nn.Flatten(), relu)


@pytest.mark.parametrize("size", [0, 3.0, "3", True])
def test_linear_refuses_bad_sizes(size):
    with pytest.raises(ValueError, match="in_features must be"):
        nn.Linear(size, 2)


def test_a_bias_cannot_be_given_to_a_layer_without_one():
    layer = nn.Linear(2, 2, bias=False)
    with pytest.raises(ValueError, match="bias=True"):
        layer.bias = np.ones(2)


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.longdouble])
def test_only_float32_and_float64(dtype):
    with pytest.raises(ValueError, match="float32 or float64"):
        nn.ReLU()(np.zeros(3, dtype))
