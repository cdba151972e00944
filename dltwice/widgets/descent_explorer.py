"""DescentExplorer: the path of an optimizer over a loss of two parameters, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from dltwice import optim
from dltwice.nn.module import Module

from .base import BookWidget
from .descent_settings import CHOICES, FIELDS, PROGRAM, RUN, Ranged, RangedPair, fill
from .seeded import Seeded


class _Point(Module):
    """The place on the surface, as something that an optimizer of `dltwice.optim` can move: θ, shape (2,)."""

    def __init__(self, theta: tuple[float, float]) -> None:
        super().__init__()
        self.params["theta"] = np.array(theta, dtype=np.float64)


class DescentExplorer(BookWidget):
    """The path of an optimizer over a loss L(θ₁, θ₂), with every number of every step.

    ============  =================  ==================================================================
    trait         range              meaning
    ============  =================  ==================================================================
    surface       choice             "bowl": ½(λ₁u₁² + λ₂u₂²), u is θ turned by ``angle``; "saddle":
                                     ¼(θ₁² − 1)² + 2θ₂²; "valley": ½(1 − θ₁)² + 5(θ₂ − θ₁²)²
    eigenvalues   0.1 to 100         (λ₁, λ₂), the bowl's curvatures along its axes
    angle         −90 to 90          degrees by which the bowl is turned
    optimizer     choice             "SGD", "Adam" or "AdamW", with the formulas of ``torch.optim``
    lr            1e-5 to 10         η, the learning rate
    momentum      0 to 0.999         μ of SGD; 0 is plain gradient descent
    nesterov      bool               Nesterov's momentum; needs a momentum above 0
    betas         0 to 0.9999        (β₁, β₂) of Adam and AdamW
    eps           0 to 1             ε of Adam and AdamW
    weight_decay  0 to 10            w: SGD and Adam add wθ to the gradient, AdamW shrinks θ by 1 − ηw
    noise         0 to 100           σ: every gradient carries noise of standard deviation σ/√B
    batch_size    1 to 1024          B
    seed          0 to 9999          of the noise
    start         −3 to 3            (θ₁, θ₂) at step 0
    steps         1 to 200           length of the path
    step          0 to 200           the step that is shown
    predict       choice             "off", "lr" or "factor": what the reader is asked before it shows
    kept          up to 4 dicts      settings whose paths are drawn for comparison
    ============  =================  ==================================================================

    A value out of range raises ``TraitError``. Nesterov's momentum without a momentum is impossible: the
    widget explains it, ``valid`` is False, and ``path`` raises ``ValueError``.

    Source: https://docs.pytorch.org/docs/stable/optim.html; the valley is H. H. Rosenbrock's, "An Automatic
    Method for Finding the Greatest or Least Value of a Function", The Computer Journal 3 (1960), less steep.
    """

    _shown: ClassVar[tuple[str, ...]] = ("surface", "eigenvalues", "optimizer", "lr", "momentum", "start")
    _parts: ClassVar[tuple[str, ...]] = (
        "core.js",
        "stepper.js",
        "frame.js",
        "plane.js",
        "chart.js",
        "random.js",
        "descent_math.js",
    )

    surface = traitlets.Enum(["bowl", "saddle", "valley"], "bowl").tag(sync=True)
    eigenvalues = RangedPair((1.0, 10.0), 0.1, 100).tag(sync=True)
    angle = Ranged(0.0, -90, 90).tag(sync=True)
    optimizer = traitlets.Enum(["SGD", "Adam", "AdamW"], "SGD").tag(sync=True)
    lr = Ranged(0.15, 1e-5, 10).tag(sync=True)
    momentum = Ranged(0.0, 0, 0.999).tag(sync=True)
    nesterov = traitlets.Bool(False).tag(sync=True)
    betas = RangedPair((0.9, 0.999), 0, 0.9999).tag(sync=True)
    eps = Ranged(1e-8, 0, 1).tag(sync=True)
    weight_decay = Ranged(0.0, 0, 10).tag(sync=True)
    noise = Ranged(0.0, 0, 100).tag(sync=True)
    batch_size = Ranged(1, 1, 1024, whole=True).tag(sync=True)
    seed = Ranged(1, 0, 9999, whole=True).tag(sync=True)
    start = RangedPair((-2.5, 1.5), -3, 3).tag(sync=True)
    steps = Ranged(40, 1, 200, whole=True).tag(sync=True)
    step = Ranged(0, 0, 200, whole=True).tag(sync=True)
    predict = traitlets.Enum(["off", "lr", "factor"], "off").tag(sync=True)
    kept = traitlets.List(traitlets.Dict(), maxlen=4).tag(sync=True)
    _program = traitlets.Unicode(PROGRAM, read_only=True).tag(sync=True)
    _fields = traitlets.List(read_only=True).tag(sync=True)
    _choices = traitlets.List(read_only=True).tag(sync=True)
    _names = traitlets.List(read_only=True).tag(sync=True)

    @traitlets.validate("kept")
    def _complete(self, proposal: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Check every setting that is kept; what one leaves out is what the widget has now."""
        present = {name: getattr(self, name) for name in RUN}
        for settings in proposal["value"]:
            if unknown := sorted(settings.keys() - present.keys()):
                known = ", ".join(RUN)
                raise traitlets.TraitError(f"kept: expected settings such as {known}; got {unknown[0]!r}.")
        traits = self.traits()
        return [
            {name: traits[name]._validate(self, {**present, **settings}[name]) for name in RUN}
            for settings in proposal["value"]
        ]

    # ---- the surface ----

    def _turned(self, theta: np.ndarray) -> np.ndarray:
        """Return the matrix whose rows are the bowl's axes, times theta."""
        c, s = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        return np.array([[c, s], [-s, c]]) @ theta

    def loss_at(self, theta: ArrayLike) -> float | np.ndarray:
        """Return L at theta, shape (2,) or (2, anything)."""
        x, y = theta = np.asarray(theta, dtype=float)
        if self.surface == "bowl":
            return np.tensordot(self.eigenvalues, self._turned(theta) ** 2, 1) / 2
        if self.surface == "saddle":
            return (x * x - 1) ** 2 / 4 + 2 * y * y
        return (1 - x) ** 2 / 2 + 5 * (y - x * x) ** 2

    def grad_at(self, theta: ArrayLike) -> np.ndarray:
        """Return the gradient of L at theta, both of shape (2,)."""
        x, y = theta = np.asarray(theta, dtype=float)
        if self.surface == "bowl":
            u, v = self.eigenvalues * self._turned(theta)
            c, s = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
            return np.array([c * u - s * v, s * u + c * v])
        if self.surface == "saddle":
            return np.array([x**3 - x, 4 * y])
        return np.array([x - 1 - 20 * x * (y - x * x), 10 * (y - x * x)])

    @property
    def curvatures(self) -> tuple[float, float]:
        """The eigenvalues of L's second derivatives at a minimum; for the bowl (λ₁, λ₂)."""
        if self.surface == "bowl":
            return self.eigenvalues
        # At (1, 1) the valley has ∂²L/∂θ₁² = 41, ∂²L/∂θ₂² = 10 and ∂²L/∂θ₁∂θ₂ = −20.
        root = math.sqrt(51**2 - 4 * 10)
        return (2.0, 4.0) if self.surface == "saddle" else ((51 - root) / 2, (51 + root) / 2)

    @property
    def condition_number(self) -> float:
        """The largest curvature divided by the smallest."""
        return max(self.curvatures) / min(self.curvatures)

    # ---- theory ----

    @property
    def stability_limit(self) -> float | None:
        """The η above which SGD diverges on the bowl, or leaves a minimum; None for Adam and AdamW.

        2/λ for plain gradient descent, 2(1 + μ)/λ with momentum μ, 2(1 + μ)/((1 + 2μ)λ) with Nesterov's,
        where λ is the largest curvature plus the weight decay.
        """
        if self.optimizer != "SGD":
            return None
        mu, steepest = self.momentum, max(self.curvatures) + self.weight_decay
        return 2 * (1 + mu) / ((1 + 2 * mu) if self.nesterov else 1) / steepest

    @property
    def factors(self) -> tuple[float, float] | None:
        """By which factor each step changes θ along the bowl's axes, 1 − ηλ: plain SGD, else None."""
        if self.optimizer != "SGD" or self.surface != "bowl" or self.momentum:
            return None
        return tuple(1 - self.lr * (value + self.weight_decay) for value in self.eigenvalues)

    # ---- the path ----

    @property
    def valid(self) -> bool:
        """Whether PyTorch accepts the settings."""
        return self.optimizer != "SGD" or not self.nesterov or self.momentum > 0

    def _run(self, run: Mapping[str, Any]) -> np.ndarray:
        """Return the path of one set of settings on this surface, shape (steps + 1, 2)."""
        if run["optimizer"] == "SGD" and run["nesterov"] and not run["momentum"]:
            raise ValueError(
                "nesterov=True needs a momentum above 0, got 0. Set momentum=0.9, or nesterov=False."
            )
        names = ("momentum", "nesterov") if run["optimizer"] == "SGD" else ("betas", "eps")
        settings = {name: run[name] for name in ("lr", "weight_decay", *names)}
        point, random = _Point(run["start"]), Seeded(run["seed"])
        optimizer = getattr(optim, run["optimizer"])(point.parameters(), **settings)
        size, path = run["noise"] / math.sqrt(run["batch_size"]), [point.theta.copy()]
        with np.errstate(all="ignore"):  # a path that diverges ends in infinities, as in PyTorch
            for _ in range(self.steps):
                noise = [random.normal(), random.normal()] if size else [0, 0]
                point.grads["theta"] = self.grad_at(point.theta) + size * np.array(noise)
                optimizer.step()
                path.append(point.theta.copy())
        return np.array(path)

    @property
    def path(self) -> np.ndarray:
        """θ at every step, shape (steps + 1, 2). Raises ``ValueError`` when ``valid`` is False."""
        return self._run({name: getattr(self, name) for name in RUN})

    @property
    def losses(self) -> np.ndarray:
        """L at every step, without noise, shape (steps + 1,)."""
        with np.errstate(all="ignore"):
            return self.loss_at(self.path.T)

    @property
    def kept_paths(self) -> list[np.ndarray]:
        """The paths of ``kept`` on this surface, each of shape (steps + 1, 2)."""
        return [self._run(run) for run in self.kept]

    # ---- what the page is built from ----

    @traitlets.default("_fields")
    def _default_fields(self) -> list[list[Any]]:
        traits = self.traits()
        limits = {name: [traits[name].low, traits[name].high, traits[name].whole] for name, *_ in FIELDS}
        return [[*limits[name], name, *rest] for name, *rest in FIELDS]

    @traitlets.default("_choices")
    def _default_choices(self) -> list[tuple[str, list[tuple[str, str]]]]:
        options = {name: self.traits()[name].values for name in ("surface", "optimizer", "predict")}
        return [(name, [(value, CHOICES.get(value, value)) for value in options[name]]) for name in options]

    @traitlets.default("_names")
    def _default_names(self) -> list[list[str]]:
        settings = dict.fromkeys(name for name, *_ in (*FIELDS, *self._choices))
        return [[*settings, "nesterov", "step", "kept", "_program"], [*RUN]]

    def code(self) -> str:
        """Return the PyTorch program that computes the path that the widget shows."""
        is_sgd = self.optimizer == "SGD"
        holds = {
            self.surface: True,
            "sgd" if is_sgd else "adam": True,
            "nesterov": is_sgd and self.nesterov,
            "turned": self.surface == "bowl" and self.angle,
            "noise": self.noise,
        }
        return fill(PROGRAM, {name for name, value in holds.items() if value}, self)
