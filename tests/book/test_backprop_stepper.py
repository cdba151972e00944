"""BackpropStepper in a real browser: its maths and formulas against torch, and its use by all means."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from dltwice.widgets import BackpropStepper
from dltwice.widgets.backprop_math import BCE, FORWARD, GIVEN, PARAMS, PRESETS

GOLDEN = Path(__file__).parents[1] / "golden" / "backprop_stepper.json"
GRADIENTS = (*GIVEN, "z1", "z2", "h1", "h2", "z3")
NAMES = (*GIVEN, *FORWARD)
COMPUTE = """([settings, names]) => settings.map((s) => {
  const c = math.compute(s), found = math.problems(s), code = math.code(s);
  if (!c) return { found, code };
  const { v, g, losses, after, p, next } = c;
  const numeric = names.map((name) => math.numeric(s, p, name, 1e-4).value);
  return { v, g, losses, after: after.L, p, next, code, numeric };
})"""
FORMULAS = """([settings, names]) => settings.map((s) => {
  const c = math.compute(s);
  return names.flatMap((name) => [
    math.line(s, c, "g", math.gradientText(s, name), c.g[name]),
    ...(name in c.p || name[0] === "x" ? [] : [math.line(s, c, "v", math.valueText(s, name), c.v[name])]),
    ...math.chains(s, c, name).map(({ numbers, value }) => "c = " + (numbers || "1") + " = " + value),
  ]);
})"""
MEND = """(settings) => settings.map((s) => {
  const rounds = [];
  for (const { message, fixes } of math.problems(s))
    for (const [text, traits] of fixes)
      rounds.push({ message, text, traits, left: math.problems({ ...s, ...traits }).length });
  return rounds;
})"""


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.fixture
def module(widget_module):
    """An empty page with the widget's module in it, `widget` and `math`."""
    return widget_module(BackpropStepper)


def full(setting):
    """Return a setting with every trait that the module reads."""
    return setting | {"step": 0, "selected": "", "eps": 1e-4, "predict": "off"}


# ---- maths ----


def test_maths_is_torchs_and_the_program_is_pythons(module, golden):
    settings = [full(entry["setting"]) for entry in golden]
    results = module.evaluate(COMPUTE, [settings, list(NAMES)])
    seen = 0
    for entry, result in zip(golden, results, strict=True):
        widget, expected = BackpropStepper(**entry["setting"]), entry["torch"]
        assert result["code"] == widget.code()
        if expected is None:
            assert "the weights diverge" in result["found"][0]["message"]
            assert not widget.valid
            continue
        seen += 1
        for names, key, numbers in ((FORWARD, "v", "values"), (GRADIENTS, "g", "gradients")):
            found = [result[key][name] for name in names]
            np.testing.assert_allclose(found, expected[numbers], rtol=1e-8, atol=1e-9, err_msg=str(entry))
        found = [*result["losses"], result["after"]]
        np.testing.assert_allclose(found, expected["losses"], rtol=1e-8, atol=1e-9)
        for key, numbers in (("p", widget.parameters), ("next", widget.updated)):
            found = [result[key][name] for name in PARAMS]
            np.testing.assert_allclose(found, [numbers[name] for name in PARAMS], rtol=1e-12, atol=1e-12)
        assert result["g"]["y_hat"] == pytest.approx(widget.gradients["y_hat"], rel=1e-9)
    assert seen >= 300


def test_central_differences_are_pythons(module, golden):
    settings = [entry["setting"] for entry in golden[:80] if entry["torch"]]
    results = module.evaluate(COMPUTE, [[full(one) for one in settings], list(NAMES)])
    for setting, result in zip(settings, results, strict=True):
        widget = BackpropStepper(**setting)
        for name, found in zip(NAMES, result["numeric"], strict=True):
            try:
                expected = widget.numeric(name, 1e-4)
            except ValueError:
                assert found is None or not math.isfinite(found)
                continue
            noise = 1e-10 * max(1, abs(widget.values["L"]))
            assert found == pytest.approx(expected, rel=1e-6, abs=noise), (setting, name)


