"""PerceptronBoundary in a browser: its maths against torch, and its use by keyboard, mouse and finger."""

import json
from pathlib import Path

import numpy as np
import pytest

from dltwice.widgets import PerceptronBoundary
from dltwice.widgets.perceptron_boundary import PRESETS

GOLDEN = Path(__file__).parents[1] / "golden" / "perceptron_boundary.json"
COMPUTE = """(settings) => settings.map((s) => {
  const { visits, end } = math.trace(s);
  const rows = visits.map(({ z, error, weight, bias }) => [z, error, ...weight, bias]);
  return { visits: [...rows.slice(0, 30), ...rows.slice(30).filter((_, i) => i % 30 === 0), rows.at(-1)],
    count: visits.length, end, best: math.bestCount(s.points), code: math.code(s),
    outputs: math.outputs(s, s.points) };
})"""


# ---- maths ----


def test_maths_gives_the_golden_values(widget_module):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    results = widget_module(PerceptronBoundary).evaluate(COMPUTE, [entry["setting"] for entry in golden])
    for entry, result in zip(golden, results, strict=True):
        values = entry["values"]
        assert [result[key] for key in ("count", "end", "best")] == [
            values[key] for key in ("count", "end", "best")
        ]
        np.testing.assert_allclose(result["visits"], values["visits"], rtol=0, atol=1e-8)
        assert result["code"] == PerceptronBoundary(**entry["setting"]).code()
        start = PerceptronBoundary(**entry["setting"] | {"position": 0})
        assert result["outputs"] == start.predictions.tolist()


def test_presets_are_pythons(widget_module):
    page = widget_module(PerceptronBoundary)
    assert page.evaluate("math.PRESETS") == PRESETS
    names = page.evaluate("Object.values(math.PRESETS).map(math.presetOf).concat(math.presetOf([[0, 0, 1]]))")
    assert names == [*PRESETS, "custom"]


# ---- the page ----


def field(page, name):
    return page.get_by_role("spinbutton", name=name, exact=True)


def values(page):
    """Return w₁, w₂ and b as the fields show them."""
    return [float(field(page, name).input_value()) for name in ("w₁", "w₂", "b")]


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def mark(page, name):
    """Return the mark whose label starts so: `point 1 `, `w,`, `b,`."""
    return page.locator(f'.dlt-mark[aria-label^="{name}"]')


def place(page, x1, x2, low=-1.5, high=2.5):
    """Return where a point of the plane is on the page, in pixels."""
    box = page.locator(".dlt-ground").bounding_box()
    part = 1 / (high - low)
    return (
        box["x"] + (x1 - low) * part * box["width"],
        box["y"] + (high - x2) * part * box["height"],
    )


def drag(page, start, end):
    page.mouse.move(*place(page, *start))
    page.mouse.down()
    page.mouse.move(*place(page, (start[0] + end[0]) / 2, (start[1] + end[1]) / 2), steps=3)
    page.mouse.move(*place(page, *end), steps=3)
    page.mouse.up()


def count(page):
    return page.locator(".dlt-count b").inner_text()


def reading(page):
    return page.locator(".dlt-reading").text_content().replace("\u2212", "-").replace(" ", "")


def test_dragging_a_point_flips_its_side(widget_page):
    widget = PerceptronBoundary()
    page = widget_page(widget)
    assert count(page) == f"{widget.right} of 4 points right."
    drag(page, (1, 1), (1, -1))
    moved = PerceptronBoundary(points=[*PRESETS["AND"][:3], [1, -1, 1]])
    assert mark(page, "point 4 (1, −1), y = 1, right").count() == 1
    assert count(page) == f"{moved.right} of 4 points right."
    assert page.get_by_role("combobox", name="Data").input_value() == "custom"
    assert (
        "no point picked" in page.get_by_role("combobox", name="Point").locator("option:checked").inner_text()
    )


def test_dragging_the_tip_turns_the_line_about_the_arrows_start(widget_page):
    page = widget_page(PerceptronBoundary(weight=(1, 0), bias=-0.5))
    drag(page, (1.5, 0.5), (0.5, 1.5))
    w1, w2, b = values(page)
    assert (w1, w2) == pytest.approx((0, 1), abs=0.03)
    assert b == pytest.approx(-(0.5 * w1 + 0.5 * w2), abs=1e-3)


