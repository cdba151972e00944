"""NumPy twin of `torch.optim`."""

from __future__ import annotations

from collections.abc import Iterable

from .nn.module import Parameter


class SGD:
    """Gradient descent: every parameter moves by −lr times its gradient.

    Args:
        params: what `net.parameters()` returns.
        lr: learning rate.

    Raises:
        ValueError: no parameters, or a negative learning rate.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    def __init__(self, params: Iterable[Parameter], lr: float = 1e-3) -> None:
        self.params = list(params)
        self.lr = float(lr)
        if not self.params:
            raise ValueError("params is empty: pass net.parameters() of a network that has some")
        if self.lr < 0:
            raise ValueError(f"lr must be 0 or more, got {lr}")

    def step(self) -> None:
        """Move every parameter that has a gradient, in place."""
        for parameter in self.params:
            if parameter.grad is not None:
                parameter.data[...] -= self.lr * parameter.grad

    def zero_grad(self) -> None:
        """Forget all gradients. Not needed between steps: `backward` replaces them."""
        for parameter in self.params:
            parameter.module.grads.clear()
