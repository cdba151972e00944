"""PoolExplorer's Python side: traits, what they compute, the program it writes.

`python tests/test_widgets_pool_explorer.py` writes the golden file: settings and their values by torch. The
same file is read by the test of the widget's JavaScript (`tests/book/test_pool_explorer.py`).
"""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from traitlets import TraitError

from dltwice.nn import AvgPool2d, MaxPool2d
from dltwice.widgets import PoolExplorer

GOLDEN = Path(__file__).parent / "golden" / "pool_explorer.json"
SIZES = {"input_size": (1, 8), "kernel_size": (1, 4), "stride": (1, 4), "padding": (0, 2), "dilation": (1, 3)}


# ---- the golden file ----


def numbers(draw, shape, least=-2, most=2):
    """Draw few values, so that many windows have ties."""
    return [[float(draw.randint(least, most)) for _ in range(shape[1])] for _ in range(shape[0])]


def torch_pool(setting, x):
    """Return Y and, for max, the winners by torch; None when torch refuses the setting."""
    pairs = {name: tuple(setting[name]) for name in ("kernel_size", "stride", "padding")}
    try:
        if setting["kind"] == "average":
            counted = setting["count_include_pad"]
            more = {"ceil_mode": setting["ceil_mode"], "count_include_pad": counted}
            return functional.avg_pool2d(x[None, None], **pairs, **more)[0, 0], None
        more = {"dilation": tuple(setting["dilation"]), "ceil_mode": setting["ceil_mode"]}
        y, winners = functional.max_pool2d(x[None, None], **pairs, **more, return_indices=True)
        return y[0, 0], winners[0, 0]
    except RuntimeError:
        return None


