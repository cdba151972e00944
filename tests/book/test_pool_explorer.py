"""PoolExplorer in a real browser: its maths against torch, and its use by keyboard, mouse and finger."""

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from dltwice.widgets import PoolExplorer, conv_presets, pool_explorer

GOLDEN = Path(__file__).parents[1] / "golden" / "pool_explorer.json"
RANGES = {
    "input_size": (1, 12),
    "kernel_size": (1, 12),
    "stride": (1, 12),
    "padding": (0, 6),
    "dilation": (1, 4),
}
COMPUTE = """(settings) => settings.map((s) => {
  if (math.problems(s).length) return null;
  const all = math.windows(s, s.input), [h, w] = s.input_size;
  return { output: math.pool(s, s.input), input_grad: math.inputGrad(s, all, s.upstream), code: math.code(s),
    winners: all.map((row) => row.map(({ winner }) => (winner ? winner.at[0] * w + winner.at[1] : -1))) };
})"""
GRID = """([settings]) => settings.map((s) => {
  const fill = (h, w, seed) => Array.from({ length: h }, (_, r) =>
    Array.from({ length: w }, (_, c) => ((31 * r + 17 * c + 7 * r * c + 13 * seed) % 7) - 3));
  const found = math.problems(s);
  if (found.length) return { found };
  const size = math.outputSize(s), x = fill(...s.input_size, s.seed), all = math.windows(s, x);
  const dx = math.inputGrad(s, all, fill(...size, s.seed + 1));
  return { size, y: all.flat().map(({ value }) => value), dx: dx.flat(),
    winners: all.flat().map(({ winner }) => (winner ? winner.at[0] * s.input_size[1] + winner.at[1] : -1)) };
})"""
MEND = """(settings) => settings.map((s) => {
  const texts = [];
  for (let round = 0; round < 3; round++) {
    const found = math.problems(s);
    if (found.length) texts.push(found.map(({ message }) => message).join(" "));
    for (const { axis, changes } of found)
      for (const [name, value] of Object.entries(changes)) s[name][axis] = value;
  }
  return { texts, left: math.problems(s).length };
})"""


@pytest.fixture
def module(widget_module):
    """An empty page with the widget's module in it, `widget` and `math`."""
    return widget_module(PoolExplorer)


# ---- maths ----


def settled(setting):
    """Return the setting as the page computes with it: average pooling has no dilation."""
    return setting | {"dilation": [1, 1]} if setting["kind"] == "average" else setting


