"""PerceptronBoundary's Python side: traits, history, best line, the program it writes.

`python tests/test_widgets_perceptron_boundary.py` writes the golden file: settings and what torch makes of
them. The same file is read by the test of the widget's JavaScript (`tests/book/test_perceptron_boundary.py`).
"""

import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from traitlets import TraitError

from dltwice.nn import Perceptron
from dltwice.widgets import PerceptronBoundary
from dltwice.widgets.perceptron_boundary import LIMIT, PRESETS

GOLDEN = Path(__file__).parent / "golden" / "perceptron_boundary.json"
ENTRIES = 90


# ---- the golden file ----


def draw_settings(count, seed):
    """Draw settings: points with one decimal, some two in one place; learning rates that make noise too."""
    draw = random.Random(seed)
    for i in range(count):
        spread = draw.choice([1, 2, 9])
        points = [
            [draw.randint(-10 * spread, 10 * spread) / 10, draw.randint(-10, 10) / 10, draw.randint(0, 1)]
            for _ in range(draw.randint(1, 8))
        ]
        if i % 5 == 0:
            points.append([*points[0][:2], 1 - points[0][2]])
        if i % 3 == 0:
            points = PRESETS[draw.choice(list(PRESETS))]
        yield {
            "points": points,
            "weight": [draw.choice([0, 0, draw.randint(-20, 20) / 10]) for _ in range(2)],
            "bias": draw.choice([0, draw.randint(-20, 20) / 10]),
            "lr": draw.choice([1, 1, 0.1, 0.3, 2.5]),
            "position": draw.randint(0, 30),
        }


def torch_history(s):
    """Return the points shown in turn, by a torch.nn.Linear, and how the history ends."""
    points = torch.tensor(s["points"], dtype=torch.float64)
    neuron = torch.nn.Linear(2, 1, dtype=torch.float64)
    visits, starts, count = [], [], len(points)
    with torch.no_grad():
        neuron.weight.copy_(torch.tensor([s["weight"]], dtype=torch.float64))
        neuron.bias.copy_(torch.tensor([s["bias"]], dtype=torch.float64))
        while True:
            start = torch.cat([neuron.weight[0], neuron.bias])
            if any(torch.allclose(start, old, rtol=0, atol=1e-9) for old in starts):
                return visits, "repeat"
            if len(visits) + count > LIMIT:
                return visits, "limit"
            starts.append(start)
            for x in points:
                z = neuron(x[:2]).round(decimals=9)
                error = x[2] - (z >= 0).double()
                neuron.weight += s["lr"] * error * x[:2]
                neuron.bias += s["lr"] * error
                new = [z, error, *neuron.weight[0], neuron.bias]
                visits.append([round(value.item(), 9) for value in new])
            if not any(visit[1] for visit in visits[-count:]):
                return visits, "clean"


def separable(rows, labels):
    """Whether some line has these labels on its two sides, by linear programming."""
    signs = np.where(labels == 1, 1, -1)
    inequalities = -signs[:, None] * np.column_stack([rows, np.ones(len(rows))])
    return linprog(np.zeros(3), A_ub=inequalities, b_ub=-np.ones(len(rows)), bounds=(None, None)).success


def best_count(points):
    """Return the most points that a line gets right: the largest subset that a line separates, tried out."""
    rows, labels = np.array(points)[:, :2], np.array(points)[:, 2]
    for wrong in range(len(points) + 1):
        for left_out in itertools.combinations(range(len(points)), wrong):
            kept = np.delete(np.arange(len(points)), left_out)
            if len(kept) == 0 or separable(rows[kept], labels[kept]):
                return len(kept)
    raise AssertionError("no points at all are always separable")


def golden_entries():
    best = {name: best_count(points) for name, points in PRESETS.items()}
    for s in draw_settings(ENTRIES, seed=1):
        visits, end = torch_history(s)
        known = next((best[name] for name, points in PRESETS.items() if points == s["points"]), None)
        values = {"visits": kept(visits), "count": len(visits), "end": end}
        yield {"setting": s, "values": values | {"best": known or best_count(s["points"])}}


def write():
    """Write the golden file anew."""
    lines = (json.dumps(entry, separators=(",", ":")) for entry in golden_entries())
    GOLDEN.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def kept(visits):
    """Return the visits of a history that the golden file holds: it stays small, and no difference hides."""
    return [*visits[:30], *visits[30::30], visits[-1]]


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def numbers(visit):
    return [visit["z"], visit["error"], *visit["weight"], visit["bias"]]


