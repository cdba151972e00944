"""DescentExplorer's Python side: traits, what they compute, the program it writes.

`python tests/test_widgets_descent_explorer.py` writes the golden file: settings and places of their paths by
`torch.optim`. The same file is read by the test of the JavaScript (`tests/book/test_descent_explorer.py`).
"""

import json
import math
import random
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from traitlets import TraitError

from dltwice.widgets import DescentExplorer
from dltwice.widgets.descent_settings import RUN
from dltwice.widgets.seeded import Seeded

GOLDEN = Path(__file__).parent / "golden" / "descent_explorer.json"
STEPS = 100
SHOWN = (1, 2, 3, 10, 30, STEPS)


# ---- the golden file ----


def torch_loss(s, theta):
    """Return L by torch, written once more: the widget's own formulas are not used."""
    x, y = theta
    if s["surface"] == "bowl":
        turn = torch.tensor(math.radians(s["angle"]), dtype=torch.float64)
        axes = torch.stack([torch.stack([turn.cos(), turn.sin()]), torch.stack([-turn.sin(), turn.cos()])])
        curvature = torch.diag(torch.tensor(s["eigenvalues"], dtype=torch.float64))
        return theta @ (axes.T @ curvature @ axes) @ theta / 2
    if s["surface"] == "saddle":
        return (x**2 - 1) ** 2 / 4 + 2 * y**2
    return (1 - x) ** 2 / 2 + 5 * (y - x**2) ** 2


def torch_path(s, steps=STEPS):
    """Return the path by torch.optim, shape (steps + 1, 2)."""
    theta = torch.tensor(s["start"], dtype=torch.float64, requires_grad=True)
    own = {"momentum", "nesterov"} if s["optimizer"] == "SGD" else {"betas", "eps"}
    settings = {name: s[name] for name in ("lr", "weight_decay", *own)}
    optimizer = getattr(torch.optim, s["optimizer"])([theta], **settings)
    normal, path = Seeded(s["seed"]).normal, [theta.tolist()]
    for _ in range(steps):
        optimizer.zero_grad()
        torch_loss(s, theta).backward()
        if s["noise"]:
            draw = torch.tensor([normal(), normal()], dtype=torch.float64)
            theta.grad += s["noise"] / math.sqrt(s["batch_size"]) * draw
        optimizer.step()
        path.append(theta.tolist())
    return np.array(path)


def draw_setting(draw):
    """Draw a setting; on the bowl some diverge, elsewhere none does: a chaotic path has no lasting digits."""
    surface = draw.choice(["bowl", "bowl", "saddle", "valley"])
    optimizer, momentum = draw.choice(["SGD", "SGD", "Adam", "AdamW"]), draw.choice([0, 0.5, 0.9, 0.99])
    eigenvalues = [round(10 ** draw.uniform(-1, 2), 3) for _ in range(2)]
    steep = {"bowl": max(eigenvalues), "saddle": 26, "valley": 700}[surface]
    most = 0 if surface == "bowl" else -1  # the logarithm of Adam's largest lr
    lr = draw.uniform(0.05, 1.15 if surface == "bowl" else 0.9) * 2 / steep
    return {
        "surface": surface,
        "eigenvalues": eigenvalues,
        "angle": draw.choice([0, 0, draw.randint(-90, 90)]),
        "optimizer": optimizer,
        "lr": float(f"{min(lr, 10) if optimizer == 'SGD' else 10 ** draw.uniform(-3, most):.3g}"),
        "momentum": momentum,
        "nesterov": momentum > 0 and draw.random() < 0.4,
        "betas": [draw.choice([0.0, 0.5, 0.9, 0.95]), draw.choice([0.9, 0.99, 0.999])],
        "eps": draw.choice([1e-8, 1e-3]),
        "weight_decay": draw.choice([0, 0, 0.01, 0.1]),
        "noise": draw.choice([0, 0, 0.5, 2]),
        "batch_size": draw.choice([1, 16]),
        "seed": draw.randint(0, 9999),
        "start": [draw.randint(-30, 30) / 10 for _ in range(2)],
    }


