"""ConvExplorer in a real browser: its maths against torch, and its use by keyboard, mouse and finger."""

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from dltwice.widgets import ConvExplorer, conv_presets

GOLDEN = Path(__file__).parents[1] / "golden" / "conv_explorer.json"
RANGES = {
    "input_size": (1, 16),
    "kernel_size": (1, 7),
    "stride": (1, 8),
    "padding": (0, 8),
    "dilation": (1, 4),
}
COMPUTE = """(settings) => settings.map((s) => {
  const { input: x, kernel: w, upstream: dy } = s;
  if (math.problems(s).length) return null;
  const { dx, dw, db } = math.gradients(s, x, w, dy);
  return { output: math.convolve(s, x, w, s.bias), input_grad: dx, weight_grad: dw, bias_grad: db,
    usage: math.usage(s), code: math.code(s) };
})"""
MEND = """(settings) => settings.map((s) => {
  const texts = [];
  for (let round = 0; round < 3; round++) {
    const found = math.problems(s);
    if (found.length) texts.push(found.map(({ message }) => message).join(" "));
    for (const { name, axis, value } of found) s[name][axis] = value;
  }
  return { texts, left: math.problems(s).length };
})"""
GRID = """([settings]) => settings.map((s) => {
  const fill = (h, w, seed) => Array.from({ length: h }, (_, r) =>
    Array.from({ length: w }, (_, c) => ((31 * r + 17 * c + 7 * r * c + 13 * seed) % 11) - 5));
  const found = math.problems(s);
  if (found.length) return { found };
  const size = math.outputSize(s);
  const [x, w, dy] = [s.input_size, s.kernel_size, size].map((shape, i) => fill(...shape, s.seed + i));
  const { dx, dw } = math.gradients(s, x, w, dy);
  return { size, y: math.convolve(s, x, w, 0.5).flat(), dx: dx.flat(), dw: dw.flat() };
})"""


@pytest.fixture
def module(widget_module):
    """An empty page with the widget's module in it, `widget` and `math`."""
    return widget_module(ConvExplorer)


# ---- maths ----


def test_maths_gives_the_golden_values(module):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    results = module.evaluate(COMPUTE, [entry["setting"] for entry in golden])
    for entry, result in zip(golden, results, strict=True):
        if entry["values"] is None:
            assert result is None
            continue
        for name, value in entry["values"].items():
            np.testing.assert_allclose(result[name], value, rtol=1e-12, atol=1e-12, err_msg=name)
        assert result["code"] == ConvExplorer(**entry["setting"]).code()


def pattern(shape, seed):
    """Return the numbers that both sides of the grid test make for themselves."""
    r, c = np.ogrid[: shape[0], : shape[1]]
    return torch.tensor((31 * r + 17 * c + 7 * r * c + 13 * seed) % 11 - 5.0, dtype=torch.float64)


def torch_result(s):
    """Return y, dx and dw by torch, or None when torch refuses the setting."""
    x, w = (
        pattern(s[name], s["seed"] + i).requires_grad_()
        for i, name in enumerate(("input_size", "kernel_size"))
    )
    weight = w.flip(0, 1) if s["flip"] else w
    half = torch.tensor([0.5], dtype=torch.float64)
    settings = {name: s[name] for name in ("stride", "padding", "dilation")}
    try:
        y = functional.conv2d(x[None, None], weight[None, None], half, **settings)
    except RuntimeError:
        return None
    y.backward(pattern(y.shape[2:], s["seed"] + 2)[None, None])
    return y[0, 0].detach(), x.grad, w.grad


def draw_grid(count, seed):
    draw = random.Random(seed)
    for i in range(count):
        setting = {name: [draw.randint(*limits) for _ in range(2)] for name, limits in RANGES.items()}
        yield setting | {"flip": draw.random() < 0.25, "seed": i}


