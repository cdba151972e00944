"""XORFolding's Python side: traits, what they compute, the program it writes.

`python tests/test_widgets_xor_folding.py` writes the golden file: settings and their training by torch. The
same file is read by the test of the widget's JavaScript (`tests/book/test_xor_folding.py`).
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from traitlets import TraitError

from dltwice.widgets import XORFolding, xor_network

GOLDEN = Path(__file__).parent / "golden" / "xor_folding.json"
MODULES = {"identity": nn.Identity, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
STEPS = 200
KEPT = (0, 1, 2, 5, 10, 50, 100, 200)
X = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
Y = torch.tensor([0, 1, 1, 0], dtype=torch.float64)


# ---- the golden file ----


def settings():
    """Return settings of all activations and several sizes; the last ones start from given weights."""
    sizes = [(2, 0.5, 0), (3, 1.0, 1), (8, 0.1, 7), (50, 0.2, 3)]
    drawn = [
        {"hidden": hidden, "activation": activation, "lr": lr, "seed": seed + offset}
        for offset, activation in enumerate(MODULES)
        for hidden, lr, seed in sizes
    ]
    one = {"0.weight": [[1.5, -0.25]], "0.bias": [0.125], "2.weight": [[-2.0]], "2.bias": [1e-7]}
    by_hand = {
        name: np.array(w, dtype=float).tolist() for name, w in xor_network.BY_HAND["relu by hand"][1].items()
    }
    given = [
        {"activation": "sigmoid", "lr": 5.0, "weights": one},
        {"activation": "relu", "lr": 0.05, "weights": by_hand},
    ]
    return drawn + given


def torch_net(weights, activation):
    hidden = len(weights["0.bias"])
    net = nn.Sequential(nn.Linear(2, hidden), MODULES[activation](), nn.Linear(hidden, 1)).double()
    net.load_state_dict({name: torch.as_tensor(w, dtype=torch.float64) for name, w in weights.items()})
    return net


def torch_training(weights, setting):
    """Return parameters, losses, gradients and logits at every step of torch's own training."""
    net = torch_net(weights, setting["activation"])
    loss_function, optimizer = nn.BCEWithLogitsLoss(), torch.optim.SGD(net.parameters(), lr=setting["lr"])
    path, losses, gradients, logits = [], [], [], []
    for _ in range(STEPS + 1):
        path.append(nn.utils.parameters_to_vector(net.parameters()).detach().clone())
        optimizer.zero_grad()
        z = net(X)[:, 0]
        loss = loss_function(z, Y)
        loss.backward()
        logits.append(z.detach())
        losses.append(loss.item())
        gradients.append(nn.utils.parameters_to_vector([p.grad for p in net.parameters()]))
        optimizer.step()
    return torch.stack(path).numpy(), np.array(losses), torch.stack(gradients), torch.stack(logits)


def rounded(array):
    """Return an array as lists of twelve digits: what another machine's rounding leaves alone."""
    return [rounded(one) for one in array] if np.ndim(array) else float(f"{float(array):.12g}")


def golden_entries():
    entries = []
    for setting in settings():
        start = {name: values.tolist() for name, values in XORFolding(**setting).start.items()}
        path, losses, gradients, logits = torch_training(start, setting)
        kept = KEPT if len(path[0]) < 100 else (0, 200)
        values = {"gradient": gradients[0], "logits": logits[-1], "path": path[list(kept)]}
        values["losses"] = losses[list(KEPT)]
        right = ((logits >= 0) == (Y == 1)).sum(dim=1)[list(KEPT)].tolist()
        values = {name: rounded(value) for name, value in values.items()} | {"rights": right}
        entries.append({"setting": setting, "start": start, "kept": kept, "values": values})
    return entries