def value_of(text):
    """Compute the numbers of a formula as the page writes it."""
    fraction = r"\{([^{}|]*(?:\{[^{}]*\}[^{}|]*)*)\|((?:[^{}]|\{[^{}]*\})*)\}"
    text = re.sub(fraction, r"((\1)/(\2))", text)
    text = re.sub(r"e\^\{([^{}]*)\}", r"exp(\1)", text).replace("ReLU′", "step").replace("²", "**2")
    text = re.sub(r"(?<=[\d)])\(", "*(", text.replace("−", "-").replace("·", "*"))
    known = {"exp": math.exp, "ln": math.log, "tanh": math.tanh, "max": max, "step": lambda z: float(z > 0)}
    return eval(text, {"__builtins__": {}}, known)


def test_every_formula_with_numbers_gives_its_result(module, golden):
    """Numbers are shown with four digits, so a formula of shown numbers gives the result nearly."""
    calm = [e["setting"] for e in golden if e["torch"] and max(map(abs, e["torch"]["values"])) < 4]
    seen = 0
    for lines in module.evaluate(FORMULAS, [[full(one) for one in calm[:120]], list(NAMES)]):
        for line in lines:
            parts = line.split(" = ")
            numbers, result = parts[-2:] if len(parts) > 2 else (parts[-1], parts[-1])
            if numbers.startswith(("z", "∂")):
                continue  # one name alone: the number itself follows
            expected = float(result.replace("−", "-"))
            assert value_of(numbers) == pytest.approx(expected, abs=0.01, rel=0.01), line
            seen += 1
    assert seen > 3000


def test_presets_are_pythons(module):
    assert module.evaluate("math.PRESETS") == PRESETS


def test_remarks_say_why_a_gradient_is_zero_or_tiny(module):
    def remark(name, **traits):
        widget = BackpropStepper(**traits)
        state = {trait: getattr(widget, trait) for trait in (*PRESETS["example"], "iteration")}
        return module.evaluate("([s, name]) => math.remark(s, math.compute(s), name)", [full(state), name])

    assert remark("w11", preset="dead ReLU").startswith("Unit 1 is off: z1 = −1.2 is not above 0")
    assert remark("w31", preset="dead ReLU") == "h1 = 0, so w31 has no effect on L now."
    assert remark("w21", preset="dead ReLU") == ""
    assert "Unit 1 is saturated: at z1 = 9 the slope of sigmoid is only" in remark(
        "b1", preset="saturated sigmoid"
    )
    assert remark("x1", preset="paths cancel").startswith("Two paths meet in x1 and cancel: ")
    assert remark("x1") == "Two paths meet in x1: their products are added."
    assert "too large for a float" in remark("y_hat", loss=BCE, target=0, b3=900)
    assert "one edge" in remark("z3", loss=BCE)


def test_every_impossible_setting_has_ways_out_that_work(module):
    start = full({**PRESETS["example"], "iteration": 0})
    targets = [start | {"loss": BCE, "target": target} for target in (-3, -0.01, 1.01, 50)]
    rates = [
        start | {"activation": act, "lr": lr, "iteration": 30}
        for act in ("identity", "relu")
        for lr in (5, 60, 900)
    ]
    results = module.evaluate(MEND, targets + rates)
    assert all(len(rounds) == 2 for rounds in results)
    assert not any(one["left"] for rounds in results for one in rounds)
    assert [rounds[0]["traits"]["target"] for rounds in results[:4]] == [0, 0, 1, 1]
    for setting, rounds in zip(rates, results[4:], strict=True):
        last = rounds[1]["traits"]["iteration"]
        assert 0 <= last < 30
        traits = {name: setting[name] for name in (*GIVEN, "target", "activation", "loss", "lr")}
        assert BackpropStepper(**traits, iteration=last).valid
        assert not BackpropStepper(**traits, iteration=last + 1).valid


# ---- the page ----


def box(page, name):
    return page.locator(f'.dlt-network button[aria-label^="{name} ="]')


