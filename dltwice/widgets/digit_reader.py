"""DigitReader: draw a digit, and see every number of a trained network that reads it."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NoReturn

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from dltwice.nn import Module, Sequential

from .base import BookWidget, Matrix, Pair

SIDE = 8
MOST_BYTES = 60_000
MOST_EXAMPLES = 32
PROGRAM = """import torch
from torch import nn

model = nn.Sequential(
LAYERS
).double()
# net: the NumPy network that the chapter has trained, so run this after its cells.
state = {name: torch.from_numpy(value) for name, value in net.state_dict().items()}
model.load_state_dict(state)

x = torch.tensor([
ROWS
], dtype=torch.float64)
with torch.no_grad():
    scores = model(x[None, None])[0]  # one picture, one channel
print(scores, scores.softmax(0), int(scores.argmax()))
"""


class Picture(Matrix):
    """8 × 8 pixels from 0 (paper) to 1 (ink); also accepted with shape (1, 8, 8) or (64,)."""

    def __init__(self) -> None:
        super().__init__(rows=SIDE, cols=SIDE)

    def validate(self, obj: traitlets.HasTraits, value: Any) -> list[list[float]]:
        """Return the pixels as eight rows, or raise ``TraitError`` with what is wrong."""
        if hasattr(value, "shape") and np.shape(value) in ((1, SIDE, SIDE), (SIDE * SIDE,)):
            value = np.reshape(value, (SIDE, SIDE))
        rows = super().validate(obj, value)
        if np.shape(rows) != (SIDE, SIDE):
            self._refuse("8 rows of 8 pixels", "shape " + " × ".join(map(str, np.shape(rows))))
        low, high = np.min(rows), np.max(rows)
        if low < 0 or high > 1:
            hint = "; divide by 16" if low >= 0 and high <= 16 else ""
            self._refuse("pixels from 0 to 1", f"{low:g} to {high:g}{hint}")
        return rows


class DigitReader(BookWidget):
    """A trained network reads the digit that the reader draws, and shows every feature map and every sum.

    ``net`` is a ``dltwice.nn.Sequential`` of Conv2d, ReLU, MaxPool2d, Flatten and Linear layers that turns
    one picture, (1, 8, 8), into ten scores. Its weights are copied to the page as float32, at most 60 kB in
    base64 (11,250 numbers), and the page computes in double precision; training ``net`` further changes
    nothing here. ``examples`` are up to 32 pictures to pick from, ``labels`` are their true digits.

    ============  ===========  =======================================================================
    trait         range        meaning
    ============  ===========  =======================================================================
    pixels        0 to 1       the picture that the network reads, 8 rows of 8; 1 is ink
    example       or None      the example that ``pixels`` are; setting it sets ``pixels``
    layer         0 to layers  whose values are looked at: 0 the input, i what the i-th layer gives
    map           0 or more    which of its maps; past the last one means the last
    cell          pair         (row, column) in the map; in a vector (0, index); clipped as ``map`` is
    predict       choice       "off", "digit" (which digit it will say) or "change" (what a shift does)
    examples      pictures     what can be picked
    labels        0 to 9       their digits; or empty
    ============  ===========  =======================================================================

    A drawing is made as the data set was made: ink on 32 × 32 cells, counted in blocks of 4 × 4, which gives
    8 × 8 numbers from 0 to 16, divided by 16. An empty drawing is no error: the network answers, and the page
    says what such an answer is worth.

    Raises:
        TraitError: another kind of layer or too many weights; sizes that do not fit 1 × 8 × 8 pixels and
            ten scores; a value out of its range.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49
    """

    _shown: ClassVar[tuple[str, ...]] = ("example", "layer", "map", "cell", "predict")
    _parts: ClassVar[tuple[str, ...]] = ("core.js", "grid.js", "stepper.js", "digit_math.js")

    layers = traitlets.List(traitlets.Dict()).tag(sync=True)
    weights = traitlets.Unicode().tag(sync=True)
    program = traitlets.Unicode().tag(sync=True)
    examples = traitlets.List(Picture()).tag(sync=True)
    labels = traitlets.List(traitlets.Int(min=0, max=9)).tag(sync=True)
    pixels = Picture().tag(sync=True)
    example = traitlets.Int(None, allow_none=True).tag(sync=True)
    layer = traitlets.Int(0, min=0).tag(sync=True)
    map = traitlets.Int(0, min=0).tag(sync=True)
    cell = Pair((3, 3), min=0, max=4095).tag(sync=True)
    predict = traitlets.Enum(["off", "digit", "change"], "off").tag(sync=True)

    def __init__(
        self, net: Sequential, examples: ArrayLike = (), labels: Iterable[int] = (), **traits: Any
    ) -> None:
        self._net, layers = _copy_of(net), _describe(net)
        weights = [value.ravel() for value in self._net.state_dict().values()]
        text = base64.b64encode(np.concatenate([*weights, []]).astype("<f4").tobytes()).decode()
        if len(text) > MOST_BYTES:
            count = sum(map(len, weights))
            _refuse(f"at most {MOST_BYTES * 3 // 16:,} weights", f"{count:,}. Use fewer maps or units")
        examples, labels = list(examples), [int(label) for label in labels]
        if len(examples) > MOST_EXAMPLES or len(labels) not in (0, len(examples)):
            raise traitlets.TraitError(
                f"examples, labels: expected at most {MOST_EXAMPLES} pictures, and a label for each or none, "
                f"got {len(examples)} pictures and {len(labels)} labels. Choose some."
            )
        if "pixels" not in traits and examples:
            traits.setdefault("example", 0)
        program = PROGRAM.replace("LAYERS", "\n".join(f"    nn.{layer['text']}," for layer in layers))
        super().__init__(
            layers=layers, weights=text, program=program, examples=examples, labels=labels, **traits
        )

    @traitlets.default("pixels")
    def _empty(self) -> list[list[float]]:
        return [[0.0] * SIDE for _ in range(SIDE)]

    @traitlets.validate("layer", "example")
    def _there(self, proposal: Mapping[str, Any]) -> int | None:
        """Refuse a layer or an example that is not there."""
        name, value = proposal["trait"].name, proposal["value"]
        last = len(self.layers) if name == "layer" else len(self.examples) - 1
        if value is not None and not 0 <= value <= last:
            span = f"0 to {last}" if last >= 0 else "None, since there are no examples"
            raise traitlets.TraitError(f"{name}: expected {span}, got {value}.")
        return value

    @traitlets.observe("example")
    def _picked(self, change: Mapping[str, Any]) -> None:
        if change["new"] is not None:
            self.pixels = self.examples[change["new"]]

    @traitlets.observe("pixels")
    def _drawn(self, change: Mapping[str, Any]) -> None:
        if self.example is not None and self.examples[self.example] != change["new"]:
            self.example = None

    @property
    def activations(self) -> list[np.ndarray]:
        """The input, (1, 8, 8), and what each layer gives, (C, H, W) or (n,), in float64."""
        values = [np.array(self.pixels)[None, None]]
        for layer in self._net:
            values.append(layer(values[-1]))
        return [value[0] for value in values]

    @property
    def scores(self) -> np.ndarray:
        """The last layer's ten numbers, (10,)."""
        return self.activations[-1]

    @property
    def probabilities(self) -> np.ndarray:
        """The softmax of the scores, (10,)."""
        powers = np.exp(self.scores - self.scores.max())
        return powers / powers.sum()

    @property
    def answer(self) -> int:
        """The digit with the highest score; the first of them."""
        return int(self.scores.argmax())

    def code(self) -> str:
        """Return a PyTorch program that runs this network on these pixels; ``net`` has the weights."""
        rows = (f"    [{', '.join(map(_number, row))}]," for row in self.pixels)
        return self.program.replace("ROWS", "\n".join(rows))


