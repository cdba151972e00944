"""Optimizers equal torch.optim, parameter by parameter, over 100 steps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltwice import nn, optim

drawn = settings(max_examples=40, deadline=None, derandomize=True)
decays = st.sampled_from([0, 1e-4, 0.05, 0.5])
rates = st.sampled_from([1e-3, 0.02, 0.3])
betas = st.tuples(st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from([0.0, 0.9, 0.999]))
seeds = st.integers(0, 999)


@st.composite
def sgd_options(draw):
    options = {"lr": draw(rates), "weight_decay": draw(decays)}
    options["momentum"] = draw(st.sampled_from([0, 0.5, 0.9, 0.99]))
    options["nesterov"] = draw(st.booleans()) and options["momentum"] > 0
    options["dampening"] = 0 if options["nesterov"] else draw(st.sampled_from([0, 0.1, 1.0]))
    return options


adam_options = st.fixed_dictionaries(
    {"lr": rates, "betas": betas, "eps": st.sampled_from([1e-8, 1e-3, 0.1]), "weight_decay": decays}
)


def pair(name, options, seed=0):
    """Return a layer and its twin, with an optimizer each."""
    layer, twin = nn.Linear(4, 3, dtype=np.float64, rng=seed), torch.nn.Linear(4, 3).double()
    twin.load_state_dict({key: torch.tensor(value) for key, value in layer.state_dict().items()})
    ours = getattr(optim, name)(layer.parameters(), **options)
    return layer, twin, ours, getattr(torch.optim, name)(twin.parameters(), **options)


def give_gradients(layer, twin, rng):
    """Give both the same gradient: the pull of a quadratic bowl, noise, and sometimes none at all."""
    for name, parameter in twin.named_parameters():
        noise = rng.standard_normal(parameter.shape)
        gradient = layer.params[name] - 1 + noise * 10.0 ** rng.integers(-6, 2)
        parameter.grad = None if (missing := rng.random() < 0.1) else torch.tensor(gradient)
        layer.grads.pop(name, None)
        if not missing:
            layer.grads[name] = gradient


def assert_equal_over_100_steps(name, options, seed):
    layer, twin, ours, theirs = pair(name, options, seed)
    rng = np.random.default_rng(seed)
    for _ in range(100):
        give_gradients(layer, twin, rng)
        ours.step()
        theirs.step()
        for key, parameter in twin.named_parameters():
            np.testing.assert_allclose(layer.params[key], parameter.detach().numpy(), rtol=1e-10, atol=1e-10)


@drawn
@given(options=sgd_options(), seed=seeds)
def test_sgd_equals_torch(options, seed):
    assert_equal_over_100_steps("SGD", options, seed)


@drawn
@given(options=adam_options, seed=seeds)
def test_adam_equals_torch(options, seed):
    assert_equal_over_100_steps("Adam", options, seed)


@drawn
@given(options=adam_options, seed=seeds)
def test_adamw_equals_torch(options, seed):
    assert_equal_over_100_steps("AdamW", options, seed)


DEFAULTS = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-2}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "weight_decay": 1e-2}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "options"), DEFAULTS, ids=str)
def test_a_network_trains_as_in_torch(name, options):
    def network(library):
        return library.Sequential(library.Linear(4, 6), library.Tanh(), library.Linear(6, 3))

    rng, ours, theirs = np.random.default_rng(0), network(nn), network(torch.nn).double()
    torch.manual_seed(0)
    ours.load_state_dict(theirs.state_dict())
    x, target = rng.standard_normal((20, 4)), rng.integers(0, 3, 20)
    loss, torch_loss = nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()
    steps = getattr(optim, name)(ours.parameters(), **options)
    torch_steps = getattr(torch.optim, name)(theirs.parameters(), **options)
    for _ in range(100):
        value = loss(ours(x), target)
        ours.backward(loss.backward())
        steps.step()
        expected = torch_loss(theirs(torch.tensor(x)), torch.tensor(target))
        torch_steps.zero_grad()
        expected.backward()
        torch_steps.step()
        assert value == pytest.approx(expected.item(), rel=1e-10)
    for key, parameter in theirs.named_parameters():
        np.testing.assert_allclose(ours.params[key], parameter.detach().numpy(), rtol=1e-10, atol=1e-10)


# -- by hand -----------------------------------------------------------------------------------------------
def one_number(name, gradients, w=1.0, **options):
    """Return the path of a single weight that gets these gradients."""
    layer = nn.Linear(1, 1, bias=False, dtype=np.float64)
    layer.weight, path = [[w]], []
    steps = getattr(optim, name)(layer.parameters(), **options)
    for gradient in gradients:
        layer.grads["weight"] = np.array([[gradient]])
        steps.step()
        path.append(layer.weight.item())
    return path


def test_sgd_by_hand():
    assert one_number("SGD", [2, 2], lr=0.1) == pytest.approx([0.8, 0.6])
    assert one_number("SGD", [2, 2], lr=0.1, momentum=0.5) == pytest.approx([0.8, 0.8 - 0.1 * (0.5 * 2 + 2)])
    # The first velocity is the gradient itself, whatever the dampening.
    damped = [0.8, 0.8 - 0.1 * (0.5 * 2 + 0.25 * 2)]
    assert one_number("SGD", [2, 2], lr=0.1, momentum=0.5, dampening=0.75) == pytest.approx(damped)
    nesterov = [1 - 0.1 * (2 + 0.5 * 2), 0.7 - 0.1 * (2 + 0.5 * 3)]
    assert one_number("SGD", [2, 2], lr=0.1, momentum=0.5, nesterov=True) == pytest.approx(nesterov)
    assert one_number("SGD", [2], w=3.0, lr=0.1, weight_decay=0.5) == pytest.approx([3 - 0.1 * (2 + 1.5)])


def test_adam_by_hand():
    """The first step is lr times the gradient's sign, whatever its size."""
    for gradient in (1e-3, 1.0, -1e5):
        assert one_number("Adam", [gradient], lr=0.1) == pytest.approx(
            [1 - 0.1 * np.sign(gradient)], rel=1e-4
        )
    m, v, w, path = 0.0, 0.0, 1.0, []
    for t, g in enumerate([3.0, -1.0, 0.5], start=1):
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        w -= 0.1 * (m / (1 - 0.8**t)) / ((v / (1 - 0.9**t)) ** 0.5 + 1e-3)
        path.append(w)
    assert one_number("Adam", [3, -1, 0.5], lr=0.1, betas=(0.8, 0.9), eps=1e-3) == pytest.approx(
        path, rel=1e-12
    )