def numbers(page, name):
    """Return value and gradient of a box as its label says them."""
    label = box(page, name).get_attribute("aria-label").replace("−", "-")
    return re.match(r"\S+ = (.*), gradient (.*)", label).groups()


def shows(page, name, widget):
    value, gradient = numbers(page, name)
    key = "y_hat" if name == "ŷ" else name
    assert float(value) == pytest.approx(widget.values[key], rel=1e-3)
    assert float(gradient) == pytest.approx(widget.gradients[key], rel=1e-3, abs=1e-12)


def title(page):
    return page.locator(".dlt-title").inner_text()


def formulas(page):
    return page.locator(".dlt-lines").text_content()


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_steps_bring_values_then_gradients_then_the_update(widget_page):
    page, widget = widget_page(BackpropStepper()), BackpropStepper()
    unknown = "not computed yet"
    assert numbers(page, "z1") == (unknown, unknown)
    press(page, "Step forward")
    assert title(page) == "Forward: z₁, weighted sum of unit 1"
    assert formulas(page) == "z1=w11·x1+w12·x2+b1=0.6·0.5+(−0.4)·1+0.3=0.2"
    assert numbers(page, "z1") == ("0.2", unknown)
    assert numbers(page, "z2") == (unknown, unknown)
    for _ in range(9):
        press(page, "Step forward")
    assert title(page) == "Backward: gradient for z₃, weighted sum of unit 3"
    assert float(numbers(page, "z3")[1]) == pytest.approx(widget.gradients["z3"], rel=1e-3)
    assert numbers(page, "w31")[1] == unknown
    press(page, "Step back")
    assert numbers(page, "z3")[1] == unknown
    slider = page.get_by_role("slider", name="Step")
    slider.fill("25")
    for name in ("x1", "w11", "w32", "b2", "h1", "z3", "ŷ", "L"):
        shows(page, name, widget)
    press(page, "Step forward")
    assert title(page) == "Update: against the gradient"
    assert float(numbers(page, "w31")[0]) == pytest.approx(widget.updated["w31"], rel=1e-3)
    assert numbers(page, "z1")[0] == unknown
    press(page, "Last")
    assert float(numbers(page, "L")[0]) == pytest.approx(widget.loss_after, rel=1e-3)
    assert f"Before the update L was {widget.values['L']:.4g}" in page.locator(".dlt-note").inner_text()


def test_a_selected_edge_shows_formula_path_and_check(widget_page):
    page, widget = widget_page(BackpropStepper(step="dx2")), BackpropStepper()
    box(page, "w11").click()
    assert box(page, "w11").get_attribute("aria-pressed") == "true"
    assert title(page) == "w₁₁, weight of x₁ in z₁"
    text = formulas(page).replace("−", "-")
    assert "∂L∂w11=∂L∂z1·x1=" in text
    assert "∂L∂w11=∂L∂ŷ·∂ŷ∂z3·∂z3∂h1·∂h1∂z1·∂z1∂w11=" in text
    assert f"={widget.gradients['w11']:.4g}" in text
    assert (
        page.locator(".dlt-upright, .dlt-lying").locator("visible=true").locator(".dlt-backward").count() == 6
    )
    live, idle = (
        page.locator(f".dlt-lying {kind} > path:first-child").first.evaluate(
            "one => getComputedStyle(one).stroke"
        )
        for kind in (".dlt-backward", "g:not([class$=backward])")
    )
    assert live != idle
    for eps in ("0.01", "0.000001"):
        page.get_by_role("combobox", name="ε").select_option(eps)
        check = page.locator(".dlt-gap").text_content().replace("−", "-")
        found = float(re.search(r"2·[\de.-]+=(-?[\d.]+)The", check)[1])
        assert found == pytest.approx(widget.numeric("w11", float(eps)), rel=1e-5)
    box(page, "x1").click()
    text = formulas(page).replace("−", "-")
    assert "path\u00a01=" in text
    assert "path\u00a02=" in text
    assert text.endswith(f"={widget.gradients['x1']:.4g}")
    assert "Two paths meet in x₁" in page.locator(".dlt-note").inner_text()
    box(page, "x1").click()
    assert title(page) == "Backward: gradient for x₂, input 2"


