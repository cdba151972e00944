"""The base class of all optimizers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ..nn.module import Parameter


class Optimizer:
    """Parameters, a learning rate `lr` that may be changed at any time, and a state for each parameter.

    Raises:
        ValueError: no parameters, something that is no parameter, or a negative learning rate.
    """

    def __init__(self, params: Iterable[Parameter], lr: float) -> None:
        self.params = list(params)
        if not self.params:
            raise ValueError(
                "params is empty: pass net.parameters() of a network that has some"
            )
        for parameter in self.params:
            if not isinstance(parameter, Parameter):
                raise ValueError(
                    f"params must hold parameters of dltwice.nn, got {type(parameter).__name__}: "
                    "pass net.parameters()"
                )
        self.lr = check_not_negative("lr", lr)
        self.state: list[dict[str, np.ndarray | int]] = [{} for _ in self.params]

    def step(self) -> None:
        """Move every parameter that has a gradient, in place."""
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def zero_grad(self) -> None:
        """Forget all gradients. Not needed between steps: `backward` replaces them."""
        for parameter in self.params:
            parameter.module.grads.clear()

    def _moving(self) -> Iterator[tuple[np.ndarray, np.ndarray, dict]]:
        """Yield values, gradient and state where there is a gradient, all in the type of the values."""
        for parameter, state in zip(self.params, self.state, strict=True):
            w, gradient = parameter.data, parameter.grad
            if gradient is None:
                continue
            for name, value in state.items():
                if (
                    isinstance(value, np.ndarray) and value.dtype != w.dtype
                ):  # weights were loaded
                    state[name] = value.astype(w.dtype)
            yield w, gradient.astype(w.dtype, copy=False), state


def check_not_negative(name: str, value: float) -> float:
    """Return `value` as a float.

    Raises:
        ValueError: it is below 0, or not a number.
    """
    if not value >= 0:
        raise ValueError(f"{name} must be 0 or more, got {value}")
    return float(value)