def _number(value: float) -> str:
    return f"{value:.12f}".rstrip("0").rstrip(".")


# ---- the network ----


def _refuse(expected: str, got: str) -> NoReturn:
    raise traitlets.TraitError(f"net: expected {expected}, got {got}.")


def _copy_of(net: Sequential) -> Sequential:
    """Return a copy that has the weights which the page has: rounded to float32."""
    if not isinstance(net, Sequential):
        kind = f"{type(net).__module__}.{type(net).__qualname__}"
        _refuse("a trained network of dltwice.nn, Sequential(Conv2d(...), ReLU(), ...)", kind)
    copied = copy.deepcopy(net)
    copied.load_state_dict({name: value.astype(np.float32) for name, value in net.state_dict().items()})
    if not all(np.isfinite(value).all() for value in copied.state_dict().values()):
        _refuse("finite weights", "a NaN or an infinity. Train it with a smaller lr")
    return copied


def _pair(value: Any) -> list[int]:
    return [int(one) for one in (value if isinstance(value, tuple | list) else (value, value))]


def _short(value: Any) -> str:
    """Return a pair as one number where both are equal."""
    if isinstance(value, str):
        return repr(value)
    pair = _pair(value)
    return str(pair[0] if pair[0] == pair[1] else tuple(pair))


