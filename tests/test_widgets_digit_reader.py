"""DigitReader's Python side: traits, what they compute, the program it writes.

`python tests/test_widgets_digit_reader.py` writes the golden file: networks with drawn weights, pictures, and
every layer's output by torch; turned and shifted drawings. The same file is read by the test of the widget's
JavaScript (`tests/book/test_digit_reader.py`).
"""

import base64
import json
import random
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from traitlets import TraitError

from dltwice import nn
from dltwice.data import digits
from dltwice.widgets import DigitReader
from dltwice.widgets.digit_reader import MOST_BYTES, MOST_EXAMPLES

GOLDEN = Path(__file__).parent / "golden" / "digit_reader.json"


def small(of):
    """Return the chapter's network with fewer maps, of `dltwice.nn` or of `torch.nn`."""
    first = of.Conv2d(1, 2, 3, padding=1), of.ReLU(), of.MaxPool2d(2)
    second = of.Conv2d(2, 4, 3, padding=1), of.ReLU(), of.MaxPool2d(2)
    return of.Sequential(*first, *second, of.Flatten(), of.Linear(16, 6), of.ReLU(), of.Linear(6, 10))


def odd(of):
    """Return a network with every setting that a layer has."""
    first = of.Conv2d(1, 4, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1)), of.ReLU()
    pool = of.MaxPool2d((3, 2), stride=(2, 1), padding=1, ceil_mode=True)
    second = of.Conv2d(4, 2, 2, padding="same", groups=2, bias=False), of.MaxPool2d(2, dilation=2)
    return of.Sequential(*first, pool, *second, of.Flatten(), of.Linear(8, 10, bias=False))


def mlp(of):
    """Return a network without maps."""
    return of.Sequential(of.Flatten(), of.Linear(64, 5), of.ReLU(), of.Linear(5, 10))


NETWORKS = {"small": (small, 24), "odd": (odd, 8), "mlp": (mlp, 4)}


# ---- the golden file ----


def drawn(draw, model):
    """Give a network weights that float32 holds exactly; return them as numbers in 1/1024."""
    state = {}
    for name, value in model.state_dict().items():
        whole = [draw.randint(-900, 900) for _ in range(value.numel())]
        state[name] = whole
        value.copy_(torch.tensor(whole).reshape(value.shape) / 1024)
    return state


def draw_pictures(draw, count):
    """Draw pictures in sixteenths: an empty one, one full of ink, and some with more or less ink."""
    yield [[0] * 8] * 8
    yield [[16] * 8] * 8
    for _ in range(count - 2):
        share = draw.random()
        yield [[draw.randint(0, 16) * (draw.random() < share) for _ in range(8)] for _ in range(8)]


def outputs(model, picture):
    """Return the input's and every layer's values by torch, flat, to 8 decimals."""
    x = torch.tensor(picture, dtype=torch.float64)[None, None] / 16
    values = [x]
    with warnings.catch_warnings():  # "same" with an even kernel makes torch copy its input
        warnings.simplefilter("ignore")
        for layer in model:
            values.append(layer(values[-1]))
    return [[round(number, 8) for number in value.flatten().tolist()] for value in values[1:]]


def turned(fine, degrees):
    """Return 32 × 32 cells turned clockwise about their center, by torch: bilinear, nothing outside."""
    angle = torch.tensor(degrees * torch.pi / 180, dtype=torch.float64)
    theta = torch.stack(
        [angle.cos(), angle.sin(), torch.tensor(0), -angle.sin(), angle.cos(), torch.tensor(0)]
    )
    grid = functional.affine_grid(theta.reshape(1, 2, 3), [1, 1, 32, 32], align_corners=False)
    picture = torch.tensor(fine, dtype=torch.float64).reshape(1, 1, 32, 32)
    return functional.grid_sample(picture, grid, align_corners=False, padding_mode="zeros")[0, 0]


def shifted(fine, rows, cols):
    """Return 32 × 32 cells moved by pixels of four cells each, by padding with zeros."""
    picture = torch.tensor(fine, dtype=torch.float64).reshape(32, 32)
    top, left = 4 * rows, 4 * cols
    return functional.pad(picture, (left, -left, top, -top))


