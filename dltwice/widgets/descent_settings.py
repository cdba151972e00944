"""DescentExplorer's settings: their ranges, the page's fields, and the program that reproduces a path."""

from __future__ import annotations

import re
from typing import Any

import traitlets

from .base import Finite

FIELDS = [
    ("lr", "lr η", 0, ""),
    ("momentum", "momentum μ", 0.1, "sgd"),
    ("betas", "betas β₁", 0.1, "adam", 0),
    ("betas", "betas β₂", 0.1, "adam", 1),
    ("eps", "eps ε", 0, "adam"),
    ("weight_decay", "weight_decay w", 0.1, ""),
    ("noise", "noise σ", 1, ""),
    ("batch_size", "batch_size B", 0, "noise"),
    ("seed", "seed", 1, "noise"),
    ("start", "start θ₁", 0.1, "", 0),
    ("start", "start θ₂", 0.1, "", 1),
    ("eigenvalues", "eigenvalues λ₁", 0, "bowl", 0),
    ("eigenvalues", "eigenvalues λ₂", 0, "bowl", 1),
    ("angle", "angle in degrees", 15, "bowl"),
    ("steps", "steps", 10, ""),
]
"""The number fields: trait, label, what − and + change (0: half and double), where it counts, index."""

CHOICES = {"off": "nothing", "lr": "the largest η", "factor": "a factor"}
"""What the page calls a choice, where that is not its name."""

RUN = ("optimizer", "nesterov", *dict.fromkeys(field[0] for field in FIELDS[:11]))
"""The traits that tell one path from another on the same surface."""

PROGRAM = """\
turned?import math
turned?
import torch

noise?from dltwice.widgets.seeded import Seeded  # the page's random numbers
noise?
theta = torch.tensor([{start}], dtype=torch.float64, requires_grad=True)
sgd?settings = {"momentum": {momentum}, "weight_decay": {weight_decay}}
nesterov?settings["nesterov"] = True
adam?settings = {"betas": ({betas}), "eps": {eps}, "weight_decay": {weight_decay}}
optimizer = torch.optim.{optimizer}([theta], lr={lr}, **settings)
noise?random = Seeded({seed})
noise?size = {noise} / {batch_size}**0.5


def loss(theta):
    x, y = theta
turned?    turn = math.radians({angle})
turned?    c, s = math.cos(turn), math.sin(turn)
turned?    x, y = c * x + s * y, c * y - s * x
bowl?    curvature_1, curvature_2 = {eigenvalues}
bowl?    return 0.5 * (curvature_1 * x**2 + curvature_2 * y**2)
saddle?    return (x**2 - 1) ** 2 / 4 + 2 * y**2
valley?    return (1 - x) ** 2 / 2 + 5 * (y - x**2) ** 2


path = [theta.tolist()]
for _ in range({steps}):
    optimizer.zero_grad()
    loss(theta).backward()
noise?    theta.grad += size * torch.tensor([random.normal(), random.normal()], dtype=torch.float64)
    optimizer.step()
    path.append(theta.tolist())
print(path[-1])
"""
"""The program that ``code()`` writes. ``noise?`` begins a line that stands only where there is noise;
``turned?``, ``nesterov?``, ``sgd?``, ``adam?`` and the surfaces likewise. The page fills in the same text."""


def fill(program: str, holds: set[str], settings: traitlets.HasTraits) -> str:
    """Return the program with the settings' values, without the lines whose condition is not in ``holds``."""
    lines = [re.fullmatch(r"(?:(\w+)\?)?(.*)", line).groups() for line in program.split("\n")]
    kept = "\n".join(text for when, text in lines if when is None or when in holds)
    return re.sub(r"\{(\w+)\}", lambda name: _python(getattr(settings, name[1])), kept)


def _python(value: float | str | tuple[float, ...]) -> str:
    """Return a setting as a program has it: 1 for 1.0; a pair as floats: Adam refuses betas=(0, 0.9)."""
    if isinstance(value, tuple):
        return ", ".join(map(repr, value))
    return str(int(value) if isinstance(value, float) and value == int(value) else value)


class Ranged(Finite):
    """A finite number from ``low`` to ``high``, if need be whole; else ``TraitError`` with the range."""

    def __init__(self, default: float, low: float, high: float, *, whole: bool = False) -> None:
        self.low, self.high, self.whole = low, high, whole
        super().__init__(default)

    def validate(self, obj: traitlets.HasTraits, value: Any) -> float:
        """Return the value as a number, or raise ``TraitError``."""
        number = super().validate(obj, value)
        if self.low <= number <= self.high and not (self.whole and number % 1):
            return int(number) if self.whole else number
        kind, near = "a whole number" if self.whole else "a number", min(max(number, self.low), self.high)
        raise traitlets.TraitError(
            f"{self.name}: expected {kind} from {self.low:g} to {self.high:g}, got {value!r}. "
            f"Write {self.name}={round(near) if self.whole else near:g}."
        )


class RangedPair(traitlets.TraitType):
    """Two finite numbers, each from ``low`` to ``high``, kept as a tuple. ``TraitError`` otherwise."""

    info_text = "a pair of numbers"
    whole = False

    def __init__(self, default: tuple[float, float], low: float, high: float) -> None:
        self.low, self.high = low, high
        super().__init__(default_value=default)

    def validate(self, obj: traitlets.HasTraits, value: Any) -> tuple[float, float]:
        """Return the value as a pair of floats, or raise ``TraitError``."""
        try:
            pair = () if isinstance(value, str) else tuple(float(number) for number in value)
        except (TypeError, ValueError, OverflowError):
            pair = ()
        if len(pair) == 2 and all(self.low <= number <= self.high for number in pair):
            return pair
        raise traitlets.TraitError(
            f"{self.name}: expected two numbers from {self.low:g} to {self.high:g}, got {value!r}. "
            f"Write for example {self.name}={self.default_value}."
        )
