"""The base class of all layers: parameters, gradients, exchange of weights with PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike


@dataclass(frozen=True)
class Parameter:
    """One parameter of a layer: where an optimizer finds the values and their gradient.

    It refers to the layer by name, so it stays right when `load_state_dict` replaces the array.
    """

    module: Module
    name: str

    @property
    def data(self) -> np.ndarray:
        """The values, the layer's own array."""
        return self.module.params[self.name]

    @property
    def grad(self) -> np.ndarray | None:
        """The gradient of the last `backward`, or None before the first."""
        return self.module.grads.get(self.name)


@dataclass(frozen=True)
class Buffer:
    """One array of a layer's state that is not learned, for instance a running mean."""

    module: Module
    name: str

    @property
    def data(self) -> np.ndarray:
        """The values, the layer's own array."""
        return self.module.buffers[self.name]


class Module:
    """A layer with a `forward(x)` and a `backward(dy)` written by hand.

    - `layer.params["weight"]`, also `layer.weight`: the parameters, named and shaped as in `torch.nn`.
    - `layer.grads["weight"]`: their gradients. Every `backward` replaces them (PyTorch adds to them).
    - `layer.buffers["running_mean"]`, also `layer.running_mean`: state that is not learned.
    - `layer.training`: whether dropout and batch norm train; `train()` and `eval()` set it.
    - `layer(x)` is `layer.forward(x)`.

    Layers compute in the type of their input, float32 or float64, and never modify it. Between `forward` and
    `backward` the caller must not modify input or output either: some layers keep the array itself, no copy.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    """

    training = True

    def __init__(self) -> None:
        self.params: dict[str, np.ndarray] = {}
        self.grads: dict[str, np.ndarray] = {}
        self.buffers: dict[str, np.ndarray] = {}
        self._saved: Any = None

    def __call__(self, *args: ArrayLike) -> np.ndarray:
        """Return `self.forward(...)`."""
        return self.forward(*args)

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Return the layer's output, and keep what `backward` will need."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Take the loss's gradient in the output, fill `grads`, return the gradient in the input."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield (name, parameter) of this layer and all layers inside it, in PyTorch's order."""
        for name in self.params:
            yield name, Parameter(self, name)

    def parameters(self) -> list[Parameter]:
        """Return all parameters: what an optimizer takes."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Yield (name, buffer) of this layer and all layers inside it, in PyTorch's order."""
        for name in self.buffers:
            yield name, Buffer(self, name)

    def named_state(self) -> Iterator[tuple[str, Parameter | Buffer]]:
        """Yield what `state_dict` holds, in PyTorch's order: each layer's parameters, then its buffers."""
        yield from self.named_parameters()
        yield from self.named_buffers()

    def train(self, mode: bool = True) -> Module:
        """Set `training` here and in all layers inside, and return the layer."""
        self.training = bool(mode)
        return self

    def eval(self) -> Module:
        """Set `training` to False here and in all layers inside, and return the layer."""
        return self.train(False)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return a copy of all parameters and buffers under PyTorch's names."""
        return {name: entry.data.copy() for name, entry in self.named_state()}

    def load_state_dict(self, state_dict: Mapping[str, ArrayLike]) -> None:
        """Copy the values of `state_dict` (arrays or torch tensors) into the parameters and buffers.

        They take the floating type of what is loaded, so nothing is rounded; a count stays an integer.

        Raises:
            ValueError: names are missing or unknown, or a shape differs. Nothing is loaded then.
        """
        own = dict(self.named_state())
        arrays = {name: to_array(value) for name, value in state_dict.items()}
        problems = [f"missing {name!r}" for name in own.keys() - arrays.keys()]
        problems += [f"unknown {name!r}" for name in arrays.keys() - own.keys()]
        problems += [
            f"{name!r} must have shape {entry.data.shape}, got {arrays[name].shape}"
            for name, entry in own.items()
            if name in arrays and arrays[name].shape != entry.data.shape
        ]
        if problems:
            raise ValueError(
                f"state_dict does not fit {type(self).__name__}: {'; '.join(sorted(problems))}. "
                f"Expected the names {list(own)}; build both layers with the same settings."
            )
        for name, entry in own.items():
            setattr(entry.module, entry.name, arrays[name])

    def extra_repr(self) -> str:
        """Return the settings between the brackets of `repr(layer)`."""
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def __getattr__(self, name: str) -> np.ndarray:
        for store in ("params", "buffers"):
            if name in (values := self.__dict__.get(store, {})):
                return values[name]
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        for store in ("params", "buffers"):
            if name in (values := self.__dict__.get(store, {})):
                values[name] = _replacement(name, values[name], value)
                return
        if name == "bias" and value is not None:
            raise ValueError(
                "bias: this layer was built without one; build it with bias=True (batch norm: affine=True)"
            )
        super().__setattr__(name, value)

    def _save(self, *values: Any) -> None:
        """Keep values for `backward`."""
        self._saved = values

    def _recall(self) -> tuple:
        """Return what `forward` kept."""
        if self._saved is None:
            raise ValueError(
                f"{type(self).__name__}.backward was called before forward: call y = layer(x) first, "
                "then layer.backward(dy)"
            )
        return self._saved