def write():
    """Write the golden file anew."""
    lines = (json.dumps(entry, separators=(",", ":")) for entry in golden_entries())
    GOLDEN.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_golden_file_is_what_torch_gives(golden):
    fresh = json.loads(json.dumps(golden_entries()))
    for old, new in zip(golden, fresh, strict=True):
        assert [old["setting"], old["start"], old["kept"]] == [new["setting"], new["start"], new["kept"]]
        assert old["values"]["rights"] == new["values"]["rights"]
        for name in ("gradient", "logits", "path", "losses"):
            np.testing.assert_allclose(old["values"][name], new["values"][name], rtol=1e-9, atol=1e-10)
    assert GOLDEN.stat().st_size < 200_000


def test_training_is_torchs(golden):
    for entry in golden:
        widget, values = XORFolding(**entry["setting"], steps=STEPS, step=STEPS), entry["values"]
        assert widget.path.shape == (STEPS + 1, 4 * widget.hidden + 1)
        np.testing.assert_allclose(widget.path[entry["kept"]], values["path"], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(widget.losses[list(KEPT)], values["losses"], rtol=1e-9)
        np.testing.assert_allclose(widget.logits, values["logits"], rtol=1e-9, atol=1e-9)
        assert widget.rights[list(KEPT)].tolist() == values["rights"]
        slope = (widget.path[0] - widget.path[1]) / widget.lr
        np.testing.assert_allclose(slope, values["gradient"], rtol=1e-6, atol=1e-12)


def test_every_step_of_training_is_torchs():
    setting = {"hidden": 3, "activation": "tanh", "lr": 1.0, "seed": 5}
    widget = XORFolding(**setting, steps=STEPS)
    path, losses, _, _ = torch_training(widget.start, setting)
    np.testing.assert_allclose(widget.path, path, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(widget.losses, losses, rtol=1e-10)


@pytest.mark.parametrize("activation", [*MODULES])
def test_gradient_is_that_of_central_differences(activation):
    theta = xor_network.flatten(xor_network.draw_weights(11, 3)) + 0.05
    h, z = xor_network.forward(theta, activation)
    moves = 1e-6 * np.eye(len(theta))
    up, down = (
        [xor_network.bce(xor_network.forward(theta + sign * move, activation)[1]) for move in moves]
        for sign in (1, -1)
    )
    found = xor_network.gradient(theta, h, z, activation)
    np.testing.assert_allclose(found, (np.array(up) - down) / 2e-6, atol=1e-8)


def test_loss_of_large_logits_is_torchs():
    z = np.array([800.0, -800.0, 40.0, -3.0])
    expected = nn.functional.binary_cross_entropy_with_logits(torch.tensor(z), Y).item()
    assert xor_network.bce(z) == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(xor_network.sigmoid(z), torch.tensor(z).sigmoid(), atol=1e-16)


# ---- what it computes at the shown step ----


@pytest.mark.parametrize(
    "setting", [{"activation": "relu", "step": 70}, {"weights": "step by hand"}], ids=str
)
def test_shown_values_are_those_of_the_state_dict(setting):
    widget = XORFolding(**setting)
    if widget.activation == "step":
        h = (
            X @ torch.tensor(widget.state_dict["0.weight"]).T + torch.tensor(widget.state_dict["0.bias"])
        ) >= 0
        h = h.double()
    else:
        net = torch_net(widget.state_dict, widget.activation)
        h = net[:2](X).detach()
    w2, b2 = (torch.tensor(widget.state_dict[name]) for name in ("2.weight", "2.bias"))
    z = (h @ w2.T + b2)[:, 0]
    np.testing.assert_allclose(widget.hidden_values, h, atol=1e-12)
    np.testing.assert_allclose(widget.logits, z, atol=1e-12)
    np.testing.assert_allclose(widget.predictions, z.sigmoid(), atol=1e-12)
    assert widget.loss == pytest.approx(nn.functional.binary_cross_entropy_with_logits(z, Y).item())
    assert widget.right == int(((z >= 0) == (Y == 1)).sum())


@pytest.mark.parametrize("name", ["step by hand", "relu by hand"])
def test_weights_by_hand_solve_xor(name):
    widget = XORFolding(weights=name)
    assert widget.activation == name.split()[0]
    assert widget.right == 4
    assert XORFolding(weights=name, activation="identity").right <= 3


@pytest.mark.parametrize("hidden", [1, 2, 8, 50])
def test_identity_units_never_get_more_than_three_right(hidden):
    best = [XORFolding(hidden=hidden, activation="identity", seed=seed).rights.max() for seed in range(12)]
    assert max(best) == 3


def test_two_tanh_units_learn_it():
    widget = XORFolding(steps=500, step=500)
    assert widget.right == 4
    assert widget.losses[-1] < 0.1 < widget.losses[0]


def test_a_step_beyond_the_end_shows_the_end():
    widget = XORFolding(steps=10, step=400)
    assert widget.shown_step == 10
    np.testing.assert_array_equal(xor_network.flatten(widget.state_dict), widget.path[10])


def test_diverging_training_ends_before_it_is_beyond_all_bounds():
    widget = XORFolding(activation="identity", hidden=8, lr=100.0, seed=1, step=5000)
    assert widget.diverged
    assert len(widget.path) == len(widget.losses) == len(widget.rights) <= widget.steps
    assert widget.shown_step == len(widget.path) - 1
    assert np.abs(widget.path).max() <= xor_network.TOO_LARGE
    assert not XORFolding().diverged


def test_step_function_is_refused_with_a_way_out():
    widget = XORFolding(weights="step by hand", step=30)
    for name in ("path", "losses", "rights"):
        with pytest.raises(ValueError, match=r"its derivative is 0 .* use activation='sigmoid' or 'tanh'"):
            getattr(widget, name)
    assert (widget.shown_step, widget.right, widget.diverged) == (0, 4, False)


# ---- random starts ----


@pytest.mark.parametrize("hidden", [1, 2, 50])
def test_start_is_uniform_within_torchs_bounds(hidden):
    starts = [XORFolding(seed=seed, hidden=hidden).start for seed in range(400)]
    for name, fan_in in (("0.weight", 2), ("0.bias", 2), ("2.weight", hidden), ("2.bias", hidden)):
        values, bound = np.array([start[name] for start in starts]), fan_in**-0.5
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.9 * bound
        assert abs(values.mean()) < 4 * bound / np.sqrt(3 * values.size)
        np.testing.assert_array_equal(values, np.round(values, 3))
    assert all(
        starts[0][name].shape == w.shape for name, w in torch_net(starts[0], "tanh").state_dict().items()
    )


# ---- the program ----


@pytest.mark.parametrize(
    "setting",
    [
        {"step": 60},
        {"hidden": 50, "activation": "identity", "step": 30, "lr": 0.05},
        {"activation": "relu", "seed": 12},
        {"activation": "sigmoid", "hidden": 1, "lr": 100, "step": 7},
        {"weights": "step by hand"},
        {"weights": "relu by hand", "step": 500},
    ],
    ids=str,
)
def test_code_computes_what_the_widget_shows(setting, capsys):
    widget, space = XORFolding(**setting), {}
    before = torch.get_default_dtype()
    exec(widget.code(), space)
    assert torch.get_default_dtype() == before
    np.testing.assert_allclose(space["z"], widget.logits, rtol=1e-9, atol=1e-11)
    parameters = nn.utils.parameters_to_vector(space["net"].parameters()).detach()
    np.testing.assert_allclose(parameters, xor_network.flatten(widget.state_dict), rtol=1e-9, atol=1e-11)
    out = capsys.readouterr().out
    assert int(re.search(r"(\d)\n$", out)[1]) == widget.right
    assert float(out.split()[-2]) == pytest.approx(widget.loss)


def test_code_at_the_start_has_no_training():
    assert "SGD" not in XORFolding().code()
    assert "range(3)" in XORFolding(step=3).code()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1e-7, "1e-7"),
        (-1.25e-9, "-1.25e-9"),
        (1e-6, "0.000001"),
        (1e9, "1000000000"),
    ],
)
def test_numbers_are_written_as_the_page_writes_them(value, text):
    assert xor_network._number(value) == text
    assert float(text) == value