def test_sizes_and_values_are_torchs_on_12000_settings(module):
    torch.set_num_threads(1)
    impossible = 0
    for batch in range(12):
        settings = list(draw_grid(1000, seed=batch))
        for s, result in zip(settings, module.evaluate(GRID, [settings]), strict=True):
            expected = torch_result(s)
            if expected is None:
                impossible += 1
                assert re.match(r"Along the (height|width), .* \d+ cells", result["found"][0]["message"]), s
                continue
            assert "found" not in result, s
            assert result["size"] == list(expected[0].shape), s
            for name, value in zip(("y", "dx", "dw"), expected, strict=True):
                np.testing.assert_allclose(
                    result[name], value.flatten(), atol=1e-6, rtol=0, err_msg=f"{name} {s}"
                )
    assert 500 < impossible < 6000


def test_every_impossible_setting_has_a_way_out_that_works(module):
    """Out of range is mended first, then what does not fit: two rounds at most, one without the former."""
    draw = random.Random(1)
    settings = list(draw_grid(3000, seed=99))
    for s in settings[::3]:
        s[draw.choice(list(RANGES))][draw.randint(0, 1)] = draw.choice([-1, 0, 99, 2.5])
    results = module.evaluate(MEND, settings)
    assert not any(result["left"] for result in results)
    rounds = [len(result["texts"]) for result in results]
    assert max(rounds[1::3]) == max(rounds[2::3]) == 1
    assert max(rounds) == 2
    assert sum(count > 0 for count in rounds) > 1000
    texts = " ".join(text for result in results for text in result["texts"])
    assert "stride height must be a whole number from 1 to 8; 0 is not." in texts
    assert "taps 4 apart reach over" in texts


def test_presets_and_resizing_are_pythons(module):
    sizes = [(1, 1), (1, 4), (2, 2), (3, 3), (4, 2), (5, 7), (7, 6)]
    for kind in ("INPUTS", "KERNELS"):
        presets = getattr(conv_presets, kind)
        found = module.evaluate(
            "([kind, sizes]) => Object.fromEntries(Object.entries(math[kind]).map(([name, make]) => "
            "[name, sizes.map((size) => make(...size))]))",
            [kind, sizes],
        )
        assert found == {name: [conv_presets.make(presets, name, size) for size in sizes] for name in presets}
        for rows in ([[1, 2, 9], [3, 4, 9]], conv_presets.make(presets, list(presets)[-1], (3, 3))):
            for size in sizes:
                resized = module.evaluate(
                    "([kind, rows, size]) => math.resize(math[kind], rows, size)", [kind, rows, size]
                )
                assert resized == conv_presets.resize(presets, rows, size)


# ---- the page ----


def cell(page, name):
    """Return the cell whose label starts so, `X[1, 2]`."""
    return page.locator(f'[role=gridcell][aria-label^="{name} ="]')


def marked(page, letter):
    """Return the names of the marked cells of a panel, `Y[0, 1]`."""
    labels = page.locator(f".dlt-{letter} .dlt-on").evaluate_all("cells => cells.map((one) => one.ariaLabel)")
    return {label.split(" =")[0] for label in labels}


def field(page, name):
    return page.get_by_role("spinbutton", name=name, exact=True)


def output_title(page):
    return page.locator(".dlt-Y p").inner_text()


def test_mouse_shows_all_three_directions(widget_page):
    page = widget_page(ConvExplorer())
    cell(page, "Y[1, 2]").hover()
    assert marked(page, "X") == {f"X[{r}, {c}]" for r in (1, 2, 3) for c in (2, 3, 4)}
    assert len(marked(page, "W")) == 9
    assert "Y[1, 2] reads 9 cells of X." in page.locator(".dlt-words").inner_text()
    cell(page, "X[1, 0]").hover()
    assert marked(page, "Y") == {"Y[0, 0]", "Y[1, 0]"}
    assert marked(page, "W") == {"W[1, 0]", "W[0, 0]"}
    assert "read by 2 outputs: Y[0, 0], Y[1, 0]." in page.locator(".dlt-words").inner_text()
    cell(page, "W[0, 2]").hover()
    assert marked(page, "X") == {f"X[{r}, {c}]" for r in (0, 1, 2) for c in (2, 3, 4)}
    assert len(marked(page, "Y")) == 9
    assert "X[0, 2] → Y[0, 0]" in page.locator(".dlt-words").inner_text()
    page.mouse.move(0, 0)
    assert len(marked(page, "X")) == 9
    assert "Y[0, 0] reads" in page.locator(".dlt-words").inner_text()


