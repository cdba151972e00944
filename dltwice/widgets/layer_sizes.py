"""What a layer of torch.nn makes of an image's shape: sizes, parameters, multiply-adds, receptive field.

Layers are dicts such as `{"type": "Conv2d", "out_channels": 6, "kernel_size": 5}` with torch's names. The
functions only count: they need neither weights nor torch. The tests hold each of them to `torch.nn`.

Source: https://docs.pytorch.org/docs/stable/nn.html (Conv2d, MaxPool2d, AvgPool2d, Linear); the receptive
field is from Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill,
2019.
"""

import operator
from dataclasses import dataclass
from math import gcd, prod
from typing import Any

Found = tuple[str, dict] | None  # what breaks a layer, in words, and what mends it
REQUIRED = object()
PAIRS = ("kernel_size", "stride", "padding", "dilation")
LARGEST = 1000  # no kernel, stride, padding or dilation is larger: every size stays quick to compute

# The settings of each layer and their defaults, as in torch.nn. stride=None is the kernel_size;
# in_channels=None and in_features=None are what the layer before gives.
SETTINGS = {
    "Conv2d": {
        "out_channels": REQUIRED,
        "kernel_size": REQUIRED,
        "stride": 1,
        "padding": 0,
        "dilation": 1,
        "groups": 1,
        "bias": True,
        "in_channels": None,
    },
    "MaxPool2d": {"kernel_size": REQUIRED, "stride": None, "padding": 0, "dilation": 1, "ceil_mode": False},
    "AvgPool2d": {"kernel_size": REQUIRED, "stride": None, "padding": 0, "ceil_mode": False},
    "ReLU": {},
    "Flatten": {},
    "Linear": {"out_features": REQUIRED, "bias": True, "in_features": None},
}
_TYPES = {name.lower(): name for name in SETTINGS}


def read_layer(layer: dict) -> dict:
    """Return `layer` with every setting present and every pair as a list [height, width].

    The type may be written small: "conv2d" is read as "Conv2d".

    Raises ValueError that names the setting, what was expected and what came. Numbers that torch would refuse
    (a stride of 0, a kernel larger than the image) pass here: `trace` explains them.
    """
    named = layer.get("type") if isinstance(layer, dict) else None
    kind = _TYPES.get(str(named).lower())
    if kind is None:
        raise ValueError(f"expected a dict whose 'type' is one of {', '.join(SETTINGS)}, got {layer!r}")
    settings = SETTINGS[kind]
    unknown = [key for key in layer if key not in settings and key != "type"]
    if unknown:
        raise ValueError(f"{kind} has no setting {unknown[0]!r}; it has {', '.join(settings) or 'none'}")
    result = {"type": kind}
    for key, default in settings.items():
        value = layer.get(key, default)
        if value is REQUIRED:
            raise ValueError(f"{kind} needs {key}. Give it, for example '{key}': 3")
        if key == "stride" and value is None and default is None:
            value = result["kernel_size"]
        result[key] = _read_setting(kind, key, value)
    return result


def _read_setting(kind: str, key: str, value: Any) -> Any:
    if key in PAIRS:
        if kind == "Conv2d" and key == "padding" and isinstance(value, str) and value in ("same", "valid"):
            return value
        pair = [_int(v) for v in value] if isinstance(value, list | tuple) else [_int(value)] * 2
        if len(pair) == 2 and None not in pair and max(map(abs, pair)) <= LARGEST:
            return pair
        strings = ", or 'same' or 'valid'" if kind == "Conv2d" and key == "padding" else ""
        expected = f"an integer or a pair of integers, up to {LARGEST}{strings}"
    elif key in ("bias", "ceil_mode"):
        if isinstance(value, bool):
            return value
        expected = "True or False"
    else:
        low = -LARGEST if key == "groups" else 1
        inferred = value is None and key in ("in_channels", "in_features")
        if inferred or (_int(value) is not None and value >= low):
            return _int(value)
        expected = "an integer" + (f" of at least {low}" if low == 1 else "")
    raise ValueError(f"{key} of {kind}: expected {expected}, got {value!r}")