def _replacement(name: str, old: np.ndarray, value: ArrayLike) -> np.ndarray:
    """Return a copy of `value` that may take the place of `old`: same shape, floats of any size for floats.

    Raises:
        ValueError: the shape differs.
    """
    value = to_array(value)
    if value.shape != old.shape:
        raise ValueError(f"{name} must have shape {old.shape}, got {value.shape}")
    floats = all(np.issubdtype(array.dtype, np.floating) for array in (old, value))
    return np.array(value, dtype=value.dtype if floats else old.dtype)


def convert(layer: Module, dtype: DTypeLike) -> None:
    """Give all parameters and floating buffers of `layer` this floating type."""
    for _, entry in layer.named_state():
        if np.issubdtype(entry.data.dtype, np.floating):
            setattr(entry.module, entry.name, entry.data.astype(dtype))


def to_array(value: ArrayLike) -> np.ndarray:
    """Return `value` as an array; a torch tensor may be on any device and may require a gradient."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def check_input(x: ArrayLike, name: str = "x") -> np.ndarray:
    """Return `x` as an array of floats.

    Raises:
        ValueError: `x` holds something else, for instance integers.
    """
    x = to_array(x)
    if x.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"{name} must hold floats (float32 or float64), got {x.dtype}: "
            f"convert it with {name}.astype(np.float32)"
        )
    return x


def check_gradient(
    dy: ArrayLike, shape: tuple[int, ...], dtype: DTypeLike
) -> np.ndarray:
    """Return the upstream gradient as an array of `dtype`.

    Raises:
        ValueError: `dy` has not the output's shape.
    """
    dy = to_array(dy)
    if dy.shape != tuple(shape):
        raise ValueError(
            f"dy must have the shape of the output, {tuple(shape)}, got {dy.shape}: "
            "pass the loss's gradient in the output of the last forward"
        )
    return dy.astype(dtype, copy=False)


def uniform(
    rng: Any, fan_in: int, shape: tuple[int, ...], dtype: DTypeLike
) -> np.ndarray:
    """Draw a parameter as PyTorch does by default: uniform in ±1/√fan_in."""
    bound = 1 / max(fan_in, 1) ** 0.5
    return np.random.default_rng(rng).uniform(-bound, bound, shape).astype(dtype)


def sizes(name: str, value: Any, count: int, least: int) -> tuple[int, ...]:
    """Return `value` as `count` integers, each `least` or more."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * count
    if len(values) != count:
        wanted = f"one integer or {count} of them" if count > 1 else "one integer"
        raise ValueError(
            f"{name} must be {wanted}, got {value!r}: write {name}={max(least, 1)}, for instance"
        )
    for number in values:
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise ValueError(
                f"{name} must be an integer{' or a tuple' * (count > 1)}, got {value!r}"
            )
        if number < least:
            raise ValueError(
                f"{name} must be at least {least}, got {value!r}: write {name}={least} or more"
            )
    return tuple(int(number) for number in values)
