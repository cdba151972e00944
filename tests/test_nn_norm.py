"""Batch norm: loops, central differences, PyTorch, running statistics, training and evaluation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltwice import nn
from dltwice.gradcheck import gradcheck
from dltwice.twin import compare, copy_weights

drawn = settings(max_examples=60, deadline=None, derandomize=True)
options = st.fixed_dictionaries(
    {
        "eps": st.sampled_from([1e-5, 1e-3, 0.5]),
        "momentum": st.sampled_from([0.1, 0.9, 1.0, 0.0, None]),
        "affine": st.booleans(),
        "track_running_stats": st.booleans(),
        "bias": st.booleans(),
    }
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def uneven(layer, seed=0):
    """Give the layer weights and running statistics that are not those of the start."""
    rng = np.random.default_rng(seed)
    state = layer.state_dict()
    for name in state.keys() & {"weight", "bias", "running_mean"}:
        state[name] = rng.standard_normal(layer.num_features)
    for name in state.keys() & {"running_var"}:
        state[name] = rng.random(layer.num_features) + 0.1
    layer.load_state_dict(state)
    return layer


@drawn
@given(
    N=st.integers(2, 5),
    C=st.integers(1, 4),
    rest=st.sampled_from([(), (1,), (3,), (4,)]),
    settings=options,
    training=st.booleans(),
    seed=st.integers(0, 50),
)
def test_equals_torch(N, C, rest, settings, training, seed):
    layer = uneven(nn.BatchNorm1d(C, **settings), seed).train(training)
    twin = torch.nn.BatchNorm1d(C, **settings).train(training)
    compare(layer, twin, 2 * normal(N, C, *rest, seed=seed) + 1)
    assert repr(layer) == repr(twin)
    assert list(layer.state_dict()) == list(twin.state_dict())


@drawn
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
    settings=options,
    training=st.booleans(),
    seed=st.integers(0, 50),
)
def test_pictures_equal_torch(shape, settings, training, seed):
    layer = uneven(nn.BatchNorm2d(shape[1], **settings), seed).train(training)
    twin = torch.nn.BatchNorm2d(shape[1], **settings).train(training)
    assert repr(layer) == repr(twin)
    assert list(layer.state_dict()) == list(twin.state_dict())
    x = 2 * normal(*shape, seed=seed) + 1
    if x.size == shape[1] and (training or not settings["track_running_stats"]):
        with pytest.raises(ValueError, match="more than one value per channel"):
            layer(x)
        with pytest.raises(ValueError, match="more than 1 value"):
            twin(torch.tensor(x, dtype=torch.float32))
        return
    compare(layer, twin, x)


@pytest.mark.parametrize("training", [True, False])
def test_central_differences_of_pictures(training):
    gradcheck(uneven(nn.BatchNorm2d(3)).train(training), normal(2, 3, 2, 3))


def test_pictures_are_normalized_per_channel_over_batch_and_cells():
    """Not per cell, as batch norm of the flattened pictures would do."""
    layer, x = nn.BatchNorm2d(3, momentum=0.25), 50 + 3 * normal(4, 3, 5, 6)
    y = layer(x)
    for c in range(3):
        values = [x[n, c, h, w] for n in range(4) for h in range(5) for w in range(6)]
        mean = sum(values) / 120
        variance = sum((value - mean) ** 2 for value in values) / 120
        assert y[1, c, 2, 3] == pytest.approx((x[1, c, 2, 3] - mean) / math.sqrt(variance + 1e-5), rel=1e-10)
        assert layer.running_mean[c] == pytest.approx(0.25 * mean, rel=1e-6)
        assert layer.running_var[c] == pytest.approx(0.75 + 0.25 * variance * 120 / 119, rel=1e-6)
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_many_batches_leave_the_statistics_of_torch(momentum):
    layer, twin = nn.BatchNorm1d(3, momentum=momentum), torch.nn.BatchNorm1d(3, momentum=momentum)
    copy_weights(layer, twin.double())
    layer.load_state_dict(twin.state_dict())
    for seed in range(20):
        x = normal(5, 3, 2, seed=seed) * (seed + 1)
        layer(x)
        twin(torch.tensor(x))
    for name, value in twin.state_dict().items():
        np.testing.assert_allclose(layer.state_dict()[name], value.numpy(), rtol=1e-12)
    assert layer.num_batches_tracked == 20
    layer.eval()(x)
    assert layer.num_batches_tracked == 20
    np.testing.assert_allclose(layer(x), twin.eval()(torch.tensor(x)).detach(), rtol=1e-10)


def test_equals_loops():
    layer = uneven(nn.BatchNorm1d(3, momentum=0.25))
    x, before = normal(4, 3, 2), layer.state_dict()
    y = layer(x)
    for c in range(3):
        values = [x[n, c, t] for n in range(4) for t in range(2)]
        mean = sum(values) / 8
        squares = sum((value - mean) ** 2 for value in values)
        for n in range(4):
            for t in range(2):
                x_hat = (x[n, c, t] - mean) / math.sqrt(squares / 8 + 1e-5)
                expected = before["weight"][c] * x_hat + before["bias"][c]
                assert y[n, c, t] == pytest.approx(expected, rel=1e-12)
        moved = 0.75 * before["running_mean"][c] + 0.25 * mean
        assert layer.running_mean[c] == pytest.approx(moved, rel=1e-12)
        moved = 0.75 * before["running_var"][c] + 0.25 * squares / 7
        assert layer.running_var[c] == pytest.approx(moved, rel=1e-12)


def test_evaluation_equals_loops_and_looks_at_no_other_example():
    layer, x = uneven(nn.BatchNorm1d(3)).eval(), normal(4, 3)
    y, state = layer(x), layer.state_dict()
    for n in range(4):
        for c in range(3):
            x_hat = (x[n, c] - state["running_mean"][c]) / math.sqrt(state["running_var"][c] + 1e-5)
            assert y[n, c] == pytest.approx(state["weight"][c] * x_hat + state["bias"][c], rel=1e-12)
    np.testing.assert_array_equal(layer(x[:1]), y[:1])


@pytest.mark.parametrize("shape", [(4, 3), (3, 3, 2)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("settings", [{}, {"affine": False}, {"track_running_stats": False}], ids=str)
def test_central_differences(shape, training, settings):
    gradcheck(uneven(nn.BatchNorm1d(3, **settings)).train(training), normal(*shape))


def test_the_batch_comes_out_with_mean_0_and_deviation_1():
    y = nn.BatchNorm1d(4)(50 + 3 * normal(100, 4))
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=0), 1, rtol=1e-5)


def test_a_constant_channel_divides_by_no_zero():
    with np.errstate(all="raise"):
        layer = nn.BatchNorm1d(2)
        np.testing.assert_array_equal(layer(np.full((3, 2), 7.0)), 0)
        assert np.isfinite(layer.backward(normal(3, 2))).all()


def test_buffers():
    layer = nn.BatchNorm1d(3)
    assert list(layer.buffers) == ["running_mean", "running_var", "num_batches_tracked"]
    assert layer.running_var is layer.buffers["running_var"]
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert layer.num_batches_tracked.dtype == np.int64
    twin = torch.nn.BatchNorm1d(3).double()
    twin(torch.randn(4, 3, dtype=torch.float64))
    layer.load_state_dict(twin.state_dict())
    assert layer.num_batches_tracked == 1
    assert layer.num_batches_tracked.dtype == np.int64
    assert layer.running_mean.dtype == np.float64
    np.testing.assert_array_equal(layer.running_mean, twin.running_mean)
    copy_weights(layer, torch_again := torch.nn.BatchNorm1d(3).double())
    assert torch_again.num_batches_tracked == 1
    assert torch.equal(torch_again.running_var, twin.running_var)
    with pytest.raises(ValueError, match=r"running_mean must have shape \(3,\)"):
        layer.running_mean = np.zeros(4)


def test_in_a_network():
    def network(library, **options):
        return library.Sequential(
            library.Linear(4, 5, **options),
            library.BatchNorm1d(5),
            library.Sequential(library.BatchNorm1d(5, affine=False), library.Sigmoid()),
            library.Linear(5, 3, **options),
        )

    ours, theirs = network(nn, rng=0), network(torch.nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(ours.buffers) == [name for name, _ in theirs.named_buffers()]
    assert ours.buffers["2.0.running_var"] is ours[2][0].running_var
    for mode in (True, False):
        assert ours.train(mode) is ours
        assert [layer.training for layer in (ours, ours[1], ours[2], ours[2][0], ours[2][1])] == [mode] * 5
        compare(ours, theirs.train(mode), normal(6, 4))
        gradcheck(ours, normal(6, 4))


def test_an_error_leaves_the_statistics_alone():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than one value per channel"):
        layer(normal(1, 3))
    assert layer.num_batches_tracked == 0
    layer.eval()(normal(1, 3))


def test_one_value_per_channel_is_refused_where_torch_refuses_it():
    for training, tracks in [(True, True), (True, False), (False, False)]:
        layer = nn.BatchNorm1d(2, track_running_stats=tracks).train(training)
        twin = torch.nn.BatchNorm1d(2, track_running_stats=tracks).train(training)
        for call in (lambda x, f=layer: f(x), lambda x, f=twin: f(torch.tensor(x, dtype=torch.float32))):
            with pytest.raises(ValueError, match=r"more than (1|one) value"):
                call(normal(1, 2, 1))
    nn.BatchNorm1d(2)(normal(1, 2, 2))


WRONG = [
    (lambda: nn.BatchNorm1d(0), "num_features must be at least 1"),
    (lambda: nn.BatchNorm1d(3, eps=-1), "eps must be 0 or more, got -1"),
    (lambda: nn.BatchNorm1d(3, momentum=2), "momentum must be from 0 to 1, or None"),
    (lambda: nn.BatchNorm1d(3)(normal(3)), r"shape \(N, C\) or \(N, C, L\).*got \(3,\)"),
    (lambda: nn.BatchNorm1d(3)(normal(2, 4)), r"num_features = 3, got \(2, 4\)"),
    (lambda: nn.BatchNorm1d(3)(normal(2, 3, 4, 4)), r"got \(2, 3, 4, 4\)"),
    (lambda: nn.BatchNorm1d(3)(normal(0, 3)), "more than one value per channel"),
    (lambda: nn.BatchNorm2d(3)(normal(2, 3)), r"shape \(N, C, H, W\) .*got \(2, 3\)"),
    (lambda: nn.BatchNorm2d(3)(normal(3, 4, 4)), r"shape \(N, C, H, W\) .*got \(3, 4, 4\)"),
    (lambda: nn.BatchNorm2d(3)(normal(2, 4, 3, 3)), r"num_features = 3, got \(2, 4, 3, 3\)"),
    (lambda: setattr(nn.BatchNorm1d(3, affine=False), "bias", np.ones(3)), "affine=True"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