def test_maths_gives_the_golden_values(module):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    results = module.evaluate(COMPUTE, [settled(entry["setting"]) for entry in golden])
    for entry, result in zip(golden, results, strict=True):
        values = entry["values"]
        assert (result is None) == (values is None)
        if values is None:
            continue
        output = np.array(values["output"], dtype=float)
        output[np.isnan(output)] = -np.inf
        np.testing.assert_allclose(result["output"], output, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(result["input_grad"], values["input_grad"], rtol=1e-12, atol=1e-12)
        if values["winners"]:
            assert result["winners"] == values["winners"]
        assert result["code"] == PoolExplorer(**entry["setting"]).code()


def pattern(shape, seed):
    """Return the numbers that both sides of the grid test make for themselves; many are equal."""
    r, c = np.ogrid[: shape[0], : shape[1]]
    return torch.tensor((31 * r + 17 * c + 7 * r * c + 13 * seed) % 7 - 3.0, dtype=torch.float64)


def torch_result(s):
    """Return y, dx and the winners by torch, or None when torch refuses the setting."""
    x = pattern(s["input_size"], s["seed"]).requires_grad_()
    pairs = {name: s[name] for name in ("kernel_size", "stride", "padding", "ceil_mode")}
    try:
        if s["kind"] == "average":
            y = functional.avg_pool2d(x[None, None], **pairs, count_include_pad=s["count_include_pad"])[0, 0]
        else:
            found = functional.max_pool2d(x[None, None], **pairs, dilation=s["dilation"], return_indices=True)
            y, winners = (one[0, 0] for one in found)
    except RuntimeError:
        return None
    dy = pattern(y.shape, s["seed"] + 1)
    if s["kind"] == "average":
        y.backward(dy)
        return y.detach(), x.grad, None
    alive = torch.isfinite(y)  # where a window has no cell of X, torch's own backward writes outside of it
    if alive.all():
        y.backward(dy)
        return y.detach(), x.grad, winners
    dx = torch.zeros(x.numel(), dtype=torch.float64).index_add(0, winners[alive], dy[alive])
    return y.detach(), dx.reshape(x.shape), winners.where(alive, -1)


def draw_grid(count, seed):
    """Draw settings; the padding is in half of them within what torch takes."""
    draw = random.Random(seed)
    for i in range(count):
        setting = {name: [draw.randint(*limits) for _ in range(2)] for name, limits in RANGES.items()}
        if draw.random() < 0.7:
            setting["kernel_size"] = [draw.randint(1, 5) for _ in range(2)]
        if draw.random() < 0.8:
            setting["padding"] = [draw.randint(0, k // 2) for k in setting["kernel_size"]]
        setting |= {"kind": draw.choice(["max", "average"]), "ceil_mode": draw.random() < 0.5}
        yield setting | {"count_include_pad": draw.random() < 0.5, "seed": i}


def test_sizes_values_winners_and_gradients_are_torchs_on_12000_settings(module):
    torch.set_num_threads(1)
    impossible = dead = 0
    for batch in range(12):
        settings = list(draw_grid(1000, seed=batch))
        results = module.evaluate(GRID, [[settled(s) for s in settings]])
        for s, result in zip(settings, results, strict=True):
            expected = torch_result(s)
            if expected is None:
                impossible += 1
                message = result["found"][0]["message"]
                assert re.match(r"Along the (height|width), .*(PyTorch refuses|input has \d+)", message), s
                continue
            assert "found" not in result, s
            y, dx, winners = expected
            assert result["size"] == list(y.shape), s
            dead += bool(torch.isinf(y).any())
            np.testing.assert_allclose(result["y"], y.flatten(), atol=1e-6, rtol=0, err_msg=str(s))
            np.testing.assert_allclose(result["dx"], dx.flatten(), atol=1e-6, rtol=0, err_msg=str(s))
            if winners is not None:
                assert result["winners"] == winners.flatten().tolist(), s
    assert 1500 < impossible < 6000
    assert dead > 5


def test_every_impossible_setting_has_a_way_out_that_works(module):
    """Out of range is mended first, then what torch refuses, in one step along each axis."""
    draw = random.Random(1)
    settings = list(draw_grid(900, seed=99))
    for s in settings[::3]:
        s[draw.choice(list(RANGES))][draw.randint(0, 1)] = draw.choice([-1, 0, 99, 2.5])
    results = module.evaluate(MEND, settings)
    assert not any(result["left"] for result in results)
    rounds = [len(result["texts"]) for result in results]
    assert max(rounds[1::3]) == max(rounds[2::3]) == 1
    assert max(rounds) == 2
    assert sum(count > 0 for count in rounds) > 300
    texts = " ".join(text for result in results for text in result["texts"])
    assert "stride height must be a whole number from 1 to 12; 0 is not." in texts
    assert "taps 4 apart reach over" in texts
    assert "is more than half of the kernel" in texts


def test_presets_and_resizing_are_pythons(module):
    sizes = [(1, 1), (1, 4), (2, 2), (4, 2), (5, 7)]
    presets = pool_explorer.INPUTS
    found = module.evaluate(
        "(sizes) => Object.fromEntries(Object.entries(math.POOL_INPUTS).map(([name, make]) => "
        "[name, sizes.map((size) => make(...size))]))",
        sizes,
    )
    assert found == {name: [conv_presets.make(presets, name, size) for size in sizes] for name in presets}
    for rows in ([[1, 2, 9], [3, 4, 9]], conv_presets.make(presets, "blank", (3, 3))):
        for size in sizes:
            resized = module.evaluate(
                "([rows, size]) => math.resize(math.POOL_INPUTS, rows, size)", [rows, size]
            )
            assert resized == conv_presets.resize(presets, rows, size)


def test_counts_of_shifts_are_pythons(module):
    ways = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
    for settings in ({}, {"kernel_size": 3, "stride": 1, "padding": 1}, {"ceil_mode": True, "stride": 3}):
        widget = PoolExplorer(input_size=(7, 6), **settings)
        found = module.evaluate("(s) => math.shiftCounts(s, s.input)", state_of(widget))
        expected = {word: widget.changed_by_shift(*by) for word, by in ways.items()}
        for kind in ("max", "average", "picking"):
            assert found[kind] == {word: counts[kind] for word, counts in expected.items()}


def state_of(widget):
    return {name: value for name, value in widget.get_state().items() if not name.startswith("_")}


# ---- the page ----


def cell(page, name):
    """Return the cell whose label starts so, `X[1, 2]`."""
    return page.locator(f'[role=gridcell][aria-label^="{name} ="]')


def label(page, name):
    return cell(page, name).get_attribute("aria-label")


def number(page, name):
    text = label(page, name).split("= ")[1].split(",")[0]
    return float(text.replace("−", "-").replace("∞", "inf"))


def marked(page, letter, mark="on"):
    """Return the names of the marked cells of a panel, `Y[0, 1]`."""
    labels = page.locator(f".dlt-{letter} .dlt-cell.dlt-{mark}").evaluate_all(
        "cells => cells.map((one) => one.ariaLabel)"
    )
    return {label.split(" =")[0] for label in labels}


def field(page, name):
    return page.get_by_role("spinbutton", name=name, exact=True)


def words(page):
    return page.locator(".dlt-words").inner_text()


def total(page):
    return page.locator(".dlt-sum").text_content()


def moves(page):
    return page.locator(".dlt-moves").text_content()


def pixel(page):
    return page.get_by_role("button", name="Bright pixel at")


def output_title(page):
    return page.locator(".dlt-Y p").inner_text()


def test_mouse_shows_window_and_winner_and_both_directions(widget_page):
    widget = PoolExplorer(kernel_size=3, stride=2, input_size=5)
    page = widget_page(widget)
    cell(page, "Y[0, 1]").hover()
    assert marked(page, "X") == {f"X[{r}, {c}]" for r in range(3) for c in (2, 3, 4)}
    at = divmod(int(widget.winners[0, 1]), 5)
    winner = f"X[{at[0]}, {at[1]}]"
    assert marked(page, "X", "win") == {winner}
    assert "Y[0, 1] reads 9 cells of X." in words(page)
    assert winner in words(page)
    assert total(page).startswith("Y[0,1]=max(")
    assert total(page).endswith(f")={widget.output[0, 1]:.0f}")
    cell(page, winner).hover()
    assert "Y[0, 1]" in marked(page, "Y")
    assert f"{winner} is read by" in words(page)
    assert "it wins Y[0, 1]" in words(page)
    cell(page, "X[0, 0]").hover()
    assert "X[0, 0] is read by 1 output: Y[0, 0]; it wins none of them." in words(page)
    page.mouse.move(0, 0)
    assert "Y[0, 0] reads" in words(page)


def test_arrows_go_from_every_output_to_its_winner(widget_page):
    widget = PoolExplorer(view="backward")
    page = widget_page(widget)
    draw = "cls => document.querySelector(cls).getAttribute('d')"
    parts = [page.evaluate(draw, f".dlt-arrows .dlt-{cls}").count("M") for cls in ("main", "rest")]
    assert parts == [2 * 2, 2 * 2 * 8]  # a shaft and a head, for Y and for dY
    r, c = divmod(int(widget.winners[0, 0]), 6)
    box = cell(page, f"X[{r}, {c}]").bounding_box()
    stage = page.locator(".dlt-stage").bounding_box()
    tip = page.evaluate(draw, ".dlt-arrows .dlt-main").split("M")[1].split("L")[1]
    x, y = (float(one) + stage[key] for one, key in zip(tip.split(), "xy", strict=True))
    assert box["x"] < x < box["x"] + box["width"]
    assert box["y"] < y < box["y"] + box["height"]
    page.get_by_role("combobox", name="Pooling").select_option("average")
    assert page.evaluate(draw, ".dlt-arrows .dlt-main") == ""


def test_ties_are_said_in_words(widget_page):
    page = widget_page(PoolExplorer(input="checkerboard", view="backward"))
    assert words(page) == (
        "Y[0, 0] reads 4 cells of X. 1 is there 2 times (X[0, 1], X[1, 0]): "
        "the first in row-major order, X[0, 1], wins, and gets all of dY[0, 0]."
    )
    assert number(page, "dX[1, 0]") == 0
    assert number(page, "dX[0, 1]") == number(page, "dY[0, 0]")


def test_average_shows_shares_and_divisors(widget_page):
    widget = PoolExplorer(kind="average", kernel_size=3, stride=2, padding=1, input_size=5, view="backward")
    page = widget_page(widget)
    assert "4 cells of X and 5 of padding (0, counted in n). Each has a share of 1/9" in words(page)
    assert re.search(r"\)/9=\d+9=0\.\d+$", total(page))
    cell(page, "X[1, 1]").hover()
    assert total(page).startswith("dX[1,1]=ΣdY·1/n=")
    assert total(page).endswith("=" + f"{widget.input_grad[1, 1]:.4g}".replace("-", "−"))
    page.get_by_role("checkbox", name="count_include_pad").uncheck()
    page.mouse.move(0, 0)
    assert "padding (0, not counted in n). Each has a share of 1/4" in words(page)
    widget.count_include_pad = False
    assert number(page, "Y[0, 0]") == pytest.approx(widget.output[0, 0], abs=1e-3)
    assert field(page, "dilation height").count() == 0


def test_padding_is_shown_and_never_wins(widget_page):
    page = widget_page(PoolExplorer(input="negative", kernel_size=2, padding=1))
    assert label(page, "X[-1, 0]") == "X[-1, 0] = −∞, padding"
    assert number(page, "Y[0, 0]") == -5
    assert "1 cell of X and 3 of padding (−∞, which never wins). The largest, −5, is X[0, 0]." in words(page)
    cell(page, "X[-1, -1]").hover()
    assert words(page) == "X[-1, -1] is padding."


def test_ceil_mode_explains_its_extra_window_and_the_one_that_torch_drops(widget_page):
    widget = PoolExplorer(input_size=5, ceil_mode=True, kind="average", selected=(2, 2))
    page = widget_page(widget)
    note = page.locator(".dlt-note").first
    assert note.inner_text() == (
        "Along the height and the width, ceil_mode adds a window, which reaches 1 cell beyond the padded "
        "input: what lies there does not count."
    )
    assert label(page, "X[5, 0]") == "X[5, 0] = nothing, outside"
    assert "1 cell of X; 3 more lie outside and do not count. Each has a share of 1/1." in words(page)
    assert page.locator(".dlt-formula").text_content().endswith("⌉+1=3")
    page.get_by_role("checkbox", name="ceil_mode").uncheck()
    assert (
        "Never read: row 4 (left over by the floor); column 4 (left over by the floor)." in note.inner_text()
    )
    assert page.locator(".dlt-X .dlt-unread").count() == 9
    page.get_by_role("checkbox", name="ceil_mode").check()
    for text in ("kernel_size", "stride"):
        field(page, f"{text} height").fill("1" if text == "kernel_size" else "3")
    assert "one window fewer, since it would start behind the last cell of X" in note.inner_text()
    assert page.locator(".dlt-formula").text_content().endswith("⌉+1−1=2")


def test_the_bright_pixel_is_dragged_by_mouse(widget_page):
    widget = PoolExplorer(input="blank", pixel=(2, 2), input_size=6)
    page = widget_page(widget)
    pixel(page).hover()
    page.mouse.down()
    for name in ("X[2, 3]", "X[3, 3]"):
        box = cell(page, name).bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert moves(page) == "The bright pixel moved from X[2, 2] to X[3, 3]: 0 of 9 outputs changed."
    box = cell(page, "X[5, 5]").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.up()
    assert moves(page) == "The bright pixel moved from X[2, 2] to X[5, 5]: 2 of 9 outputs changed."
    assert widget.changed_by_move((5, 5)) == 2
    assert marked(page, "Y", "changed") == {"Y[1, 1]", "Y[2, 2]"}
    assert number(page, "X[5, 5]") == 9
    assert number(page, "X[2, 2]") == 0
    page.mouse.move(0, 0)
    assert moves(page).endswith("2 of 9 outputs changed.")
    page.get_by_role("button", name="stride height: one more").click()
    assert "from X[2, 2] to X[5, 5]: 0 of 4 outputs changed" in moves(page)


def test_the_bright_pixel_is_dragged_by_a_finger(widget_page):
    page = widget_page(PoolExplorer(pixel=(1, 1), input="blank"), width=360, touch=True)
    pixel(page).scroll_into_view_if_needed()
    box, step = pixel(page).bounding_box(), cell(page, "X[0, 0]").bounding_box()["width"] - 1
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    client = page.context.new_cdp_session(page)
    for kind, dx in (("touchStart", 0), ("touchMove", 0.6), ("touchMove", 1), ("touchEnd", None)):
        points = [] if dx is None else [{"x": x + dx * step, "y": y}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_function("document.querySelector('.dlt-moves').textContent.includes('X[1, 2]')")
    assert moves(page) == "The bright pixel moved from X[1, 1] to X[1, 2]: 2 of 9 outputs changed."


def test_everything_by_keyboard_alone(widget_page):
    page = widget_page(PoolExplorer(input="blank", view="forward"))
    press = page.keyboard.press
    page.get_by_role("checkbox", name="bright pixel").focus()
    press(" ")
    pixel(page).focus()
    assert pixel(page).get_attribute("aria-label").startswith("Bright pixel at X[2, 2]")
    press("ArrowRight")
    assert "from X[2, 2] to X[2, 3]: 0 of 9" in moves(page)
    press("ArrowRight")
    assert "from X[2, 3] to X[2, 4]: 2 of 9" in moves(page)
    assert "X[2, 4] is read by 1 output: Y[1, 2]; it wins Y[1, 2]." in words(page)
    for _ in range(4):
        press("ArrowDown")
    assert "Bright pixel at X[5, 4]" in pixel(page).get_attribute("aria-label")
    cell(page, "X[5, 4]").focus()
    page.keyboard.type("4")
    press("Enter")
    assert field(page, "brightness").input_value() == "4"
    cell(page, "X[0, 0]").focus()
    page.keyboard.type("12")
    press("Enter")
    assert number(page, "Y[0, 0]") == 12
    assert moves(page) == ""
    field(page, "padding height").focus()
    press("ArrowUp")
    assert "output 4 × 4" in output_title(page)
    page.get_by_role("checkbox", name="backward pass").focus()
    press(" ")
    assert page.locator(".dlt-dX").is_visible()
    page.get_by_role("slider", name="Output position").focus()
    press("ArrowRight")
    assert "Y[0, 1] reads" in words(page)
    page.get_by_role("button", name="Shift X down by one cell").focus()
    press("Enter")
    assert moves(page).startswith("X moved down by one cell:")
    page.get_by_role("button", name="Reset").focus()
    press("Enter")
    assert "output 3 × 3" in output_title(page)
    assert pixel(page).count() == 0
    assert page.locator(".dlt-dX").is_hidden()


@pytest.mark.parametrize("width", [1280, 360])
def test_click_reaches_reset_while_the_bright_pixel_has_the_focus(widget_page, width):
    page = widget_page(PoolExplorer(input="blank", pixel=(2, 2)), width=width)
    pixel(page).focus()
    page.keyboard.press("ArrowRight")
    assert pixel(page).get_attribute("aria-label").startswith("Bright pixel at X[2, 3]")
    page.get_by_role("button", name="Reset").click()  # the press takes the focus away, and the words change
    assert pixel(page).get_attribute("aria-label").startswith("Bright pixel at X[2, 2]")


def test_the_table_of_shifts_and_its_buttons(widget_page):
    widget = PoolExplorer(pixel=(5, 5))
    page = widget_page(widget)
    ways = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
    for row, kind in enumerate(("max", "average", "picking")):
        shown = page.locator(".dlt-shift tbody tr").nth(row).locator("td").all_inner_texts()
        assert shown == [str(widget.changed_by_shift(*by)[kind]) for by in ways.values()]
    caption = page.locator(".dlt-shift caption").inner_text()
    assert caption == "Shift X by one cell: how many of the 9 outputs change"
    page.get_by_role("button", name="Shift X right by one cell").click()
    changed = widget.changed_by_shift(0, 1)["max"]
    assert moves(page) == f"X moved right by one cell: {changed} of 9 outputs changed."
    assert number(page, "X[0, 1]") == widget.input[0][0]
    assert number(page, "X[0, 0]") == 0
    assert pixel(page).count() == 0  # it left the picture
    assert len(marked(page, "Y", "changed")) == changed


def test_a_finger_taps_pins_and_edits(widget_page):
    page = widget_page(PoolExplorer(view="backward", pixel=(3, 3)), width=360, touch=True)
    cell(page, "X[0, 1]").tap()
    assert marked(page, "Y") == {"Y[0, 0]"}
    assert total(page).startswith("dX[0,1]=ΣdY=")
    cell(page, "X[0, 1]").tap()
    page.keyboard.type("8")
    page.keyboard.press("Enter")
    assert number(page, "X[0, 1]") == 8
    assert number(page, "dX[0, 1]") == number(page, "dY[0, 0]")
    cell(page, "dY[0, 0]").tap()
    cell(page, "dY[0, 0]").tap()
    page.keyboard.type("-6")
    page.keyboard.press("Enter")
    assert number(page, "dX[0, 1]") == -6
    pixel(page).tap()
    page.evaluate("document.activeElement.blur()")
    assert words(page).startswith("X[3, 3] is read by")
    sizes = page.locator(
        "button:visible, select:visible, summary:visible, [role=gridcell]:visible"
    ).evaluate_all(
        "all => all.map((one) => [one.getBoundingClientRect().height, one.ariaLabel ?? one.textContent])"
    )
    assert [name for height, name in sizes if height < 43.9] == []


def test_an_impossible_setting_is_explained_and_mended(widget_page):
    page = widget_page(PoolExplorer(kernel_size=3, stride=1, padding=2))
    trouble = page.locator(".dlt-trouble")
    assert "padding 2 is more than half of the kernel’s 3" in trouble.inner_text()
    assert "PyTorch refuses" in trouble.inner_text()
    assert page.locator(".dlt-formula").text_content().endswith("=impossible")
    assert page.locator(".dlt-Y").is_hidden()
    page.get_by_role("button", name="Set padding height to 1").click()
    page.get_by_role("button", name="Set padding width to 1").click()
    assert trouble.is_hidden()
    assert "output 6 × 6" in output_title(page)
    field(page, "kernel_size height").fill("12")
    assert "Along the height, the kernel needs 12 cells, but the padded input has 8." in trouble.inner_text()


@pytest.mark.parametrize("width", [320, 360, 1280])
@pytest.mark.parametrize("touch", [False, True])
def test_no_sideways_scrolling_at_the_largest_sizes(widget_page, width, touch):
    largest = PoolExplorer(
        input_size=12, kernel_size=12, stride=1, padding=6, view="backward", pixel=(11, 11)
    )
    page = widget_page(largest, PoolExplorer(predict="gradient"), width=width, touch=touch)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violations(widget_page, axe, width, theme):
    asking = PoolExplorer(stride=(2, 3), padding=1, predict="value", view="backward", ceil_mode=True)
    other = PoolExplorer(kind="average", pixel=(2, 2), view="backward")
    page = widget_page(asking, other, width=width, theme=theme, touch=width == 360)
    page.locator("summary").first.click()
    page.locator("table").nth(4).wait_for()
    assert page.locator(".dlt-widget [id]").count() == 0
    assert axe(page) == []


def test_predict_the_size_before_it_shows(widget_page):
    page = widget_page(PoolExplorer(predict="size", view="backward", padding=1))
    assert "? × ?" in output_title(page)
    assert page.locator(".dlt-Y [role=gridcell], .dlt-dY [role=gridcell]").count() == 2
    assert page.locator(".dlt-formula").text_content().endswith("=?")
    assert page.locator(".dlt-shift").is_hidden()
    field(page, "height").fill("3")
    field(page, "width").fill("4")
    page.keyboard.press("Enter")
    assert "Not quite: not 3 × 4 but 4 × 4." in page.locator("form").inner_text()
    assert "output 4 × 4" in output_title(page)


def test_predict_a_value(widget_page):
    widget = PoolExplorer(predict="value", selected=(1, 1), view="backward")
    page = widget_page(widget)
    assert cell(page, "Y[1, 1]").inner_text() == "?"
    assert page.locator(".dlt-won, .dlt-win, [data-note]").count() == 0
    assert "largest" not in words(page)
    assert total(page).endswith("=?")
    field(page, "value").fill(f"{widget.output[1, 1]:g}")
    page.get_by_role("button", name="Check").click()
    assert "Right" in page.locator("form").inner_text()
    assert number(page, "Y[1, 1]") == widget.output[1, 1]


def test_predict_where_the_gradient_goes(widget_page):
    widget = PoolExplorer(predict="gradient", selected=(0, 1), view="backward")
    page = widget_page(widget)
    form = page.locator("form")
    assert "Which cell of X gets the gradient of Y[0, 1]?" in form.inner_text()
    assert set(page.locator(".dlt-dX [role=gridcell]").all_inner_texts()) == {"?"}
    assert page.evaluate("document.querySelector('.dlt-arrows .dlt-main').getAttribute('d')") == ""
    r, c = divmod(int(widget.winners[0, 1]), 6)
    field(page, "row").fill("1")
    field(page, "column").fill("2")
    page.get_by_role("button", name="Check").click()
    assert f"Not quite: not 1, 2 but {r}, {c}." in form.inner_text()
    assert number(page, f"dX[{r}, {c}]") == widget.input_grad[r, c]
    page.get_by_role("combobox", name="Pooling").select_option("average")
    assert "How much of dY[0, 1] = 2 does each cell of its window get?" in form.inner_text()
    field(page, "value").fill("0.5")
    page.get_by_role("button", name="Check").click()
    assert "Right: 0.5." in form.inner_text()


def test_copied_program_is_pythons(widget_page):
    widget = PoolExplorer(view="backward", kind="average", pixel=(1, 1), ceil_mode=True, input_size=(5, 4))
    page = widget_page(widget)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy PyTorch code").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == widget.code()


def test_live_region_states_the_move_and_the_result(widget_page):
    page = widget_page(PoolExplorer(input="blank", pixel=(0, 1)))
    pixel(page).focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "text => document.querySelector('[aria-live=polite]').textContent.trim() === text",
        arg="The bright pixel moved from X[0, 1] to X[0, 2]: 2 of 9 outputs changed. "
        "X[0, 2] is read by 1 output: Y[0, 1]; it wins Y[0, 1].",
    )


def test_tables_hold_the_numbers(widget_page):
    widget = PoolExplorer(input_size=1, kernel_size=2, stride=1, padding=1, dilation=2)
    page = widget_page(widget)
    page.locator("summary").click()
    page.locator("table", has_text="Y, output").wait_for()
    assert page.locator("table", has_text="Y, output").locator("td").all_inner_texts() == ["−∞"]
    assert "No cell wins: Y is −∞, and its gradient goes nowhere." in words(page)


def test_the_page_follows_python_and_a_removed_view_stops_listening(module):
    module.evaluate(
        """(state) => {
          const heard = new Map();
          window.model = {
            heard, get: (name) => state[name], save_changes() {}, send() {},
            on: (event, act) => heard.set(event, [...(heard.get(event) ?? []), act]),
            off: (event, act) => heard.set(event, heard.get(event).filter((one) => one !== act)),
            set(name, value) {
              state[name] = value;
              for (const act of heard.get(`change:${name}`) ?? []) act();
            },
          };
          widget.initialize({ model });
          window.remove = widget.render({ model, el: document.body });
        }""",
        state_of(PoolExplorer()),
    )
    assert max(module.evaluate("[...model.heard.values()].map((acts) => acts.length)")) == 1
    module.evaluate("model.set('stride', [1, 2]), model.set('pixel', [11, 0])")
    assert "output 5 × 3" in output_title(module)
    assert pixel(module).get_attribute("aria-label").startswith("Bright pixel at X[5, 0]")
    module.evaluate("remove()")
    assert sum(module.evaluate("[...model.heard.values()].map((acts) => acts.length)")) == 0