def reduced(fine):
    """Return 8 × 8 pixels, to 4 decimals."""
    means = functional.avg_pool2d(fine[None, None], 4)[0, 0]
    return [[round(number, 4) for number in row] for row in means.tolist()]


def draw_moves(draw):
    """Draw 32 × 32 cells of ink, and turn and shift them."""
    for degrees, rows, cols in ((10, 1, 0), (-10, -1, 0), (37, 0, 1), (90, 0, -3), (180, 2, 5), (0, 0, 0)):
        fine = [int(draw.random() < 0.4) for _ in range(1024)]
        text = "".join(map(str, fine))
        moves = {"degrees": degrees, "turned": reduced(turned(fine, degrees))}
        yield {
            "fine": text,
            "rows": rows,
            "cols": cols,
            **moves,
            "shifted": reduced(shifted(fine, rows, cols)),
        }


@torch.no_grad()
def golden_data():
    draw, networks = random.Random(6), []
    for name, (build, count) in NETWORKS.items():
        model = build(torch.nn).double()
        state = drawn(draw, model)
        pictures = list(draw_pictures(draw, count))
        cases = [{"picture": one, "outputs": outputs(model, one)} for one in pictures]
        networks.append({"name": name, "state": state, "cases": cases})
    return {"networks": networks, "moves": list(draw_moves(draw))}


def write():
    """Write the golden file anew."""
    data = golden_data()
    lines = {name: (json.dumps(one, separators=(",", ":")) for one in data[name]) for name in data}
    body = ",\n".join(f'"{name}": [\n' + ",\n".join(lines[name]) + "\n]" for name in lines)
    GOLDEN.write_text("{\n" + body + "\n}\n", encoding="utf-8")


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def network_of(entry):
    """Return the NumPy network of an entry of the golden file, with its weights."""
    net = NETWORKS[entry["name"]][0](nn)
    shapes = {name: value.shape for name, value in net.state_dict().items()}
    state = {name: np.array(whole, np.float32) / 1024 for name, whole in entry["state"].items()}
    net.load_state_dict({name: state[name].reshape(shape) for name, shape in shapes.items()})
    return net


def test_golden_file_is_what_torch_gives(golden):
    made = golden_data()
    assert len(golden["networks"]) == len(made["networks"])
    for entry, again in zip(golden["networks"], made["networks"], strict=True):
        assert (entry["name"], entry["state"]) == (again["name"], again["state"])
        for case, one in zip(entry["cases"], again["cases"], strict=True):
            assert case["picture"] == one["picture"]
            for values, others in zip(case["outputs"], one["outputs"], strict=True):
                np.testing.assert_allclose(values, others, rtol=0, atol=2e-8)
    for move, again in zip(golden["moves"], made["moves"], strict=True):
        assert move["fine"] == again["fine"]
        np.testing.assert_allclose(move["turned"], again["turned"], atol=1.1e-4)
        np.testing.assert_allclose(move["shifted"], again["shifted"], atol=1e-9)
    assert sum(len(entry["cases"]) for entry in golden["networks"]) >= 30
    assert GOLDEN.stat().st_size < 200_000


def test_every_layer_gives_torchs_numbers(golden):
    for entry in golden["networks"]:
        widget = DigitReader(network_of(entry))
        for case in entry["cases"]:
            widget.pixels = np.array(case["picture"]) / 16
            values = widget.activations
            np.testing.assert_array_equal(values[0][0], widget.pixels)
            for ours, theirs in zip(values[1:], case["outputs"], strict=True):
                np.testing.assert_allclose(ours.ravel(), theirs, rtol=0, atol=1e-7)
            scores = torch.tensor(case["outputs"][-1], dtype=torch.float64)
            np.testing.assert_allclose(widget.scores, scores, rtol=0, atol=1e-7)
            np.testing.assert_allclose(widget.probabilities, scores.softmax(0), rtol=1e-6, atol=1e-9)
            assert widget.answer == int(scores.argmax())


def test_code_computes_what_the_widget_shows(golden, capsys):
    for entry in golden["networks"]:
        net = network_of(entry)
        widget = DigitReader(net)
        for case in entry["cases"][:4]:
            widget.pixels = np.array(case["picture"]) / 16
            space = {"net": net}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(widget.code(), space)
            np.testing.assert_allclose(space["scores"], widget.scores, rtol=1e-12, atol=1e-12)
            printed = capsys.readouterr().out
            assert printed.rstrip().endswith(f" {widget.answer}")


