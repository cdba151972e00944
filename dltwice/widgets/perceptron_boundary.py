"""PerceptronBoundary: a perceptron with two inputs, its boundary, and its learning rule update by update."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import traitlets

from .base import BookWidget, Finite, Matrix

CORNERS = [(0, 0), (0, 1), (1, 0), (1, 1)]


def _gate(*labels: int) -> list[list[float]]:
    return [[float(x1), float(x2), float(y)] for (x1, x2), y in zip(CORNERS, labels, strict=True)]


# Rows x₁, x₂, y; perceptron_math.js holds the same numbers.
PRESETS: Mapping[str, list[list[float]]] = {
    "AND": _gate(0, 0, 0, 1),
    "OR": _gate(0, 1, 1, 1),
    "NAND": _gate(1, 1, 1, 0),
    "XOR": _gate(0, 1, 1, 0),
    "clusters": [
        *([-0.9, -0.4, 0], [1.2, 1.6, 1], [-0.4, -1, 0], [0.8, 1.9, 1], [-1.1, 0.3, 0], [1.9, 0.9, 1]),
        *([0.1, -0.7, 0], [1.5, 1.2, 1], [-0.5, 0.1, 0], [0.6, 1.3, 1], [0.3, 0, 0], [1.7, 1.9, 1]),
    ],
    "overlap": [
        *([-0.8, -0.3, 0], [1.4, 1.5, 1], [-0.2, -0.9, 0], [0.9, 0.4, 1], [0.4, 0.2, 0], [1.8, 0.8, 1]),
        *([1.1, 1, 0], [0.6, 1.4, 1], [-0.5, 0.6, 0], [-0.1, 0.1, 1], [0.2, -0.2, 0], [1.5, 0.2, 1]),
    ],
}
LIMIT = 600  # points shown at most, so that a history ends where no line separates the points


class _Weight(traitlets.TraitType):
    """Two finite numbers w₁, w₂, from any array-like of that many: a perceptron's weight of (1, 2) too."""

    def validate(self, obj: traitlets.HasTraits, value: Any) -> list[float]:
        """Return the value as a list of two floats, or raise ``TraitError``."""
        try:
            numbers = [float(number) for number in np.asarray(value, dtype=float).ravel()]
        except (TypeError, ValueError):
            numbers = []
        if len(numbers) == 2 and all(abs(number) <= 1e6 for number in numbers):
            return numbers
        raise traitlets.TraitError(
            f"{self.name}: expected two numbers from -1000000 to 1000000, w1 and w2, got {value!r}. "
            f"Write {self.name}=(1, -0.5)."
        )


