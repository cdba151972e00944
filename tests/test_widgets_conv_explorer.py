"""ConvExplorer's Python side: traits, what they compute, the program it writes.

`python tests/test_widgets_conv_explorer.py` writes the golden file: settings and their values by torch. The
same file is read by the test of the widget's JavaScript (`tests/book/test_conv_explorer.py`).
"""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from traitlets import TraitError

from dltwice.widgets import ConvExplorer, conv_presets
from dltwice.widgets.base import HERE, BookWidget

GOLDEN = Path(__file__).parent / "golden" / "conv_explorer.json"
SIZES = {"input_size": (1, 9), "kernel_size": (1, 4), "stride": (1, 4), "padding": (0, 3), "dilation": (1, 3)}


# ---- the golden file ----


def numbers(draw, shape):
    return [
        [draw.randint(-9, 9) / draw.choice([1, 1, 1, 4]) for _ in range(shape[1])] for _ in range(shape[0])
    ]


def output_shape(setting):
    """Return the shape of the output by torch, (0, 0) when torch refuses."""
    one = torch.zeros(1, 1, *setting["input_size"])
    shape = {name: setting[name] for name in ("stride", "padding", "dilation")}
    try:
        return functional.conv2d(one, torch.zeros(1, 1, *setting["kernel_size"]), **shape).shape[2:]
    except RuntimeError:
        return (0, 0)


def draw_settings(count, seed):
    """Draw settings with height and width apart; some are impossible."""
    draw = random.Random(seed)
    for _ in range(count):
        setting = {name: [draw.randint(*limits) for _ in range(2)] for name, limits in SIZES.items()}
        setting["input"] = numbers(draw, setting["input_size"])
        setting["kernel"] = numbers(draw, setting["kernel_size"])
        setting["upstream"] = numbers(draw, output_shape(setting))
        yield setting | {"bias": draw.randint(-3, 3) / 2, "flip": draw.random() < 0.3, "view": "backward"}


def torch_values(setting):
    """Return output, gradients and usage by torch, or None when torch refuses the setting."""
    x, w = (
        torch.tensor(setting[name], dtype=torch.float64, requires_grad=True) for name in ("input", "kernel")
    )
    b = torch.tensor([setting["bias"]], dtype=torch.float64, requires_grad=True)
    shape = {name: setting[name] for name in ("stride", "padding", "dilation")}
    if not setting["upstream"]:
        return None
    y = functional.conv2d(x[None, None], (w.flip(0, 1) if setting["flip"] else w)[None, None], b, **shape)
    y.backward(torch.tensor(setting["upstream"], dtype=torch.float64)[None, None])
    kernel = setting["kernel_size"]
    columns = functional.unfold(torch.full_like(x, 1)[None, None], kernel, **shape)
    counts = functional.fold(columns, x.shape, kernel, **shape)
    values = {"output": y[0, 0], "input_grad": x.grad, "weight_grad": w.grad, "usage": counts[0, 0]}
    return {name: value.tolist() for name, value in values.items()} | {"bias_grad": b.grad.item()}


def golden_entries():
    return [{"setting": one, "values": torch_values(one)} for one in draw_settings(240, seed=4)]


def write():
    """Write the golden file anew."""
    GOLDEN.parent.mkdir(exist_ok=True)
    lines = (json.dumps(entry, separators=(",", ":")) for entry in golden_entries())
    GOLDEN.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_golden_file_is_what_torch_gives(golden):
    assert golden == json.loads(json.dumps(golden_entries()))
    assert 10 < sum(entry["values"] is None for entry in golden) < 100


def widget_of(setting):
    return ConvExplorer(**setting)


def test_values_are_torchs(golden):
    for entry in golden:
        widget, values = widget_of(entry["setting"]), entry["values"]
        assert widget.valid == (values is not None)
        if values is None:
            with pytest.raises(ValueError, match="Use a smaller kernel or dilation, or more padding"):
                _ = widget.output_size
            continue
        assert widget.output_size == np.shape(values["output"])
        for name, value in values.items():
            np.testing.assert_allclose(getattr(widget, name), value, rtol=1e-12, atol=1e-12, err_msg=name)
        used = np.array(values["usage"])
        assert widget.unread_rows == np.flatnonzero(used.sum(axis=1) == 0).tolist()
        assert widget.unread_cols == np.flatnonzero(used.sum(axis=0) == 0).tolist()


def test_code_computes_what_the_widget_shows(golden, capsys):
    for entry in golden[:80]:
        if entry["values"] is None:
            continue
        widget, space = widget_of(entry["setting"]), {}
        exec(widget.code(), space)
        np.testing.assert_allclose(space["y"][0, 0].detach(), widget.output, rtol=1e-12)
        np.testing.assert_allclose(space["x"].grad, widget.input_grad, rtol=1e-12)
        np.testing.assert_allclose(space["w"].grad, widget.weight_grad, rtol=1e-12)
        assert space["b"].grad.item() == pytest.approx(widget.bias_grad)
        assert str(space["w"].grad) in capsys.readouterr().out


def test_forward_code_has_no_backward():
    assert "backward" not in ConvExplorer().code()
    assert "backward" in ConvExplorer(view="backward").code()


# ---- traits ----


def test_a_number_stands_for_a_pair():
    widget = ConvExplorer(stride=2, padding=np.int64(1), kernel_size=(2, 3))
    assert (widget.stride, widget.padding, widget.kernel_size) == ((2, 2), (1, 1), (2, 3))


