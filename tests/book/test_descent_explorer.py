"""DescentExplorer in a real browser: its maths against torch, and its use by keyboard, mouse and finger."""

import json
import re

import numpy as np
import pytest
from test_widgets_descent_explorer import GOLDEN, SHOWN, STEPS, close, draw_settings, torch_path

from dltwice.widgets import DescentExplorer
from dltwice.widgets.seeded import Seeded

PATHS = """([settings, steps]) => settings.map((s) => math.descend({ ...s, steps }).map((one) => one.θ))"""
MEND = """(settings) => settings.map((s) => {
  const found = math.problem(s);
  return { found, left: found && math.problem({ ...s, ...found.traits }) };
})"""


@pytest.fixture
def module(widget_module):
    """An empty page with the widget's module in it, `widget` and `math`."""
    return widget_module(DescentExplorer)


def numbers(path):
    """Return a path as floats: a large one comes from the page as a whole number of Python's."""
    return np.array(path, dtype=float)


def state_of(widget):
    """Return what the page gets of a widget."""
    return {
        name: value for name, value in widget.get_state().items() if name in {*widget._names[0], "_fields"}
    }


# ---- maths ----


def test_paths_are_the_golden_ones(module):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    paths = module.evaluate(PATHS, [[entry["setting"] for entry in golden], STEPS])
    for entry, path in zip(golden, map(numbers, paths), strict=True):
        assert path.shape == (STEPS + 1, 2)
        assert close([*path[list(SHOWN)], path.mean(axis=0)], entry["places"], 1e-8), entry["setting"]


def test_every_step_of_250_other_paths_is_torchs(module):
    settings = draw_settings(250, seed=44)
    for s, path in zip(settings, module.evaluate(PATHS, [settings, STEPS]), strict=True):
        assert close(numbers(path), torch_path(s)), s


def test_random_numbers_are_pythons(module):
    found = module.evaluate(
        "(s) => math.descend(s).map((one) => one.noise)",
        state_of(DescentExplorer(noise=1, steps=200, seed=77)),
    )
    normal = Seeded(77).normal
    np.testing.assert_allclose(found, [[normal(), normal()] for _ in range(201)], rtol=1e-12)


def test_theory_and_program_are_pythons(module):
    widgets = [DescentExplorer(steps=50, **s) for s in draw_settings(200, seed=5)]
    widgets.append(
        DescentExplorer(lr=1e-5, eps=0, start=(0, -1), noise=100, batch_size=7, steps=1, angle=-30)
    )
    found = module.evaluate(
        "(all) => all.map((s) => [math.limitOf(s), math.factors(s), math.code(s)])",
        list(map(state_of, widgets)),
    )
    for widget, (limit, factors, code) in zip(widgets, found, strict=True):
        assert code == widget.code()
        assert (limit is None) == (widget.stability_limit is None)
        assert limit is None or limit == pytest.approx(widget.stability_limit, rel=1e-12)
        assert (factors is None) == (widget.factors is None)
        assert factors is None or factors == pytest.approx(widget.factors, rel=1e-12)


def test_every_diverging_or_refused_setting_has_a_way_out_that_works(module):
    settings = [s | {"steps": 60, "lr": min(10, s["lr"] * 8)} for s in draw_settings(400, seed=9)]
    settings += [s | {"momentum": 0, "nesterov": True, "lr": 0.001} for s in settings[:20]]
    results = module.evaluate(MEND, settings)
    found = [result["found"] for result in results if result["found"]]
    assert not any(result["left"] for result in results)
    assert sum(one.get("refused", False) for one in found) > 5
    assert sum("above the limit" in one["message"] for one in found) > 50
    assert sum("outside the picture" in one["message"] for one in found) > 20
    for s, result in zip(settings, results, strict=True):
        widget = DescentExplorer(**s)
        if widget.valid and widget.surface == "bowl" and widget.stability_limit:
            assert bool(result["found"]) == (widget.lr > widget.stability_limit * (1 + 1e-9)), s
            fixed = result["found"]["traits"]["lr"] if result["found"] else widget.stability_limit
            assert 0.85 * widget.stability_limit < fixed <= widget.stability_limit


# ---- the page ----


def field(page, name):
    return page.get_by_role("spinbutton", name=name, exact=True)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def start_of(page):
    """Return the place of the start as its label says it."""
    label = page.locator("[aria-label^='start, ']").get_attribute("aria-label")
    return tuple(float(number) for number in re.findall(r"-?[\d.]+", label))


def words(page):
    return page.locator(".dlt-reading > p").inner_text()


def mathml(page, where):
    """Return the text of formulas, without spaces."""
    return re.sub(r"\s", "", page.locator(where).text_content())