def test_dragging_the_start_changes_only_b(widget_page):
    page = widget_page(PerceptronBoundary(weight=(1, 0), bias=-0.5))
    drag(page, (0.5, 0.5), (1.25, 0.5))
    w1, w2, b = values(page)
    assert (w1, w2) == (1, 0)
    assert b == pytest.approx(-1.25, abs=0.02)


def test_points_are_added_flipped_and_deleted(widget_page):
    page = widget_page(PerceptronBoundary())
    page.mouse.click(*place(page, 2, -1))
    assert mark(page, "point 5 (2, −1), y = 1").count() == 1
    press(page, "Flip y")
    assert mark(page, "point 5 (2, −1), y = 0").count() == 1
    press(page, "Delete")
    assert mark(page, "point").count() == 4
    press(page, "Add a point")
    assert mark(page, "point").count() == 5
    for _ in range(5):
        mark(page, "point 1 ").click()
        press(page, "Delete")
    assert mark(page, "point").count() == 1
    assert page.locator(".dlt-note").inner_text() == "One point must stay."


def test_no_more_points_than_the_trait_takes(widget_page):
    page = widget_page(PerceptronBoundary())
    for _ in range(21):
        press(page, "Add a point")
    assert mark(page, "point").count() == 24
    assert page.locator(".dlt-note").inner_text() == "24 points at most: delete one first."


def test_steps_are_the_history(widget_page):
    widget = PerceptronBoundary(preset="NAND", weight=(0, 0), bias=-1)
    page = widget_page(widget)
    for visit in widget.history:
        error = f"y-ŷ={widget.points[visit['point']][2]:.0f}-{visit['output']}={visit['error']}"
        assert error in reading(page)
        press(page, "Step forward")
        assert values(page) == [*visit["weight"], visit["bias"]]
    assert reading(page) == "Awholepasswithoutamistake:theruleisdone."
    press(page, "Step back")
    assert "z=w·x+b" in reading(page)
    press(page, "First")
    press(page, "Next mistake")
    first, second = [i for i, visit in enumerate(widget.history) if visit["error"]][:2]
    assert first == 0
    assert page.get_by_role("slider", name="Points shown").input_value() == str(second)


def test_live_numbers_of_the_update(widget_page):
    page = widget_page(PerceptronBoundary(weight=(0.5, 1), bias=0.25, lr=0.5, position=1))
    text = reading(page)
    assert "z=w·x+b=0.5·0+1·1+(-0.25)=0.75≥0" in text
    assert "y-ŷ=0-1=-1" in text
    assert "w←w+η(y-ŷ)x=(0.5,1)+0.5·(-1)·(0,1)=(0.5,0.5)" in text
    assert "b←b+η(y-ŷ)=-0.25+0.5·(-1)=-0.75" in text


def test_xor_says_that_it_repeats_and_how_many_a_line_gets(widget_page):
    page = widget_page(PerceptronBoundary(preset="XOR", weight=(0, 0), bias=0))
    press(page, "Last")
    text = page.locator(".dlt-reading").inner_text()
    assert "w and b are what they were before pass 3: from here on all repeats." in text
    assert text.endswith("No line gets more than 3 of these 4 points right.")


def test_double_and_negate_say_what_happens_to_the_line(widget_page):
    page = widget_page(PerceptronBoundary(preset="overlap", weight=(1, 0.5), bias=-1.35))
    before, path = (
        count(page),
        page.locator(".dlt-curve").evaluate_all("all => all.map((one) => one.getAttribute('d'))"),
    )
    press(page, "Double w and b")
    assert values(page) == [2, 1, -2.7]
    assert "the line did not move" in page.locator(".dlt-note").inner_text()
    assert count(page) == before
    after = page.locator(".dlt-curve").evaluate_all("all => all.map((one) => one.getAttribute('d'))")
    assert [old == new for old, new in zip(path, after, strict=True)] == [True] * (len(path) - 1) + [False]
    press(page, "Negate w and b")
    assert values(page) == [-2, -1, 2.7]
    assert "the sides are swapped" in page.locator(".dlt-note").inner_text()
    assert count(page) == f"{12 - int(before.split()[0])} of 12 points right."
    press(page, "Step forward")
    assert page.locator(".dlt-note").is_hidden()