def test_everything_by_keyboard_alone(widget_page):
    page = widget_page(BackpropStepper())
    key = page.keyboard.press
    assert page.locator('.dlt-network button[tabindex="0"]').count() == 1
    page.get_by_role("slider", name="Step").focus()
    key("End")
    key("ArrowLeft")
    key("ArrowLeft")
    assert title(page).startswith("Backward: gradient for x₂")
    page.get_by_role("group", name="Network").locator('button[tabindex="0"]').focus()
    key("Enter")
    assert title(page).startswith("x₁")
    for arrow, name in (("ArrowRight", "w"), ("ArrowRight", "z"), ("ArrowRight", "h"), ("ArrowLeft", "z")):
        key(arrow)
        assert title(page).startswith(name)
    key("ArrowUp")
    assert title(page).startswith("b₁")
    key("End")
    assert title(page).startswith("L")
    key("Home")
    key("ArrowDown")
    assert title(page).startswith("x₂")
    key("Escape")
    assert title(page).startswith("Backward")
    page.locator("summary", has_text="Change the numbers").focus()
    key("Enter")
    field = page.get_by_role("spinbutton", name="w11", exact=True)
    field.focus()
    key("Control+a")
    page.keyboard.type("-2")
    shows(page, "z1", BackpropStepper(w11=-2))
    page.get_by_role("button", name="Reset").focus()
    key("Enter")
    assert title(page) == "Start of iteration 0"
    assert field.input_value() == "0.6"


def test_every_box_is_reached_by_arrow_keys_in_both_pictures(widget_page):
    focus = "(label) => document.querySelector(`.dlt-network [aria-label='${label}']`).focus()"
    for width in (1280, 360):
        page = widget_page(BackpropStepper(), width=width)
        labels = page.locator(".dlt-network button").evaluate_all("all => all.map((one) => one.ariaLabel)")
        seen, todo = set(), [labels[0]]
        while todo:
            label = todo.pop()
            if label in seen:
                continue
            seen.add(label)
            for arrow in ("Up", "Down", "Left", "Right"):
                page.evaluate(focus, label)
                page.keyboard.press(f"Arrow{arrow}")
                todo.append(page.evaluate("document.activeElement.ariaLabel"))
        assert seen == set(labels)


def test_a_finger_taps_on_a_narrow_screen(widget_page):
    page = widget_page(BackpropStepper(step="dx2"), width=360, touch=True)
    box(page, "w32").tap()
    assert title(page) == "w₃₂, weight of h₂ in z₃"
    page.get_by_role("button", name="Do the update").tap()
    shows(page, "w32", BackpropStepper(iteration=1))
    sizes = page.locator("button:visible, select:visible, summary:visible").evaluate_all(
        "all => all.map((one) => [one.getBoundingClientRect(), one.ariaLabel ?? one.textContent])"
        ".map(([{ width, height }, name]) => [width, height, name])"
    )
    assert [name for w, h, name in sizes if h < 43.9 or w < 43.9] == []


@pytest.mark.parametrize("width", [320, 360, 700, 1280])
def test_no_sideways_scrolling_and_no_boxes_that_overlap_or_cut(widget_page, width):
    wild = BackpropStepper(
        step="dx2",
        selected="x1",
        x1=-987.654,
        x2=-0.00012345,
        w11=-123.456,
        w12=-0.0123,
        w22=-0.000123,
        b1=-99.99,
        w31=-0.0456,
        activation="tanh",
        loss=BCE,
        eps=1e-12,
    )
    long = BackpropStepper(step="update", iteration=7, preset="saturated sigmoid")
    page = widget_page(wild, long, width=width, touch=width < 400)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    boxes = page.locator(".dlt-network").first.locator(".dlt-value")
    rects = boxes.evaluate_all("all => all.map((one) => one.getBoundingClientRect().toJSON())")
    for i, a in enumerate(rects):
        for b in rects[:i]:
            apart = a["right"] <= b["left"] + 0.5 or b["right"] <= a["left"] + 0.5
            assert apart or a["bottom"] <= b["top"] + 0.5 or b["bottom"] <= a["top"] + 0.5
    cut = page.locator(".dlt-value > *").evaluate_all(
        "all => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
    )
    assert cut == []


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violations(widget_page, axe, width, theme):
    widgets = (
        BackpropStepper(step="dx2", selected="x1"),
        BackpropStepper(step="dz1", predict="gradient"),
        BackpropStepper(loss=BCE, target=2),
        BackpropStepper(step="update"),
    )
    page = widget_page(*widgets, width=width, theme=theme, touch=width == 360)
    for summary in page.locator("summary").all()[:2]:
        summary.click()
    page.locator("table").first.wait_for()
    assert page.locator(".dlt-widget [id]").count() == 0
    assert axe(page) == []