def _int(value: Any) -> int | None:
    """Return an integer of any kind (NumPy's too) as an int; anything else, also True and False, as None."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


# --- sizes -------------------------------------------------------------------------------------------------


def output_size(size: int, K: int, S: int, before: int, after: int, D: int, ceil_mode: bool = False) -> int:
    """Return ⌊(size + before + after − D(K−1) − 1)/S⌋ + 1 as torch does; less than 1: no window fits.

    `before` and `after` are the padding at the two ends. `ceil_mode` rounds the quotient up, but no window
    may start in the padding at the end.
    """
    room = size + before + after - D * (K - 1) - 1
    if not ceil_mode:
        return room // S + 1
    count = -(-room // S) + 1
    return count - 1 if (count - 1) * S >= size + before else count


def window(layer: dict, axis: int) -> tuple[int, int, int, int, int, bool]:
    """Return the arguments of `output_size` after the first, for axis 0 (height) or 1 (width) of a layer."""
    K, S, D = (layer.get(key, (1, 1))[axis] for key in ("kernel_size", "stride", "dilation"))
    padding = layer["padding"]
    if padding == "same":
        before = D * (K - 1) // 2
        after = D * (K - 1) - before
    else:
        before = after = 0 if padding == "valid" else padding[axis]
    return K, S, before, after, D, layer.get("ceil_mode", False)


@dataclass(frozen=True)
class Axis:
    """One image axis behind a layer: `size` outputs, each of which sees `field` input cells, `jump` apart.

    The first output sees the input from cell `start` on; a negative start lies in the padding.
    """

    size: int
    field: int = 1
    jump: int = 1
    start: int = 0

    def through(self, layer: dict, axis: int) -> "Axis":
        """Return the axis behind a convolution or pooling layer."""
        K, S, before, _, D, _ = window(layer, axis)
        size = output_size(self.size, *window(layer, axis))
        field = self.field + (K - 1) * D * self.jump
        return Axis(size, field, self.jump * S, self.start - before * self.jump)

    def joined(self, outputs: int, input_size: int) -> "Axis":
        """Return the axis behind a linear layer: `outputs` numbers that see all that any of these saw."""
        first = max(0, self.start)
        end = min(input_size, self.start + (self.size - 1) * self.jump + self.field)
        return Axis(outputs, end - first, 0, first)


def unread(size: int, layer: dict, axis: int) -> tuple[int, int]:
    """Return how many of `size` cells lie after the last window, where the floor drops them, and between."""
    K, S, before, _, D, _ = window(layer, axis)
    outputs = output_size(size, *window(layer, axis))
    read = {o * S - before + D * k for o in range(outputs) for k in range(K)} & set(range(size))
    after = size - 1 - max(read, default=-1)
    return after, size - len(read) - after


# --- what breaks -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """Why a layer cannot run, in words, and the nearest settings with which it can."""

    index: int
    reason: str
    fix: dict


def setting_text(value: object) -> str:
    """Return a setting as Python writes it, a pair of equals as one number: `[5, 5]` is `5`."""
    if isinstance(value, list):
        return str(value[0]) if value[0] == value[1] else f"({value[0]}, {value[1]})"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _too_small(layer: dict) -> Found:
    for key in ("kernel_size", "stride", "padding", "dilation", "groups"):
        value, low = layer.get(key, 1), 0 if key == "padding" else 1
        values = value if isinstance(value, list) else [value]
        if not isinstance(value, str) and min(values) < low:
            fixed = [max(v, low) for v in values]
            fix = {key: fixed if isinstance(value, list) else fixed[0]}
            return f"{key} must be at least {low}; it is {setting_text(value)}.", fix
    return None


def _channels(layer: dict, C: int) -> Found:
    F, groups, stride = layer["out_channels"], layer["groups"], layer["stride"]
    if layer["in_channels"] not in (None, C):
        return f"in_channels is {layer['in_channels']}, but {C} channels come in.", {"in_channels": C}
    if C % groups:
        divisors = [g for g in range(1, gcd(C, F) + 1) if gcd(C, F) % g == 0]
        fix = {"groups": min(divisors, key=lambda g: abs(g - groups))}
        return f"groups={groups} does not divide the {C} channels that come in.", fix
    if F % groups:
        fix = {"out_channels": max(1, (F + groups // 2) // groups) * groups}
        return f"groups={groups} does not divide out_channels={F}.", fix
    if layer["padding"] == "same" and stride != [1, 1]:
        half = [(D * (K - 1) + 1) // 2 for K, D in zip(layer["kernel_size"], layer["dilation"], strict=True)]
        return f'padding="same" needs stride 1; the stride is {setting_text(stride)}.', {"padding": half}
    return None


def _pool_padding(layer: dict) -> Found:
    K, P = layer["kernel_size"], layer["padding"]
    half = [min(p, k // 2) for k, p in zip(K, P, strict=True)]
    if half != P:
        reason = f"padding {setting_text(P)} is more than half of kernel_size {setting_text(K)}."
        return reason, {"padding": half}
    return None


def _too_large(layer: dict, shape: tuple[int, ...]) -> Found:
    """The kernel must fit into the padded input; the fix is the largest kernel that does."""
    fix, reason = {"kernel_size": list(layer["kernel_size"]), "padding": layer["padding"]}, None
    for axis, cells in enumerate(("rows", "columns")):
        size, (K, S, before, after, D, ceil_mode) = shape[axis + 1], window(layer, axis)
        if output_size(size, K, S, before, after, D, ceil_mode) >= 1:
            continue
        there = f"{size + 2 * before} with the padding" if before else size
        reason = reason or f"the kernel spans {D * (K - 1) + 1} {cells}; there are {there}."
        pool = layer["type"] != "Conv2d"
        for k in range(K, 0, -1):
            p = min(before, k // 2) if pool else before
            if output_size(size, k, S, p, p, D, ceil_mode) >= 1:
                break
        fix["kernel_size"][axis] = k
        if p != before:
            fix["padding"] = [p if a == axis else q for a, q in enumerate(fix["padding"])]
    return reason and (reason, {key: value for key, value in fix.items() if value != layer[key]})


def find_problem(layers: list[dict], index: int, shape: tuple[int, ...]) -> Problem | None:
    """Return what stops layer `index` on an input of `shape`, or None; `layers` are read by `read_layer`."""
    layer = layers[index]
    found = None
    if layer["type"] == "Linear" and layer["in_features"] not in (None, shape[-1]):
        found = (
            f"in_features is {layer['in_features']}, but {shape[-1]} numbers come in.",
            {"in_features": shape[-1]},
        )
    elif "kernel_size" in layer and len(shape) == 1:
        flatten = max(i for i in range(index) if layers[i]["type"] == "Flatten")
        found = f"it reads images, but layer {flatten + 1} (Flatten) made a vector.", {"move_to": flatten}
    elif "kernel_size" in layer:
        conv = layer["type"] == "Conv2d"
        found = _too_small(layer) or (_channels(layer, shape[0]) if conv else _pool_padding(layer))
        found = found or _too_large(layer, shape)
    return Problem(index, *found) if found else None


# --- a whole network ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What one layer gives for one image: its output shape and what it costs."""

    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, int]
    jump: tuple[int, int]
    unread: tuple[tuple[int, int], ...]


