"""The one idea of this book: a NumPy layer and its PyTorch twin, shown to be the same thing."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from .nn.module import Module, check_input, to_array
from .report import Report, compare_all

TOLERANCE = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-5}


def compare(
    numpy_layer: Module,
    torch_layer: torch.nn.Module,
    x: ArrayLike,
    *,
    target: ArrayLike | None = None,
    rtol: float | None = None,
    seed: int = 0,
) -> Report:
    """Same weights in, same outputs and same gradients out, or an error that says where not.

    Copies the NumPy layer's weights to the torch layer, runs both forward, sends the same random upstream
    gradient back through both, and compares the output, the gradient in the input, and the gradient of every
    parameter. It works on copies, in the type of `x`; to give the layers themselves one set of weights, use
    `copy_weights`.

    Args:
        numpy_layer: a layer of `dltwice.nn`, a `Sequential` or a loss.
        torch_layer: its twin of `torch.nn`.
        x: the input, float64 or float32.
        target: the second argument of a loss.
        rtol: allowed |difference| relative to the largest value of its array, or to 1 if that is smaller.
            By default 1e-10 in float64, 1e-5 in float32.
        seed: seed of the upstream gradient.

    Returns:
        A small table of what was compared; its text is the same on every machine.

    Raises:
        AssertionError: names the worst mismatch, its index and both values.
        ValueError: the layers' parameters do not have the same names and shapes; `x` does not hold floats.
    """
    x = check_input(x)
    if target is not None:
        target = to_array(target)
        target = target.astype(x.dtype if np.issubdtype(target.dtype, np.floating) else np.int64)
    tol = TOLERANCE[x.dtype] if rtol is None else rtol
    ours, theirs = copy.deepcopy(numpy_layer), copy.deepcopy(torch_layer)
    for parameter in ours.parameters():
        setattr(parameter.module, parameter.name, parameter.data.astype(x.dtype))
    theirs.to(torch.from_numpy(np.empty(0, x.dtype)).dtype)
    copy_weights(ours, theirs)
    expected = _run_torch(theirs, x, target, seed)
    actual = _run_numpy(ours, x, target, seed)
    pairs = {name: (actual.get(name), value) for name, value in expected.items()}
    return compare_all(f"{type(numpy_layer).__name__}: NumPy and PyTorch agree", pairs, tol, "PyTorch")


def copy_weights(source: Module | torch.nn.Module, destination: Module | torch.nn.Module) -> None:
    """Copy all weights of one layer to its twin, from NumPy to PyTorch or back.

    Raises:
        ValueError: the parameters do not have the same names and shapes.
    """
    state = source.state_dict()
    if isinstance(destination, Module):
        destination.load_state_dict(state)
        return
    try:
        destination.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})
    except RuntimeError as error:
        raise ValueError(
            f"the weights do not fit, build both layers with the same settings: {error}"
        ) from None


def _upstream(y: Any, dtype: np.dtype, seed: int) -> np.ndarray:
    """Return a random gradient of the shape of `y`: all ones would hide a backward that returns zeros."""
    return np.random.default_rng(seed).standard_normal(tuple(np.shape(y))).astype(dtype)


def _run_torch(
    layer: torch.nn.Module, x: np.ndarray, target: np.ndarray | None, seed: int
) -> dict[str, np.ndarray]:
    """Return output and gradients of the torch layer by name."""
    leaf = torch.tensor(x.copy(), requires_grad=True)
    layer.zero_grad()
    y = layer(leaf) if target is None else layer(leaf, torch.as_tensor(target))
    y.backward(torch.as_tensor(_upstream(y.detach(), x.dtype, seed)))
    found = {"output": y.detach().numpy(), "gradient of input": leaf.grad.numpy()}
    return found | {f"gradient of {name}": p.grad.numpy() for name, p in layer.named_parameters()}


def _run_numpy(layer: Module, x: np.ndarray, target: np.ndarray | None, seed: int) -> dict[str, np.ndarray]:
    """Return output and gradients of the NumPy layer by name."""
    y = layer(x) if target is None else layer(x, target)
    y = np.asarray(y, x.dtype) if isinstance(y, float) else y
    found = {"output": y, "gradient of input": layer.backward(_upstream(y, x.dtype, seed))}
    return found | {f"gradient of {name}": p.grad for name, p in layer.named_parameters()}
