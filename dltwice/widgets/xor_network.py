"""XORFolding's arithmetic in NumPy: one hidden layer on the four points of XOR. Its twin: ``xor_math.js``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from traitlets import TraitError

from .seeded import Seeded

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([0.0, 1.0, 1.0, 0.0])
MAX_HIDDEN, MAX_STEPS, MAX_LR = 50, 5000, 100
TOO_LARGE = 1e9  # a parameter beyond this means that training diverges
NEAR_ZERO = 1e-9  # a logit this close to 0 counts as 0
SHAPES = {"0.weight": ("h", 2), "0.bias": ("h",), "2.weight": (1, "h"), "2.bias": (1,)}

# Name: the activation and the weights that solve XOR by hand.
BY_HAND: dict[str, tuple[str, dict[str, list]]] = {
    "random": ("tanh", {}),
    "step by hand": (
        "step",
        {"0.weight": [[1, 1], [-1, -1]], "0.bias": [-0.5, 1.5], "2.weight": [[1, 1]], "2.bias": [-1.5]},
    ),
    "relu by hand": (
        "relu",
        {"0.weight": [[1, 1], [1, 1]], "0.bias": [0, -1], "2.weight": [[1, -2]], "2.bias": [-0.5]},
    ),
}


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + e⁻ᶻ) without overflow."""
    return 0.5 * (np.tanh(0.5 * z) + 1)


class Activation(NamedTuple):
    """An activation: its values, its derivative as a function of its values, its module in torch."""

    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray] | None
    module: str


ACTIVATIONS = {
    "step": Activation(lambda z: (z >= 0).astype(float), None, "Step()"),
    "identity": Activation(lambda z: z, np.ones_like, "nn.Identity()"),
    "sigmoid": Activation(sigmoid, lambda h: h * (1 - h), "nn.Sigmoid()"),
    "tanh": Activation(np.tanh, lambda h: 1 - h * h, "nn.Tanh()"),
    "relu": Activation(lambda z: np.maximum(z, 0), lambda h: (h > 0).astype(float), "nn.ReLU()"),
}


# ---- weights -------------------------------------------------------------------------------------------


def read_weights(weights: Mapping[str, Any]) -> dict[str, list]:
    """Return weights by torch's names as lists of floats, or raise ``TraitError`` with the reason."""
    if sorted(weights) != sorted(SHAPES):
        raise TraitError(
            f"weights: expected the names {', '.join(SHAPES)}, got {', '.join(map(str, weights))}. "
            "Write them as torch's state_dict does."
        )
    try:
        arrays = {name: np.asarray(weights[name], dtype=float) for name in SHAPES}
    except (TypeError, ValueError):
        raise TraitError(
            "weights: expected numbers in rows of one length, got something else. Replace it."
        ) from None
    hidden = arrays["0.bias"].size
    for name, shape in SHAPES.items():
        expected = tuple(hidden if size == "h" else size for size in shape)
        if arrays[name].shape != expected or not 1 <= hidden <= MAX_HIDDEN:
            raise TraitError(
                f"weights: expected {name!r} of shape {expected} with 1 to {MAX_HIDDEN} hidden units, "
                f"got {arrays[name].shape}. W⁽¹⁾ has one row per hidden unit."
            )
        if not np.all(np.abs(arrays[name]) <= TOO_LARGE):
            raise TraitError(f"weights: expected numbers up to 10⁹ in {name!r}; replace the others.")
    return {name: array.tolist() for name, array in arrays.items()}


def draw_weights(seed: int, hidden: int) -> dict[str, np.ndarray]:
    """Return weights from U(−1/√fan_in, 1/√fan_in), cut to three digits, drawn unit by unit."""
    uniform = Seeded(seed).uniform

    def draw(fan_in: int) -> float:
        return int((2 * uniform() - 1) / math.sqrt(fan_in) * 1000) / 1000

    units = np.array([[draw(2), draw(2), draw(2), draw(hidden)] for _ in range(hidden)])
    return {
        "0.weight": units[:, :2],
        "0.bias": units[:, 2],
        "2.weight": units[None, :, 3],
        "2.bias": np.array([draw(hidden)]),
    }