def draw_settings(count, seed):
    draw = random.Random(seed)
    return [draw_setting(draw) for _ in range(count)]


def golden_entries():
    for s in draw_settings(300, seed=3):
        path = torch_path(s)
        places = [*path[list(SHOWN)], path.mean(axis=0)]
        yield {"setting": s, "places": [[float(f"{number:.12g}") for number in place] for place in places]}


def write():
    """Write the golden file anew."""
    lines = (json.dumps(entry, separators=(",", ":")) for entry in golden_entries())
    GOLDEN.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def close(found, expected, tolerance=1e-6):
    """Whether numbers agree to the tolerance, of their size where it is above 1."""
    return np.allclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


def test_golden_file_is_what_torch_gives(golden):
    assert GOLDEN.stat().st_size < 200_000
    for entry, now in zip(golden, golden_entries(), strict=True):
        assert entry["setting"] == now["setting"]
        assert close(entry["places"], now["places"]), entry["setting"]


def test_paths_are_torchs(golden):
    for entry in golden:
        path = DescentExplorer(steps=STEPS, **entry["setting"]).path
        assert path.shape == (STEPS + 1, 2)
        assert close([*path[list(SHOWN)], path.mean(axis=0)], entry["places"], 1e-8), entry["setting"]


def test_golden_settings_are_of_many_kinds(golden):
    settings = [entry["setting"] for entry in golden]
    kinds = {(s["surface"], s["optimizer"], bool(s["noise"])) for s in settings}
    assert len(kinds) == 18
    assert sum(np.abs(entry["places"][-2]).max() > 1e3 for entry in golden) > 5


def test_a_path_that_overflows_is_torchs_and_warns_of_nothing(recwarn):
    s = draw_setting(random.Random(0)) | {"surface": "bowl", "optimizer": "SGD", "lr": 10, "momentum": 0}
    s |= {"nesterov": False, "eigenvalues": [1, 100], "noise": 0, "angle": 0, "start": [1, 1]}
    found = DescentExplorer(steps=200, **s).path
    assert not np.isfinite(found[-1]).all()
    np.testing.assert_array_equal(np.isfinite(found[:, 1]), np.isfinite(torch_path(s, 200)[:, 1]))
    assert not recwarn.list


# ---- the surface ----


@pytest.mark.parametrize("surface", ["bowl", "saddle", "valley"])
@pytest.mark.parametrize("angle", [0, 25])
def test_loss_gradient_and_curvature_are_autograds(surface, angle):
    s = {"surface": surface, "angle": angle, "eigenvalues": [0.5, 20]}
    widget, draw = DescentExplorer(**s), random.Random(1)
    for _ in range(20):
        theta = torch.tensor([draw.uniform(-3, 3) for _ in range(2)], dtype=torch.float64, requires_grad=True)
        loss = torch_loss(s, theta)
        (grad,) = torch.autograd.grad(loss, theta)
        assert widget.loss_at(theta.detach()) == pytest.approx(loss.item(), rel=1e-12)
        np.testing.assert_allclose(widget.grad_at(theta.detach()), grad, rtol=1e-10, atol=1e-12)
    minimum = torch.tensor(
        {"bowl": [0, 0], "saddle": [-1, 0], "valley": [1, 1]}[surface], dtype=torch.float64
    )
    assert np.abs(widget.grad_at(minimum)).max() == 0
    hessian = torch.autograd.functional.hessian(lambda theta: torch_loss(s, theta), minimum)
    np.testing.assert_allclose(sorted(widget.curvatures), torch.linalg.eigvalsh(hessian), rtol=1e-10)


def test_condition_number_and_losses():
    widget = DescentExplorer()
    assert widget.condition_number == 10
    assert DescentExplorer(eigenvalues=(20, 0.5)).condition_number == 40
    np.testing.assert_allclose(widget.losses, [widget.loss_at(theta) for theta in widget.path])
    assert widget.losses.shape == (widget.steps + 1,)


# ---- theory ----