def numbers_of(text):
    return [float(one.replace("−", "-")) for one in re.findall(r"−?\d+(?:\.\d+)?", text)]


def test_the_start_is_dragged_by_the_mouse(widget_page):
    page = widget_page(DescentExplorer())
    box = page.locator("[aria-label^='start, '] .dlt-hit").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y + 40, steps=5)
    page.mouse.up()
    a, b = start_of(page)
    assert a > -1.5
    assert b < 1.2
    assert float(field(page, "start θ₁").input_value()) == a
    expected = DescentExplorer(start=(a, b), step=1)
    press(page, "Step forward")
    assert numbers_of(words(page))[1:3] == pytest.approx(expected.path[1], abs=1e-3)


def test_everything_by_keyboard_alone(widget_page):
    page = widget_page(DescentExplorer())
    key = page.keyboard.press
    page.locator("[aria-label^='start, ']").focus()
    for name in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowDown"):
        key(name)
    assert start_of(page) == (-2.3, 1.59)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("start, ")
    field(page, "lr η").focus()
    key("ArrowUp")
    assert field(page, "lr η").input_value() == "0.3"
    key("ArrowDown")
    key("ArrowDown")
    assert field(page, "lr η").input_value() == "0.075"
    page.get_by_role("combobox", name="optimizer").focus()
    page.keyboard.type("AdamW")
    assert mathml(page, ".dlt-lines >> nth=0").count("β₁") == 3
    page.get_by_role("slider", name="Step").focus()
    key("ArrowRight")
    key("ArrowRight")
    path = DescentExplorer(start=(-2.3, 1.59), lr=0.075, optimizer="AdamW").path
    assert numbers_of(words(page))[1:3] == pytest.approx(path[2], abs=1e-3)
    page.get_by_role("button", name="Step back").focus()
    key("Enter")
    assert words(page).startswith("Step 1:")
    page.get_by_role("button", name="Keep path").focus()
    key("Enter")
    assert "A: AdamW, η 0.075" in page.locator(".dlt-legend").inner_text()
    page.get_by_role("button", name="Reset").focus()
    key("Enter")
    assert start_of(page) == (-2.5, 1.5)
    assert words(page).startswith("Step 0:")
    assert page.locator(".dlt-legend").inner_text().strip() == "SGD, η 0.15"


def test_a_finger_moves_the_start_and_steps(widget_page):
    page = widget_page(DescentExplorer(), width=360, touch=True)
    plane = page.locator(".dlt-plane")
    box = plane.bounding_box()
    plane.tap(position={"x": box["width"] * 0.7, "y": box["height"] * 0.3})
    a, b = start_of(page)
    assert a > 0.3
    assert b > 0.3
    page.get_by_role("button", name="Step forward").tap()
    assert words(page).startswith("Step 1:")
    page.get_by_role("button", name="momentum μ: more").tap()
    assert field(page, "momentum μ").input_value() == "0.1"
    sizes = page.locator(
        "button:visible, select:visible, summary:visible, input:visible:not([type=checkbox])"
    )
    small = sizes.evaluate_all(
        "all => all.filter((one) => one.getBoundingClientRect().height < 43.9).map((one) => one.outerHTML)"
    )
    assert small == []


@pytest.mark.parametrize(
    "settings",
    [
        {"weight_decay": 0.1, "noise": 2, "batch_size": 4},
        {"momentum": 0.9, "lr": 0.02, "angle": 20},
        {"momentum": 0.9, "nesterov": True, "lr": 0.02, "surface": "saddle"},
        {"optimizer": "Adam", "lr": 0.3, "surface": "valley", "weight_decay": 0.01},
        {"optimizer": "AdamW", "lr": 0.3, "weight_decay": 0.1, "betas": (0.5, 0.9)},
    ],
    ids=str,
)
def test_the_formulas_lead_to_the_next_point(widget_page, settings):
    """Every line is computed again from its own numbers, and the last one ends at torch's next point."""
    widget = DescentExplorer(step=4, **settings)
    page = widget_page(widget)
    for i in (0, 1):
        lines = page.locator(f".dlt-lines >> nth={i} >> p")
        texts = [line.evaluate(SPELL) for line in lines.all()]
        assert texts[-1].startswith(f"θ{'₁₂'[i]}=")
        assert float(texts[-1].split("=")[-1]) == pytest.approx(widget.path[5, i], abs=2e-3)
        for text in texts:
            left, result = text.split("=")[-2:]
            if any(letter.isalpha() for letter in left.replace("sqrt", "").replace("e", "")):
                continue  # only letters and the result, `b = g = 2`
            value = eval(left, {"sqrt": np.sqrt})
            assert value == pytest.approx(float(result), rel=5e-3, abs=2e-3), text