def test_golden_file_is_what_torch_gives(golden):
    for entry, new in zip(golden, golden_entries(), strict=True):
        assert entry["setting"] == new["setting"]
        old, values = entry["values"], new["values"]
        assert [old[key] for key in ("count", "end", "best")] == [
            values[key] for key in ("count", "end", "best")
        ]
        np.testing.assert_allclose(old["visits"], values["visits"], rtol=0, atol=1e-9)
    assert {entry["values"]["end"] for entry in golden} == {"clean", "repeat", "limit"}


def test_history_is_torchs(golden):
    for entry in golden:
        widget, values = PerceptronBoundary(**entry["setting"]), entry["values"]
        assert (len(widget.history), widget.end) == (values["count"], values["end"])
        np.testing.assert_allclose(
            [numbers(visit) for visit in kept(widget.history)], values["visits"], rtol=0, atol=1e-9
        )


def test_the_best_line_is_that_of_linear_programming(golden):
    for entry in golden:
        assert PerceptronBoundary(**entry["setting"]).best == entry["values"]["best"]


def test_the_best_line_of_random_points_on_a_grid():
    """Points on a small grid: many in line with each other, where a search over lines goes wrong first."""
    draw = random.Random(7)
    for _ in range(40):
        places = [[draw.randint(0, 2), draw.randint(0, 2)] for _ in range(draw.randint(2, 7))]
        points = [[*place, draw.randint(0, 1)] for place in places]
        assert PerceptronBoundary(points=points).best == best_count(points), points


def test_no_line_of_many_beats_the_best():
    """40000 random lines on the overlapping clusters never get more right."""
    widget = PerceptronBoundary(preset="overlap")
    points = np.array(widget.points)
    lines = np.random.default_rng(0).normal(size=(40_000, 3))
    outputs = points[:, :2] @ lines[:, :2].T + lines[:, 2] >= 0
    right = (outputs == points[:, 2:]).sum(axis=0)
    assert right.max() == widget.best == 10


def test_code_arrives_at_the_shown_weights(golden, capsys):
    for entry in golden[:60]:
        widget, space = PerceptronBoundary(**entry["setting"]), {}
        exec(widget.code(), space)
        np.testing.assert_allclose(space["neuron"].weight[0].detach(), widget.weight_now, atol=1e-9)
        np.testing.assert_allclose(space["neuron"].bias.item(), widget.bias_now, atol=1e-9)
        np.testing.assert_array_equal(space["y_hat"], widget.predictions)
        assert str(space["y_hat"]) in capsys.readouterr().out


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("weight", [(0, 0), (0.5, -1)])
def test_mistakes_and_weights_are_those_of_the_books_layer(preset, weight):
    widget = PerceptronBoundary(preset=preset, weight=weight, bias=0)
    layer = Perceptron(2, dtype=np.float64)
    layer.load_state_dict({"weight": np.array([weight], dtype=float), "bias": np.zeros(1)})
    points = np.array(widget.points)
    mistakes = layer.fit(points[:, :2], points[:, 2], epochs=len(widget.mistakes))
    assert widget.mistakes == mistakes
    widget.position = len(widget.history)
    np.testing.assert_allclose(widget.weight_now, layer.weight[0], atol=1e-12)
    assert widget.bias_now == pytest.approx(layer.bias[0])
    np.testing.assert_array_equal(widget.predictions, layer.forward(points[:, :2]))


# ---- what the chapter says ----


@pytest.mark.parametrize("preset", ["AND", "OR", "NAND", "clusters"])
def test_the_rule_gets_separable_points_right(preset):
    widget = PerceptronBoundary(preset=preset)
    assert widget.end == "clean"
    widget.position = len(widget.history)
    assert (widget.right, widget.accuracy, widget.best) == (len(widget.points), 1, len(widget.points))
    assert widget.step_once() is None


def test_xor_repeats_and_no_line_gets_more_than_three():
    widget = PerceptronBoundary(preset="XOR", weight=(0, 0), bias=0)
    assert (widget.end, widget.best) == ("repeat", 3)
    assert all(mistakes > 0 for mistakes in widget.mistakes)


def test_doubling_keeps_and_negating_swaps_the_sides():
    base = {"preset": "overlap", "weight": (1, 0.7), "bias": -1.33}
    outputs = PerceptronBoundary(**base).predictions
    doubled = PerceptronBoundary(**base | {"weight": (2, 1.4), "bias": -2.66})
    negated = PerceptronBoundary(**base | {"weight": (-1, -0.7), "bias": 1.33})
    np.testing.assert_array_equal(doubled.predictions, outputs)
    np.testing.assert_array_equal(negated.predictions, 1 - outputs)