def test_the_limit_for_curvatures_1_and_10_is_two_tenths():
    assert DescentExplorer(eigenvalues=(1, 10)).stability_limit == 0.2
    assert DescentExplorer(eigenvalues=(1, 10), momentum=0.9).stability_limit == pytest.approx(0.38)
    assert DescentExplorer(optimizer="Adam").stability_limit is None
    assert DescentExplorer(lr=0.19).losses[-1] < 0.1 < 1000 < DescentExplorer(lr=0.21).losses[-1]


@pytest.mark.parametrize("momentum", [0, 0.3, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("weight_decay", [0, 2])
def test_below_the_limit_it_converges_and_above_it_diverges(momentum, nesterov, weight_decay):
    settings = {"momentum": momentum, "nesterov": nesterov and momentum > 0, "weight_decay": weight_decay}
    for eigenvalues in [(1, 10), (7, 0.4)]:
        limit = DescentExplorer(eigenvalues=eigenvalues, **settings).stability_limit
        below, above = (
            DescentExplorer(eigenvalues=eigenvalues, lr=limit * by, steps=200, **settings).losses
            for by in (0.97, 1.03)
        )
        assert below[-1] < below[0] / 20
        assert above[-1] > above[0] * 20


def test_factors_are_what_a_step_does():
    widget = DescentExplorer(angle=40, lr=0.07, weight_decay=0.5, eigenvalues=(3, 8))
    turned = widget._turned(widget.path.T)
    np.testing.assert_allclose(
        turned[:, 1:9] / turned[:, :8], np.outer(widget.factors, np.ones(8)), rtol=1e-9
    )
    np.testing.assert_allclose(widget.factors, [1 - 0.07 * 3.5, 1 - 0.07 * 8.5])
    for other in ({"momentum": 0.5}, {"optimizer": "AdamW"}, {"surface": "saddle"}):
        assert DescentExplorer(**other).factors is None


def test_noise_falls_as_one_over_the_root_of_the_batch():
    calm, one, many = (
        DescentExplorer(**noise).path[1] for noise in ({}, {"noise": 3}, {"noise": 3, "batch_size": 64})
    )
    np.testing.assert_allclose(one - calm, 8 * (many - calm), rtol=1e-9)
    assert np.abs(one - calm).min() > 0
    assert (DescentExplorer(noise=3, seed=5).path[1] != one).all()
    moves = [DescentExplorer(noise=3, seed=seed, steps=1).path[1] - calm for seed in range(400)]
    assert np.std(moves) == pytest.approx(0.15 * 3, rel=0.1)


def test_random_numbers_are_even_and_normal():
    uniform, normal = Seeded(1).uniform, Seeded(2).normal
    draws = sorted(uniform() for _ in range(20_000))
    assert 0 <= draws[0] < draws[-1] < 1
    assert max(abs(value - (i + 0.5) / len(draws)) for i, value in enumerate(draws)) < 0.015
    draws = [normal() for _ in range(20_000)]
    assert abs(statistics.mean(draws)) < 0.03
    assert statistics.stdev(draws) == pytest.approx(1, abs=0.03)
    assert sum(abs(value) < 1 for value in draws) / len(draws) == pytest.approx(0.6827, abs=0.015)


# ---- the program ----


def test_code_reproduces_the_path(golden, capsys):
    for entry in golden[:60]:
        widget, space = DescentExplorer(steps=60, **entry["setting"]), {}
        exec(widget.code(), space)
        assert close(space["path"], widget.path, 1e-8), widget.code()
        assert str(space["path"][-1]) in capsys.readouterr().out


def test_code_says_only_what_counts():
    assert "noise" not in DescentExplorer().code()
    assert "math" not in DescentExplorer().code()
    assert "math.radians(30)" in DescentExplorer(angle=30).code()
    assert "math" not in DescentExplorer(angle=30, surface="valley").code()
    assert "nesterov" not in DescentExplorer(momentum=0.9).code()
    assert "lr=1e-05, **settings" in DescentExplorer(lr=1e-5).code()
    assert '"betas": (0.9, 0.999), "eps": 1e-08' in DescentExplorer(optimizer="Adam", nesterov=True).code()
    assert "?" not in DescentExplorer(noise=1, optimizer="AdamW").code()


# ---- traits ----


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"lr": 0}, r"lr: expected a number from 1e-05 to 10, got 0. Write lr=1e-05"),
        ({"lr": 11}, "Write lr=10"),
        ({"lr": float("nan")}, "finite"),
        ({"momentum": 1}, "momentum: expected a number from 0 to 0.999"),
        ({"steps": 2.5}, "steps: expected a whole number from 1 to 200, got 2.5. Write steps=2"),
        ({"steps": 201}, "Write steps=200"),
        ({"batch_size": 0}, "Write batch_size=1"),
        ({"eigenvalues": (1, -1)}, r"eigenvalues: expected two numbers from 0.1 to 100, got \(1, -1\)"),
        (
            {"start": 2},
            r"start: expected two numbers from -3 to 3, got 2. Write for example start=\(-2.5, 1.5\)",
        ),
        ({"start": (0, 4)}, "expected two numbers"),
        ({"betas": (0.9, 1)}, "betas: expected two numbers from 0 to 0.9999"),
        ({"betas": "99"}, "betas"),
        ({"optimizer": "Adagrad"}, "optimizer"),
        ({"rate": 1}, "got 'rate'"),
        ({"kept": [{"rate": 1}]}, "kept: expected settings such as optimizer, nesterov, lr.*got 'rate'"),
        ({"kept": [{"lr": -1}]}, "lr: expected a number"),
        ({"kept": [{}] * 5}, "kept"),
    ],
    ids=str,
)
def test_bad_settings_are_refused_with_the_reason(settings, reason):
    with pytest.raises(TraitError, match=reason):
        DescentExplorer(**settings)


