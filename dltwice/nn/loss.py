"""Losses: `loss(input, target)` is a number, `loss.backward()` its gradient in `input`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .module import Module, check_input, to_array


class Loss(Module):
    """What the losses share: `reduction` is "mean" or "sum".

    Raises:
        ValueError: another reduction.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum"):
            raise ValueError(f'reduction must be "mean" or "sum", got {reduction!r}')
        self.reduction = reduction

    def _scale(self, count: int) -> float:
        return 1 / max(count, 1) if self.reduction == "mean" else 1.0

    def forward(self, input: ArrayLike, target: ArrayLike) -> float:
        """Return the loss, a Python float."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: float = 1.0) -> np.ndarray:
        """Return the loss's gradient in `input`, times `dy`."""
        (gradient,) = self._recall()
        return gradient * float(dy)


class MSELoss(Loss):
    """Mean (or sum) of the squared differences, over all elements.

    | array  | shape      |
    |--------|------------|
    | input  | any        |
    | target | as `input` |

    Raises:
        ValueError: the shapes differ (nothing is broadcast); integer input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html
    """

    def forward(self, input: ArrayLike, target: ArrayLike) -> float:
        """Return the loss, a Python float."""
        input, target = _same_shape(input, target)
        difference = input - target
        scale = self._scale(difference.size)
        self._save(2 * scale * difference)
        return float(np.sum(difference * difference)) * scale


class BCEWithLogitsLoss(Loss):
    """Mean (or sum) over all elements of −t log σ(z) − (1 − t) log(1 − σ(z)), for logits z.

    It is computed as max(z, 0) − z t + log(1 + exp(−|z|)), the same number: the exponential is at most 1.

    | array  | shape      | values                                 |
    |--------|------------|----------------------------------------|
    | input  | any        | logits: no sigmoid before it           |
    | target | as `input` | probabilities from 0 to 1, or classes 0 and 1 |

    Raises:
        ValueError: the shapes differ (nothing is broadcast); targets out of range; integer input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
    """

    def forward(self, input: ArrayLike, target: ArrayLike) -> float:
        """Return the loss, a Python float."""
        z, t = _same_shape(input, target)
        if t.size and not (t.min() >= 0 and t.max() <= 1):
            raise ValueError(
                f"target must be from 0 to 1, got values from {t.min()} to {t.max()}: "
                "name the two classes 0 and 1"
            )
        small = np.exp(-np.abs(z))
        losses = np.maximum(z, 0) - z * t + np.log1p(small)
        sigmoid = np.where(z >= 0, 1, small) / (1 + small)
        scale = self._scale(z.size)
        self._save(scale * (sigmoid - t).astype(z.dtype, copy=False))
        return float(losses.sum()) * scale


class CrossEntropyLoss(Loss):
    """Mean (or sum) over the batch of log Σₖ exp(zₖ) − z_target, for logits z.

    The largest logit is subtracted before the exponential, so that nothing overflows.

    | array  | shape   | values                       |
    |--------|---------|------------------------------|
    | input  | (N, C)  | logits: no softmax before it |
    | target | (N,)    | classes, integers in 0…C−1   |

    Raises:
        ValueError: wrong rank, wrong length, classes out of range or not integers.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """

    def forward(self, input: ArrayLike, target: ArrayLike) -> float:
        """Return the loss, a Python float."""
        input, target = self._check(check_input(input, "input"), to_array(target))
        rows = np.arange(len(input))
        shifted = input - input.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        total = exponentials.sum(axis=1, keepdims=True)  # (N, 1)
        losses = np.log(total[:, 0]) - shifted[rows, target]  # (N,)
        gradient = exponentials / total  # (N, C)
        gradient[rows, target] -= 1
        scale = self._scale(len(input))
        self._save(gradient * scale)
        return float(losses.sum()) * scale

    @staticmethod
    def _check(input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if input.ndim != 2:
            raise ValueError(
                f"input must have shape (N, C), one row of logits each, got {input.shape}"
            )
        if target.shape != input.shape[:1] or not np.issubdtype(
            target.dtype, np.integer
        ):
            raise ValueError(
                f"target must hold {len(input)} classes as integers, got shape {target.shape} of "
                f"{target.dtype}: pass class numbers, not one-hot rows"
            )
        classes = input.shape[1]
        if target.size and (target.min() < 0 or target.max() >= classes):
            raise ValueError(
                f"target must be in 0…{classes - 1}, got values from {target.min()} to {target.max()}: "
                "number the classes from 0"
            )
        return input, target


def _same_shape(input: ArrayLike, target: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return input and target as arrays of one floating type.

    Raises:
        ValueError: the shapes differ; integer input.
    """
    input, target = check_input(input, "input"), to_array(target)
    if target.shape != input.shape:
        raise ValueError(
            f"target must have the shape of input, {input.shape}, got {target.shape}: reshape one of them"
        )
    return input, target.astype(input.dtype, copy=False)
