"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..nn.module import Parameter
from .optimizer import Optimizer, check_not_negative


class Adam(Optimizer):
    """Every entry moves by lr times its mean gradient, divided by the root of its mean squared gradient.

    Args:
        params: what `net.parameters()` returns.
        lr: learning rate η.
        betas: β₁ and β₂, how slowly the two means follow.
        eps: added to the root, so that an entry without gradients divides by no 0.
        weight_decay: λ; λw is added to the gradient, as in `SGD`. The division then weakens the decay of
            entries with large gradients; `AdamW` decays all alike.

    Raises:
        ValueError: no parameters, a negative setting, or a beta outside 0 ≤ β < 1.

    Source: Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
    ) -> None:
        super().__init__(params, lr)
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(
                f"betas must be two numbers from 0 to below 1, got {betas}"
            )
        self.betas = tuple(map(float, betas))
        self.eps = check_not_negative("eps", eps)
        self.weight_decay = check_not_negative("weight_decay", weight_decay)

    def step(self) -> None:
        """Move every parameter that has a gradient, in place."""
        beta1, beta2 = self.betas
        for w, g, state in self._moving():
            if self.weight_decay and self.decoupled:
                w *= 1 - self.lr * self.weight_decay
            elif self.weight_decay:
                g = g + self.weight_decay * w
            if not state:
                state.update(t=0, m=np.zeros_like(w), v=np.zeros_like(w))
            state["t"] += 1
            t, m, v = state["t"], state["m"], state["v"]
            m *= beta1
            m += (1 - beta1) * g
            v *= beta2
            v += (1 - beta2) * g * g
            m_hat = m / (1 - beta1**t)
            v_hat = v / (1 - beta2**t)
            w -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


class AdamW(Adam):
    """Adam whose weight decay is no part of the gradient: w ← (1 − lr·λ) w first, then Adam's step.

    Arguments and errors are those of `Adam`.

    Source: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)