# ---- traits ----


def test_weights_set_hidden_and_hidden_draws_weights():
    widget = XORFolding(
        weights={"0.weight": np.ones((3, 2)), "0.bias": [0] * 3, "2.weight": [[1, 2, 3]], "2.bias": [4]}
    )
    assert widget.hidden == 3
    assert widget.weights["2.weight"] == [[1.0, 2.0, 3.0]]
    widget.hidden = 2
    assert widget.weights == {}
    widget.weights = "relu by hand"
    assert widget.start["2.weight"].tolist() == [[1, -2]]
    widget.weights = "random"
    np.testing.assert_array_equal(widget.start["0.weight"], XORFolding().start["0.weight"])


def test_the_page_may_send_several_traits_at_once():
    activation, weights = xor_network.BY_HAND["relu by hand"]
    widget = XORFolding(hidden=3)
    widget.set_state({"hidden": 2, "weights": weights, "activation": activation, "step": 0})
    assert (widget.hidden, widget.right) == (2, 4)
    widget.set_state({"weights": {}, "hidden": 5, "step": 0})
    assert (widget.hidden, widget.weights) == (5, {})
    widget.set_state({"weights": weights, "hidden": 2})
    assert (widget.hidden, widget.weights["2.weight"]) == (2, [[1.0, -2.0]])


