"""The arithmetic of BackpropStepper, its presets and its program, as in backprop_math.js.

``s`` is anything that has the widget's traits as attributes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

PARAMS = ("w11", "w12", "b1", "w21", "w22", "b2", "w31", "w32", "b3")
GIVEN = ("x1", "x2", *PARAMS)
FORWARD = ("z1", "z2", "h1", "h2", "z3", "y_hat", "L")
BACKWARD = ("L", "y_hat", "z3", "w31", "w32", "b3", "h1", "h2", "z1", "z2", *PARAMS[:6], "x1", "x2")
MSE, BCE = "MSELoss", "BCEWithLogitsLoss"
LIMIT = 1000.0
EPS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10, 1e-12)


def _preset(x: tuple, target: float, numbers: tuple, activation: str, lr: float) -> dict[str, Any]:
    given = dict(zip(GIVEN, (*x, *numbers), strict=True))
    return given | {"target": target, "activation": activation, "loss": MSE, "lr": lr}


PRESETS = {
    "example": _preset((0.5, 1), 1, (0.6, -0.4, 0.3, -0.3, 0.8, 0, 0.7, -0.5, 0.2), "sigmoid", 0.5),
    "dead ReLU": _preset((1, 2), 1, (-0.5, -0.4, 0.1, 0.3, 0.2, 0, 0.6, 0.5, 0), "relu", 0.1),
    "saturated sigmoid": _preset((1, 2), 1, (4, 3, -1, 0.3, -0.2, 0.1, 0.5, 0.4, 0), "sigmoid", 0.1),
    "paths cancel": _preset((2, 1), 1, (1, -0.5, 0, 0.5, 0.25, 0, 0.5, -1, 0), "identity", 0.05),
}


def _sigmoid(z: float) -> float:
    return math.exp(z) / (1 + math.exp(z)) if z < 0 else 1 / (1 + math.exp(-z))


# Each activation: its value, and its slope from h and z.
ACTIVATIONS = {
    "sigmoid": (_sigmoid, lambda h, z: h * (1 - h)),
    "tanh": (math.tanh, lambda h, z: 1 - h * h),
    "relu": (lambda z: max(0.0, z), lambda h, z: float(z > 0)),
    "identity": (lambda z: z, lambda h, z: 1.0),
}


def forward(s: Any, params: Mapping[str, float], moved: str = "", by: float = 0.0) -> dict[str, float]:
    """Return all values. ``by`` is added to the value ``moved`` before others are computed from it."""
    move = dict.fromkeys((*GIVEN, *FORWARD), 0.0) | {moved: by}
    v = {name: params.get(name, getattr(s, name)) + move[name] for name in GIVEN}
    for j in "12":
        v[f"z{j}"] = v[f"w{j}1"] * v["x1"] + v[f"w{j}2"] * v["x2"] + v[f"b{j}"] + move[f"z{j}"]
    for j in "12":
        v[f"h{j}"] = ACTIVATIONS[s.activation][0](v[f"z{j}"]) + move[f"h{j}"]
    v["z3"] = v["w31"] * v["h1"] + v["w32"] * v["h2"] + v["b3"] + move["z3"]
    v["y_hat"] = (_sigmoid(v["z3"]) if s.loss == BCE else v["z3"]) + move["y_hat"]
    v["L"] = _loss_of(s, v["z3"], move["y_hat"]) + move["L"]
    return v


def _loss_of(s: Any, z: float, by: float) -> float:
    """Return the loss of z3, without the overflow of log(1 - y_hat); of y_hat + by where it is moved."""
    if s.loss == MSE:
        return (z + by - s.target) ** 2
    if not by:
        return max(z, 0.0) - z * s.target + math.log1p(math.exp(-abs(z)))
    pairs = ((s.target, _sigmoid(z) + by), (1 - s.target, _sigmoid(-z) - by))
    if any(weight and p <= 0 for weight, p in pairs):
        raise ValueError(
            f"eps: y_hat = {_sigmoid(z):.6g} plus or minus {abs(by):g} leaves 0 to 1, where the loss has "
            "no value. Use a smaller eps."
        )
    return -sum(weight * math.log(p) for weight, p in pairs if weight)


def backward(s: Any, v: Mapping[str, float]) -> dict[str, float]:
    """Return the gradient of L for every value."""
    g = {"L": 1.0, "y_hat": 2 * (v["y_hat"] - s.target)}
    g["z3"] = g["y_hat"]
    if s.loss == BCE:  # as in torch, sigmoid and loss are one edge
        pairs = ((1 - s.target, _sigmoid(-v["z3"]), 1), (s.target, v["y_hat"], -1))
        terms = [sign * (weight / p if p else math.inf) for weight, p, sign in pairs if weight]
        g |= {"y_hat": sum(terms), "z3": v["y_hat"] - s.target}
    slope = ACTIVATIONS[s.activation][1]
    for j in "12":
        g[f"w3{j}"], g[f"h{j}"] = g["z3"] * v[f"h{j}"], g["z3"] * v[f"w3{j}"]
        g[f"z{j}"] = g[f"h{j}"] * slope(v[f"h{j}"], v[f"z{j}"])
        g |= {f"w{j}{i}": g[f"z{j}"] * v[f"x{i}"] for i in "12"} | {f"b{j}": g[f"z{j}"]}
    g["b3"] = g["z3"]
    g |= {f"x{i}": g["z1"] * v[f"w1{i}"] + g["z2"] * v[f"w2{i}"] for i in "12"}
    return {name: g[name] for name in (*GIVEN, *FORWARD)}


def updated(s: Any, params: Mapping[str, float], grads: Mapping[str, float]) -> dict[str, float]:
    """Return the weights and biases after one update: new = old - lr · gradient."""
    return {name: params[name] - s.lr * grads[name] for name in PARAMS}


def train(s: Any) -> tuple[dict[str, float], list[float]]:
    """Return the parameters after ``iteration`` updates and the loss at each iteration on the way.

    Raises ``ValueError`` for a target that the loss cannot take and for weights that leave ±1000.
    """
    if s.loss == BCE and not 0 <= s.target <= 1:
        raise ValueError(
            f"target: {BCE} expects a probability from 0 to 1, got {s.target:g}. "
            f"Set target to {min(1, max(0, s.target)):g}, or use {MSE}."
        )
    params = {name: getattr(s, name) for name in PARAMS}
    losses = []
    for update in range(s.iteration + 1):
        v = forward(s, params)
        losses.append(v["L"])
        if update == s.iteration:
            break
        params = updated(s, params, backward(s, v))
        for name, value in params.items():
            if not abs(value) <= LIMIT:
                raise ValueError(
                    f"lr: update {update + 1} sends {name} to {value:.4g}, past ±{LIMIT:g}: with "
                    f"lr={s.lr:g} the weights diverge. Use a smaller lr, or iteration={update}."
                )
    return params, losses


def _number(value: float) -> str:
    """Return the shortest text of a number, as JavaScript writes it."""
    if value and abs(value) < 1e-6:
        return repr(float(value)).replace("e-0", "e-")
    return np.format_float_positional(value, trim="-") if value else "0"


PROGRAM = """\
import torch
import torch.nn.functional as F

