"""FeatureMapCalculator against torch. Run this file as a script to write the golden file."""

import contextlib
import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from traitlets import TraitError

from dltwice.widgets import FeatureMapCalculator
from dltwice.widgets.feature_map_calculator import PRESETS
from dltwice.widgets.layer_sizes import output_size, read_layer, trace, unread

GOLDEN = Path(__file__).parent / "golden" / "feature_map_calculator.json"
pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element", "ignore:Using padding='same'")
REFUSALS = (RuntimeError, ValueError, IndexError)


def build(widget):
    """Run the widget's code, as a reader would who pasted it; return the model."""
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(widget.code(), names)
    return names["model"]


def torch_shapes(model, input_shape):
    x, shapes = torch.zeros(1, *input_shape), []
    for module in model:
        x = module(x)
        shapes.append(tuple(x.shape[1:]))
    return shapes


def counts(model):
    return [sum(parameter.numel() for parameter in module.parameters()) for module in model]


# ---- random networks: most settings are usual, some are impossible ----


def numbers(*usual):
    return st.sampled_from(usual) | st.tuples(st.sampled_from(usual), st.sampled_from(usual))


def pools(kind, **more):
    return st.fixed_dictionaries(
        {"type": st.just(kind), "kernel_size": numbers(1, 2, 2, 3, 3, 4, 0)},
        optional={
            "stride": numbers(1, 1, 2, 2, 3, 0),
            "padding": numbers(0, 0, 0, 1, 1, 2, -1),
            "ceil_mode": st.booleans(),
            **more,
        },
    )


CONV = st.fixed_dictionaries(
    {
        "type": st.just("Conv2d"),
        "out_channels": st.integers(1, 6),
        "kernel_size": numbers(1, 2, 3, 3, 4, 5, 0),
    },
    optional={
        "stride": numbers(1, 1, 2, 2, 3, 0),
        "padding": numbers(0, 0, 1, 1, 2, 3, -1) | st.sampled_from(["same", "valid"]),
        "dilation": numbers(1, 1, 1, 2, 3, 0),
        "groups": st.sampled_from([1, 1, 1, 2, 3, 0]),
        "bias": st.booleans(),
        "in_channels": st.none() | st.integers(1, 4),
    },
)
LINEAR = st.fixed_dictionaries(
    {"type": st.just("Linear"), "out_features": st.integers(1, 9)},
    optional={"bias": st.booleans(), "in_features": st.none() | st.integers(1, 9)},
)
PLAIN = st.sampled_from([{"type": "ReLU"}, {"type": "Flatten"}])
LAYER = CONV | pools("MaxPool2d", dilation=numbers(1, 1, 2, 3, 0)) | pools("AvgPool2d") | LINEAR | PLAIN
IMAGE = st.tuples(st.sampled_from([1, 2, 3, 4, 6]), st.integers(1, 13), st.integers(1, 13))
NETWORK = st.builds(
    lambda shape, layers: FeatureMapCalculator(input_shape=shape, layers=layers),
    IMAGE,
    st.lists(LAYER, max_size=6),
)


@given(NETWORK)
@settings(max_examples=250, deadline=None)
def test_torch_refuses_what_has_a_problem_and_agrees_on_the_rest(widget):
    if widget.problem:
        with pytest.raises(REFUSALS):
            build(widget)
        assert widget.total_parameters is None
        return
    model = build(widget)
    assert widget.shapes == torch_shapes(model, widget.input_shape)
    assert widget.parameters == counts(model)
    assert widget.total_parameters == sum(counts(model))


@given(NETWORK)
@settings(max_examples=200, deadline=None)
def test_multiply_adds_are_half_of_torchs_floating_point_operations(widget):
    assume(not widget.problem)
    model = build(widget)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *widget.input_shape))
    assert 2 * sum(widget.multiply_adds) == counter.get_total_flops()