def _costs(layer: dict, shape: tuple[int, ...], out: tuple[int, ...]) -> tuple[int, int]:
    """Return parameters and multiply-adds; a bias is only added, so it is a parameter and no multiply-add."""
    if layer["type"] == "Conv2d":
        per_output = shape[0] // layer["groups"] * prod(layer["kernel_size"])
        return out[0] * (per_output + layer["bias"]), prod(out) * per_output
    if layer["type"] == "Linear":
        return out[-1] * (shape[-1] + layer["bias"]), prod(out) * shape[-1]
    return 0, 0


def trace(input_shape: tuple[int, int, int], layers: list[dict]) -> tuple[list[Row], Problem | None]:
    """Send an image of shape (C, H, W) through `layers`; return a Row per layer that runs, and what stopped.

    The receptive field is the theoretical one and may reach into the padding; behind a linear layer it is the
    part of the image that any of its inputs sees.
    """
    shape, rows = tuple(input_shape), []
    axes = [Axis(shape[1]), Axis(shape[2])]
    for index, layer in enumerate(layers):
        if problem := find_problem(layers, index, shape):
            return rows, problem
        out, left = shape, ((0, 0), (0, 0))
        if "kernel_size" in layer:
            left = tuple(unread(axes[a].size, layer, a) for a in (0, 1))
            axes = [axes[a].through(layer, a) for a in (0, 1)]
            out = (layer.get("out_channels", shape[0]), axes[0].size, axes[1].size)
        elif layer["type"] == "Flatten":
            out = (prod(shape),)
        elif layer["type"] == "Linear":
            out = (*shape[:-1], layer["out_features"])
            axes[1] = axes[1].joined(out[-1], input_shape[2])
            axes[0] = axes[0].joined(1, input_shape[1]) if len(out) == 1 else axes[0]
        field, jump = ((a.field for a in axes), (a.jump for a in axes))
        rows.append(Row(out, *_costs(layer, shape, out), tuple(field), tuple(jump), left))
        shape = out
    return rows, None