def test_code_holds_any_pixels(golden):
    net = network_of(golden["networks"][0])
    pixels = np.random.default_rng(0).random((8, 8)) ** 20
    widget, space = DigitReader(net, pixels=pixels), {"net": net}
    exec(widget.code(), space)
    np.testing.assert_allclose(space["x"], pixels, atol=1e-12)


# ---- the network ----


@pytest.fixture(scope="module")
def net():
    return small(nn)


def chapter_network():
    """Return the network of chapter 06."""
    first = nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    second = nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def test_the_page_gets_the_weights_as_float32():
    net = chapter_network()
    widget = DigitReader(net)
    sent = np.frombuffer(base64.b64decode(widget.weights), "<f4")
    np.testing.assert_array_equal(
        sent, np.concatenate([value.ravel() for value in net.state_dict().values()])
    )
    assert len(sent) == 3658
    assert len(widget.weights) < 20_000
    texts = [layer["text"] for layer in widget.layers]
    assert texts[:3] == ["Conv2d(1, 8, 3, padding=1)", "ReLU()", "MaxPool2d(2)"]
    assert texts[-3:] == ["Linear(64, 32)", "ReLU()", "Linear(32, 10)"]
    shapes = [layer["shape"] for layer in widget.layers]
    assert shapes == [
        [8, 8, 8],
        [8, 8, 8],
        [8, 4, 4],
        [16, 4, 4],
        [16, 4, 4],
        [16, 2, 2],
        *([1, 1, n] for n in (64, 32, 32, 10)),
    ]


def test_settings_are_written_as_torch_takes_them(golden):
    texts = [layer["text"] for layer in DigitReader(odd(nn)).layers]
    assert texts == [
        "Conv2d(1, 4, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1))",
        "ReLU()",
        "MaxPool2d((3, 2), stride=(2, 1), padding=1, ceil_mode=True)",
        "Conv2d(4, 2, 2, padding='same', groups=2, bias=False)",
        "MaxPool2d(2, dilation=2)",
        "Flatten()",
        "Linear(8, 10, bias=False)",
    ]


def test_float64_weights_are_rounded_once_for_both():
    net = small(nn)
    net.load_state_dict({name: value.astype(np.float64) + 1e-12 for name, value in net.state_dict().items()})
    x = digits().x_test[0]
    widget = DigitReader(net, pixels=x)
    np.testing.assert_allclose(widget.scores, net(x[None])[0], atol=1e-6)
    before = widget.scores
    net.load_state_dict({name: 0 * value for name, value in net.state_dict().items()})
    np.testing.assert_array_equal(widget.scores, before)


def with_nan():
    net = small(nn)
    net[0].weight[0, 0, 0, 0] = np.nan
    return net


def end(*layers, features=64):
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 10))


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (
            lambda: nn.Linear(64, 10),
            "expected a trained network of dltwice.nn, .* got dltwice.nn.linear.Linear",
        ),
        (lambda: torch.nn.Sequential(torch.nn.Flatten()), "got torch.nn.modules.container.Sequential"),
        (lambda: nn.Sequential(), "expected ten scores, one per digit, got an output of shape"),
        (lambda: nn.Sequential(nn.Flatten()), r"got an output of shape \(64,\). End with Linear"),
        (lambda: nn.Sequential(nn.Conv2d(1, 10, 8)), r"got an output of shape \(10, 1, 1\)"),
        (lambda: end(nn.Tanh()), "expected layers of the kinds Conv2d, .*, got Tanh at position 0"),
        (lambda: end(nn.AvgPool2d(2), features=16), "got AvgPool2d at position 0"),
        (
            lambda: end(nn.Conv2d(3, 2, 3)),
            "a picture of 1 × 8 × 8, got at position 0: x must have in_channels=3",
        ),
        (lambda: end(nn.MaxPool2d(9)), "layers that fit a picture of 1 × 8 × 8, got at position 0"),
        (lambda: end(features=63), "got at position 1: x must have in_features=63"),
        (lambda: end(nn.MaxPool2d(2, return_indices=True)), "got return_indices=True. Leave it out"),
        (lambda: nn.Sequential(nn.Linear(8, 8), nn.Flatten()), "expected Flatten before Linear"),
        (lambda: nn.Sequential(nn.Flatten(2)), r"expected Flatten\(\), got Flatten\(2, -1\)"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 160), nn.Linear(160, 10)),
            "at most 11,250 weights, got 12,010",
        ),
        (with_nan, "expected finite weights, got a NaN"),
    ],
)
def test_other_networks_are_refused_with_the_reason(build, reason):
    with pytest.raises(TraitError, match=reason):
        DigitReader(build())