@given(NETWORK)
@settings(max_examples=200, deadline=None)
def test_what_is_offered_mends_the_network(widget):
    layers = list(widget.layers)
    for _ in range(8 * len(layers) + 1):
        problem = trace(widget.input_shape, layers)[1]
        if problem is None:
            break
        fix = dict(problem.fix)
        if "move_to" in fix:
            layers.insert(fix["move_to"], layers.pop(problem.index))
        else:
            assert all(layers[problem.index][key] != value for key, value in fix.items())
            layers[problem.index] = layers[problem.index] | fix
    assert FeatureMapCalculator(input_shape=widget.input_shape, layers=layers).problem is None


# ---- what is seen and what is not: measured with gradients ----


def positive(model):
    """Make every gradient positive: random positive weights, and sums in place of maxima."""
    modules = []
    for module in model:
        if isinstance(module, nn.MaxPool2d):
            C = 2
            K, S, P, D = module.kernel_size, module.stride, module.padding, module.dilation
            module = nn.Conv2d(C, C, K, S, P, D, groups=C, bias=False)
        for parameter in module.parameters():
            nn.init.uniform_(parameter, 0.5, 1.5)
        modules.append(module.double())
    return nn.Sequential(*modules)


def seen_by(model, input_shape, output):
    """Return which rows and columns of the input the output at an index depends on."""
    x = torch.ones(1, *input_shape, dtype=torch.float64, requires_grad=True)
    y = model(x)
    index = (0, 0, *output(y)) if y.ndim == 4 else (0, 0)
    y[index].backward(torch.tensor(0.7, dtype=torch.float64))
    read = x.grad[0].sum(0) > 0
    return [np.flatnonzero(read.any(1 - axis).numpy()) for axis in (0, 1)]


WINDOWS = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("Conv2d"),
            "out_channels": st.just(2),
            "kernel_size": numbers(1, 2, 3),
            "stride": numbers(1, 2),
            "padding": numbers(0, 1),
            "dilation": numbers(1, 2),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["MaxPool2d", "AvgPool2d"]),
            "kernel_size": numbers(2, 3),
            "stride": numbers(1, 2),
        }
    ),
    st.just({"type": "ReLU"}),
)