def test_no_boundary_is_explained_and_mended(widget_page):
    page = widget_page(PerceptronBoundary(weight=(0, 0), bias=-1))
    trouble = page.locator(".dlt-trouble")
    assert "w = (0, 0) has no direction: there is no boundary, and every point has ŷ = step(b) = 0." in (
        trouble.inner_text()
    )
    press(page, "Set w to (1, 0)")
    assert values(page) == [1, 0, -1]
    assert trouble.is_hidden()
    field(page, "b").fill("-9")
    assert "The boundary is outside the picture." in trouble.inner_text()
    press(page, "Set b to −0.5")
    assert trouble.is_hidden()
    field(page, "η").fill("0")
    assert "η must be a number from 0.01 to 10; 0 is not." in page.locator(".dlt-error").all_inner_texts()[3]
    press(page, "Use 0.01")
    assert field(page, "η").input_value() == "0.01"


@pytest.mark.parametrize(
    ("predict", "answer", "wrong"), [("output", "1", "0"), ("w1", "0", "0.5"), ("changes", "2", "3")]
)
def test_predict_before_it_shows(widget_page, predict, answer, wrong):
    page = widget_page(PerceptronBoundary(weight=(1, -1), bias=0.25, position=2, predict=predict))
    box = page.locator("form")
    assert page.get_by_role("slider").count() == 0
    assert reading(page).endswith("b←b+η(y-ŷ)=?")
    assert ("ŷ=step(z)=?" in reading(page)) == (predict == "output")
    assert ("wrong" in mark(page, "point 3 ").get_attribute("aria-label")) != (predict == "output")
    box.get_by_role("spinbutton").fill(wrong)
    page.keyboard.press("Enter")
    minus = answer.replace("-", "−")
    assert f"but {minus}." in box.inner_text()
    assert "w←w+η(y-ŷ)x=(1,-1)+1·(-1)·(1,0)=(0,-1)" in reading(page)
    press(page, "Step forward")
    assert page.get_by_role("slider").count() == 0
    press(page, "Show anyway")
    assert page.get_by_role("slider").count() == 1
    page.get_by_role("combobox", name="Predict").select_option("off")
    assert box.is_hidden()


def test_a_right_prediction(widget_page):
    page = widget_page(PerceptronBoundary(weight=(1, -1), bias=0.25, position=2, predict="w1"))
    page.locator("form").get_by_role("spinbutton").fill("0")
    press(page, "Check")
    assert "Right: 0." in page.locator("form").inner_text()


def test_everything_by_keyboard_alone(widget_page):
    page = widget_page(PerceptronBoundary(weight=(1, 0), bias=-0.5))
    key = page.keyboard.press
    mark(page, "w,").focus()
    key("ArrowUp")
    assert values(page) == [1, 0.1, -0.55]
    key("Shift+ArrowRight")
    assert values(page) == [1.01, 0.1, -0.555]
    mark(page, "b,").focus()
    key("ArrowLeft")
    assert values(page)[:2] == [1.01, 0.1]
    assert values(page)[2] == pytest.approx(-0.555 + 0.101, abs=1e-3)
    mark(page, "point 2 ").focus()
    key("ArrowDown")
    assert page.evaluate("document.activeElement.ariaLabel").startswith("point 2 (0, 0.9), y = 0")
    key("Enter")
    for name in ("Flip y", "Add a point", "Delete"):
        page.get_by_role("button", name=name, exact=True).focus()
        key("Enter")
    assert mark(page, "point 2 (0, 0.9), y = 1").count() == 1
    page.get_by_role("button", name="η: more").focus()
    key("Enter")
    assert field(page, "η").input_value() == "2"
    page.get_by_role("slider", name="Points shown").focus()
    key("ArrowRight")
    assert "point 2" in page.locator(".dlt-count").inner_text()
    page.get_by_role("button", name="Reset").focus()
    key("Enter")
    assert values(page) == [1, 0, -0.5]
    assert mark(page, "point 2 (0, 1), y = 0").count() == 1
    assert field(page, "η").input_value() == "1"


