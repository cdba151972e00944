"""BackpropStepper's Python side: traits, values and gradients against torch, the program it writes.

`python tests/test_widgets_backprop_stepper.py` writes the golden file: settings and their values by torch.
The same file is read by the test of the widget's JavaScript (`tests/book/test_backprop_stepper.py`).
"""

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from traitlets import TraitError

from dltwice.widgets import BackpropStepper
from dltwice.widgets.backprop_math import BACKWARD, BCE, FORWARD, GIVEN, LIMIT, MSE, PARAMS

GOLDEN = Path(__file__).parent / "golden" / "backprop_stepper.json"
ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "identity": lambda z: z}
GRADIENTS = (*GIVEN, "z1", "z2", "h1", "h2", "z3")


# ---- the golden file ----


def draw_settings(count, seed):
    """Draw settings: small and large weights, exact zeros, all activations and losses, some that diverge."""
    draw = random.Random(seed)
    for i in range(count):
        scale = draw.choice([1, 1, 2, 6])
        setting = {name: round(draw.uniform(-scale, scale), 2) for name in GIVEN}
        if draw.random() < 0.15:
            setting[draw.choice(GIVEN)] = 0
        loss = (MSE, BCE)[i % 2]
        target = draw.choice([0, 1, 1, 0.25]) if loss == BCE else round(draw.uniform(-2, 2), 1)
        yield setting | {
            "target": target,
            "activation": list(ACTIVATIONS)[i // 2 % 4],
            "loss": loss,
            "lr": draw.choice([0, 0.01, 0.1, 0.5]),
            "iteration": draw.choice([0, 0, 1, 2, 5]),
        }


def torch_pass(setting, tensors):
    """Return all nodes of one forward pass by torch, their gradients kept."""
    t, act = dict(tensors), ACTIVATIONS[setting["activation"]]
    y = torch.tensor(setting["target"], dtype=torch.float64)
    for j in "12":
        t[f"z{j}"] = torch.stack([t[f"w{j}1"], t[f"w{j}2"]]) @ torch.stack([t["x1"], t["x2"]]) + t[f"b{j}"]
        t[f"h{j}"] = act(t[f"z{j}"])
    t["z3"] = torch.stack([t["w31"], t["w32"]]) @ torch.stack([t["h1"], t["h2"]]) + t["b3"]
    if setting["loss"] == BCE:
        t |= {"y_hat": t["z3"].sigmoid(), "L": functional.binary_cross_entropy_with_logits(t["z3"], y)}
    else:
        t |= {"y_hat": t["z3"], "L": functional.mse_loss(t["z3"], y)}
    for name in GRADIENTS:
        t[name].retain_grad()
    t["L"].backward()
    return t


def digits(numbers):
    return [float(f"{float(number):.10g}") for number in numbers]


def torch_values(setting):
    """Return values, gradients and losses by torch; None when a weight leaves what the widget allows."""
    tensors = {n: torch.tensor(float(setting[n]), dtype=torch.float64, requires_grad=True) for n in GIVEN}
    params = [tensors[name] for name in PARAMS]
    optimizer = torch.optim.SGD(params, lr=setting["lr"])
    losses = []
    for update in range(setting["iteration"] + 2):
        if update <= setting["iteration"] and any(not abs(param.item()) <= LIMIT for param in params):
            return None
        for one in tensors.values():
            one.grad = None
        t = torch_pass(setting, tensors)
        losses.append(t["L"].item())
        if update == setting["iteration"]:
            values = digits(t[name].detach() for name in FORWARD)
            gradients = digits(t[name].grad for name in GRADIENTS)
        optimizer.step()
    return {"values": values, "gradients": gradients, "losses": digits(losses)}


def golden_entries():
    return [{"setting": one, "torch": torch_values(one)} for one in draw_settings(340, seed=2)]


def write():
    """Write the golden file anew."""
    lines = (json.dumps(entry, separators=(",", ":")) for entry in golden_entries())
    GOLDEN.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def possible(golden):
    return [(entry["setting"], entry["torch"]) for entry in golden if entry["torch"]]


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


def test_golden_file_is_what_torch_gives(golden):
    assert GOLDEN.stat().st_size < 200_000
    for entry, fresh in zip(golden, golden_entries(), strict=True):
        assert entry["setting"] == fresh["setting"]
        assert (entry["torch"] is None) == (fresh["torch"] is None)
        for name, numbers in (entry["torch"] or {}).items():
            close(numbers, fresh["torch"][name])
    assert 300 <= sum(entry["torch"] is not None for entry in golden) < len(golden)


def test_values_gradients_and_losses_are_torchs(possible):
    for setting, expected in possible:
        widget = BackpropStepper(**setting)
        close([widget.values[name] for name in FORWARD], expected["values"])
        close([widget.gradients[name] for name in GRADIENTS], expected["gradients"])
        close([*widget.losses, widget.loss_after], expected["losses"])


def test_gradient_of_y_hat_is_torchs(possible):
    seen = 0
    for setting, _ in possible:
        widget = BackpropStepper(**setting)
        if setting["loss"] == MSE:
            assert widget.gradients["y_hat"] == widget.gradients["z3"]
        elif abs(widget.values["z3"]) < 10:
            y_hat = torch.tensor(widget.values["y_hat"], dtype=torch.float64, requires_grad=True)
            y = torch.tensor(float(setting["target"]), dtype=torch.float64)
            functional.binary_cross_entropy(y_hat, y).backward()
            np.testing.assert_allclose(widget.gradients["y_hat"], y_hat.grad.item(), rtol=1e-8)
            seen += 1
    assert seen > 80


def test_central_differences_agree_at_every_name(possible):
    """Not near ReLU's kink, and not where a large loss leaves too few digits for a difference."""
    seen = 0
    for setting, _ in possible[::4]:
        widget = BackpropStepper(**setting)
        values, grads = widget.values, widget.gradients
        near_kink = setting["activation"] == "relu" and min(abs(values["z1"]), abs(values["z2"])) < 0.01
        if near_kink or values["L"] > 20 or (setting["loss"] == BCE and abs(values["z3"]) > 5):
            continue
        seen += 1
        for name in (*GIVEN, *FORWARD):
            eps = 1e-5 if name == "y_hat" else 1e-4
            assert widget.numeric(name, eps) == pytest.approx(grads[name], rel=2e-5, abs=2e-5), (
                setting,
                name,
            )
    assert seen > 40


def test_update_is_old_minus_lr_times_gradient_and_the_next_iteration_starts_there():
    widget = BackpropStepper(lr=0.3, iteration=2)
    for name in PARAMS:
        assert widget.updated[name] == widget.parameters[name] - 0.3 * widget.gradients[name]
    assert BackpropStepper(lr=0.3, iteration=3).parameters == widget.updated
    assert BackpropStepper(lr=0.3, iteration=3).losses[-1] == widget.loss_after


# ---- the program ----


def test_program_prints_the_same_numbers(possible, capsys):
    for setting, _ in possible[:120]:
        widget = BackpropStepper(**setting)
        exec(widget.code(), {})
        text = capsys.readouterr().out
        lines = dict(re.findall(r"^(\w+) = (.*, gradient .*)$", text, re.M))
        assert set(lines) == set(GRADIENTS)
        for name, line in lines.items():
            value, gradient = map(float, line.split(", gradient "))
            assert value == pytest.approx(widget.values[name], rel=1e-5, abs=1e-9), name
            assert gradient == pytest.approx(widget.gradients[name], rel=1e-5, abs=1e-9), name
        losses = [float(number) for number in re.findall(r"^iteration \d+: L = (\S+)$", text, re.M)]
        assert losses == pytest.approx([*widget.losses, widget.loss_after], rel=1e-5, abs=1e-9)


# ---- traits ----


def test_default_is_the_example_and_presets_give_their_numbers():
    assert {name: getattr(BackpropStepper(), name) for name in BackpropStepper.PRESETS["example"]} == (
        BackpropStepper.PRESETS["example"]
    )
    assert BackpropStepper(preset="dead ReLU", lr=2).activation == "relu"
    assert BackpropStepper(preset="dead ReLU", lr=2).lr == 2
    with pytest.raises(TraitError, match=r"preset: expected one of 'example', 'dead ReLU'.*got 'dead'"):
        BackpropStepper(preset="dead")


def test_presets_show_what_they_are_named_for():
    dead = BackpropStepper(preset="dead ReLU")
    assert dead.values["z1"] < 0
    assert dead.values["h1"] == 0
    assert {dead.gradients[name] for name in ("w11", "w12", "b1", "z1", "w31")} == {0}
    assert 0 not in (dead.gradients["h1"], dead.gradients["w21"])
    flat = BackpropStepper(preset="saturated sigmoid").gradients
    assert 0 < abs(flat["w11"]) < 1e-3 * abs(flat["w21"])
    cancel = BackpropStepper(preset="paths cancel")
    assert cancel.gradients["x1"] == 0
    assert cancel.gradients["z1"] * cancel.w11 != 0
    assert cancel.numeric("x1") == 0


@pytest.mark.parametrize("preset", list(BackpropStepper.PRESETS))
def test_presets_learn(preset):
    losses = BackpropStepper(preset=preset, iteration=8).losses
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.5 * losses[0]


def test_arrays_become_scalars():
    widget = BackpropStepper.from_arrays(
        x=np.array([1, 2]), W1=[[3, 4], [5, 6]], b1=(7, 8), w2=[[9, 10]], b2=np.array([11]), target=0, lr=0.25
    )
    assert [getattr(widget, name) for name in GIVEN] == [1, 2, 3, 4, 7, 5, 6, 8, 9, 10, 11]
    assert (widget.target, widget.lr) == (0, 0.25)
    z = np.array([[3, 4], [5, 6]]) @ [1, 2] + [7, 8]
    assert [widget.values["z1"], widget.values["z2"]] == z.tolist()
    with pytest.raises(ValueError, match=r"W1: expected shape \(2, 2\), got shape \(4,\)"):
        BackpropStepper.from_arrays([1, 2], [1, 2, 3, 4], [0, 0], [1, 1], 0, 1)
    with pytest.raises(ValueError, match=r"x: expected 2 numbers, got shape \(3,\)"):
        BackpropStepper.from_arrays([1, 2, 3], np.eye(2), [0, 0], [1, 1], 0, 1)


@pytest.mark.parametrize(
    "settings",
    [
        {"w13": 1},
        {"w11": float("nan")},
        {"x1": float("inf")},
        {"b3": 1001},
        {"lr": -0.1},
        {"activation": "softmax"},
        {"loss": "CrossEntropyLoss"},
        {"step": 28},
        {"iteration": -1},
        {"selected": "w13"},
        {"eps": 0},
        {"predict": "yes"},
    ],
    ids=str,
)
def test_bad_settings_are_trait_errors(settings):
    with pytest.raises(TraitError):
        BackpropStepper(**settings)


def test_steps_have_names():
    assert len(BackpropStepper.STEPS) == 1 + len(FORWARD) + len(BACKWARD) + 2 == 28
    assert BackpropStepper(step="dw11").step == BackpropStepper.STEPS.index("dw11")
    with pytest.raises(TraitError, match=r"step: expected one of start, z1, z2.*got 'w11'"):
        BackpropStepper(step="w11")


def test_target_that_the_loss_cannot_take():
    widget = BackpropStepper(loss=BCE, target=2)
    assert not widget.valid
    with pytest.raises(
        ValueError, match=r"expects a probability from 0 to 1, got 2. Set target to 1, or use"
    ):
        _ = widget.values
    widget.target = 1
    assert widget.valid


def test_divergence_is_refused_with_the_update_that_did_it():
    widget = BackpropStepper(activation="identity", lr=10, iteration=20)
    assert not widget.valid
    with pytest.raises(
        ValueError, match=r"lr: update \d+ sends \w+ to .*past ±1000.*Use a smaller lr"
    ) as error:
        _ = widget.gradients
    widget.iteration = int(re.search(r"iteration=(\d+)", str(error.value))[1])
    assert widget.valid
    assert max(abs(value) for value in widget.updated.values()) > LIMIT


def test_numeric_refuses_what_it_cannot_do():
    widget = BackpropStepper(loss=BCE)
    with pytest.raises(ValueError, match=r"name: expected one of x1, x2.*got 'w13'"):
        widget.numeric("w13")
    with pytest.raises(ValueError, match="eps: expected a positive number"):
        widget.numeric("w11", 0)
    with pytest.raises(ValueError, match=r"leaves 0 to 1.*Use a smaller eps"):
        widget.numeric("y_hat", 0.9)


@pytest.mark.parametrize(("z", "target"), [(800, 0), (-800, 1), (800, 1), (-800, 0)])
def test_extreme_logits_stay_finite_where_torch_does(z, target):
    widget = BackpropStepper(loss=BCE, target=target, b3=z, w31=0, w32=0)
    logit = torch.tensor(float(z), dtype=torch.float64, requires_grad=True)
    loss = functional.binary_cross_entropy_with_logits(
        logit, torch.tensor(float(target), dtype=torch.float64)
    )
    loss.backward()
    assert widget.values["L"] == pytest.approx(loss.item())
    assert widget.gradients["z3"] == pytest.approx(logit.grad.item())
    wrong = (z > 0) != (target == 1)
    assert np.isinf(widget.gradients["y_hat"]) == wrong


def test_repr_is_stable():
    assert repr(BackpropStepper(step="L")).endswith(
        "b3=0.2, target=1.0, activation='sigmoid', loss='MSELoss', lr=0.5, iteration=0, step=7)"
    )


def test_module_is_small_and_exports_only_its_default():
    assert len(BackpropStepper._esm.encode()) < 30_000
    assert BackpropStepper._esm.count("export ") == 1
    assert "import " not in re.sub(r"import torch", "", BackpropStepper._esm)
    assert ".dlt-network" in BackpropStepper._css


if __name__ == "__main__":
    write()
