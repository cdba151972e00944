"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .module import Module, check_gradient, check_input


class Dropout(Module):
    """In training: set each entry to 0 with probability p, and divide the others by 1 − p.

    The division keeps the mean of every entry where it was ("inverted dropout"), so that in evaluation, after
    `eval()`, the layer is the identity.

    Args:
        p: the probability that an entry becomes 0, from 0 to 1.
        inplace: only False.
        rng: seed or generator of the masks; each forward in training draws a new one.

    Raises:
        ValueError: `p` out of range; `inplace=True` (layers never modify their input); integer input.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014,
    section 10; https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html
    """

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, rng: Any = None
    ) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must be a probability from 0 to 1, got {p}")
        if inplace:
            raise ValueError(
                "inplace must be False: layers of dltwice.nn never modify their input"
            )
        self.p, self.rng = p, np.random.default_rng(rng)

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return x times a new mask in training, `x` in evaluation."""
        x = check_input(x)
        if not self.training:
            self._save(None, x.shape, x.dtype)
            return x
        keep = self.rng.random(x.shape, dtype=np.float32) >= self.p
        scale = 1 / (1 - self.p) if self.p < 1 else 0.0  # with p = 1 nothing is kept
        mask = keep.astype(x.dtype) * scale
        self._save(mask, x.shape, x.dtype)
        return x * mask

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Return dy times the mask of the last forward: what was dropped gets no gradient."""
        mask, shape, dtype = self._recall()
        dy = check_gradient(dy, shape, dtype)
        return dy if mask is None else dy * mask

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        return f"p={self.p}, inplace=False"
