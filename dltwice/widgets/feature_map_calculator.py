"""FeatureMapCalculator: what each layer of a small network makes of an image, number by number."""

from __future__ import annotations

from typing import Any, ClassVar

import traitlets

from dltwice.widgets.base import BookWidget
from dltwice.widgets.layer_sizes import SETTINGS, read_layer, setting_text, trace


def _conv(out_channels: int, kernel_size: int, **settings: Any) -> dict:
    return {"type": "Conv2d", "out_channels": out_channels, "kernel_size": kernel_size, **settings}


def _linear(out_features: int) -> dict:
    return {"type": "Linear", "out_features": out_features}


RELU, FLATTEN, POOL = {"type": "ReLU"}, {"type": "Flatten"}, {"type": "MaxPool2d", "kernel_size": 2}

PRESETS = {
    "lenet": {
        "title": "LeNet-5 on 28×28",
        "input_shape": (1, 28, 28),
        "layers": [
            *(_conv(6, 5, padding=2), RELU, POOL, _conv(16, 5), RELU, POOL),
            *(FLATTEN, _linear(120), RELU, _linear(84), RELU, _linear(10)),
        ],
    },
    "vgg": {
        "title": "VGG block on 224×224",
        "input_shape": (3, 224, 224),
        "layers": [_conv(64, 3, padding=1), RELU, _conv(64, 3, padding=1), RELU, POOL],
    },
    "dense": {
        "title": "Why not an MLP? 480×640",
        "input_shape": (3, 480, 640),
        "layers": [FLATTEN, _linear(1000), RELU, _linear(10)],
    },
    "all_conv": {
        "title": "All convolutional on 28×28",
        "input_shape": (1, 28, 28),
        "layers": [
            *(_conv(32, 3, stride=2, padding=1), RELU, _conv(64, 3, stride=2, padding=1), RELU),
            *(_conv(10, 1), {"type": "AvgPool2d", "kernel_size": 7}, FLATTEN),
        ],
    },
}


def layer_code(layer: dict, shape: tuple[int, ...]) -> str:
    """Return the call that makes `layer` in torch for an input of `shape`, defaults left out."""
    settings = {key: value for key, value in layer.items() if key != "type"}
    first = []
    if layer["type"] == "Conv2d":
        first = [settings.pop("in_channels") or shape[0], settings.pop("out_channels")]
    elif layer["type"] == "Linear":
        first = [settings.pop("in_features") or shape[-1], settings.pop("out_features")]
    elif "kernel_size" in layer:
        first = [settings.pop("kernel_size")]
        settings["stride"] = None if layer["stride"] == layer["kernel_size"] else layer["stride"]
    defaults = SETTINGS[layer["type"]]
    named = {key: setting_text(value) for key, value in settings.items()}
    changed = [f"{key}={text}" for key, text in named.items() if text != setting_text(defaults[key])]
    return f"nn.{layer['type']}({', '.join([*map(setting_text, first), *changed])})"