def test_weights_can_be_a_state_dict_of_torch():
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    widget = XORFolding(weights=net.state_dict())
    assert widget.hidden == 4
    np.testing.assert_allclose(widget.logits, net.double()(X)[:, 0].detach(), rtol=1e-12)


GOOD = {"0.weight": [[1, 2]], "0.bias": [0], "2.weight": [[1]], "2.bias": [4]}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"weights": GOOD | {"0.weight": [[1, 2, 3]]}}, r"'0.weight' of shape \(1, 2\) .* got \(1, 3\)"),
        ({"weights": GOOD | {"2.weight": [1]}}, r"'2.weight' of shape \(1, 1\)"),
        ({"weights": GOOD | {"2.bias": 4}}, r"'2.bias' of shape \(1,\) .* got \(\)"),
        ({"weights": GOOD | {"2.bias": [float("nan")]}}, r"numbers up to 10⁹ in '2.bias'"),
        ({"weights": GOOD | {"0.weight": [[1, 2], [3]]}}, "rows of one length"),
        ({"weights": {"W1": [[1, 2]]}}, "expected the names 0.weight, 0.bias, 2.weight, 2.bias, got W1"),
        ({"weights": "xor"}, "weights"),
        ({"weights": GOOD, "hidden": 2}, "weights are for 1 hidden units, but hidden is 2"),
        ({"lr": 0}, "lr: expected a number above 0 and up to 100, got 0.0"),
        ({"lr": float("nan")}, "lr: expected a finite number"),
        ({"hidden": 51}, "hidden"),
        ({"hidden": 0}, "hidden"),
        ({"steps": 5001}, "steps"),
        ({"step": -1}, "step"),
        ({"seed": 1.5}, "seed"),
        ({"up": 0}, "up"),
        ({"point": 4}, "point"),
        ({"activation": "softmax"}, "activation"),
        ({"epochs": 3}, "expected settings such as hidden, activation"),
    ],
    ids=str,
)
def test_bad_settings_are_trait_errors_with_the_reason(settings, reason):
    with pytest.raises(TraitError, match=reason):
        XORFolding(**settings)


def test_repr_is_stable():
    assert repr(XORFolding(step=5)) == (
        "XORFolding(hidden=2, activation='tanh', lr=0.5, steps=500, seed=0, step=5)"
    )


def test_module_is_small_and_exports_only_its_default():
    assert len(XORFolding._esm.encode()) < 30_000
    assert XORFolding._esm.count("export ") == 1
    assert "import " not in re.sub("import torch|import nn", "", XORFolding._esm)


if __name__ == "__main__":
    write()
