"""BackpropStepper: one small network, forward and backward, one number at a time."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import traitlets

from .backprop_math import (
    ACTIVATIONS,
    BACKWARD,
    BCE,
    EPS,
    FORWARD,
    GIVEN,
    LIMIT,
    MSE,
    PRESETS,
    backward,
    forward,
    program,
    train,
    updated,
)
from .base import BookWidget, Finite


class _Step(traitlets.Int):
    """A number of a step, or its name."""

    def validate(self, obj: traitlets.HasTraits, value: Any) -> int:
        if isinstance(value, str):
            if value not in BackpropStepper.STEPS:
                names = ", ".join(BackpropStepper.STEPS)
                raise traitlets.TraitError(f"step: expected one of {names}, or its number; got {value!r}.")
            value = BackpropStepper.STEPS.index(value)
        return super().validate(obj, value)


class BackpropStepper(BookWidget):
    """A 2-2-1 network on one example: forward, backward and update, number by number.

    Units are numbered: 1 and 2 are hidden, 3 is the output. The weight w_ji leads to unit j from i, so that
    W1 = [[w11, w12], [w21, w22]] and w2 = [w31, w32]. Every number is a scalar and has one name, on the
    screen, as a trait, as a key of ``values`` and ``gradients``, and in the program that ``code()`` returns:

    z1 = w11·x1 + w12·x2 + b1, h1 = activation(z1), the same for unit 2, and z3 = w31·h1 + w32·h2 + b3.
    With "MSELoss" y_hat = z3 and L = (y_hat - target)², with "BCEWithLogitsLoss" y_hat = sigmoid(z3) and L is
    computed from z3. Both are as in torch.

    ====================  ===============  ===========================================================
    trait                 range            meaning
    ====================  ===============  ===========================================================
    x1, x2                -1000 to 1000    the input
    target                -1000 to 1000    y: the target; BCEWithLogitsLoss needs 0 to 1
    w11, w12, b1          -1000 to 1000    weights and bias of unit 1 at iteration 0
    w21, w22, b2          -1000 to 1000    the same of unit 2
    w31, w32, b3          -1000 to 1000    the same of unit 3
    activation            choice           "sigmoid", "tanh", "relu" or "identity", of the hidden units
    loss                  choice           "MSELoss" or "BCEWithLogitsLoss"
    lr                    0 to 1000        η: learning rate
    iteration             0 to 1000        updates done so far, from the weights above
    step                  0 to 27          what is shown: a number, or a name of ``STEPS`` such as "dz1"
    selected              name or ""       the value that is shown in detail; "": that of the step
    eps                   choice           ε of the central-difference check, one of ``EPS``
    predict               choice           "off", "value" or "gradient": asked before it shows
    ====================  ===============  ===========================================================

    ``preset`` names one of ``PRESETS``, whose numbers other settings may overrule. A value out of range
    raises ``TraitError``. A target that the loss cannot take and weights that diverge past ±1000 are allowed
    as settings: the widget explains them and offers the nearest possible one, ``valid`` is False, and the
    computed properties raise ``ValueError``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html and
    https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html
    """

    STEPS: ClassVar[tuple[str, ...]] = ("start", *FORWARD, *(f"d{n}" for n in BACKWARD), "update", "after")
    EPS: ClassVar[tuple[float, ...]] = EPS
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = PRESETS
    _shown: ClassVar[tuple[str, ...]] = (*GIVEN, "target", "activation", "loss", "lr", "iteration", "step")
    _parts: ClassVar[tuple[str, ...]] = ("core.js", "stepper.js", "backprop_math.js", "backprop_graph.js")

    x1, x2, w11, w12, b1, w21, w22, b2, w31, w32, b3, target = (
        Finite(PRESETS["example"][name], min=-LIMIT, max=LIMIT).tag(sync=True) for name in (*GIVEN, "target")
    )
    activation = traitlets.Enum(list(ACTIVATIONS), "sigmoid").tag(sync=True)
    loss = traitlets.Enum([MSE, BCE], MSE).tag(sync=True)
    lr = Finite(0.5, min=0.0, max=LIMIT).tag(sync=True)
    iteration = traitlets.Int(0, min=0, max=1000).tag(sync=True)
    step = _Step(0, min=0, max=len(STEPS) - 1).tag(sync=True)
    selected = traitlets.Enum(["", *GIVEN, *FORWARD], "").tag(sync=True)
    eps = traitlets.Enum(list(EPS), 1e-4).tag(sync=True)
    predict = traitlets.Enum(["off", "value", "gradient"], "off").tag(sync=True)

    def __init__(self, preset: str = "example", **traits: Any) -> None:
        if preset not in PRESETS:
            known = ", ".join(map(repr, PRESETS))
            raise traitlets.TraitError(f"preset: expected one of {known}; got {preset!r}.")
        super().__init__(**PRESETS[preset] | traits)

    @classmethod
    def from_arrays(
        cls, x: Any, W1: Any, b1: Any, w2: Any, b2: Any, target: float, **traits: Any
    ) -> BackpropStepper:
        """Return the widget of a network given layer by layer.

        Shapes: x (2,), W1 (2, 2), b1 (2,), w2 (2,) or (1, 2), b2 one number. Raises ``ValueError`` with the
        argument, the shape expected and what came.
        """
        shapes = {"x": (x, 2), "W1": (W1, 4), "b1": (b1, 2), "w2": (w2, 2), "b2": (b2, 1)}
        numbers = {}
        for name, (given, size) in shapes.items():
            array = np.asarray(given, dtype=float)
            if array.size != size or (name == "W1" and array.shape != (2, 2)):
                want = {4: "shape (2, 2)", 2: "2 numbers", 1: "one number"}[size]
                raise ValueError(f"{name}: expected {want}, got shape {array.shape}.")
            numbers[name] = array.ravel().tolist()
        x, W1, b1, w2, b2 = numbers.values()
        values = (*x, *W1[:2], b1[0], *W1[2:], b1[1], *w2, *b2)
        return cls(**dict(zip(GIVEN, values, strict=True)) | {"target": target} | traits)

    # ---- what the traits give ----

    @property
    def valid(self) -> bool:
        """Whether the loss can take the target, and the weights stay within ±1000 up to ``iteration``."""
        try:
            train(self)
        except ValueError:
            return False
        return True

    @property
    def parameters(self) -> dict[str, float]:
        """The weights and biases after ``iteration`` updates, by name."""
        return train(self)[0]

    @property
    def losses(self) -> list[float]:
        """L at iteration 0, 1, … ``iteration``."""
        return train(self)[1]

    @property
    def values(self) -> dict[str, float]:
        """Every value from x1 to L at ``iteration``, by name."""
        return forward(self, self.parameters)

    @property
    def gradients(self) -> dict[str, float]:
        """The gradient of L for every value, by name; infinite for a y_hat that rounds to 0 or 1 (BCE)."""
        return backward(self, self.values)

    @property
    def updated(self) -> dict[str, float]:
        """The weights and biases after one more update, by name."""
        return updated(self, self.parameters, self.gradients)

    @property
    def loss_after(self) -> float:
        """L after one more update."""
        return forward(self, self.updated)["L"]

    def numeric(self, name: str, eps: float | None = None) -> float:
        """Return (L(θ + ε) - L(θ - ε)) / 2ε for the value ``name``; ε is the trait ``eps`` unless given.

        Raises ``ValueError`` for an unknown name, an ε that is not positive, and one that moves y_hat out of
        0 to 1 with BCEWithLogitsLoss.
        """
        eps = self.eps if eps is None else float(eps)
        if name not in (*GIVEN, *FORWARD):
            raise ValueError(f"name: expected one of {', '.join((*GIVEN, *FORWARD))}; got {name!r}.")
        if not 0 < eps < math.inf:
            raise ValueError(f"eps: expected a positive number such as 1e-4, got {eps!r}.")
        plus, minus = (forward(self, self.parameters, name, by)["L"] for by in (eps, -eps))
        return (plus - minus) / (2 * eps)

    def code(self) -> str:
        """Return the PyTorch program that computes what the widget shows, with the same names."""
        return program(self)