def test_predict_a_value_before_it_shows(widget_page):
    page = widget_page(BackpropStepper(step="z1", predict="value"))
    assert numbers(page, "z1")[0] == "?"
    assert formulas(page).endswith("+0.3=?")
    page.locator("summary", has_text="as a table").click()
    page.locator("table").wait_for()
    assert page.locator("tr", has_text="z₁").locator("td").all_inner_texts() == ["z₁", "?", ""]
    box(page, "z1").click()
    assert formulas(page).endswith("=?")
    assert page.locator(".dlt-gap").is_hidden()
    page.get_by_role("spinbutton", name="value").fill("0.5")
    page.keyboard.press("Enter")
    assert "Not quite: not 0.5 but 0.2." in page.locator("form").inner_text()
    assert numbers(page, "z1")[0] == "0.2"
    press(page, "Step forward")
    page.get_by_role("spinbutton", name="value").fill("0.65")
    press(page, "Check")
    assert "Right: 0.65." in page.locator("form").inner_text()
    page.get_by_role("slider", name="Step").fill("7")
    assert numbers(page, "L")[0] == "?"
    assert page.locator(".dlt-losses").inner_text().endswith("–")
    press(page, "Step forward")
    assert page.locator("form").is_hidden()


def test_predict_a_gradient_before_it_shows(widget_page):
    page = widget_page(BackpropStepper(step="dw31", predict="gradient"))
    assert numbers(page, "w31")[1] == "?"
    assert "?" in page.locator(".dlt-network").inner_text()
    assert page.locator(".dlt-gap").is_hidden()
    assert "What is ∂L/∂w₃₁?" in page.locator("form").inner_text()
    page.get_by_role("button", name="Show anyway").click()
    assert float(numbers(page, "w31")[1]) == pytest.approx(BackpropStepper().gradients["w31"], rel=1e-3)
    assert page.locator(".dlt-gap").is_visible()
    page.get_by_role("combobox", name="Preset").select_option("dead ReLU")
    assert numbers(page, "w31")[1] == "not computed yet"


def test_updates_go_on_and_back_and_an_edit_starts_from_there(widget_page):
    page = widget_page(BackpropStepper(step="dx2"))
    for iteration in (1, 2, 3):
        press(page, "Do the update")
        shows(page, "w22", BackpropStepper(iteration=iteration))
    losses = page.locator(".dlt-losses").inner_text()
    expected = ", ".join(f"{loss:.4g}" for loss in BackpropStepper(iteration=3).losses)
    assert losses == f"Iteration 3. L so far: {expected}"
    press(page, "Undo it")
    shows(page, "w22", BackpropStepper(iteration=2))
    page.get_by_role("spinbutton", name="lr").fill("0.125")
    assert page.locator(".dlt-losses").inner_text().startswith("Iteration 0.")
    shows(page, "w22", BackpropStepper(**BackpropStepper(iteration=2).parameters, lr=0.125))
    press(page, "Do the update")
    press(page, "Reset")
    shows(page, "w22", BackpropStepper())
    assert page.get_by_role("button", name="Undo it").is_disabled()