def test_adamw_decays_alike_where_adam_does_not():
    """Without a gradient AdamW shrinks w by 1 − lr·λ; Adam makes a whole step of the decay."""
    assert one_number("AdamW", [0.0], w=5.0, lr=0.1, weight_decay=0.5) == pytest.approx([5 * 0.95])
    assert one_number("Adam", [0.0], w=5.0, lr=0.1, weight_decay=0.5) == pytest.approx([4.9], rel=1e-6)


# -- parameters and their state ------------------------------------------------------------------------------
ALL = [("SGD", {"momentum": 0.9}), ("Adam", {}), ("AdamW", {})]


@pytest.mark.parametrize(("name", "options"), ALL, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moves_in_place_and_keeps_the_type(name, options, dtype):
    layer = nn.Linear(2, 2, dtype=dtype, rng=0)
    weight, before = layer.weight, layer.weight.copy()
    steps = getattr(optim, name)(layer.parameters(), lr=0.1, **options)
    gradient = np.array([[1.0, -1.0], [2.0, 0.5]])
    for _ in range(3):
        layer.grads = {"weight": gradient}
        steps.step()
    assert layer.weight is weight
    assert weight.dtype == dtype
    assert (weight != before).all()
    np.testing.assert_array_equal(gradient, [[1, -1], [2, 0.5]])
    assert {value.dtype for value in steps.state[0].values() if not isinstance(value, int)} == {
        np.dtype(dtype)
    }


@pytest.mark.parametrize(("name", "options"), ALL, ids=str)
def test_follows_weights_that_are_loaded_later(name, options):
    """Loaded in another type or not: the state stays, and goes on as PyTorch's does."""
    layer, twin, ours, theirs = pair(name, options | {"lr": 0.1})
    layer.load_state_dict({key: value.astype(np.float32) for key, value in layer.state_dict().items()})
    rng = np.random.default_rng(0)
    for step in range(6):
        if step == 3:
            fresh = torch.nn.Linear(4, 3).double()
            layer.load_state_dict(fresh.state_dict())
            twin.load_state_dict(fresh.state_dict())
        for key, parameter in twin.named_parameters():
            gradient = rng.standard_normal(parameter.shape).astype(np.float32)
            layer.grads[key], parameter.grad = gradient, torch.tensor(gradient).double()
        ours.step()
        theirs.step()
    for key, parameter in twin.named_parameters():
        assert layer.params[key].dtype == np.float64
        np.testing.assert_allclose(layer.params[key], parameter.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_nothing_to_do_before_the_first_backward():
    layer = nn.Linear(2, 2, bias=False, rng=0)
    before, steps = layer.weight.copy(), optim.SGD(layer.parameters(), lr=1.0)
    steps.step()
    np.testing.assert_array_equal(layer.weight, before)
    layer.load_state_dict({"weight": np.zeros((2, 2))})
    layer(np.eye(2))
    layer.backward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    steps.step()
    np.testing.assert_array_equal(layer.weight, [[-1, -3], [-2, -4]])
    steps.zero_grad()
    assert layer.grads == {}


def test_the_rate_may_be_changed_at_any_time():
    layer, twin, ours, theirs = pair("Adam", {"lr": 0.1})
    rng = np.random.default_rng(0)
    for lr in (0.1, 0.01, np.float64(0.5), 0.0):
        ours.lr = theirs.param_groups[0]["lr"] = lr
        give_gradients(layer, twin, rng)
        ours.step()
        theirs.step()
    np.testing.assert_allclose(layer.weight, twin.weight.detach().numpy(), rtol=1e-12)


LINEAR = nn.Linear(1, 1)
WRONG = [
    (lambda: optim.SGD([]), "params is empty"),
    (lambda: optim.SGD([np.zeros(3)]), r"got ndarray: pass net.parameters\(\)"),
    (lambda: optim.SGD(LINEAR.parameters(), lr=-1), "lr must be 0 or more, got -1"),
    (lambda: optim.SGD(LINEAR.parameters(), lr=float("nan")), "lr must be 0 or more, got nan"),
    (lambda: optim.SGD(LINEAR.parameters(), momentum=-0.1), "momentum must be 0 or more"),
    (lambda: optim.SGD(LINEAR.parameters(), weight_decay=-0.1), "weight_decay must be 0 or more"),
    (lambda: optim.SGD(LINEAR.parameters(), nesterov=True), "nesterov needs a momentum and no dampening"),
    (
        lambda: optim.SGD(LINEAR.parameters(), momentum=0.9, dampening=0.1, nesterov=True),
        "nesterov needs a momentum and no dampening",
    ),
    (
        lambda: optim.Adam(LINEAR.parameters(), betas=(0.9, 1.0)),
        "betas must be two numbers from 0 to below 1",
    ),
    (lambda: optim.Adam(LINEAR.parameters(), betas=(0.9,)), "betas must be two numbers"),
    (lambda: optim.Adam(LINEAR.parameters(), eps=-1), "eps must be 0 or more"),
    (lambda: optim.AdamW(LINEAR.parameters(), weight_decay=-1), "weight_decay must be 0 or more"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