def test_click_pins_and_a_second_click_edits(widget_page):
    page = widget_page(ConvExplorer())
    cell(page, "X[2, 2]").click()
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    assert len(marked(page, "Y")) == 9
    cell(page, "X[2, 2]").click()
    page.keyboard.type("-7.5")
    page.keyboard.press("Enter")
    assert cell(page, "X[2, 2]").inner_text() == "−7.5"
    assert "dlt-negative" in cell(page, "X[2, 2]").get_attribute("class")
    cell(page, "Y[2, 2]").click()
    widget = ConvExplorer()
    rows = [list(row) for row in widget.input]
    rows[2][2] = -7.5
    assert float(ConvExplorer(input=rows).output[2, 2]) == pytest.approx(number(page, "Y[2, 2]"))


def number(page, name):
    text = cell(page, name).get_attribute("aria-label").split("= ")[1].split(",")[0]
    return float(text.replace("−", "-"))


def test_everything_by_keyboard_alone(widget_page):
    page = widget_page(ConvExplorer())
    press = page.keyboard.press
    field(page, "padding height").focus()
    press("ArrowUp")
    assert "output 5 × 5" in output_title(page)
    page.get_by_role("button", name="padding: H = W").focus()
    press("Enter")
    field(page, "padding width").focus()
    press("ArrowDown")
    assert "output 5 × 3" in output_title(page)
    cell(page, "W[0, 0]").focus()
    for key in ("ArrowDown", "End", "ArrowLeft", "ArrowUp", "Home", "ArrowLeft"):
        press(key)
    assert page.evaluate("document.activeElement.ariaLabel").startswith("W[0, 0] =")
    page.keyboard.type("12")
    press("Escape")
    assert number(page, "W[0, 0]") == -1
    page.keyboard.type("12")
    press("Enter")
    assert number(page, "W[0, 0]") == 12
    press("Enter")
    page.keyboard.type("3")
    press("Enter")
    assert number(page, "W[0, 0]") == 3
    press(" ")
    assert page.evaluate("document.activeElement.ariaSelected") == "true"
    press("Escape")
    page.get_by_role("checkbox", name="backward pass").focus()
    press(" ")
    assert page.locator(".dlt-dX").is_visible()
    page.get_by_role("slider", name="Output position").focus()
    press("ArrowRight")
    assert "Y[0, 1] reads" in page.locator(".dlt-words").inner_text()
    page.get_by_role("button", name="Step back").focus()
    press("Enter")
    assert "Y[0, 0] reads" in page.locator(".dlt-words").inner_text()
    page.get_by_role("button", name="Reset").focus()
    press("Enter")
    assert number(page, "W[0, 0]") == -1
    assert "output 3 × 3" in output_title(page)
    assert page.locator(".dlt-dX").is_hidden()


