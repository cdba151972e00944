"""The perceptron: one neuron with a step, and its own learning rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .module import Module, check_input, sizes, to_array


class Perceptron(Module):
    """ŷ = step(w · x + b), where step(z) is 1 for z ≥ 0 and 0 for z < 0.

    | array  | shape                 |
    |--------|-----------------------|
    | x      | (N, in_features)      |
    | weight | (1, in_features)      |
    | bias   | (1,)                  |
    | ŷ      | (N,), each 0.0 or 1.0 |

    Parameters are named and shaped as those of `torch.nn.Linear(in_features, 1)`, and are 0 at first.

    Args:
        in_features: how many numbers one example has.
        dtype: type of the parameters; the output takes the type of the input.
        rng: seed or generator of the order in which `fit` visits the examples; None keeps their order.

    Raises:
        ValueError: a size below 1; input of another size, or integers; labels other than 0 and 1.

    Source: Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in the
    brain", Psychological Review 1958; the rule: Rosenblatt, "Principles of Neurodynamics", 1962
    """

    def __init__(
        self, in_features: int, *, dtype: DTypeLike = np.float32, rng: Any = None
    ) -> None:
        super().__init__()
        (self.in_features,) = sizes("in_features", in_features, 1, 1)
        self.params["weight"] = np.zeros((1, in_features), dtype)
        self.params["bias"] = np.zeros(1, dtype)
        self.rng = None if rng is None else np.random.default_rng(rng)

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return 1.0 where w · x + b ≥ 0, 0.0 elsewhere."""
        x = self._check(x, "(N, in_features)", 2)
        z = x @ self.weight[0].astype(x.dtype, copy=False) + self.bias.astype(
            x.dtype, copy=False
        )
        return (z >= 0).astype(x.dtype)

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Refuse.

        Raises:
            ValueError: always. The derivative of the step is 0 wherever it exists: no gradient gets through.
        """
        raise ValueError(
            "a perceptron has no useful gradient: its step has slope 0 everywhere but at the jump. "
            "Train it with update(x, y), or use Linear with BCEWithLogitsLoss"
        )

    def update(self, x: ArrayLike, y: int, lr: float = 1.0) -> bool:
        """Learn from one example: w ← w + η(y − ŷ)x and b ← b + η(y − ŷ).

        Args:
            x: one example, (in_features,).
            y: its label, 0 or 1.
            lr: the learning rate η.

        Returns:
            True if the prediction was wrong, so that something changed.
        """
        x = self._check(x, "(in_features,)", 1)
        if y not in (0, 1):
            raise ValueError(f"y must be 0 or 1, got {y!r}: number the two classes so")
        if not lr > 0:
            raise ValueError(f"lr must be more than 0, got {lr}")
        error = int(y) - int(self.forward(x[None])[0])  # −1, 0 or 1
        if error == 0:
            return False
        self.params["weight"] += lr * error * x
        self.params["bias"] += lr * error
        return True

    def fit(
        self, x: ArrayLike, y: ArrayLike, *, lr: float = 1.0, epochs: int = 100
    ) -> list[int]:
        """Update with all examples in turn, until an epoch passes without a mistake.

        Args:
            x: the examples, (N, in_features).
            y: their labels, (N,), each 0 or 1.
            lr: the learning rate η.
            epochs: how many times to go through the examples at most.

        Returns:
            The number of mistakes in each epoch; the last is 0 if the perceptron has learned all examples.
        """
        x, y = self._check(x, "(N, in_features)", 2), to_array(y)
        if y.shape != x.shape[:1]:
            raise ValueError(
                f"y must have shape ({len(x)},), one label a row of x, got {y.shape}"
            )
        if not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"y must hold 0 and 1, got {np.unique(y)}: number the two classes so"
            )
        sizes("epochs", epochs, 1, 1)
        mistakes = []
        for _ in range(epochs):
            order = range(len(x)) if self.rng is None else self.rng.permutation(len(x))
            mistakes.append(sum(self.update(x[n], y[n], lr) for n in order))
            if mistakes[-1] == 0:
                break
        return mistakes

    def _check(self, x: ArrayLike, layout: str, rank: int) -> np.ndarray:
        x = check_input(x)
        if x.ndim != rank or x.shape[-1] != self.in_features:
            raise ValueError(
                f"x must have shape {layout} with in_features={self.in_features}, got {x.shape}: "
                "build the perceptron for that size, or reshape x"
            )
        return x

    def extra_repr(self) -> str:
        """Return the size of an example."""
        return f"in_features={self.in_features}"