class FeatureMapCalculator(BookWidget):
    """A list of layers with the shape, parameters, multiply-adds and receptive field of each, live.

    Parameters
    ----------
    preset : the network to start with: "lenet", "vgg", "dense" or "all_conv".
    input_shape : (C, H, W) of one image; in place of the preset's.
    layers : list of dicts with torch's names, in place of the preset's, for example
        `{"type": "Conv2d", "out_channels": 6, "kernel_size": 5, "padding": 2}`. The types are Conv2d,
        MaxPool2d, AvgPool2d, ReLU, Flatten and Linear; what is left out has torch's default, and the numbers
        of inputs follow from the layer before. To change a layer, assign a new list.

    Raises ``ValueError`` for an unknown preset and ``TraitError`` for a layer or setting that is none.
    Settings that torch would refuse are no error here: `problem` says what is wrong and what to do.
    """

    input_shape = traitlets.Tuple().tag(sync=True)
    layers = traitlets.List().tag(sync=True)
    selected = traitlets.Int(0, min=0, help="the layer looked at, from 0").tag(sync=True)
    predict = traitlets.Bool(False, help="ask for a guess before the numbers show").tag(sync=True)
    presets = traitlets.Dict(read_only=True).tag(sync=True)

    _shown: ClassVar[tuple[str, ...]] = ("input_shape", "total_parameters")
    _parts: ClassVar[tuple[str, ...]] = ("core.js", "pair.js", "layer_sizes.js")

    def __init__(self, preset: str = "lenet", **traits: Any) -> None:
        if preset not in PRESETS:
            raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, got {preset!r}")
        network = {key: PRESETS[preset][key] for key in ("input_shape", "layers")}
        super().__init__(**network | traits)

    @classmethod
    def from_torch(cls, model: Any, input_shape: tuple[int, int, int]) -> FeatureMapCalculator:
        """Return the calculator of a `torch.nn.Sequential`; ``TraitError`` for a layer unknown to it."""
        layers = []
        for module in model:
            kind = type(module).__name__
            if kind == "Flatten" and (module.start_dim, module.end_dim) not in {(1, -1), (1, 3)}:
                raise traitlets.TraitError(f"Flatten: expected start_dim=1 and end_dim=-1, got {module}.")
            layer = {key: getattr(module, key) for key in SETTINGS.get(kind, ())}
            if "bias" in layer:
                layer["bias"] = module.bias is not None
            layers.append({"type": kind, **layer})
        return cls(input_shape=input_shape, layers=layers)

    @traitlets.default("presets")
    def _default_presets(self) -> dict:
        return {
            name: preset | {"layers": [read_layer(layer) for layer in preset["layers"]]}
            for name, preset in PRESETS.items()
        }

    @traitlets.validate("input_shape")
    def _validate_input_shape(self, proposal: dict) -> tuple[int, int, int]:
        shape = proposal["value"]
        if len(shape) != 3 or not all(type(n) is int and 1 <= n <= 10_000 for n in shape):
            raise traitlets.TraitError(
                f"input_shape: expected (C, H, W), three integers from 1 to 10000, got {shape!r}. "
                "Write input_shape=(1, 28, 28)."
            )
        return shape

    @traitlets.validate("layers")
    def _validate_layers(self, proposal: dict) -> list[dict]:
        layers = []
        for number, layer in enumerate(proposal["value"], start=1):
            try:
                layers.append(read_layer(layer))
            except ValueError as error:
                raise traitlets.TraitError(f"layer {number}: {error}") from None
        return layers

    def _column(self, name: str) -> list:
        """Return one figure of each layer; None for the layer that breaks and for those behind it."""
        rows, _ = trace(self.input_shape, self.layers)
        return [getattr(row, name) for row in rows] + [None] * (len(self.layers) - len(rows))

    @property
    def shapes(self) -> list[tuple[int, ...] | None]:
        """Output shape of each layer for one image; None for the one that breaks and for those behind it."""
        return self._column("shape")

    @property
    def parameters(self) -> list[int | None]:
        """Weights and biases of each layer; None as in `shapes`."""
        return self._column("parameters")

    @property
    def total_parameters(self) -> int | None:
        """Weights and biases of the network; None when a layer breaks."""
        return None if self.problem else sum(self.parameters)

    @property
    def multiply_adds(self) -> list[int | None]:
        """Products of an input and a weight that each layer sums for one image; None as in `shapes`."""
        return self._column("multiply_adds")

    @property
    def receptive_field(self) -> list[tuple[int, int] | None]:
        """Rows and columns of the image that one output of each layer sees; None as in `shapes`."""
        return self._column("receptive_field")

    @property
    def problem(self) -> str | None:
        """The layer that breaks, why, and the nearest settings that do not; None when all is well."""
        problem = trace(self.input_shape, self.layers)[1]
        if problem is None:
            return None
        name = f"Layer {problem.index + 1} ({self.layers[problem.index]['type']})"
        return f"{name} breaks: {problem.reason} {fix_text(problem.fix)}"

    def code(self) -> str:
        """Return PyTorch code that builds the network, up to the layer that breaks, and runs it.

        Weights that would take 400 MB or more are not allocated: torch's meta device only works out shapes.
        """
        rows, problem = trace(self.input_shape, self.layers)
        shapes = [tuple(self.input_shape), *(row.shape for row in rows)]
        body = ["model = nn.Sequential("]
        for layer, before, after in zip(self.layers, shapes, shapes[1:], strict=False):
            body.append(f"    {layer_code(layer, before)},  # {after}")
        if problem:
            broken = layer_code(self.layers[problem.index], shapes[-1])
            body.append(f"    {broken},  # breaks: {problem.reason}")
        size = ", ".join(map(str, self.input_shape))
        body += [")", f"print(model(torch.zeros(1, {size})).shape)"]
        if sum(row.parameters for row in rows) >= 10**8:
            body = ['with torch.device("meta"):  # shapes only', *(f"    {line}" for line in body)]
        return "\n".join(["import torch", "from torch import nn", "", *body, ""])


def fix_text(fix: dict) -> str:
    """Return the sentence that offers the nearest valid settings."""
    if "move_to" in fix:
        return f"Move it before layer {fix['move_to'] + 1}."
    return f"Use {' and '.join(f'{key}={setting_text(value)}' for key, value in fix.items())}."