def test_numbers_of_any_kind_are_taken():
    widget = DescentExplorer(steps=np.int64(7), start=np.array([1, 2]), lr=np.float32(0.5))
    assert (widget.steps, widget.start, widget.lr) == (7, (1.0, 2.0), 0.5)
    assert isinstance(widget.steps, int)


def test_nesterov_without_momentum_is_explained():
    widget = DescentExplorer(nesterov=True)
    assert not widget.valid
    with pytest.raises(
        ValueError, match=r"needs a momentum above 0, got 0. Set momentum=0.9, or nesterov=False"
    ):
        _ = widget.path
    widget.momentum = 0.9
    assert widget.valid
    assert DescentExplorer(nesterov=True, optimizer="Adam").valid


def test_kept_settings_are_completed_and_give_paths():
    widget = DescentExplorer(lr=0.05, steps=10, kept=[{"optimizer": "Adam"}, {"lr": 0.1, "start": [1, 1]}])
    assert [tuple(one) for one in widget.kept] == [RUN, RUN]
    first, second = widget.kept_paths
    np.testing.assert_array_equal(first, DescentExplorer(lr=0.05, optimizer="Adam", steps=10).path)
    np.testing.assert_array_equal(second, DescentExplorer(lr=0.1, start=(1, 1), steps=10).path)
    widget.lr = 0.01
    assert widget.kept[0]["lr"] == 0.05


# ---- the widget as an object ----


def test_repr_is_stable():
    assert repr(DescentExplorer(lr=0.1)) == (
        "DescentExplorer(surface='bowl', eigenvalues=(1.0, 10.0), optimizer='SGD', lr=0.1, momentum=0.0, "
        "start=(-2.5, 1.5))"
    )


def test_module_is_small_and_exports_only_its_default():
    assert len(DescentExplorer._esm.encode()) < 30_000
    assert DescentExplorer._esm.count("export ") == 1
    assert "import " not in DescentExplorer._esm


def test_the_page_gets_every_trait_and_its_range():
    widget = DescentExplorer()
    state = widget.get_state()
    assert set(widget._names[0]) <= state.keys()
    shown = {name for name in state if name[0] != "_"} - {"layout", "tabbable", "tooltip"}
    assert shown <= set(widget._names[0])
    assert sorted(widget._fields[0][:2], reverse=True) == [10, 1e-05]
    with pytest.raises(TraitError):
        widget._program = ""


if __name__ == "__main__":
    write()