class PerceptronBoundary(BookWidget):
    """ŷ = step(w · x + b) on points of the plane, and w ← w + η(y − ŷ)x, b ← b + η(y − ŷ), point by point.

    ========  ================  ====================================================================
    trait     range             meaning
    ========  ================  ====================================================================
    preset    choice            "AND", "OR", "NAND", "XOR", "clusters", "overlap"; else "custom"
    points    1 to 24 rows      x₁, x₂ (from −10 to 10) and y (0 or 1) of each point, (N, 3)
    weight    (w₁, w₂)          w where the history starts, each from −10⁶ to 10⁶
    bias      −10⁶ to 10⁶     b where the history starts
    lr        0 < lr ≤ 10       η, the learning rate
    position  0 or more         points that were shown in turn so far; past the end it means the end
    predict   choice            "off", "output" (ŷ), "w1" (the new w₁) or "changes" (how many of
                                w₁, w₂, b change): what the reader is asked before it shows
    ========  ================  ====================================================================

    A value out of range raises ``TraitError``. The history shows the points in their order, again and again,
    until a pass has no mistake ("clean"), or leaves the weights of an earlier pass, so that all repeats
    ("repeat"), or until ``LIMIT`` points were shown ("limit"). What the widget shows belongs to ``position``:
    ``weight_now``, ``bias_now``, ``predictions``. An edit in the page starts a new history there.

    A sum w · x + b within 1e-9 of 0 counts as 0: in floating point, 0.1 + 0.2 − 0.3 has a sign.

    Source: Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in the
    brain", Psychological Review 1958; the rule: Rosenblatt, "Principles of Neurodynamics", 1962
    """

    _shown: ClassVar[tuple[str, ...]] = ("preset", "weight", "bias", "lr", "position")
    _parts: ClassVar[tuple[str, ...]] = (
        "core.js",
        "stepper.js",
        "frame.js",
        "plane.js",
        "perceptron_math.js",
    )

    preset = traitlets.Enum([*PRESETS, "custom"], "AND").tag(sync=True)
    points = Matrix(rows=24, cols=3).tag(sync=True)
    weight = _Weight([0.5, -1.0]).tag(sync=True)
    bias = Finite(0.25).tag(sync=True)
    lr = Finite(1.0).tag(sync=True)
    position = traitlets.Int(0, min=0).tag(sync=True)
    predict = traitlets.Enum(["off", "output", "w1", "changes"], "off").tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        preset = kwargs.get("preset", "custom")
        if "points" in kwargs and preset != "custom":
            raise traitlets.TraitError(f"points and preset={preset!r} contradict each other: leave one out.")
        if preset == "custom" and "points" not in kwargs and "preset" in kwargs:
            raise traitlets.TraitError('preset="custom" needs points=[[x1, x2, y], …]: give them.')
        super().__init__(**kwargs)

    @traitlets.default("points")
    def _default_points(self) -> list[list[float]]:
        return [list(row) for row in PRESETS[self.preset]]

    @traitlets.validate("points")
    def _check_points(self, proposal: Mapping[str, Any]) -> list[list[float]]:
        rows = proposal["value"]
        for row in rows:
            if len(row) != 3 or row[2] not in (0, 1) or max(map(abs, row)) > 10:
                raise traitlets.TraitError(
                    f"points: expected rows [x1, x2, y], x1 and x2 from -10 to 10, y 0 or 1, got {row!r}. "
                    "Write points=[[0, 1, 1], [2, 0, 0]]."
                )
        return rows

    @traitlets.validate("bias")
    def _check_bias(self, proposal: Mapping[str, Any]) -> float:
        if abs(proposal["value"]) <= 1e6:
            return proposal["value"]
        raise traitlets.TraitError(
            f"bias: expected a number from -1000000 to 1000000, got {proposal['value']!r}."
        )

    @traitlets.validate("lr")
    def _check_lr(self, proposal: Mapping[str, Any]) -> float:
        if 0 < proposal["value"] <= 10:
            return proposal["value"]
        raise traitlets.TraitError(
            f"lr: expected a number above 0, at most 10, got {proposal['value']!r}. Write lr=1."
        )

    @traitlets.observe("preset")
    def _points_follow(self, change: Mapping[str, Any]) -> None:
        if change["new"] != "custom":
            self.points = [list(row) for row in PRESETS[change["new"]]]

    @traitlets.observe("points")
    def _preset_follows(self, change: Mapping[str, Any]) -> None:
        self.preset = next((name for name, rows in PRESETS.items() if rows == change["new"]), "custom")

    # ---- the history ----

    def _visit(self, weight: list[float], bias: float, point: int) -> dict[str, Any]:
        """Return what the point in turn gives, and w and b after its update."""
        x1, x2, y = self.points[point]
        z = _zero(weight[0] * x1 + weight[1] * x2 + bias)
        output = int(z >= 0)
        change = self.lr * (int(y) - output)
        after = [weight[0] + change * x1, weight[1] + change * x2]
        return {
            "point": point,
            "z": z,
            "output": output,
            "error": int(y) - output,
            "weight": after,
            "bias": bias + change,
        }

    def _trace(self) -> tuple[list[dict[str, Any]], str]:
        """Return every visit of a point in turn, and how the history ends."""
        weight, bias, visits = self.weight, self.bias, []
        seen = {_key(weight, bias)}
        while len(visits) + len(self.points) <= LIMIT:
            clean = True
            for point in range(len(self.points)):
                visits.append(self._visit(weight, bias, point))
                weight, bias = visits[-1]["weight"], visits[-1]["bias"]
                clean &= visits[-1]["error"] == 0
            if clean:
                return visits, "clean"
            if _key(weight, bias) in seen:
                return visits, "repeat"
            seen.add(_key(weight, bias))
        return visits, "limit"

    @property
    def history(self) -> list[dict[str, Any]]:
        """Every visit of a point in turn.

        Each is a dict: point (its row), z, output ŷ, error y − ŷ, and weight and bias after the update.
        """
        return self._trace()[0]

    @property
    def end(self) -> str:
        """How the history ends: "clean", "repeat" or "limit"."""
        return self._trace()[1]

    @property
    def mistakes(self) -> list[int]:
        """Mistakes in each pass over the points: what ``nn.Perceptron.fit`` returns."""
        errors = [visit["error"] != 0 for visit in self.history]
        return [sum(errors[i : i + len(self.points)]) for i in range(0, len(errors), len(self.points))]

    def _now(self) -> tuple[list[float], float]:
        if self.position == 0:
            return self.weight, self.bias
        visits = self.history
        last = visits[min(self.position, len(visits)) - 1]
        return last["weight"], last["bias"]

    @property
    def weight_now(self) -> list[float]:
        """The w that the widget shows, (w₁, w₂), after ``position`` points."""
        return self._now()[0]

    @property
    def bias_now(self) -> float:
        """The b that the widget shows, after ``position`` points."""
        return self._now()[1]

    def step_once(self) -> dict[str, Any] | None:
        """Return the visit of the point in turn, as in ``history``, or None at the end; changes nothing."""
        visits = self.history
        return visits[self.position] if self.position < len(visits) else None

    # ---- the line ----

    @property
    def predictions(self) -> np.ndarray:
        """ŷ of every point by ``weight_now`` and ``bias_now``, (N,), each 0 or 1."""
        weight, bias = self._now()
        return np.array([self._visit(weight, bias, point)["output"] for point in range(len(self.points))])

    @property
    def right(self) -> int:
        """How many points are right."""
        return int(np.sum(self.predictions == np.array(self.points)[:, 2]))

    @property
    def accuracy(self) -> float:
        """The part of the points that is right, 0 to 1."""
        return self.right / len(self.points)

    @property
    def best(self) -> int:
        """How many points the best line gets right.

        What a line does to the points depends on their order along w, which changes only where w is at right
        angles to the connection of two points. One direction between any two of those, and a bias between any
        two points along it, are therefore all lines that differ.
        """
        x, y = np.array(self.points)[:, :2], np.array(self.points)[:, 2]
        ends = [(b - a) for a, b in itertools.combinations(x, 2) if np.any(a != b)]
        turns = {round(math.atan2(d[1], d[0]) % math.pi, 12) for d in ends} or {0.0}
        angles = sorted(turn + half for turn in turns for half in (0, math.pi))
        between = zip(angles, [*angles[1:], angles[0] + 2 * math.pi], strict=True)
        return max(_best_along(x, y, (a + b) / 2 + math.pi / 2) for a, b in between)

    def code(self) -> str:
        """Return the PyTorch program that arrives at the shown weights, by the same rule."""
        rows = [f"    [{', '.join(map(_number, row))}]," for row in self.points]
        count = min(self.position, len(self.history))
        lines = [
            "import torch",
            "",
            "points = torch.tensor([",
            *rows,
            "], dtype=torch.float64)",
            "x, y = points[:, :2], points[:, 2]",
            f"lr = {_number(self.lr)}",
            "neuron = torch.nn.Linear(2, 1).double()",
            "with torch.no_grad():",
            f"    neuron.weight[0, 0], neuron.weight[0, 1] = {', '.join(map(_number, self.weight))}",
            f"    neuron.bias.fill_({_number(self.bias)})",
            f"    for n in range({count}):",
            "        i = n % len(x)",
            "        z = neuron(x[i]).round(decimals=9)  # 0.1 + 0.2 - 0.3 has no sign",
            "        error = y[i] - (z >= 0).double()",
            "        neuron.weight += lr * error * x[i]",
            "        neuron.bias += lr * error",
            "    y_hat = (neuron(x).round(decimals=9) >= 0).double()[:, 0]",
            "print(neuron.weight, neuron.bias, y_hat)",
        ]
        return "\n".join([*lines, ""])


def _zero(value: float) -> float:
    return 0.0 if abs(value) < 1e-9 else value


def _key(weight: list[float], bias: float) -> tuple[int, ...]:
    """Return what is equal for equal weights, noise of rounding aside."""
    return tuple(round(value * 1e9) for value in (*weight, bias))


def _best_along(x: np.ndarray, y: np.ndarray, angle: float) -> int:
    """Return how many labels the best bias gets right for w at an angle."""
    along = x @ [math.cos(angle), math.sin(angle)]
    order = np.argsort(along)
    right = best = int(y.sum())  # all on the side of 1
    for i, point in enumerate(order):
        right += 1 if y[point] == 0 else -1
        if i + 1 == len(order) or along[order[i + 1]] - along[point] > 1e-9:
            best = max(best, right)
    return best


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
