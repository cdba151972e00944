"""FeatureMapCalculator and Predict in a real browser: the page's numbers, by keyboard alone, and by tap."""

import json
import random
from pathlib import Path

import pytest
import torch
from torch import nn

from dltwice.widgets import FeatureMapCalculator, Predict
from dltwice.widgets.layer_sizes import read_layer, trace

GOLDEN = Path(__file__).parents[1] / "golden" / "feature_map_calculator.json"


@pytest.fixture
def maths(widget_module):
    """Function that calls `math.name(...arguments)` of the calculator's module for a list of arguments."""
    page = widget_module(FeatureMapCalculator)
    return lambda name, calls: page.evaluate(
        "([name, calls]) => calls.map((call) => math[name](...call))", [name, calls]
    )


# ---- the numbers ----


def grid(count, seed=0):
    """Draw settings of one layer with height and width apart: N, K, S, P, D, and ceil_mode for pooling."""
    draw = random.Random(seed)

    def pair(low, high):
        return [draw.randint(low, high), draw.randint(low, high)]

    for _ in range(count):
        kind = draw.choice(["Conv2d", "Conv2d", "MaxPool2d", "AvgPool2d"])
        layer = {"type": kind, "kernel_size": pair(1, 5), "stride": pair(1, 4), "padding": pair(0, 3)}
        if kind != "AvgPool2d":
            layer["dilation"] = pair(1, 3)
        if kind == "Conv2d":
            layer["out_channels"] = 1
            layer["padding"] = draw.choice([layer["padding"]] * 4 + ["same"])
        else:
            layer["ceil_mode"] = draw.random() < 0.5
            most = [k // 2 + (draw.random() < 0.1) for k in layer["kernel_size"]]
            layer["padding"] = list(map(min, layer["padding"], most))
        yield [1, *pair(1, 16)], layer


def torch_size(shape, layer):
    """Return the output's shape, or None when torch refuses."""
    settings = {key: value for key, value in layer.items() if key not in ("type", "out_channels")}
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    channels = (1, 1) if layer["type"] == "Conv2d" else ()
    try:
        return list(getattr(nn, layer["type"])(*channels, **settings)(torch.zeros(1, *shape)).shape[1:])
    except (RuntimeError, ValueError):
        return None


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_sizes_are_torchs_on_12000_settings(maths):
    settings = list(grid(12_000))
    calls = [[shape, [read_layer(layer)]] for shape, layer in settings]
    expected = [torch_size(shape, layer) for shape, layer in settings]
    assert 2_000 < expected.count(None) < 6_000
    for call, want, in_page in zip(calls, expected, maths("trace", calls), strict=True):
        rows, problem = trace(*call)
        assert (problem is None) == (want is not None), call
        assert (in_page["problem"] is None) == (want is not None), call
        if want:
            assert in_page["rows"][0]["shape"] == want == list(rows[0].shape), call
            assert in_page["rows"][0]["unread"] == [list(pair) for pair in rows[0].unread], call


def test_the_page_gives_the_golden_numbers_and_words(maths):
    entries = json.loads(GOLDEN.read_text(encoding="utf-8"))
    calls = [[entry["input_shape"], entry["layers"]] for entry in entries]
    results = zip(entries, maths("trace", calls), maths("networkCode", calls), strict=True)
    for entry, result, code in results:
        ran = [row["shape"] for row in result["rows"]]
        assert code == entry["code"]
        assert (result["problem"] is None) == (entry["shapes"] is not None)
        assert ran == (entry["shapes"] or ran)
        for name in ("multiply_adds", "receptive_field"):
            assert [row[name] for row in result["rows"]] == entry[name][: len(ran)], entry
        if entry["parameters"]:
            assert [row["parameters"] for row in result["rows"]] == entry["parameters"]
    problems = [result["problem"] for result in maths("trace", calls)]
    broken = [(entry["layers"], problem) for entry, problem in zip(entries, problems, strict=True) if problem]
    assert maths("problemText", broken) == [entry["problem"] for entry in entries if entry["problem"]]


# ---- by keyboard alone ----

NAME = """() => {
  const one = document.activeElement;
  return one.ariaLabel || one.labels?.[0]?.firstChild.textContent || one.textContent;
}"""


def tab_to(page, name, limit=80):
    """Press Tab until what has the focus goes by this name."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        found = page.evaluate(NAME)
        if found == name:
            return
    raise AssertionError(f"no {name!r} within {limit} tab stops; the last was {found!r}")


def text(page, selector):
    return page.locator(selector).first.inner_text()


def rows_of(page):
    return page.locator(".dlt-layers tbody tr").all_inner_texts()


def test_every_action_by_keyboard_alone(widget_page):
    page = widget_page(FeatureMapCalculator())
    title = ".dlt-title"
    tab_to(page, "Layer 1, Conv2d: 6 × 28 × 28")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert text(page, title) == "Layer 3 of 12: MaxPool2d"
    page.keyboard.press("End")
    assert text(page, title) == "Layer 12 of 12: Linear"
    page.keyboard.press("Home")

    tab_to(page, "Next layer")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    tab_to(page, "Move earlier")
    page.keyboard.press("Enter")
    assert text(page, title) == "Layer 2 of 12: MaxPool2d"
    assert "Conv2d(6, 16" in rows_of(page)[4]

    tab_to(page, "kernel_size height")
    page.keyboard.press("Control+A")
    page.keyboard.type("3")
    assert "6 × 13 × 13" in rows_of(page)[2]
    assert "unread: 1 row and 1 column at the end" in rows_of(page)[2]

    tab_to(page, "New layer")
    page.keyboard.type("Linear")
    tab_to(page, "Add after the selected")
    page.keyboard.press("Enter")
    assert text(page, title) == "Layer 3 of 13: Linear"
    assert "Flatten in front" in text(page, ".dlt-note")
    page.keyboard.press("Shift+Tab")
    tab_to(page, "Reset")
    page.keyboard.press("Enter")
    assert text(page, title) == "Layer 1 of 12: Conv2d"
    assert "61,706" in text(page, ".dlt-layers tfoot")


def test_removing_every_layer_leaves_a_page_that_goes_on(widget_page):
    page = widget_page(FeatureMapCalculator(preset="dense"))
    tab_to(page, "Remove")
    for _ in range(5):
        page.keyboard.press("Enter")
    assert text(page, ".dlt-title") == "No layers yet."
    tab_to(page, "Add after the selected")
    page.keyboard.press("Enter")
    assert text(page, ".dlt-title") == "Layer 1 of 1: Conv2d"


def test_the_layer_that_breaks_is_named_and_mended(widget_page, axe):
    page = widget_page(FeatureMapCalculator(selected=3))
    tab_to(page, "kernel_size height")
    page.keyboard.press("Control+A")
    page.keyboard.type("20")
    assert "Layer 4 (Conv2d) breaks: the kernel spans 20 rows; there are 14." in text(page, ".dlt-trouble")
    assert "breaks" in rows_of(page)[4]
    assert all("waits" in row for row in rows_of(page)[5:])
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('breaks')")
    assert axe(page) == []
    tab_to(page, "Use kernel_size=14")
    page.keyboard.press("Enter")
    assert "16 × 1 × 1" in rows_of(page)[4]
    assert page.evaluate(NAME) == "Layer 4, Conv2d: 16 × 1 × 1"
    assert "Layer 6 (MaxPool2d) breaks: the kernel spans 2 rows; there are 1." in text(page, ".dlt-trouble")
    tab_to(page, "Use kernel_size=1")
    page.keyboard.press("Enter")
    assert text(page, ".dlt-trouble") == ""
    assert text(page, ".dlt-title") == "Layer 6 of 12: MaxPool2d"


def test_zero_stride_is_explained_at_its_field(widget_page):
    page = widget_page(FeatureMapCalculator())
    tab_to(page, "stride height")
    page.keyboard.press("Control+A")
    page.keyboard.type("0")
    assert "must be a whole number from 1 to 1000; 0 is not." in text(page, ".dlt-error:not(:empty)")
    tab_to(page, "Use 1")
    page.keyboard.press("Enter")
    assert page.locator(".dlt-error:not(:empty)").count() == 0


def test_predict_then_reveal(widget_page):
    page = widget_page(FeatureMapCalculator())
    tab_to(page, "Predict first")
    page.keyboard.press("Enter")
    assert "48,120" not in text(page, ".dlt-calculator")
    assert "400" not in text(page, ".dlt-calculator")
    tab_to(page, "inputs")
    page.keyboard.type("400")
    page.keyboard.press("Enter")
    assert "Right: 400." in text(page, ".dlt-predict")
    assert "48,120" in text(page, ".dlt-calculator")


@pytest.mark.parametrize("preset", ["all_conv", "dense"])
def test_the_code_that_is_copied_is_pythons(widget_page, preset):
    widget = FeatureMapCalculator(preset=preset)
    page = widget_page(widget, permissions=["clipboard-read", "clipboard-write"])
    tab_to(page, "Copy PyTorch code")
    page.keyboard.press("Enter")
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == widget.code()


# ---- by tap, small, dark ----


def test_by_tap_on_a_phone(widget_page):
    page = widget_page(FeatureMapCalculator(), width=360, touch=True)
    page.locator("button.dlt-block").nth(3).tap()
    assert text(page, ".dlt-title") == "Layer 4 of 12: Conv2d"
    page.get_by_label("kernel_size height: one more").tap()
    assert "16 × 9 × 9" in rows_of(page)[4]
    page.locator(".dlt-layers tbody tr").nth(7).tap()
    assert text(page, ".dlt-title") == "Layer 7 of 12: Flatten"
    page.get_by_role("button", name="Remove").tap()
    assert "Linear" in text(page, ".dlt-title")
    small = page.eval_on_selector_all(
        ".dlt-calculator button, .dlt-calculator select",
        "all => all.filter((e) => e.checkVisibility()).map((e) => [e.textContent, e.getBoundingClientRect()])"
        ".filter(([, box]) => Math.min(box.width, box.height) < 44).map(([name]) => name)",
    )
    assert small == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_is_accessible(widget_page, axe, theme, width):
    question = Predict("How many weights has a `3 × 3` kernel?", 9, explain="`3 · 3 = 9`.")
    page = widget_page(FeatureMapCalculator(), question, theme=theme, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator(".dlt-ask input").fill("9")
    page.locator(".dlt-ask input").press("Enter")
    assert axe(page) == []


def test_there_is_no_id(widget_page):
    page = widget_page(FeatureMapCalculator(), Predict("How many?", 9))
    assert page.locator("main [id]").count() == 0


LISTENERS = """async ([text, state]) => {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const widget = (await import(url)).default, added = [], removed = [];
  const model = { get: (name) => state[name], set() {}, save_changes() {}, on: (name) => added.push(name),
    off: (name) => removed.push(name) };
  await widget.initialize?.({ model });
  const end = await widget.render({ model, el: document.createElement("div") });
  end();
  return [added.sort(), removed.sort()];
}"""


@pytest.mark.parametrize(
    "make", [FeatureMapCalculator, lambda: Predict("How many?", 9)], ids=["calculator", "predict"]
)
def test_one_listener_per_trait_and_none_is_left(new_page, make):
    widget = make()
    state = {name: getattr(widget, name) for name in widget.keys if name[0] != "_" and name != "layout"}
    added, removed = new_page().evaluate(LISTENERS, [widget._esm, state])
    assert added == removed
    assert len(added) == len(set(added)) > 3


# ---- Predict ----


def test_predict_says_what_is_wrong_and_allows_another_try(widget_page):
    explain, wrong = "`3 · 3`, <b>not</b> more.", {36: "Stride `1`."}
    page = widget_page(Predict("How many numbers?", 9, unit="numbers", explain=explain, wrong=wrong))
    tab_to(page, "Your prediction, numbers")
    page.keyboard.press("Enter")
    assert "Type a number first." in text(page, ".dlt-result")
    tries = {"36": "✗ 36 is too large. Stride 1.", "4": "✗ 4 is too small. Try again."}
    for typed, says in (tries | {"9": "✓ Right: 9 numbers."}).items():
        assert not page.get_by_text("not more").is_visible()
        page.keyboard.press("Control+A")
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
        assert text(page, ".dlt-result") == says
    assert text(page, ".dlt-ask > p:last-child") == "3 · 3, <b>not</b> more."


def test_predict_shows_the_answer_on_request(widget_page):
    page = widget_page(Predict("π?", 3.14159, tolerance=0.01, explain="A circle."), touch=True, width=360)
    page.get_by_role("button", name="Show the answer").tap()
    assert text(page, ".dlt-result") == "The answer is 3.14159."
    assert page.get_by_text("A circle.").is_visible()