SPELL = """(line) => {
  const spell = (node) => {
    const parts = [...node.children].map(spell);
    if (node.localName === "mfrac") return `((${parts[0]})/(${parts[1]}))`;
    if (node.localName === "msup") return `(${parts[0]})**${parts[1]}`;
    return parts.length ? parts.join("") : node.textContent;
  };
  const text = [...line.children].map(spell).join("").replaceAll("−", "-").replaceAll("·", "*");
  return text.replace(/√([\\d.e-]+)/, "sqrt($1)");
}"""


def test_the_limit_is_stated_and_crossing_it_is_explained(widget_page):
    page = widget_page(DescentExplorer())
    facts, trouble = page.locator(".dlt-facts"), page.locator(".dlt-trouble")
    assert mathml(page, ".dlt-facts >> p >> nth=1") == "Stable:η<2λmax=210=0.2"
    assert "η = 0.15 is below that limit." in facts.inner_text()
    assert facts.locator("td").all_inner_texts() == ["θ₁", "0.85", "0.85", "θ₂", "−0.5", "−0.5"]
    press(page, "η = 0.2")
    assert "η = 0.2 is at that limit." in facts.inner_text()
    assert trouble.inner_text() == ""
    press(page, "η = 0.21")
    assert "η = 0.21 is above that limit." in facts.inner_text()
    assert "It diverges. η = 0.21 is above the limit 0.2." in trouble.inner_text()
    press(page, "Set η to 0.19")
    assert field(page, "lr η").input_value() == "0.19"
    assert trouble.inner_text() == ""
    field(page, "momentum μ").fill("0.9")
    assert mathml(page, ".dlt-facts >> p >> nth=1") == "Stable:η<2·(1+μ)λmax=2·(1+0.9)10=0.38"
    page.get_by_role("combobox", name="optimizer").select_option("Adam")
    assert "Adam has no limit of this form" in facts.inner_text()
    page.get_by_role("combobox", name="surface").select_option("valley")
    page.get_by_role("combobox", name="optimizer").select_option("SGD")
    assert "The path ends outside the picture" in trouble.inner_text()
    trouble.get_by_role("button").click()
    assert trouble.inner_text() == ""


def test_a_refused_setting_and_a_bad_number_are_explained(widget_page):
    page = widget_page(DescentExplorer())
    page.get_by_role("checkbox", name="nesterov").check()
    assert "Nesterov needs a momentum above 0." in page.locator(".dlt-trouble").inner_text()
    assert page.locator(".dlt-reading").is_hidden()
    assert page.locator(".dlt-chart").is_hidden()
    press(page, "Set momentum to 0.9")
    assert page.locator(".dlt-reading").is_visible()
    field(page, "lr η").fill("50")
    assert (
        "lr η must be a number from 0.00001 to 10; 50 is not." in page.locator(".dlt-settings").inner_text()
    )
    press(page, "Use 10")
    assert field(page, "lr η").input_value() == "10"


def test_predict_the_limit(widget_page):
    page = widget_page(DescentExplorer(predict="lr", lr=0.21))
    assert page.locator(".dlt-facts").inner_text() == ""
    assert page.locator(".dlt-trouble").inner_text() == ""
    press(page, "η = 0.19")
    field(page, "number").fill("0.3")
    page.keyboard.press("Enter")
    assert "Not quite: not 0.3 but 0.2." in page.locator("form").inner_text()
    assert "below that limit" in page.locator(".dlt-facts").inner_text()
    field(page, "momentum μ").fill("0.5")
    assert page.locator(".dlt-facts").inner_text() == ""
    field(page, "number").fill("0.3")
    press(page, "Check")
    assert "Right: 0.3." in page.locator("form").inner_text()


def test_predict_a_factor(widget_page):
    page = widget_page(DescentExplorer(predict="factor", lr=0.12))
    secret = page.locator(".dlt-reading, .dlt-chart, .dlt-stepper, .dlt-tables")
    assert not any(one.is_visible() for one in secret.all())
    assert page.locator(".dlt-plane [style*=weight] .dlt-curve").count() == 0
    field(page, "number").fill("-0.2")
    press(page, "Check")
    assert "Right: −0.2." in page.locator("form").inner_text()
    assert all(one.is_visible() for one in secret.all())
    page.get_by_role("combobox", name="optimizer").select_option("Adam")
    assert "This asks about plain SGD on the bowl." in page.locator(".dlt-trouble").inner_text()
    press(page, "Ask nothing")
    assert page.get_by_role("combobox", name="predict").input_value() == "off"


