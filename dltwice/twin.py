"""The one idea of this book: a NumPy layer and its PyTorch twin, shown to be the same thing."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from .nn.module import Module, check_input, convert, to_array
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
    gradient back through both, and compares the output, the gradient in the input, the gradient of every
    parameter, and the buffers, such as running means, as the forward left them. It works on copies, in the
    type of `x`; to give the layers themselves one set of weights, use `copy_weights`. Dropout in training
    draws another mask in each library: compare such networks after `eval()`.

    Args:
        numpy_layer: a layer of `dltwice.nn`, a `Sequential` or a loss.
        torch_layer: its twin of `torch.nn`.
        x: the input, float64 or float32.
        target: the second argument of a loss.
        rtol: allowed |difference| relative to the largest value of its array, by default 1e-10 in float64,
            1e-5 in float32. Where all entries are 0 but for rounding, as the gradient of a bias before batch
            norm, the largest of all gradients counts, in units of its last place.
        seed: seed of the upstream gradient.

    Returns:
        A small table of what was compared; its text is the same on every machine.

    Raises:
        AssertionError: names the worst mismatch, its index and both values.
        ValueError: the layers' parameters do not have the same names and shapes; one layer is in training
            mode and the other is not; `x` does not hold floats.
    """
    x = check_input(x)
    if target is not None:
        target = to_array(target)
        target = target.astype(x.dtype if np.issubdtype(target.dtype, np.floating) else np.int64)
    tol = TOLERANCE[x.dtype] if rtol is None else rtol
    _check_modes(numpy_layer, torch_layer)
    ours, theirs = copy.deepcopy(numpy_layer), copy.deepcopy(torch_layer)
    convert(ours, x.dtype)
    theirs.to(torch.from_numpy(np.empty(0, x.dtype)).dtype)
    copy_weights(ours, theirs)
    expected = _run_torch(theirs, x, target, seed)
    actual = _run_numpy(ours, x, target, seed)
    pairs = {name: (actual.get(name), value) for name, value in expected.items()}
    title = f"{type(numpy_layer).__name__}: NumPy and PyTorch agree"
    return compare_all(title, pairs, tol, "PyTorch", _rounding(expected))


def _rounding(arrays: dict[str, np.ndarray]) -> dict[str, float]:
    """Return what rounding may do to an array by name: 64 units in the last place of the largest of its kind.

    Kinds are the output, the gradients and the buffers. Networks with batch norm needed up to 14 (measured).
    """
    kinds = {name: "gradient" if name.startswith("gradient of ") else name for name in arrays}
    kinds |= {name: "buffer" for name, kind in kinds.items() if kind not in ("gradient", "output")}
    largest = dict.fromkeys(kinds.values(), 0.0)
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating):
            unit = 64 * np.finfo(array.dtype).eps * np.abs(array[np.isfinite(array)]).max(initial=0)
            largest[kinds[name]] = max(largest[kinds[name]], float(unit))
    return {name: largest[kind] for name, kind in kinds.items()}


def _check_modes(numpy_layer: Module, torch_layer: torch.nn.Module) -> None:
    if numpy_layer.training != torch_layer.training:
        modes = ["training" if layer.training else "evaluation" for layer in (numpy_layer, torch_layer)]
        raise ValueError(
            f"the NumPy layer is in {modes[0]} mode, the PyTorch layer in {modes[1]} mode: "
            "call train() or eval() on both"
        )


def copy_weights(source: Module | torch.nn.Module, destination: Module | torch.nn.Module) -> None:
    """Copy all weights and buffers of one layer to its twin, from NumPy to PyTorch or back.

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
    """Return a random gradient of the shape of `y`: all ones would hide a backward that returns zeros.

    Its generator is not `default_rng(seed)`, which may have drawn `x`: batch norm has gradient 0 along x.
    """
    return np.random.default_rng([seed, 1]).standard_normal(tuple(np.shape(y))).astype(dtype)


def _run_torch(
    layer: torch.nn.Module, x: np.ndarray, target: np.ndarray | None, seed: int
) -> dict[str, np.ndarray]:
    """Return output, gradients and buffers of the torch layer by name."""
    leaf = torch.tensor(x.copy(), requires_grad=True)
    layer.zero_grad()
    y = layer(leaf) if target is None else layer(leaf, torch.as_tensor(target))
    y.backward(torch.as_tensor(_upstream(y.detach(), x.dtype, seed)))
    found = {"output": y.detach().numpy(), "gradient of input": leaf.grad.numpy()}
    found |= {f"gradient of {name}": p.grad.numpy() for name, p in layer.named_parameters()}
    return found | {name: buffer.numpy() for name, buffer in layer.named_buffers()}


def _run_numpy(layer: Module, x: np.ndarray, target: np.ndarray | None, seed: int) -> dict[str, np.ndarray]:
    """Return output, gradients and buffers of the NumPy layer by name."""
    y = layer(x) if target is None else layer(x, target)
    y = np.asarray(y, x.dtype) if isinstance(y, float) else y
    found = {"output": y, "gradient of input": layer.backward(_upstream(y, x.dtype, seed))}
    found |= {f"gradient of {name}": p.grad for name, p in layer.named_parameters()}
    return found | {name: buffer.data for name, buffer in layer.named_buffers()}