def flatten(weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return all parameters in one row, shape (4h + 1,)."""
    return np.concatenate([np.ravel(weights[name]) for name in SHAPES])


def unflatten(theta: np.ndarray) -> dict[str, np.ndarray]:
    """Return the parameters by torch's names. Parameters of shape (4h + 1,), undoes ``flatten``."""
    hidden = len(theta) // 4
    first, bias, second, last = np.split(theta, [2 * hidden, 3 * hidden, 4 * hidden])
    return {
        "0.weight": first.reshape(hidden, 2),
        "0.bias": bias,
        "2.weight": second[None],
        "2.bias": last,
    }


# ---- forward, backward, training -------------------------------------------------------------------------


def forward(theta: np.ndarray, activation: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the hidden units' outputs (4, h) and the logits (4,) for the four points."""
    W1, b1, w2, b2 = unflatten(theta).values()
    h = ACTIVATIONS[activation].value(X @ W1.T + b1)
    return h, h @ w2[0] + b2[0]


def bce(z: np.ndarray) -> np.ndarray:
    """Return the mean binary cross-entropy of logits (…, 4), as ``BCEWithLogitsLoss`` does."""
    return np.mean(np.maximum(z, 0) - z * Y + np.log1p(np.exp(-np.abs(z))), axis=-1)


def count_right(z: np.ndarray) -> np.ndarray:
    """Return how many of the logits (…, 4) are on the right side of 0."""
    return np.sum((z >= -NEAR_ZERO) == (Y == 1), axis=-1)


def gradient(theta: np.ndarray, h: np.ndarray, z: np.ndarray, activation: str) -> np.ndarray:
    """Return the loss's gradient for all parameters, shape (4h + 1,), from what ``forward`` gave."""
    w2 = unflatten(theta)["2.weight"][0]
    dz = (sigmoid(z) - Y) / len(Y)
    da = dz[:, None] * w2 * ACTIVATIONS[activation].slope(h)
    return np.concatenate([(da.T @ X).ravel(), da.sum(axis=0), dz @ h, [dz.sum()]])


class Training(NamedTuple):
    """Parameters (T, 4h + 1), losses (T,) and numbers of right points (T,) at T steps."""

    path: np.ndarray
    losses: np.ndarray
    rights: np.ndarray


@lru_cache(maxsize=8)
def train(start: tuple[float, ...], activation: str, lr: float, steps: int) -> Training:
    """Run full-batch gradient descent; it ends early, before a parameter is beyond ``TOO_LARGE``."""
    theta, path, logits = np.array(start), [], []
    for _ in range(steps + 1):
        h, z = forward(theta, activation)
        path.append(theta)
        logits.append(z)
        theta = theta - lr * gradient(theta, h, z, activation)
        if not np.all(np.abs(theta) <= TOO_LARGE):
            break
    training = Training(np.array(path), bce(np.array(logits)), count_right(np.array(logits)))
    for array in training:  # it is kept for the next question
        array.setflags(write=False)
    return training


# ---- the same in PyTorch ---------------------------------------------------------------------------------

# Parts of the program: the page fills the same ones in. The second is for the step, the fourth for training.
PROGRAM = [
    """\
import torch
from torch import nn
""",
    """
class Step(nn.Module):
    def forward(self, z):
        return (z >= 0).to(z.dtype)

""",
    """
weights = {<weights>
}
net = nn.Sequential(nn.Linear(2, <hidden>), <module>, nn.Linear(<hidden>, 1)).double()
net.load_state_dict({name: torch.tensor(w, dtype=torch.float64) for name, w in weights.items()})
x = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
y = torch.tensor([0, 1, 1, 0], dtype=torch.float64)
loss_function = nn.BCEWithLogitsLoss()
""",
    """\
optimizer = torch.optim.SGD(net.parameters(), lr=<lr>)
for step in range(<steps>):
    optimizer.zero_grad()
    loss = loss_function(net(x)[:, 0], y)
    loss.backward()
    optimizer.step()

""",
    """\
with torch.no_grad():
    z = net(x)[:, 0]
right = (z >= -1e-9) == (y == 1)  # so that rounding decides nothing
print(z.sigmoid(), loss_function(z, y).item(), right.sum().item())
""",
]


def torch_program(start: Mapping[str, list], activation: str, lr: float, steps: int) -> str:
    """Return the program that trains from ``start`` for ``steps`` steps and prints what it then predicts."""
    imports, step_module, network, training, end = PROGRAM
    parts = [imports, step_module * (activation == "step"), network, training * (steps > 0), end]
    values = {
        "weights": "".join(f'\n    "{name}": {_list(values)},' for name, values in start.items()),
        "hidden": str(len(start["0.bias"])),
        "module": ACTIVATIONS[activation].module,
        "lr": _number(lr),
        "steps": str(steps),
    }
    return re.sub(r"<(\w+)>", lambda found: values[found[1]], "".join(parts))


def _list(value: Any) -> str:
    return f"[{', '.join(map(_list, value))}]" if isinstance(value, list) else _number(value)


def _number(value: float) -> str:
    """Write a number as JavaScript does: the page writes the same program."""
    shortest = Decimal(repr(value + 0.0)).normalize()  # there is no −0 in it
    return f"{shortest:e}" if 0 < abs(value) < 1e-6 else format(shortest, "f")
