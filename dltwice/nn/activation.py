"""Activations."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .module import Module, check_gradient, check_input


class ReLU(Module):
    """max(x, 0), element by element, for an input of any shape.

    The derivative at 0 is taken as 0, as in PyTorch.

    Raises:
        ValueError: `inplace=True` (layers never modify their input); integer input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        if inplace:
            raise ValueError("inplace must be False: layers of dltwice.nn never modify their input")

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return max(x, 0)."""
        x = check_input(x)
        self._save(x > 0, x.dtype)
        return np.maximum(x, 0)

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Let the gradient through where the input was positive."""
        positive, dtype = self._recall()
        return check_gradient(dy, positive.shape, dtype) * positive