def test_without_w_every_point_gets_the_step_of_b():
    assert PerceptronBoundary(weight=(0, 0), bias=0).predictions.tolist() == [1, 1, 1, 1]
    assert PerceptronBoundary(weight=(0, 0), bias=-0.1).predictions.tolist() == [0, 0, 0, 0]


def test_step_once_changes_nothing_and_is_the_next_of_the_history():
    widget = PerceptronBoundary(weight=(0.5, -1), bias=0.25, position=1)
    visit = widget.step_once()
    assert visit == widget.history[1]
    assert (visit["point"], visit["output"], visit["error"]) == (1, 0, 0)
    assert widget.position == 1
    first = PerceptronBoundary(weight=(0.5, -1), bias=0.25).step_once()
    assert (first["weight"], first["bias"], first["error"]) == ([0.5, -1], -0.75, -1)
    assert (widget.weight_now, widget.bias_now) == ([0.5, -1], -0.75)


def test_noise_of_rounding_has_no_sign():
    """0.1 + 0.2 − 0.3 is 5.6e-17, and −5.6e-17 in another order: both are 0 here."""
    points = [[0.1, 0.2, 1]]
    for sign in (1, -1):
        visit = PerceptronBoundary(points=points, weight=(sign, sign), bias=-sign * 0.3).step_once()
        assert (visit["z"], visit["output"]) == (0, 1)


# ---- traits ----


def test_preset_and_points_follow_each_other():
    widget = PerceptronBoundary(preset="XOR")
    assert widget.points == PRESETS["XOR"]
    widget.points = [[0, 0, 1], [1, 1, 0]]
    assert widget.preset == "custom"
    widget.preset = "OR"
    assert widget.points == PRESETS["OR"]
    widget.points = np.array(PRESETS["overlap"])
    assert widget.preset == "overlap"
    assert PerceptronBoundary(points=PRESETS["XOR"]).preset == "XOR"


def test_changing_a_widgets_points_leaves_the_preset_alone():
    PerceptronBoundary(preset="AND").points[0][0] = 7
    assert PRESETS["AND"][0][0] == 0


def test_the_weight_of_a_layer_is_accepted():
    layer = Perceptron(2)
    assert PerceptronBoundary(weight=layer.weight, bias=layer.bias[0]).weight == [0, 0]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"preset": "NOR"}, "preset"),
        ({"preset": "custom"}, "needs points="),
        ({"preset": "XOR", "points": [[0, 0, 0]]}, "contradict each other: leave one out"),
        ({"points": [[0, 0]]}, r"rows \[x1, x2, y\].*y 0 or 1, got \[0.0, 0.0\]"),
        ({"points": [[0, 0, 2]]}, "y 0 or 1"),
        ({"points": [[0, 11, 1]]}, "from -10 to 10"),
        ({"points": [[0, float("nan"), 1]]}, "finite"),
        ({"points": []}, "0 rows"),
        ({"points": [[0, 0, 1]] * 25}, "1 to 24 rows"),
        ({"weight": (1, 2, 3)}, r"two numbers.*Write weight=\(1, -0.5\)"),
        ({"weight": "12"}, "two numbers"),
        ({"weight": (1, float("inf"))}, "two numbers"),
        ({"bias": float("nan")}, "finite"),
        ({"bias": 2e6}, "bias: expected a number from"),
        ({"lr": 0}, "above 0, at most 10, got 0.0. Write lr=1"),
        ({"lr": 11}, "lr: expected"),
        ({"position": -1}, "position"),
        ({"predict": "yes"}, "predict"),
        ({"wieght": (1, 1)}, "settings such as preset, weight"),
    ],
    ids=str,
)
def test_bad_settings_are_refused_with_the_reason(settings, reason):
    with pytest.raises(TraitError, match=reason):
        PerceptronBoundary(**settings)


def test_past_the_end_means_the_end():
    widget = PerceptronBoundary(preset="OR", position=10**6)
    assert widget.weight_now == widget.history[-1]["weight"]
    assert f"range({len(widget.history)})" in widget.code()


def test_repr_is_stable():
    assert repr(PerceptronBoundary(preset="XOR", weight=(1, 1))) == (
        "PerceptronBoundary(preset='XOR', weight=[1.0, 1.0], bias=0.25, lr=1.0, position=0)"
    )


def test_module_is_small_and_exports_only_its_default():
    assert len(PerceptronBoundary._esm.encode()) < 30_000
    assert PerceptronBoundary._esm.count("export ") == 1
    assert "import " not in PerceptronBoundary._esm.replace("import torch", "")


if __name__ == "__main__":
    write()