def test_each_grid_is_one_tab_stop(widget_page):
    page = widget_page(ConvExplorer(view="backward"))
    assert page.locator('[role=gridcell][tabindex="0"]').count() == 6
    cell(page, "X[0, 0]").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel").startswith("W[")


def test_a_finger_taps_pins_and_edits(widget_page):
    page = widget_page(ConvExplorer(view="backward"), width=360, touch=True)
    cell(page, "X[0, 1]").tap()
    assert marked(page, "Y") == {"Y[0, 0]", "Y[0, 1]"}
    assert page.locator(".dlt-sum").text_content().startswith("dX[0,1]=ΣdY·W=")
    cell(page, "X[0, 1]").tap()
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    assert number(page, "X[0, 1]") == 9
    page.get_by_role("button", name="stride height: one more").tap()
    assert "output 2 × 2" in output_title(page)
    sizes = page.locator(
        "button:visible, select:visible, summary:visible, [role=gridcell]:visible"
    ).evaluate_all(
        "all => all.map((one) => [one.getBoundingClientRect().height, one.ariaLabel ?? one.textContent])"
    )
    assert [name for height, name in sizes if height < 43.9] == []


@pytest.mark.parametrize("width", [320, 360, 1280])
@pytest.mark.parametrize("touch", [False, True])
def test_no_sideways_scrolling_at_the_largest_sizes(widget_page, width, touch):
    largest = ConvExplorer(input_size=16, padding=8, kernel_size=7, view="backward", kernel="gaussian")
    page = widget_page(largest, ConvExplorer(kernel_size=7), width=width, touch=touch)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violations(widget_page, axe, width, theme):
    asking = ConvExplorer(stride=(2, 3), padding=1, predict="value", kernel="laplacian", view="backward")
    page = widget_page(asking, ConvExplorer(kernel_size=7), width=width, theme=theme, touch=width == 360)
    page.locator("summary").first.click()
    page.locator("table").nth(5).wait_for()
    assert page.locator(".dlt-widget [id]").count() == 0
    assert axe(page) == []


def test_predict_the_size_before_it_shows(widget_page):
    page = widget_page(ConvExplorer(predict="size", view="backward", padding=1))
    box = page.locator("form")
    assert "? × ?" in output_title(page)
    assert page.locator(".dlt-Y [role=gridcell], .dlt-dY [role=gridcell]").count() == 2
    assert page.get_by_role("slider").count() == 0
    assert page.locator(".dlt-formula").text_content().endswith("=?")
    page.locator("summary").click()
    page.locator("table").nth(5).wait_for()
    assert page.locator("table", has_text="Y, output").locator("td").all_inner_texts() == ["?"] * 25
    field(page, "height").fill("4")
    field(page, "width").fill("5")
    page.keyboard.press("Enter")
    assert "Not quite: not 4 × 5 but 5 × 5." in box.inner_text()
    assert "output 5 × 5" in output_title(page)
    page.get_by_role("button", name="stride height: one more").click()
    assert "? × ?" in output_title(page)
    field(page, "height").fill("3")
    field(page, "width").fill("3")
    page.get_by_role("button", name="Check").click()
    assert "Right: 3 × 3." in box.inner_text()


def test_predict_the_selected_value(widget_page):
    page = widget_page(ConvExplorer(predict="value", selected=(1, 1)))
    assert cell(page, "Y[1, 1]").inner_text() == "?"
    assert page.locator(".dlt-sum").text_content().endswith("=?")
    page.get_by_role("button", name="Show anyway").click()
    assert number(page, "Y[1, 1]") == ConvExplorer().output[1, 1]
    page.get_by_role("button", name="Step forward").click()
    assert cell(page, "Y[1, 2]").inner_text() == "?"
    page.get_by_role("combobox", name="Predict").select_option("off")
    assert number(page, "Y[1, 2]") == ConvExplorer().output[1, 2]


def test_an_impossible_setting_is_explained_and_mended(widget_page):
    page = widget_page(ConvExplorer(input_size=(4, 7), kernel_size=5))
    trouble = page.locator(".dlt-trouble")
    assert "Along the height, the kernel needs 5 cells, but the input has 4." in trouble.inner_text()
    assert page.locator(".dlt-Y").is_hidden()
    trouble.get_by_role("button", name="Set padding height to 1").click()
    assert "output 2 × 3" in output_title(page)
    assert trouble.is_hidden()
    stride = field(page, "stride height")
    stride.fill("0")
    assert (
        "stride height must be a whole number from 1 to 8; 0 is not."
        in page.locator(".dlt-pairs").inner_text()
    )
    assert stride.get_attribute("aria-invalid") == "true"
    page.get_by_role("button", name="Use 1").click()
    assert stride.input_value() == "1"
    assert stride.get_attribute("aria-invalid") == "false"


def test_unread_cells_and_the_usage_map(widget_page):
    widget = ConvExplorer(input_size=(6, 5), stride=(2, 1))
    page = widget_page(widget)
    assert page.locator(".dlt-note").inner_text() == "Never read: row 5 (left over by the floor)."
    assert page.locator(".dlt-X .dlt-unread").count() == 5
    page.get_by_role("checkbox", name="how often X is read").check()
    shown = [int(text[:-1]) for text in page.locator(".dlt-X [role=gridcell]").all_inner_texts()]
    assert shown == widget.usage.flatten().tolist()


def test_backward_shows_the_sum_of_the_cell_in_focus(widget_page):
    widget = ConvExplorer(view="backward", bias=2)
    page = widget_page(widget)
    assert number(page, "dX[2, 2]") == widget.input_grad[2, 2]
    cell(page, "dX[2, 2]").hover()
    text = page.locator(".dlt-sum").text_content()
    assert text.startswith("dX[2,2]=ΣdY·W=")
    assert text.endswith(f"={widget.input_grad[2, 2]:.0f}".replace("-", "−"))
    cell(page, "dW[0, 1]").hover()
    assert page.locator(".dlt-sum").text_content().startswith("dW[0,1]=ΣdY·X=")
    cell(page, "dY[1, 1]").dblclick()
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    changed = ConvExplorer(view="backward", upstream=widget.upstream_shown * 1)
    changed.upstream = [
        [5 if (r, c) == (1, 1) else v for c, v in enumerate(row)] for r, row in enumerate(changed.upstream)
    ]
    assert number(page, "dW[0, 0]") == changed.weight_grad[0, 0]


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_only_when_asked_and_pause(widget_page, motion):
    page = widget_page(ConvExplorer(), reduced_motion=motion)
    words = page.locator(".dlt-words")
    page.wait_for_timeout(1200)
    assert "Y[0, 0]" in words.inner_text()
    page.get_by_role("combobox", name="Speed").select_option("2×")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.dlt-words').textContent.startsWith('Y[0, 1]')")
    page.get_by_role("button", name="Pause").click()
    at = words.inner_text()
    page.wait_for_timeout(1000)
    assert words.inner_text() == at
    page.get_by_role("button", name="Last").click()
    assert "Y[2, 2]" in words.inner_text()


def test_copied_program_is_pythons(widget_page):
    widget = ConvExplorer(view="backward", flip=True, stride=2, kernel="gaussian")
    page = widget_page(widget)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy PyTorch code").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == widget.code()


def test_live_region_states_the_result(widget_page):
    page = widget_page(ConvExplorer())
    page.get_by_role("button", name="Step forward").click()
    value = f"{ConvExplorer().output[0, 1]:g}".replace("-", "−")
    page.wait_for_function(
        "text => document.querySelector('[aria-live=polite]').textContent === text",
        arg=f"Y[0, 1] reads 9 cells of X. Y[0, 1] = {value}.",
    )


def test_the_page_follows_python_and_a_removed_view_stops_listening(module):
    state = {name: value for name, value in ConvExplorer().get_state().items() if not name.startswith("_")}
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
        state,
    )
    assert max(module.evaluate("[...model.heard.values()].map((acts) => acts.length)")) == 1
    module.evaluate("model.set('stride', [2, 1]), model.set('input_size', [7, 7])")
    assert "output 3 × 5" in output_title(module)
    assert field(module, "stride height").input_value() == "2"
    module.evaluate("remove()")
    assert sum(module.evaluate("[...model.heard.values()].map((acts) => acts.length)")) == 0