def draw_settings(count, seed, sizes=SIZES):
    """Draw settings with height and width apart; some are impossible."""
    draw = random.Random(seed)
    for _ in range(count):
        setting = {name: [draw.randint(*limits) for _ in range(2)] for name, limits in sizes.items()}
        if draw.random() < 0.7:
            setting["padding"] = [
                draw.randint(min(sizes["padding"][0], k // 2), k // 2) for k in setting["kernel_size"]
            ]
        setting |= {"kind": draw.choice(["max", "average"]), "ceil_mode": draw.random() < 0.5}
        setting |= {"count_include_pad": draw.random() < 0.5, "view": "backward"}
        setting["input"] = numbers(draw, setting["input_size"])
        found = torch_pool(setting, torch.tensor(setting["input"], dtype=torch.float64))
        yield setting | {"upstream": numbers(draw, found[0].shape if found else (0, 0), -9, 9)}


def finite(rows):
    """Return rows as JSON can hold them: None for −∞."""
    return [[value if np.isfinite(value) else None for value in row] for row in rows]


def torch_values(setting):
    """Return output, winners and input gradient by torch, or None when torch refuses the setting.

    Where a dilated window has no cell of X, torch's output is −∞ and its index lies outside of X. Its
    backward would write there: such windows count as winners of −1, and their gradient is left out.
    """
    x = torch.tensor(setting["input"], dtype=torch.float64, requires_grad=True)
    found = torch_pool(setting, x)
    if found is None:
        return None
    y, winners = found
    dy = torch.tensor(setting["upstream"], dtype=torch.float64)
    if winners is None:
        y.backward(dy)
        return {"output": y.tolist(), "winners": None, "input_grad": x.grad.tolist()}
    alive = torch.isfinite(y)
    grad = torch.zeros(x.numel(), dtype=torch.float64).index_add(0, winners[alive], dy[alive])
    if alive.all():
        y.backward(dy)
        assert torch.equal(x.grad.flatten(), grad)
    values = {"output": finite(y.tolist()), "winners": winners.where(alive, -1).tolist()}
    return values | {"input_grad": grad.reshape(x.shape).tolist()}


def golden_entries():
    dead = {"input_size": (1, 1), "kernel_size": (2, 2), "padding": (1, 1), "dilation": (2, 3)}
    few = {name: dead.get(name, limits) for name, limits in SIZES.items()}
    settings = [*draw_settings(300, seed=5), *draw_settings(6, seed=6, sizes=few)]
    return [{"setting": one, "values": torch_values(one)} for one in settings]


def has_dead_window(values):
    """Whether an output is −∞, in a golden file None."""
    return any(None in row for row in values["output"])


def write():
    """Write the golden file anew."""
    lines = (json.dumps(entry, separators=(",", ":")) for entry in golden_entries())
    GOLDEN.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_golden_file_is_what_torch_gives(golden):
    assert golden == json.loads(json.dumps(golden_entries()))
    assert 50 < sum(entry["values"] is None for entry in golden) < 150
    assert any(has_dead_window(entry["values"]) for entry in golden if entry["values"])


def test_values_are_torchs(golden):
    for entry in golden:
        widget, values = PoolExplorer(**entry["setting"]), entry["values"]
        assert widget.valid == (values is not None), entry["setting"]
        if values is None:
            with pytest.raises(ValueError, match=r"along the (height|width), .* Use "):
                _ = widget.output_size
            continue
        expected = np.array(values["output"], dtype=float)
        assert widget.output_size == expected.shape
        np.testing.assert_allclose(widget.output, np.where(np.isnan(expected), -np.inf, expected), rtol=1e-12)
        np.testing.assert_allclose(widget.input_grad, values["input_grad"], rtol=1e-12, atol=1e-12)
        if values["winners"] is not None:
            np.testing.assert_array_equal(widget.winners, values["winners"])


def test_values_are_those_of_the_books_layers(golden):
    compared = 0
    for entry in golden:
        widget = PoolExplorer(**entry["setting"])
        sizes = (widget.kernel_size, widget.stride, widget.padding)
        try:
            if widget.kind == "max":
                layer = MaxPool2d(*sizes, widget.dilation, ceil_mode=widget.ceil_mode)
            else:
                layer = AvgPool2d(*sizes, widget.ceil_mode, widget.count_include_pad)
            y = layer.forward(widget.input_shown[None, None])
        except ValueError:  # refused by torch, or a window that may lie in the padding altogether
            assert not widget.valid or max(widget.dilation) > min(widget.input_size)
            continue
        dx = layer.backward(widget.upstream_shown[None, None])
        np.testing.assert_allclose(y[0, 0], widget.output, rtol=1e-12)
        np.testing.assert_allclose(dx[0, 0], widget.input_grad, rtol=1e-12, atol=1e-12)
        compared += 1
    assert compared > 100


def test_code_computes_what_the_widget_shows(golden, capsys):
    without = 0
    for entry in golden:
        if entry["values"] is None:
            continue
        widget, space = PoolExplorer(**entry["setting"]), {}
        exec(widget.code(), space)
        np.testing.assert_allclose(space["y"][0, 0].detach(), widget.output, rtol=1e-12)
        assert str(space["y"][0, 0]) in capsys.readouterr().out
        if "No backward" in widget.code():
            without += 1
            assert np.isneginf(widget.output).any()
            continue
        np.testing.assert_allclose(space["x"].grad, widget.input_grad, rtol=1e-12, atol=1e-12)
        if widget.kind == "max":
            np.testing.assert_array_equal(space["winners"][0, 0], widget.winners)
    assert without > 0


def test_forward_code_has_no_backward():
    assert "backward" not in PoolExplorer().code()
    assert "y.backward" in PoolExplorer(view="backward").code()


# ---- what the settings mean ----


def test_four_by_four_by_hand():
    rows = [[1, 3, 2, 1], [4, 6, 5, 0], [3, 1, 1, 0], [1, 2, 2, 4]]
    widget = PoolExplorer(input=rows, upstream=[[1, 2], [3, 4]])
    np.testing.assert_array_equal(widget.output, [[6, 5], [3, 4]])
    np.testing.assert_array_equal(widget.winners, [[5, 6], [8, 15]])
    np.testing.assert_array_equal(widget.input_grad, [[0, 0, 0, 0], [0, 1, 2, 0], [3, 0, 0, 0], [0, 0, 0, 4]])
    widget.kind = "average"
    np.testing.assert_array_equal(widget.output, [[3.5, 2], [1.75, 1.75]])
    assert widget.input_grad[0].tolist() == [0.25, 0.25, 0.5, 0.5]


def test_the_first_of_equal_cells_wins():
    widget = PoolExplorer(input=[[0, 2], [2, 2]], upstream=[[5]])
    assert widget.winners.tolist() == [[1]]
    assert widget.input_grad.tolist() == [[0, 5], [0, 0]]


def test_gradients_add_up_where_windows_overlap():
    widget = PoolExplorer(input=[[0, 9, 0]], kernel_size=(1, 2), stride=1, upstream=[[2, 3]])
    assert widget.input_grad.tolist() == [[0, 5, 0]]


def test_the_stride_is_the_kernel_unless_it_is_given():
    assert PoolExplorer(kernel_size=(3, 2)).stride == (3, 2)
    assert PoolExplorer(kernel_size=3, stride=None).stride == (3, 3)
    assert PoolExplorer(kernel_size=3, stride=1).stride == (1, 1)


def test_the_bright_pixel_covers_the_input():
    widget = PoolExplorer(input="blank", pixel=(2, 3), bright=7)
    assert widget.input_shown[2, 3] == 7
    assert widget.input_shown.sum() == 7
    assert np.sum(widget.input) == 0
    assert widget.winners[1, 1] == 2 * 6 + 3
    widget.input_size = 2
    assert widget.input_shown.tolist() == [[0, 0], [0, 7]]
    widget.pixel = None
    assert widget.input_shown.sum() == 0


def test_moves_inside_a_window_change_nothing_and_across_change_two():
    widget = PoolExplorer(input="blank", pixel=(2, 2))
    assert widget.changed_by_move((3, 3)) == 0
    assert widget.changed_by_move((2, 4)) == 2
    assert widget.changed_by_move((2, 2)) == 0


def shifted_by_torch(setting, x, rows, cols, kind):
    wide = functional.pad(x, [12] * 4)
    h, w = x.shape
    moved = wide[12 - rows : 12 - rows + h, 12 - cols : 12 - cols + w]
    before, after = (torch_pool(setting | {"kind": kind}, one)[0] for one in (x, moved))
    return int((before != after).sum())


@pytest.mark.parametrize("shift", [(0, 1), (1, 0), (-1, 0), (0, -2), (4, -3)])
def test_changes_by_a_shift_are_torchs(shift):
    setting = {"kernel_size": (3, 2), "stride": (2, 2), "padding": (1, 0), "dilation": (1, 1)}
    setting |= {"ceil_mode": False, "count_include_pad": True}
    widget = PoolExplorer(input_size=(9, 8), **setting)
    x = torch.tensor(widget.input_shown)
    found = widget.changed_by_shift(*shift)
    for kind in ("max", "average"):
        assert found[kind] == shifted_by_torch(setting, x, *shift, kind)
    assert found["picking"] > 0


def test_picking_takes_every_second_cell():
    widget = PoolExplorer(input="ramp")
    assert widget.changed_by_shift(1, 0) == {"max": 0, "average": 3, "picking": 2}
    assert widget.changed_by_shift(0, 1) == {"max": 9, "average": 9, "picking": 6}


def test_unread_rows_left_by_the_floor_and_read_with_ceil_mode():
    assert PoolExplorer(input_size=5).unread_rows == [4]
    assert PoolExplorer(input_size=5, ceil_mode=True).unread_rows == []
    assert PoolExplorer(input_size=(6, 7), kernel_size=2, stride=3).unread_cols == [2, 5, 6]


def test_average_pooling_has_no_dilation_and_no_winners():
    widget = PoolExplorer(kind="average", dilation=2)
    assert widget.output_size == (3, 3)
    with pytest.raises(ValueError, match='every cell has its share; set kind="max"'):
        _ = widget.winners


def test_short_upstream_is_completed():
    dy = PoolExplorer(upstream=[[7]]).upstream_shown
    assert dy[0, 0] == 7
    assert len(np.unique(dy)) > 2


# ---- the widget as an object ----


@pytest.mark.parametrize(
    "settings",
    [
        {"strides": 2},
        {"bright": float("nan")},
        {"kind": "median"},
        {"pixel": (1, 12)},
        {"pixel": 1.5},
        {"padding": 7},
        {"input": "noise"},
        {"input": np.zeros((13, 2))},
        {"input": np.zeros((5, 5)), "input_size": 6},
        {"kernel_size": 0},
    ],
    ids=str,
)
def test_bad_settings_are_trait_errors(settings):
    with pytest.raises(TraitError):
        PoolExplorer(**settings)


def test_repr_is_stable():
    assert repr(PoolExplorer()) == (
        "PoolExplorer(kind='max', input_size=(6, 6), kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))"
    )


def test_module_is_small_and_exports_only_its_default():
    # Two kinds of pooling, arrows, a pixel to drag, shifts: larger than the others, and one a page.
    assert len(PoolExplorer._esm.encode()) < 42_000
    assert PoolExplorer._esm.count("export ") == 1
    assert "import " not in PoolExplorer._esm.replace("import torch", "")


if __name__ == "__main__":
    write()
