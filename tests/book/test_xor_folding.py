"""XORFolding in a real browser: its maths against torch, and its use by keyboard, mouse and finger."""

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest

from dltwice.widgets import XORFolding, xor_network

GOLDEN = Path(__file__).parents[1] / "golden" / "xor_folding.json"
TRAIN = """(cases) => cases.map(({ start, activation, lr, kept, steps }) => {
  const row = math.toRow(start), { path, losses, rights, diverged } = math.train(row, activation, lr, steps);
  const { at } = math.evaluate(path.at(-1), activation);
  const gradient = math.gradient(path[0], activation, math.evaluate(path[0], activation).at);
  return { path: kept.map((i) => math.toDict(path[i])), losses, rights, diverged, length: path.length,
    gradient: math.toDict(gradient), logits: at.map(({ z }) => z) };
})"""


@pytest.fixture
def module(widget_module):
    """An empty page with the widget's module in it, `widget` and `math`."""
    return widget_module(XORFolding)


def row(weights):
    """Return a state dict as one row in torch's order."""
    return xor_network.flatten({name: np.array(values) for name, values in weights.items()})


# ---- maths ----


def test_training_gives_the_golden_values(module):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    cases = [
        {
            "start": one["start"],
            "activation": one["setting"]["activation"],
            "lr": one["setting"]["lr"],
            "kept": one["kept"],
            "steps": 200,
        }
        for one in golden
    ]
    for entry, found in zip(golden, module.evaluate(TRAIN, cases), strict=True):
        values = entry["values"]
        np.testing.assert_allclose(list(map(row, found["path"])), values["path"], rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(row(found["gradient"]), values["gradient"], rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose(found["logits"], values["logits"], rtol=1e-8, atol=1e-8)
        steps = [0, 1, 2, 5, 10, 50, 100, 200]
        np.testing.assert_allclose(np.array(found["losses"])[steps], values["losses"], rtol=1e-9)
        assert np.array(found["rights"])[steps].tolist() == values["rights"]


def test_training_is_pythons_also_where_it_diverges(module):
    draw = random.Random(3)
    widgets = [
        XORFolding(
            hidden=draw.choice([1, 2, 3, 5, 50]),
            activation=draw.choice(["identity", "sigmoid", "tanh", "relu"]),
            lr=draw.choice([0.01, 0.3, 1]),
            seed=draw.randrange(10_000),
            steps=120,
        )
        for _ in range(60)
    ] + [XORFolding(activation="identity", lr=lr, hidden=h, steps=40) for lr in (20, 100) for h in (2, 50)]
    cases = [
        {
            "start": {name: values.tolist() for name, values in w.start.items()},
            "activation": w.activation,
            "lr": w.lr,
            "steps": w.steps,
            "kept": [len(w.path) - 1],
        }
        for w in widgets
    ]
    assert sum(w.diverged for w in widgets) == 4
    for widget, found in zip(widgets, module.evaluate(TRAIN, cases), strict=True):
        assert (found["length"], found["diverged"]) == (len(widget.path), widget.diverged)
        np.testing.assert_allclose(found["losses"], widget.losses, rtol=1e-7)
        np.testing.assert_allclose(row(found["path"][0]), widget.path[-1], rtol=1e-6, atol=1e-9)
        assert found["rights"] == widget.rights.tolist()


def test_random_starts_are_pythons_to_the_last_bit(module):
    cases = [[seed, hidden] for seed in (0, 1, 77, 9999) for hidden in (1, 2, 3, 8, 50)]
    found = module.evaluate("(cases) => cases.map((one) => math.toDict(math.drawWeights(...one)))", cases)
    for (seed, hidden), weights in zip(cases, found, strict=True):
        expected = xor_network.draw_weights(seed, hidden)
        assert weights == {name: values.tolist() for name, values in expected.items()}


def test_weights_by_hand_and_programs_are_pythons(module):
    hands = module.evaluate(
        "Object.fromEntries(Object.entries(math.BY_HAND)"
        ".map(([name, [act, t]]) => [name, [act, math.toDict(t)]]))"
    )
    assert {"random": ["tanh", {}], **hands} == {k: list(v) for k, v in xor_network.BY_HAND.items()}
    odd = {"0.weight": [[1e-7, -0.0]], "0.bias": [123456.75], "2.weight": [[-2.5e-9]], "2.bias": [1 / 3]}
    for widget in (
        XORFolding(weights=odd, lr=1e-3, step=4),
        XORFolding(weights="step by hand"),
        XORFolding(hidden=50, activation="identity", lr=2, step=12),
    ):
        start = {name: values.tolist() for name, values in widget.start.items()}
        found = module.evaluate(
            "([program, start, act, lr, step]) => math.code(program, math.toRow(start), act, lr, step)",
            [xor_network.PROGRAM, start, widget.activation, widget.lr, widget.shown_step],
        )
        assert found == widget.code()


@pytest.mark.parametrize("last", [0, 1, 7, 100, 500, 5000])
def test_frames_begin_at_the_start_and_reach_the_end(module, last):
    frames = module.evaluate("(last) => math.framesOf(last)", last)
    assert frames[0] == 0
    assert frames[-1] == last
    gaps = np.diff(frames)
    assert len(frames) <= 201
    assert all((gaps >= 1) & (gaps <= max(1, last / 90)))


def test_contour_lies_where_the_function_is_zero(module):
    points = module.evaluate("math.contour(([x, y]) => x * x + y * y - 1, [-1.5, 1.5, -1.5, 1.5])")
    radii = [np.hypot(*point) for point in points if point]
    assert len(radii) > 100
    np.testing.assert_allclose(radii, 1, atol=2e-3)


# ---- the page ----


def field(page, name):
    return page.get_by_role("spinbutton", name=name, exact=True)


def words(page):
    return page.locator(".dlt-words").inner_text()


def said(widget):
    """Return how the page's sentence about a widget's shown step begins."""
    loss = f"{widget.loss:.3g}"
    return f"Step {widget.shown_step}: {widget.right} of 4 right, mean loss {loss}."


def open_table(page):
    """Return the rows of the table of the four points: name, target, z, p, h …"""
    page.locator("summary").click()
    page.locator("caption", has_text="four points").wait_for()
    rows = page.locator("table", has_text="target").locator("tr").all()[1:5]
    return [[text.replace("−", "-") for text in one.locator("td").all_inner_texts()] for one in rows]


def test_training_stays_hidden_until_the_guess(widget_page):
    page = widget_page(XORFolding(step=200))
    assert words(page) == said(XORFolding())
    assert page.get_by_role("slider").count() == 0
    assert page.get_by_role("group", name="Loss by step").count() == 0
    assert page.locator("td", has_text="500").count() == 0
    page.get_by_role("button", name="Check").click()
    assert "Write a number first." in page.locator("form").inner_text()
    field(page, "points").fill("3")
    page.keyboard.press("Enter")
    assert "Not quite: not 3 but 4." in page.locator("form").inner_text()
    assert words(page) == said(XORFolding(step=500))
    assert page.get_by_role("group", name="Loss by step").is_visible()
    page.get_by_role("button", name="Seed: one more").click()
    assert page.get_by_role("slider").count() == 0
    assert words(page) == said(XORFolding(seed=1))
    field(page, "points").fill("4")
    page.get_by_role("button", name="Check").click()
    assert "Right: 4." in page.locator("form").inner_text()


def test_a_guess_shows_the_end_also_where_python_is_at_the_end(widget_page):
    page = widget_page(XORFolding(step=500))
    page.get_by_role("button", name="Show anyway").click()
    assert words(page) == said(XORFolding(step=500))


def test_an_edit_starts_from_the_weights_on_the_screen(widget_page):
    page = widget_page(XORFolding(predict="off", step=300))
    field(page, "h₂, w⁽²⁾").fill("-1.5")
    weights = {name: values.tolist() for name, values in XORFolding(step=300).state_dict.items()}
    weights["2.weight"][0][1] = -1.5
    edited = XORFolding(weights=weights)
    best = int(edited.rights.argmax())
    assert edited.rights[best] > edited.right
    assert words(page) == said(edited) + f" Best: {edited.rights[best]} of 4, at step {best}."
    assert page.get_by_role("combobox", name="Weights").input_value() == "edited"
    page.get_by_role("button", name="Last").click()
    assert words(page).startswith(said(XORFolding(weights=weights, step=500)))
    field(page, "b⁽²⁾").fill("1e12")
    assert "b⁽²⁾ must be a number from −1000000000 to 1000000000" in page.locator(".dlt-weights").inner_text()


def test_points_are_pressed_and_their_sums_written_out(widget_page):
    widget = XORFolding(weights="relu by hand")
    page = widget_page(widget)
    sums = page.locator(".dlt-sums")
    assert sums.locator("b").inner_text() == "(0,0)"
    page.get_by_role("group", name="Input plane").get_by_role("button", name="(1,1), target 0: right").click()
    text = sums.text_content()
    assert text.startswith("(1,1)h1=relu(1 · 1+ 1 · 1+ 0)= 2h2=relu(1 · 1+ 1 · 1− 1)= 1")
    assert "z=1 · 2− 2 · 1− 0.5= −0.5" in text
    hidden = page.get_by_role("group", name="Hidden plane")
    assert hidden.locator("text", has_text="(0,1) (1,0)").count() == 1
    hidden.get_by_role("button", name=re.compile(r"\(0,0\)")).focus()
    page.keyboard.press("Enter")
    assert sums.locator("b").inner_text() == "(0,0)"


@pytest.mark.parametrize(
    "setting",
    [
        {"activation": "tanh", "hidden": 3, "step": 40},
        {"activation": "sigmoid", "hidden": 1, "step": 500},
        {"weights": "step by hand"},
    ],
    ids=str,
)
def test_the_page_shows_pythons_numbers(widget_page, setting):
    widget = XORFolding(**setting, predict="off")
    page = widget_page(widget)
    assert words(page).startswith(said(widget))
    columns = np.column_stack([widget.logits, widget.predictions, widget.hidden_values])
    for cells, expected in zip(open_table(page), columns, strict=True):
        np.testing.assert_allclose([float(text) for text in cells[2:] if text], expected, rtol=1e-3)


@pytest.mark.parametrize(("hidden", "lines"), [(1, 1), (2, 1), (3, 0)])
def test_the_outputs_line_stands_where_z_is_0_in_the_hidden_plane(widget_page, hidden, lines):
    widget = XORFolding(hidden=hidden, seed=2, predict="off", step=200)
    page = widget_page(widget)
    green = page.get_by_role("group", name="Hidden plane").locator("[style*='--dlt-output'] .dlt-curve")
    assert green.count() == lines
    if not lines:
        return
    pixels = [
        [float(v) for v in pair.split(",")]
        for pair in re.findall(r"[ML](-?[\d.]+,-?[\d.]+)", green.get_attribute("d"))
    ]
    u, v = -1.5 + 3 * np.array(pixels).T[0] / 270, 1.5 - 3 * np.array(pixels).T[1] / 270
    weights = widget.state_dict["2.weight"][0]
    z = weights[0] * u + (weights[1] * v if hidden == 2 else 0) + widget.state_dict["2.bias"][0]
    assert len(z) > 20
    np.testing.assert_allclose(z, 0, atol=1e-3 * abs(weights).max())


def test_the_loss_is_pressed_to_go_to_a_step(widget_page):
    page = widget_page(XORFolding(predict="off"))
    page.get_by_role("group", name="Loss by step").locator(".dlt-ground").click()
    at = int(re.match(r"Step (\d+)", words(page))[1])
    assert 235 <= at <= 265
    assert words(page).startswith(said(XORFolding(step=at)))


def test_everything_by_keyboard_alone(widget_page):
    page = widget_page(XORFolding())
    press = page.keyboard.press
    field(page, "Hidden units").focus()
    press("ArrowUp")
    assert field(page, "h₃, w⁽²⁾").is_visible()
    field(page, "Axis up").focus()
    press("ArrowUp")
    assert "h₁ across, h₃ up" in page.locator(".dlt-title").inner_text()
    page.get_by_role("combobox", name="Activation").focus()
    page.keyboard.type("sig")
    field(page, "Learning rate η").focus()
    press("ControlOrMeta+a")
    page.keyboard.type("5")
    field(page, "h₁, W⁽¹⁾ x₁").focus()
    press("ControlOrMeta+a")
    page.keyboard.type("2.5")
    start = XORFolding(hidden=3).start
    start["0.weight"][0, 0] = 2.5
    setting = {"weights": start, "activation": "sigmoid", "lr": 5.0}
    assert words(page) == said(XORFolding(**setting))
    field(page, "points").focus()
    page.keyboard.type("4")
    press("Enter")
    assert words(page).startswith(said(XORFolding(**setting, step=500)))
    page.get_by_role("slider").focus()
    press("Home")
    press("ArrowRight")
    assert words(page).startswith("Step 1:")
    page.get_by_role("button", name="Last").focus()
    press("Enter")
    assert words(page).startswith("Step 500:")
    page.get_by_role("group", name="Input plane").get_by_role("button").nth(2).focus()
    press(" ")
    assert page.locator(".dlt-sums b").inner_text() == "(1,0)"
    page.get_by_role("button", name="Reset").focus()
    press("Enter")
    assert words(page) == said(XORFolding())
    assert page.get_by_role("slider").count() == 0


def test_a_finger_does_it_on_a_phone(widget_page):
    page = widget_page(XORFolding(hidden=4), width=360, touch=True)
    page.get_by_role("button", name="Show anyway").tap()
    assert words(page).startswith(said(XORFolding(hidden=4, step=500)))
    page.get_by_role("group", name="Input plane").get_by_role("button").nth(3).tap()
    assert page.locator(".dlt-sums b").inner_text() == "(1,1)"
    page.get_by_role("button", name="Step back").tap()
    page.get_by_role("button", name="Axis across: one more").tap()
    assert "h₂ across, h₂ up" in page.locator(".dlt-title").inner_text()
    sizes = page.locator("button:visible, select:visible, summary:visible, input:visible").evaluate_all(
        "all => all.map((one) => [one.getBoundingClientRect().height, one.ariaLabel ?? one.textContent])"
    )
    assert [name for height, name in sizes if height < 43.9] == []


@pytest.mark.parametrize("width", [320, 360, 800])
def test_no_sideways_scrolling(widget_page, width):
    widgets = (
        XORFolding(hidden=50, activation="identity", predict="off", step=3),
        XORFolding(hidden=4, activation="sigmoid", lr=50, predict="off", step=400),
        XORFolding(weights="step by hand"),
        XORFolding(weights="relu by hand", lr=100, predict="off", step=2),
    )
    page = widget_page(*widgets, width=width, touch=width < 800)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize(("width", "theme"), [(360, "light"), (1280, "light"), (1280, "dark")])
def test_no_violations(widget_page, axe, width, theme):
    trained = XORFolding(hidden=3, predict="off", lr=20, step=4)
    page = widget_page(trained, XORFolding(weights="step by hand"), XORFolding(), width=width, theme=theme)
    page.locator("summary").first.click()
    page.locator("caption").first.wait_for()
    assert page.locator(".dlt-widget [id]").count() == 0
    assert axe(page) == []


def test_the_step_is_refused_and_a_way_out_offered(widget_page):
    page = widget_page(XORFolding())
    page.get_by_role("combobox", name="Weights").select_option("step by hand")
    assert words(page) == said(XORFolding(weights="step by hand"))
    trouble = page.locator(".dlt-trouble")
    assert "The step’s derivative is 0 on both sides of its jump" in trouble.inner_text()
    assert page.locator("form").is_hidden()
    assert page.get_by_role("slider").count() == 0
    trouble.get_by_role("button", name="sigmoid").click()
    assert page.get_by_role("combobox", name="Activation").input_value() == "sigmoid"
    assert page.locator("form").is_visible()
    page.get_by_role("combobox", name="Weights").select_option("relu by hand")
    assert words(page) == said(XORFolding(weights="relu by hand"))
    page.get_by_role("combobox", name="Weights").select_option("random")
    assert words(page) == said(XORFolding(activation="relu"))


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        (
            {"activation": "identity", "lr": 20.0},
            r"Training diverges: after step \d+ a weight is beyond 10⁹\.",
        ),
        ({"activation": "tanh", "lr": 20.0}, r"The loss ends higher than it began\."),
    ],
    ids=["identity", "tanh"],
)
def test_too_large_a_learning_rate_is_explained_and_mended(widget_page, setting, reason):
    page = widget_page(XORFolding(**setting))
    trouble = page.locator(".dlt-trouble")
    assert trouble.inner_text() == ""
    page.get_by_role("button", name="Show anyway").click()
    assert re.match(reason + " η is too large", trouble.inner_text())
    trouble.get_by_role("button").click()
    lr = float(field(page, "Learning rate η").input_value())
    assert lr < 20
    page.get_by_role("button", name="Show anyway").click()
    assert trouble.inner_text() == ""
    calm = XORFolding(**setting | {"lr": lr})
    assert not calm.diverged
    assert calm.losses[-1] <= calm.losses[0]