@given(st.lists(WINDOWS, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_receptive_field_and_jump_are_what_the_gradient_says(layers):
    widget = FeatureMapCalculator(input_shape=(2, 91, 80), layers=layers)
    model = positive(build(widget))
    middle = seen_by(model, widget.input_shape, lambda y: (y.shape[2] // 2, y.shape[3] // 2))
    before = seen_by(model, widget.input_shape, lambda y: (y.shape[2] // 2 - 1, y.shape[3] // 2 - 1))
    for axis, size in enumerate((91, 80)):
        assume(before[axis][0] > 0 and middle[axis][-1] < size - 1)
        assert middle[axis][-1] - middle[axis][0] + 1 == widget.receptive_field[-1][axis]
        assert middle[axis][0] - before[axis][0] == trace(widget.input_shape, widget.layers)[0][-1].jump[axis]


def test_a_linear_layer_sees_what_the_floor_left():
    layers = [
        {"type": "Conv2d", "out_channels": 2, "kernel_size": 3, "stride": (2, 4)},
        {"type": "MaxPool2d", "kernel_size": 2},
        {"type": "Flatten"},
        {"type": "Linear", "out_features": 3},
    ]
    widget = FeatureMapCalculator(input_shape=(1, 20, 21), layers=layers)
    rows, columns = seen_by(positive(build(widget)), widget.input_shape, None)
    assert widget.receptive_field == [(3, 3), (5, 7), (5, 7), (rows[-1] + 1, columns[-1] + 1)]
    assert (rows[-1] + 1, columns[-1] + 1) == (17, 15)


@given(
    st.integers(1, 16),
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(1, 3),
    st.integers(0, 9),
)
@settings(max_examples=200, deadline=None)
def test_unread_cells_are_those_without_a_gradient(N, K, S, P, D, seed):
    assume(output_size(N, K, S, P, P, D) >= 1)
    layer = read_layer(
        {"type": "Conv2d", "out_channels": 1, "kernel_size": K, "stride": S, "padding": P, "dilation": D}
    )
    conv = positive([nn.Conv2d(1, 1, (1, K), (1, S), (0, P), (1, D))])
    x = torch.zeros(1, 1, 1, N, dtype=torch.float64, requires_grad=True)
    y = conv(x)
    y.backward(torch.rand(y.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1)
    read = np.flatnonzero(x.grad.numpy()[0, 0, 0])
    last = read[-1] if read.size else -1
    assert unread(N, layer, 1) == (N - 1 - last, N - read.size - (N - 1 - last))


# ---- examples ----


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_on_torchs_meta_device(preset):
    widget = FeatureMapCalculator(preset=preset)
    assert ("meta" in widget.code()) == (preset == "dense"), "3.7 GB of weights are not for copying"
    with torch.device("meta"):
        model = build(widget)
        assert widget.shapes == torch_shapes(model, widget.input_shape)
    assert widget.parameters == counts(model)
    assert widget.problem is None


def test_lenet_has_the_numbers_of_the_textbooks():
    widget = FeatureMapCalculator()
    assert widget.shapes[6] == (400,)
    assert widget.total_parameters == 61_706
    assert sum(widget.multiply_adds) == 416_520
    assert repr(widget) == "FeatureMapCalculator(input_shape=(1, 28, 28), total_parameters=61706)"


CONV3 = {"type": "conv2d", "out_channels": 8, "kernel_size": 3}
PROBLEMS = [
    (CONV3 | {"stride": 0}, "stride must be at least 1; it is 0. Use stride=1."),
    (CONV3 | {"padding": (-1, 2)}, "padding must be at least 0; it is (-1, 2). Use padding=(0, 2)."),
    (
        CONV3 | {"kernel_size": (9, 15), "padding": (1, 0)},
        "the kernel spans 15 columns; there are 8. Use kernel_size=(9, 8).",
    ),
    (
        CONV3 | {"dilation": 6, "padding": 1},
        "the kernel spans 13 rows; there are 10 with the padding. Use kernel_size=2.",
    ),
    (CONV3 | {"groups": 4}, "groups=4 does not divide the 6 channels that come in. Use groups=2."),
    (CONV3 | {"groups": 3}, "groups=3 does not divide out_channels=8. Use out_channels=9."),
    (CONV3 | {"in_channels": 3}, "in_channels is 3, but 6 channels come in. Use in_channels=6."),
    (
        CONV3 | {"padding": "same", "stride": 2},
        'padding="same" needs stride 1; the stride is 2. Use padding=1.',
    ),
    (
        {"type": "maxpool2d", "kernel_size": 3, "padding": 2, "dilation": 2},
        "padding 2 is more than half of kernel_size 3. Use padding=1.",
    ),
    (
        {"type": "avgpool2d", "kernel_size": 9},
        "the kernel spans 9 rows; there are 8. Use kernel_size=8.",
    ),
    (
        {"type": "linear", "out_features": 9, "in_features": 7},
        "in_features is 7, but 8 numbers come in. Use in_features=8.",
    ),
]


@pytest.mark.parametrize(("layer", "says"), PROBLEMS)
def test_the_layer_that_breaks_is_named_with_the_reason_and_what_to_do(layer, says):
    widget = FeatureMapCalculator(input_shape=(6, 8, 8), layers=[{"type": "relu"}, layer, {"type": "relu"}])
    assert widget.problem == f"Layer 2 ({widget.layers[1]['type']}) breaks: {says}"
    assert widget.shapes == [(6, 8, 8), None, None]
    assert f"# breaks: {says.split(' Use')[0]}" in widget.code()
    with pytest.raises(REFUSALS):
        build(widget)


def test_a_convolution_behind_flatten_is_sent_in_front_of_it():
    widget = FeatureMapCalculator(layers=[{"type": "relu"}, {"type": "flatten"}, {"type": "relu"}, CONV3])
    says = "it reads images, but layer 2 (Flatten) made a vector. Move it before layer 2."
    assert widget.problem == f"Layer 4 (Conv2d) breaks: {says}"


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ("Conv2d", "layer 2: expected a dict whose 'type' is one of Conv2d, MaxPool2d"),
        ({"type": "Conv3d"}, "layer 2: expected a dict whose 'type' is one of"),
        ({"type": "relu", "bias": True}, "layer 2: ReLU has no setting 'bias'; it has none"),
        ({"type": "conv2d", "out_channels": 3}, "layer 2: Conv2d needs kernel_size"),
        (CONV3 | {"kernel": 3}, "layer 2: Conv2d has no setting 'kernel'; it has out_channels, kernel_size"),
        (
            CONV3 | {"stride": 1.5},
            "stride of Conv2d: expected an integer or a pair of integers, up to 1000, got 1.5",
        ),
        (CONV3 | {"padding": "full"}, "expected .* or 'same' or 'valid', got 'full'"),
        (
            {"type": "maxpool2d", "kernel_size": 2, "padding": "same"},
            "expected an integer or a pair .* got 'same'",
        ),
        (CONV3 | {"kernel_size": (1, 2, 3)}, r"got \(1, 2, 3\)"),
        (CONV3 | {"kernel_size": 1001}, "up to 1000, got 1001"),
        (CONV3 | {"bias": 1}, "bias of Conv2d: expected True or False, got 1"),
        (CONV3 | {"out_channels": 0}, "out_channels of Conv2d: expected an integer of at least 1, got 0"),
        (CONV3 | {"out_channels": True}, "expected an integer of at least 1, got True"),
    ],
)
def test_a_layer_that_is_none_is_refused(layer, says):
    with pytest.raises(TraitError, match=says):
        FeatureMapCalculator(layers=[{"type": "relu"}, layer])


@pytest.mark.parametrize("shape", [(28, 28), (1, 0, 28), (1, 28, 2.5), (1, 28, 10_001)])
def test_an_input_that_is_no_image_is_refused(shape):
    with pytest.raises(TraitError, match=r"input_shape: expected \(C, H, W\)"):
        FeatureMapCalculator(input_shape=shape)


def test_an_unknown_preset_is_refused():
    with pytest.raises(
        ValueError, match="preset: expected one of lenet, vgg, dense, all_conv, got 'alexnet'"
    ):
        FeatureMapCalculator(preset="alexnet")


def test_from_torch_and_back():
    model = nn.Sequential(
        nn.Conv2d(2, 4, (3, 5), stride=2, padding=(1, 2), groups=2, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=1, ceil_mode=True),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8, 3),
    )
    widget = FeatureMapCalculator.from_torch(model, (2, 11, 9))
    assert [str(module) for module in build(widget)] == [str(module) for module in model]
    assert widget.shapes == torch_shapes(model, (2, 11, 9))
    wrong = FeatureMapCalculator.from_torch(nn.Sequential(nn.Flatten(), nn.Linear(7, 3)), (1, 2, 2))
    assert (
        wrong.problem
        == "Layer 2 (Linear) breaks: in_features is 7, but 4 numbers come in. Use in_features=4."
    )
    with pytest.raises(TraitError, match="layer 1: expected a dict whose 'type' is one of"):
        FeatureMapCalculator.from_torch(nn.Sequential(nn.GELU()), (1, 2, 2))


def test_layers_are_kept_as_the_page_needs_them():
    widget = FeatureMapCalculator(
        layers=[{"type": "maxpool2d", "kernel_size": np.int64(3), "padding": (1, 0)}]
    )
    expected = {
        "kernel_size": [3, 3],
        "stride": [3, 3],
        "padding": [1, 0],
        "dilation": [1, 1],
        "ceil_mode": False,
    }
    assert widget.layers == [{"type": "MaxPool2d", **expected}]
    json.dumps(widget.get_state(["input_shape", "layers", "presets"]))


def test_what_the_page_sends_arrives():
    widget = FeatureMapCalculator()
    layers = [*widget.layers[:3], widget.layers[3] | {"kernel_size": [20, 5]}, *widget.layers[4:]]
    widget.set_state({"layers": layers, "selected": 3, "input_shape": [1, 28, 30]})
    assert widget.input_shape == (1, 28, 30)
    assert widget.problem.startswith("Layer 4 (Conv2d) breaks: the kernel spans 20 rows; there are 14.")


# ---- the golden file: torch's numbers, for the page to be held to ----


def golden():
    """Return networks, usual and broken ones, with what torch makes of them and what the page has to say."""
    draw = random.Random(4)
    networks = [FeatureMapCalculator(preset=preset) for preset in ("lenet", "vgg", "all_conv")]
    networks += [FeatureMapCalculator(input_shape=(6, 8, 8), layers=[layer]) for layer, _ in PROBLEMS]
    networks += [_random_network(draw) for _ in range(100)]
    return [_golden_entry(network) for network in networks]


def _random_network(draw):
    def pair(*values):
        return [draw.choice(values), draw.choice(values)]

    def layer():
        kind = draw.choice(["Conv2d"] * 3 + ["MaxPool2d", "AvgPool2d", "ReLU", "Flatten", "Linear"])
        if kind == "Conv2d":
            padding = draw.choice([pair(0, 1, 2), pair(0, 1, 2), "same", "valid"])
            sizes = {"kernel_size": pair(1, 2, 3, 5), "stride": pair(1, 1, 2, 3), "dilation": pair(1, 1, 2)}
            return {"type": kind, "out_channels": draw.choice([2, 3, 4]), "padding": padding, **sizes}
        if "Pool" in kind:
            sizes = {"kernel_size": pair(2, 3), "stride": pair(1, 2, 3), "padding": pair(0, 0, 1)}
            return {"type": kind, "ceil_mode": draw.random() < 0.5, **sizes}
        return {"type": kind, "out_features": 5} if kind == "Linear" else {"type": kind}

    shape = (draw.choice([1, 2, 4]), draw.randint(9, 20), draw.randint(9, 20))
    return FeatureMapCalculator(input_shape=shape, layers=[layer() for _ in range(draw.randint(1, 4))])


def _golden_entry(widget):
    try:
        model = build(widget)
        found = {"shapes": torch_shapes(model, widget.input_shape), "parameters": counts(model)}
    except REFUSALS:
        found = {"shapes": None, "parameters": None}
    words = {"problem": widget.problem, "code": widget.code()}
    costs = {"multiply_adds": widget.multiply_adds, "receptive_field": widget.receptive_field}
    return {"input_shape": widget.input_shape, "layers": widget.layers, **found, **costs, **words}


def as_text(entries):
    return "[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries) + "\n]\n"


def test_the_golden_file_is_what_torch_gives_now():
    assert GOLDEN.read_text(encoding="utf-8") == as_text(golden())


def test_the_widget_gives_the_golden_numbers():
    entries = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for entry in entries:
        widget = FeatureMapCalculator(input_shape=entry["input_shape"], layers=entry["layers"])
        assert (widget.problem is None) == (entry["shapes"] is not None), entry
        if entry["shapes"]:
            assert widget.shapes == [tuple(shape) for shape in entry["shapes"]], entry
            assert widget.parameters == entry["parameters"], entry
    assert 20 < sum(entry["shapes"] is None for entry in entries) < len(entries) - 50


if __name__ == "__main__":
    GOLDEN.write_text(as_text(golden()), encoding="utf-8")