def test_the_largest_network_fits():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 149), nn.ReLU(), nn.Linear(149, 10))
    assert len(DigitReader(net).weights) <= MOST_BYTES


# ---- traits ----


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (64,)])
def test_pixels_of_any_usual_shape(net, shape):
    x = digits().x_test[3]
    assert DigitReader(net, pixels=x.reshape(shape)).pixels == x[0].tolist()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"pixels": np.zeros((7, 8))}, "expected 8 rows of 8 pixels, got shape 7 × 8"),
        ({"pixels": np.full((8, 8), 16)}, "expected pixels from 0 to 1, got 16 to 16; divide by 16"),
        ({"pixels": np.full((8, 8), -1)}, "expected pixels from 0 to 1, got -1 to -1"),
        ({"pixels": np.full((8, 8), np.nan)}, "finite numbers"),
        ({"pixels": "3"}, "rows of numbers"),
        ({"example": 0}, "example: expected None, since there are no examples, got 0"),
        ({"layer": 11}, "layer: expected 0 to 10, got 11"),
        ({"layer": -1}, "layer"),
        ({"map": -1}, "map"),
        ({"cell": (0, -1)}, "cell"),
        ({"predict": "score"}, "predict"),
        ({"weight": ""}, "weight"),
        ({"examples": np.zeros((MOST_EXAMPLES + 1, 8, 8))}, "at most 32 pictures, .* got 33 pictures"),
        ({"examples": np.zeros((2, 8, 8)), "labels": [1]}, "got 2 pictures and 1 labels"),
        ({"examples": np.zeros((1, 8, 8)), "labels": [10]}, "labels"),
        ({"examples": np.zeros((1, 8, 8)), "example": 1}, "example: expected 0 to 0, got 1"),
        ({"examples": np.zeros((1, 4, 4))}, "expected 8 rows of 8 pixels, got shape 4 × 4"),
    ],
    ids=str,
)
def test_bad_settings_are_trait_errors(net, settings, reason):
    with pytest.raises(TraitError, match=reason):
        DigitReader(net, **settings)


def test_examples_and_pixels_follow_each_other(net):
    data = digits()
    widget = DigitReader(net, data.x_test[:5], data.y_test[:5])
    assert (widget.example, widget.pixels) == (0, data.x_test[0, 0].tolist())
    assert widget.labels == data.y_test[:5].tolist()
    widget.example = 4
    assert widget.pixels == data.x_test[4, 0].tolist()
    widget.pixels = data.x_test[1]
    assert widget.example is None
    widget.set_state({"pixels": data.x_test[2, 0].tolist(), "example": 2})
    assert (widget.example, widget.pixels) == (2, data.x_test[2, 0].tolist())
    widget.set_state({"pixels": [[0.0] * 8] * 8, "example": None})
    assert widget.example is None
    assert not np.any(widget.pixels)
    assert DigitReader(net, data.x_test[:5], pixels=np.ones((8, 8))).example is None


def test_an_empty_drawing_has_an_answer(net):
    widget = DigitReader(net)
    assert not np.any(widget.pixels)
    assert widget.answer == int(np.argmax(widget.scores))
    assert widget.probabilities.sum() == pytest.approx(1)
    assert repr(widget) == "DigitReader(example=None, layer=0, map=0, cell=(3, 3), predict='off')"


def test_module_is_small_and_exports_only_its_default():
    assert len(DigitReader._esm.encode()) < 30_000
    assert DigitReader._esm.count("export ") == 1
    assert not re.search(r"\bimport [{*\"']", DigitReader._esm)
    assert ".dlt-digit" in DigitReader._css


if __name__ == "__main__":
    write()