def _settings(layer: Module, *defaults: tuple[str, Any]) -> str:
    """Return the settings that are not torch's defaults: ", stride=2, padding=1"."""
    given = ((name, getattr(layer, name), default) for name, default in defaults)
    return "".join(
        f", {name}={value if isinstance(value, bool) else _short(value)}"
        for name, value, default in given
        if isinstance(value, str) or _pair(value) != _pair(default)
    )


def _conv2d(layer: Module) -> dict[str, Any]:
    settings = _settings(layer, ("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1))
    no_bias = ", bias=False" if layer.bias is None else ""
    sizes = f"{layer.in_channels}, {layer.out_channels}, {_short(layer.kernel_size)}"
    padding = [before for before, _ in layer._pads]
    return _window(layer, f"{sizes}{settings}{no_bias}") | {"padding": padding, "groups": layer.groups}


def _max_pool2d(layer: Module) -> dict[str, Any]:
    if layer.return_indices:
        _refuse("pooling that returns its maxima alone", "return_indices=True. Leave it out")
    own = ("stride", layer.kernel_size)
    settings = _settings(layer, own, ("padding", 0), ("dilation", 1), ("ceil_mode", False))
    return _window(layer, f"{_short(layer.kernel_size)}{settings}") | {"padding": _pair(layer.padding)}


def _window(layer: Module, text: str) -> dict[str, Any]:
    names = {"kernel": "kernel_size", "stride": "stride", "dilation": "dilation"}
    return {"text": text} | {name: _pair(getattr(layer, given)) for name, given in names.items()}


def _flatten(layer: Module) -> dict[str, Any]:
    if (layer.start_dim, layer.end_dim) != (1, -1):
        _refuse("Flatten()", f"Flatten({layer.start_dim}, {layer.end_dim})")
    return {"text": ""}


def _linear(layer: Module) -> dict[str, Any]:
    no_bias = ", bias=False" if layer.bias is None else ""
    return {"text": f"{layer.in_features}, {layer.out_features}{no_bias}"}


_KINDS: dict[str, Callable[[Module], dict[str, Any]]] = {
    "Conv2d": _conv2d,
    "ReLU": lambda _: {"text": ""},
    "MaxPool2d": _max_pool2d,
    "Flatten": _flatten,
    "Linear": _linear,
}


def _describe(net: Sequential) -> list[dict[str, Any]]:
    """Return what the page must know of each layer, or raise ``TraitError``."""
    layers, x = [], np.zeros((1, 1, SIDE, SIDE))
    for position, layer in enumerate(copy.deepcopy(net)):
        kind = type(layer).__name__
        if kind not in _KINDS:
            _refuse(f"layers of the kinds {', '.join(_KINDS)}", f"{kind} at position {position}")
        if kind == "Linear" and x.ndim > 2:
            _refuse("Flatten before Linear", f"Linear on maps at position {position}")
        try:
            x = layer(x)
        except ValueError as error:
            _refuse("layers that fit a picture of 1 × 8 × 8", f"at position {position}: {error}")
        facts = _KINDS[kind](layer)
        shape = [1] * (4 - x.ndim) + list(x.shape[1:])
        counts = [0 if (one := layer.params.get(name)) is None else one.size for name in ("weight", "bias")]
        facts |= {"kind": kind, "text": f"{kind}({facts['text']})", "shape": shape}
        layers.append(facts | dict(zip(("weights", "biases"), counts, strict=True)))
    if x.shape != (1, 10):
        _refuse("ten scores, one per digit", f"an output of shape {x.shape[1:]}. End with Linear(..., 10)")
    return layers