def test_a_finger_taps_and_drags(widget_page):
    page = widget_page(PerceptronBoundary(weight=(1, 0), bias=-0.5), width=360, touch=True)
    page.locator(".dlt-plane").scroll_into_view_if_needed()
    page.touchscreen.tap(*place(page, 0, 0))
    assert page.get_by_role("combobox", name="Point").input_value() == "0"
    page.get_by_role("button", name="Flip y").tap()
    assert mark(page, "point 1 (0, 0), y = 1").count() == 1
    page.locator(".dlt-plane").scroll_into_view_if_needed()
    page.touchscreen.tap(*place(page, 2, 2))
    assert mark(page, "point").count() == 5
    session = page.context.new_cdp_session(page)
    page.locator(".dlt-plane").scroll_into_view_if_needed()
    for kind, at in (
        ("touchStart", (1, 1)),
        ("touchMove", (1.4, 1.2)),
        ("touchMove", (2, 1.5)),
        ("touchEnd", None),
    ):
        x, y = place(page, *at) if at else (0, 0)
        session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}] if at else []}
        )
    page.wait_for_function("document.querySelector('.dlt-mark[aria-label^=\"point 4 (2, 1.\"]') !== null")
    sizes = page.locator("button:visible, select:visible, summary:visible").evaluate_all(
        "all => all.map((one) => [one.getBoundingClientRect().height, one.ariaLabel ?? one.textContent])"
    )
    grip = page.locator(".dlt-hit").first.evaluate(
        "one => one.getCTM().a * (20 + parseFloat(getComputedStyle(one).strokeWidth))"
    )
    assert grip > 44
    assert [name for height, name in sizes if height < 43.9] == []


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_no_sideways_scrolling(widget_page, width):
    wide = PerceptronBoundary(weight=(-123.456, 1000.25), bias=-0.0125, preset="overlap", lr=0.01)
    page = widget_page(
        wide, PerceptronBoundary(points=[[10, -10, 1], [9.75, 10, 0]]), width=width, touch=width < 400
    )
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violations(widget_page, axe, width, theme):
    asking = PerceptronBoundary(preset="overlap", predict="w1", position=5)
    page = widget_page(
        asking, PerceptronBoundary(weight=(0, 0), bias=1), width=width, theme=theme, touch=width == 360
    )
    page.locator("summary").first.click()
    page.locator("table").nth(1).wait_for()
    mark(page, "point 1 ").first.click()
    assert page.locator(".dlt-widget [id]").count() == 0
    assert axe(page) == []


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_only_when_asked_and_edits_stop_it(widget_page, motion):
    page = widget_page(PerceptronBoundary(preset="clusters"), reduced_motion=motion)
    slider = page.get_by_role("slider", name="Points shown")
    page.wait_for_timeout(1000)
    assert slider.input_value() == "0"
    page.get_by_role("combobox", name="Speed").select_option("2×")
    press(page, "Play")
    page.wait_for_function("document.querySelector('input[type=range]').value > 1")
    press(page, "Double w and b")
    assert page.get_by_role("button", name="Play").count() == 1
    page.wait_for_timeout(1000)
    assert slider.input_value() == "0"


def test_copied_program_is_pythons(widget_page):
    widget = PerceptronBoundary(preset="XOR", weight=(0.1, 0.2), bias=-0.3, lr=0.1, position=7)
    page = widget_page(widget)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, "Copy PyTorch code")
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == widget.code()


def test_tables_and_live_region_state_the_result(widget_page):
    widget = PerceptronBoundary(preset="OR", weight=(0, 0), bias=-1, position=4)
    page = widget_page(widget)
    page.locator("summary").click()
    page.locator("table").nth(1).wait_for()
    rows = page.locator("table", has_text="Updates so far").locator("tr")
    assert rows.count() == 1 + sum(visit["error"] != 0 for visit in widget.history[:4])
    assert rows.last.inner_text().split() == ["2", "2", "1", "0", "1", "0"]
    page.wait_for_function(
        "document.querySelector('[aria-live=polite]').textContent.includes('right. Pass 2, point 1 (0, 0)')"
    )