@pytest.mark.parametrize("value", [0, 9, (1, 0), (1, 2, 3), 1.5, "2", True, None, (1,)])
def test_a_bad_pair_is_refused_with_the_range(value):
    widget = ConvExplorer()
    with pytest.raises(TraitError, match=r"stride: expected a whole number from 1 to 8.*Write stride=1"):
        widget.stride = value
    assert widget.stride == (1, 1)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("sobel", "or one of 'numbers', 'seven'"),
        (3, "expected rows of numbers"),
        ([[1, 2], [3]], r"rows of one length, got lengths \[1, 2\]"),
        ([[1] * 17], "1 to 16 rows and 1 to 16 columns, got 1 rows and 17 columns"),
        ([], "got 0 rows"),
        ([[]], "1 rows and 0 columns"),
        ([[float("nan")]], "finite"),
    ],
)
def test_bad_numbers_are_refused_with_the_reason(value, reason):
    widget = ConvExplorer()
    with pytest.raises(TraitError, match=reason):
        widget.input = value
    assert widget.input_size == (5, 5)


def test_rows_set_the_size_and_a_size_brings_rows():
    widget = ConvExplorer(input=[[1, 2, 3], [4, 5, 6]])
    assert widget.input_size == (2, 3)
    widget.input_size = (3, 2)
    assert [row[:2] for row in widget.input[:2]] == [[1, 2], [4, 5]]
    assert np.shape(widget.input) == (3, 2)
    widget.kernel = np.arange(4).reshape(2, 2)
    assert widget.kernel_size == (2, 2)
    widget.kernel_size = (1, 3)
    assert widget.kernel == [[0, 1, 0]]


def test_contradicting_size_and_rows_are_refused():
    with pytest.raises(TraitError, match=r"input has shape \(1, 2\), but input_size is \(4, 4\)"):
        ConvExplorer(input=[[1, 2]], input_size=4)


def test_presets_by_name_at_any_size():
    widget = ConvExplorer(input_size=(4, 6), input="edge", kernel="sobel y")
    assert widget.input == [[0, 0, 0, 1, 1, 1]] * 4
    assert widget.kernel == [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
    widget.input_size = 2
    assert widget.input == [[0, 1]] * 2
    widget.kernel_size = (2, 1)
    assert widget.kernel == [[-1], [1]]


@pytest.mark.parametrize("name", ["box blur", "gaussian"])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 5), (7, 4)])
def test_blurs_keep_the_mean_and_laplacian_sees_no_constant(name, size):
    assert np.sum(conv_presets.make(conv_presets.KERNELS, name, size)) == pytest.approx(1)
    assert np.sum(conv_presets.make(conv_presets.KERNELS, "laplacian", size)) == 0
    assert np.sum(conv_presets.make(conv_presets.KERNELS, "sharpen", size)) == 1


def test_short_upstream_is_completed_and_never_all_ones():
    widget = ConvExplorer(upstream=[[7]])
    dy = widget.upstream_shown
    assert dy.shape == widget.output_size
    assert dy[0, 0] == 7
    assert len(np.unique(dy)) > 2


def test_unread_rows_left_by_the_floor_and_skipped_by_the_stride():
    assert ConvExplorer(input_size=6, kernel_size=3, stride=2).unread_rows == [5]
    assert ConvExplorer(input_size=(5, 7), kernel_size=1, stride=3).unread_cols == [1, 2, 4, 5]
    assert ConvExplorer(input_size=(4, 6), kernel_size=2, stride=(1, 3)).unread_cols == [2, 5]


def test_flip_is_convolution_as_in_mathematics():
    widget = ConvExplorer(input=[[0, 0, 0], [0, 1, 0], [0, 0, 0]], kernel=[[1, 2], [3, 4]], flip=True)
    np.testing.assert_array_equal(widget.output, widget.kernel)


# ---- the widget as an object ----


@pytest.mark.parametrize(
    "settings",
    [
        {"strides": 2},
        {"bias": float("nan")},
        {"bias": float("inf")},
        {"kernel": [[10**400]]},
        {"kernel": "12"},
        {"input": np.zeros((5, 5)), "input_size": 5.0},
        {"input": [[1, 2], [3]], "input_size": 2},
    ],
    ids=str,
)
def test_bad_settings_are_trait_errors(settings):
    with pytest.raises(TraitError):
        ConvExplorer(**settings)


def test_repr_is_stable():
    assert repr(ConvExplorer(stride=2)) == (
        "ConvExplorer(input_size=(5, 5), kernel_size=(3, 3), stride=(2, 2), padding=(0, 0), dilation=(1, 1))"
    )


def test_module_is_small_and_exports_only_its_default():
    assert len(ConvExplorer._esm.encode()) < 30_000
    assert ConvExplorer._esm.count("export ") == 1
    assert "import " not in ConvExplorer._esm.replace("import torch", "")
    assert ".dlt-widget" in ConvExplorer._css


@pytest.mark.parametrize("script", sorted(HERE.glob("*.js")), ids=lambda path: path.name)
def test_templates_are_not_nested(script):
    """rjsmin takes a template for text up to the next backtick: one inside another would lose its spaces."""
    for template in re.findall(r"`[^`]*`", script.read_text(encoding="utf-8")):
        assert template.count("{") == template.count("}"), template


def test_joining_keeps_texts_and_drops_comments():
    assert "Copy PyTorch code" in ConvExplorer._esm
    assert "What all widgets share" not in ConvExplorer._esm


def test_subclass_without_a_script_of_its_own_inherits():
    class Other(ConvExplorer):
        pass

    assert Other._esm == ConvExplorer._esm
    assert issubclass(Other, BookWidget)


def test_importing_one_widget_does_not_import_the_others():
    program = (
        "import sys; from dltwice.widgets import ConvExplorer; "
        "print([name for name in sys.modules if name.startswith('dltwice.widgets.feature')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


if __name__ == "__main__":
    write()
