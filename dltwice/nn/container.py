"""Layers that hold layers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from .module import Buffer, Module, Parameter


class Sequential(Module):
    """Layers one after the other; the gradient takes the same way back.

    Parameters are named by position, as in PyTorch: `"0.weight"`, `"0.bias"`, `"2.weight"`.

    Raises:
        ValueError: an argument is not a layer, or is there twice.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Sequential.html
    """

    def __init__(self, *layers: Module) -> None:
        for position, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise ValueError(
                    f"Sequential takes layers of dltwice.nn, got {type(layer).__name__} at position "
                    f"{position}: write Sequential(Conv2d(...), ReLU())"
                )
            if any(layer is earlier for earlier in layers[:position]):
                raise ValueError(
                    f"the layer at position {position} is there already: a layer remembers one input, so "
                    "build a second one, and give it the first one's state_dict for equal weights"
                )
        self.layers = list(layers)

    @property
    def params(self) -> dict[str, np.ndarray]:
        """All parameters under their full names."""
        return {name: parameter.data for name, parameter in self.named_parameters()}

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """All gradients of the last `backward` under their full names."""
        pairs = self.named_parameters()
        return {
            name: parameter.grad
            for name, parameter in pairs
            if parameter.grad is not None
        }

    @property
    def buffers(self) -> dict[str, np.ndarray]:
        """All buffers under their full names."""
        return {name: buffer.data for name, buffer in self.named_buffers()}

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Send `x` through all layers."""
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Send `dy` through all layers in reverse order."""
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield (name, parameter) of all layers, the names beginning with the layer's position."""
        for position, layer in enumerate(self.layers):
            for name, parameter in layer.named_parameters():
                yield f"{position}.{name}", parameter

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Yield (name, buffer) of all layers, the names beginning with the layer's position."""
        for position, layer in enumerate(self.layers):
            for name, buffer in layer.named_buffers():
                yield f"{position}.{name}", buffer

    def named_state(self) -> Iterator[tuple[str, Parameter | Buffer]]:
        """Yield what `state_dict` holds, layer by layer, the names beginning with the layer's position."""
        for position, layer in enumerate(self.layers):
            for name, entry in layer.named_state():
                yield f"{position}.{name}", entry

    def train(self, mode: bool = True) -> Sequential:
        """Set `training` of all layers, and return the network."""
        for layer in self.layers:
            layer.train(mode)
        super().train(mode)
        return self

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]

    def __repr__(self) -> str:
        lines = [
            f"({position}): {layer!r}" for position, layer in enumerate(self.layers)
        ]
        body = "\n".join(lines).replace("\n", "\n  ")
        return f"Sequential(\n  {body}\n)" if lines else "Sequential()"