def test_kept_paths_stay_and_are_forgotten(widget_page):
    page = widget_page(DescentExplorer(kept=[{"optimizer": "Adam", "lr": 0.5}]))
    press(page, "η = 0.1")
    press(page, "Keep path")
    press(page, "η = 0.01")
    legend = page.locator(".dlt-legend > span").all_inner_texts()
    assert [one.strip() for one in legend] == ["SGD, η 0.01", "A: Adam, η 0.5", "B: SGD, η 0.1"]
    page.locator("summary").click()
    page.locator("table").nth(3).wait_for()
    last = (
        page.locator(".dlt-tables table", has_text="B: SGD")
        .locator("tr")
        .last.locator("td")
        .all_inner_texts()
    )
    expected = DescentExplorer(lr=0.1)
    assert float(last[1].replace("−", "-")) == pytest.approx(expected.path[-1, 0], rel=1e-3)
    for _ in range(2):
        press(page, "Keep path")
    assert page.get_by_role("button", name="Keep path").is_disabled()
    press(page, "Forget kept")
    assert page.locator(".dlt-legend > span").count() == 1
    assert page.get_by_role("button", name="Forget kept").is_hidden()


def test_contours_lie_where_the_loss_has_its_level(widget_page):
    """The outermost contour of the round bowl is a circle: L = 9 λ / 4 at radius √(9 / 2)."""
    page = widget_page(DescentExplorer(eigenvalues=(2, 2)))
    path = page.locator(".dlt-plane svg .dlt-curve").first.get_attribute("d")
    pixels = np.array([float(one) for one in re.findall(r"[\d.]+", path.removesuffix("h0"))]).reshape(-1, 2)
    radius = np.hypot(*((pixels - 135) / 45).T)
    assert len(pixels) > 100
    np.testing.assert_allclose(radius, np.sqrt(4.5), atol=0.01)


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_only_when_asked_and_pause(widget_page, motion):
    page = widget_page(DescentExplorer(), reduced_motion=motion)
    page.wait_for_timeout(900)
    assert words(page).startswith("Step 0:")
    page.get_by_role("combobox", name="Speed").select_option("2×")
    press(page, "Play")
    page.wait_for_function("document.querySelector('.dlt-reading > p').textContent.startsWith('Step 2:')")
    press(page, "Pause")
    at = words(page)
    page.wait_for_timeout(900)
    assert words(page) == at
    press(page, "Last")
    assert words(page).startswith("Step 40:")


def test_the_chart_scrubs(widget_page):
    page = widget_page(DescentExplorer())
    box = page.locator(".dlt-chart .dlt-ground").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    assert words(page).startswith("Step 20:")


def test_copied_program_is_pythons(widget_page):
    widget = DescentExplorer(noise=0.5, optimizer="AdamW", angle=20)
    page = widget_page(widget)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, "Copy PyTorch code")
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == widget.code()


def test_live_region_states_the_result(widget_page):
    page = widget_page(DescentExplorer())
    press(page, "Step forward")
    page.wait_for_function(
        "text => document.querySelector('[aria-live=polite]').textContent.trim() === text",
        arg="Step 1: θ = (−2.125, −0.75), L = 5.07.",
    )


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_no_sideways_scrolling(widget_page, width):
    wide = {"noise": 1, "seed": 9999, "start": (-2.9999, -2.9999), "lr": 0.00123, "weight_decay": 0.0123}
    page = widget_page(
        DescentExplorer(optimizer="AdamW", step=123, steps=200, surface="valley", **wide),
        DescentExplorer(momentum=0.9, nesterov=True, kept=[{}, {"optimizer": "Adam"}], **wide),
        DescentExplorer(lr=10, step=200, steps=200, eigenvalues=(99, 100)),
        width=width,
        touch=width < 400,
    )
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violations(widget_page, axe, width, theme):
    asking = DescentExplorer(predict="lr", kept=[{"optimizer": "Adam"}])
    page = widget_page(asking, DescentExplorer(lr=0.3, noise=1), width=width, theme=theme, touch=width == 360)
    page.locator("summary").first.click()
    page.locator("table").first.wait_for()
    assert page.locator(".dlt-widget [id]").count() == 0
    assert axe(page) == []


def test_the_page_follows_python_and_a_removed_view_stops_listening(module):
    widget = DescentExplorer()
    state = state_of(widget) | {"_names": widget._names, "_choices": widget._choices}
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
    module.evaluate("model.set('lr', 0.07), model.set('steps', 9), model.set('step', 30)")
    assert words(module).startswith("Step 9:")
    assert field(module, "lr η").input_value() == "0.07"
    module.evaluate("remove()")
    assert sum(module.evaluate("[...model.heard.values()].map((acts) => acts.length)")) == 0