names = "{names}".split()
values = [{values}]
given = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]
{variables} = given
y = torch.tensor({target}, dtype=torch.float64)  # the target
optimizer = torch.optim.SGD(given[2:], lr={lr})

for iteration in range({end}):
    z1 = w11 * x1 + w12 * x2 + b1
    z2 = w21 * x1 + w22 * x2 + b2
    h1, h2 = {hidden}(z1), {hidden}(z2)
    z3 = w31 * h1 + w32 * h2 + b3
    y_hat = {output}
    L = {loss}
    print(f"iteration {{iteration}}: L = {{L.item():.6g}}")
    if iteration > {now}:
        break
    nodes = dict(z1=z1, z2=z2, h1=h1, h2=h2, z3=z3)
    for node in nodes.values():
        node.retain_grad()
    for number in given:
        number.grad = None
    L.backward()
    if iteration == {now}:
        for name, one in {{**dict(zip(names, given)), **nodes}}.items():
            print(f"{{name}} = {{one.item():.6g}}, gradient {{one.grad.item():.6g}}")
    optimizer.step()
"""


def program(s: Any) -> str:
    """Return the PyTorch program of a setting; the page writes the same text."""
    bce = s.loss == BCE
    return PROGRAM.format(
        names=" ".join(GIVEN),
        values=", ".join(_number(getattr(s, name)) for name in GIVEN),
        variables=", ".join(GIVEN),
        target=_number(s.target),
        lr=_number(s.lr),
        end=s.iteration + 2,
        now=s.iteration,
        hidden="" if s.activation == "identity" else f"torch.{s.activation}",
        output="torch.sigmoid(z3)" if bce else "z3",
        loss="F.binary_cross_entropy_with_logits(z3, y)" if bce else "F.mse_loss(y_hat, y)",
    )