def test_identity_says_why_it_fails_with_any_number_of_units(widget_page):
    widget = XORFolding(hidden=50, activation="identity", seed=5, predict="off", step=500)
    page = widget_page(widget)
    best = int(widget.rights.argmax())
    assert widget.rights.max() == 3
    assert f"Best: 3 of 4, at step {best}." in words(page)
    assert "a line gets at most 3 of 4 right" in words(page)
    assert "and 42 more units" in page.locator(".dlt-weights").inner_text()
    assert page.locator(".dlt-weights input").count() == 33
    assert (
        page.get_by_role("group", name="Input plane").locator("text", has_text=re.compile("^h")).count() <= 8
    )


def test_a_bad_number_is_explained(widget_page):
    page = widget_page(XORFolding())
    field(page, "Hidden units").fill("51")
    assert (
        "Hidden units must be a whole number from 1 to 50; 51 is not."
        in page.locator(".dlt-xor").inner_text()
    )
    page.get_by_role("button", name="Use 50").click()
    assert field(page, "h₈, w⁽²⁾").is_visible()


def test_play_only_when_asked_and_pause(widget_page):
    page = widget_page(XORFolding(predict="off"))
    page.wait_for_timeout(400)
    assert words(page).startswith("Step 0:")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("!document.querySelector('.dlt-words').textContent.startsWith('Step 0:')")
    page.get_by_role("button", name="Pause").click()
    at = words(page)
    page.wait_for_timeout(400)
    assert words(page) == at