def test_impossible_settings_are_explained_and_mended(widget_page):
    page = widget_page(BackpropStepper(step="dx2", target=3))
    page.get_by_role("combobox", name="Loss").select_option(BCE)
    trouble = page.locator(".dlt-trouble")
    assert "takes the target for a probability, from 0 to 1; 3 is not." in trouble.inner_text()
    assert numbers(page, "z1") == ("not computed yet", "not computed yet")
    press(page, "Set target to 1")
    assert trouble.is_hidden()
    shows(page, "x2", BackpropStepper(target=1, loss=BCE))
    page.get_by_role("combobox", name="Loss").select_option("MSELoss")
    page.get_by_role("combobox", name="Hidden activation").select_option("identity")
    rate = page.get_by_role("spinbutton", name="lr")
    rate.fill("5000")
    assert "lr must be a number from 0 to 1000; 5000 is not." in page.locator(".dlt-card").inner_text()
    press(page, "Use 1000")
    assert rate.input_value() == "1000"
    press(page, "Do the update")
    assert re.search(r"Update 1 sends \w+ to .* past ±1000", trouble.inner_text())
    trouble.get_by_role("button", name="Back to iteration 0").click()
    assert trouble.is_hidden()
    press(page, "Do the update")
    trouble.get_by_role("button", name=re.compile("Set η to")).click()
    assert trouble.is_hidden()
    assert float(rate.input_value()) < 1000


def test_an_eps_that_leaves_zero_to_one_is_mended(widget_page):
    page = widget_page(BackpropStepper(loss=BCE, step="dx2", selected="y_hat", target=0.5, b3=4, eps=0.1))
    assert "ŷ ± ε leaves 0 … 1" in page.locator(".dlt-gap").inner_text()
    press(page, "Use ε = 0.01")
    assert "they differ by" in page.locator(".dlt-gap").inner_text()


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_only_when_asked_and_pause(widget_page, motion):
    page = widget_page(BackpropStepper(), reduced_motion=motion)
    page.wait_for_timeout(700)
    assert title(page) == "Start of iteration 0"
    page.get_by_role("combobox", name="Speed").select_option("2×")
    press(page, "Play")
    page.wait_for_function("document.querySelector('.dlt-title').textContent.startsWith('Forward: z₂')")
    press(page, "Pause")
    at = title(page)
    page.wait_for_timeout(700)
    assert title(page) == at


def test_copied_program_is_pythons(widget_page):
    widget = BackpropStepper(preset="dead ReLU", loss=BCE, iteration=3)
    page = widget_page(widget)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, "Copy PyTorch code")
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == widget.code()


def test_live_region_states_the_result(widget_page):
    page = widget_page(BackpropStepper())
    press(page, "Step forward")
    page.wait_for_function(
        "text => document.querySelector('[aria-live=polite]').textContent === text",
        arg="Forward: z1, weighted sum of unit 1. z1 = 0.2.",
    )


def test_presets_start_over(widget_page):
    page = widget_page(BackpropStepper(step="dx2", selected="x1"))
    preset = page.get_by_role("combobox", name="Preset")
    assert preset.input_value() == "example"
    preset.select_option("paths cancel")
    assert title(page) == "Start of iteration 0"
    press(page, "Last")
    press(page, "Step back")
    press(page, "Step back")
    box(page, "x1").click()
    assert page.locator(".dlt-note").inner_text().startswith("Two paths meet in x₁ and cancel")
    assert numbers(page, "x1")[1] == "0"
    page.get_by_role("combobox", name="Hidden activation").select_option("tanh")
    assert preset.input_value() == ""


def test_the_page_follows_python_and_a_removed_view_stops_listening(module):
    state = {k: v for k, v in BackpropStepper().get_state().items() if not k.startswith("_")}
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
    module.evaluate("model.set('step', 25), model.set('activation', 'tanh'), model.set('iteration', 2)")
    shows(module, "w11", BackpropStepper(activation="tanh", iteration=2))
    module.evaluate("remove()")
    assert sum(module.evaluate("[...model.heard.values()].map((acts) => acts.length)")) == 0
