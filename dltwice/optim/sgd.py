"""Gradient descent, with momentum and weight decay."""

from __future__ import annotations

from collections.abc import Iterable

from ..nn.module import Parameter
from .optimizer import Optimizer, check_not_negative


class SGD(Optimizer):
    """Gradient descent: every parameter moves by −lr times its gradient, or times a mean of its gradients.

    Args:
        params: what `net.parameters()` returns.
        lr: learning rate η.
        momentum: μ, how much of the last velocity is kept.
        dampening: part of the gradient that is left out of the velocity.
        weight_decay: λ; λw is added to the gradient, which is the gradient of ½λ‖w‖² (L2 penalty).
        nesterov: whether to look one step ahead along the velocity.

    Raises:
        ValueError: no parameters, a negative setting, or `nesterov` without momentum or with dampening.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr)
        self.momentum = check_not_negative("momentum", momentum)
        self.dampening = float(dampening)
        self.weight_decay = check_not_negative("weight_decay", weight_decay)
        self.nesterov = nesterov
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError(
                f"nesterov needs a momentum and no dampening, got momentum={momentum}, dampening={dampening}"
            )

    def step(self) -> None:
        """Move every parameter that has a gradient, in place."""
        for w, g, state in self._moving():
            if self.weight_decay:
                g = g + self.weight_decay * w
            if self.momentum:
                if "velocity" not in state:
                    state["velocity"] = v = g.copy()
                else:
                    v = state["velocity"]
                    v *= self.momentum
                    v += (1 - self.dampening) * g
                g = g + self.momentum * v if self.nesterov else v
            w -= self.lr * g