def test_copied_program_is_pythons(widget_page):
    widget = XORFolding(hidden=3, seed=4, lr=0.25, predict="off", step=77)
    page = widget_page(widget)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy PyTorch code").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == widget.code()


def test_live_region_states_the_result(widget_page):
    page = widget_page(XORFolding(predict="off"))
    page.get_by_role("button", name="Last").click()
    page.wait_for_function(
        "text => document.querySelector('[aria-live=polite]').textContent.trim() === text",
        arg=said(XORFolding(step=500)),
    )


def test_the_page_follows_python_and_a_removed_view_stops_listening(module):
    state = {name: value for name, value in XORFolding().get_state().items() if not name.startswith("_")}
    module.evaluate(
        """(state) => {
          const heard = new Map();
          window.model = {
            heard, get: (name) => state[name], save_changes() {}, send() {},
            on: (event, act) => heard.set(event, [...(heard.get(event) ?? []), act]),
            off: (event, act) => heard.set(event, heard.get(event).filter((one) => one !== act)),
            set(traits) {
              Object.assign(state, traits);
              const acts = Object.keys(traits).flatMap((name) => heard.get(`change:${name}`) ?? []);
              for (const act of acts) act();
            },
          };
          widget.initialize({ model });
          window.remove = widget.render({ model, el: document.body });
        }""",
        state,
    )
    assert max(module.evaluate("[...model.heard.values()].map((acts) => acts.length)")) == 1
    module.evaluate("model.set({ activation: 'relu', hidden: 5, seed: 9, predict: 'off', step: 30 })")
    assert words(module).startswith(said(XORFolding(activation="relu", hidden=5, seed=9, step=30)))
    module.evaluate("remove()")
    assert sum(module.evaluate("[...model.heard.values()].map((acts) => acts.length)")) == 0
