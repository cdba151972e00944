"""DigitReader in a real browser: its maths against torch; drawing by mouse, keyboard and finger."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from dltwice import nn
from dltwice.data import digits
from dltwice.widgets import DigitReader

sys.path.insert(0, str(Path(__file__).parents[1]))
from test_widgets_digit_reader import chapter_network, network_of

GOLDEN = Path(__file__).parents[1] / "golden" / "digit_reader.json"
FORWARD = """([layers, weights, pictures]) => {
  const net = math.unpackLayers(layers, weights);
  return pictures.map((pixels) => {
    const values = math.forward(net, pixels);
    return { values, probabilities: math.softmax(values.at(-1)) };
  });
}"""
MOVES = """(moves) => moves.map(({ fine, degrees, rows, cols }) => {
  const cells = [...fine].map(Number);
  const [turned, shifted] = [math.turn(cells, degrees), math.shift(cells, rows, cols)].map(math.toPixels);
  return { turned, shifted };
})"""
SEVEN = [[(0.2, 0.1), (0.8, 0.1)], [(0.78, 0.1), (0.5, 0.5), (0.42, 0.95)]]


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def net(data):
    """A network with weights that make something of the digits: the last layer fits the training set."""
    net = chapter_network()
    rng = np.random.default_rng(0)
    state = {}
    for name, value in net.state_dict().items():
        fan_in = int(np.prod(value.shape[1:]))
        wide = value.ndim > 1
        state[name] = (
            rng.normal(0, np.sqrt(2 / fan_in), value.shape) if wide else rng.uniform(0, 0.1, value.shape)
        )
    net.load_state_dict(state)
    features = nn.Sequential(*net.layers[:-1])(data.x_train)
    rows = np.hstack([features, np.ones((len(features), 1))])
    targets = 8 * np.eye(10)[data.y_train]
    solution = np.linalg.solve(rows.T @ rows + 0.1 * np.eye(33), rows.T @ targets)
    state["9.weight"], state["9.bias"] = solution[:-1].T, solution[-1]
    net.load_state_dict({name: value.astype(np.float32) for name, value in state.items()})
    return net


@pytest.fixture(scope="module")
def chosen(net, data):
    """Numbers of test pictures: three that the network reads rightly, then three that it does not."""
    is_right = net(data.x_test).argmax(axis=1) == data.y_test
    assert 0.6 < is_right.mean() < 1
    return np.concatenate([np.flatnonzero(is_right)[:3], np.flatnonzero(~is_right)[:3]])


@pytest.fixture
def reader(net, data, chosen):
    """Function that makes the widget with six examples."""
    return lambda **traits: DigitReader(net, data.x_test[chosen], data.y_test[chosen], **traits)


# ---- maths ----


def test_every_layer_gives_torchs_numbers(widget_module):
    page = widget_module(DigitReader)
    for entry in json.loads(GOLDEN.read_text(encoding="utf-8"))["networks"]:
        widget = DigitReader(network_of(entry))
        pictures = [(np.array(case["picture"]) / 16).tolist() for case in entry["cases"]]
        results = page.evaluate(FORWARD, [widget.layers, widget.weights, pictures])
        for case, pixels, result in zip(entry["cases"], pictures, results, strict=True):
            for ours, theirs in zip(result["values"][1:], case["outputs"], strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-7)
            widget.pixels = pixels
            for ours, python in zip(result["values"], widget.activations, strict=True):
                np.testing.assert_allclose(ours, python.ravel(), rtol=0, atol=1e-12)
            np.testing.assert_allclose(result["probabilities"], widget.probabilities, atol=1e-12)


def test_moves_are_torchs(widget_module):
    moves = json.loads(GOLDEN.read_text(encoding="utf-8"))["moves"]
    for move, result in zip(moves, widget_module(DigitReader).evaluate(MOVES, moves), strict=True):
        np.testing.assert_allclose(result["turned"], move["turned"], atol=1.1e-4)
        np.testing.assert_allclose(result["shifted"], move["shifted"], atol=1e-9)


def test_a_stroke_is_counted_as_the_data_set_was(widget_module):
    """Ink is where a cell's center is within two cells of the line; a pixel is the count, divided by 16."""
    page = widget_module(DigitReader)
    fine = page.evaluate("math.stroke(math.toFine(Array(8).fill(Array(8).fill(0))), [6, 4], [20, 26], 1)")
    centers = np.arange(32) + 0.5
    r, c = np.meshgrid(centers, centers, indexing="ij")
    t = np.clip(((r - 6) * 14 + (c - 4) * 22) / (14**2 + 22**2), 0, 1)
    expected = np.hypot(r - 6 - 14 * t, c - 4 - 22 * t) <= 2
    np.testing.assert_array_equal(np.reshape(fine, (32, 32)), expected)
    counts = expected.reshape(8, 4, 8, 4).sum(axis=(1, 3))
    np.testing.assert_array_equal(page.evaluate("(fine) => math.toPixels(fine)", fine), counts / 16)


# ---- the page ----


def words(page):
    return page.locator(".dlt-words").inner_text()


def answer(page):
    return page.locator(".dlt-answer").inner_text()


def formula(page):
    """Return the chosen cell's formula without spaces."""
    return re.sub(r"\s", "", page.locator(".dlt-formula").text_content()).replace("−", "-")


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def draw(page, strokes):
    """Draw lines with the mouse; points are (across, down) in parts of the square."""
    page.locator(".dlt-pad").scroll_into_view_if_needed()
    box = page.locator(".dlt-pad canvas").bounding_box()
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=3)
        page.mouse.up()


def pixels_of(page):
    """Return the picture in sixteenths, as the cells of the drawing say it."""
    labels = page.locator(".dlt-pad [role=gridcell]").evaluate_all("all => all.map((one) => one.ariaLabel)")
    return np.array([float(re.search(r": ([\d.]+) of 16", label)[1]) for label in labels]).reshape(8, 8)


def scores_of(page):
    rows = page.locator(".dlt-scores tr").evaluate_all(
        "rows => rows.slice(1).map((row) => [...row.cells].slice(0, 3).map((one) => one.textContent))"
    )
    return np.array([[float(text.replace("−", "-")) for text in row] for row in rows])


def test_it_shows_pythons_numbers(widget_page, reader, data, chosen):
    widget = reader(layer=4, map=5, cell=(1, 2))
    page = widget_page(widget)
    label, p = data.y_test[chosen[0]], widget.probabilities[widget.answer]
    assert answer(page) == f"It says {label}, with probability {p:.3f}. The label is {label}: right."
    table = scores_of(page)
    np.testing.assert_array_equal(table[:, 0], range(10))
    np.testing.assert_allclose(table[:, 1], widget.scores, atol=0.0051)
    np.testing.assert_allclose(table[:, 2], widget.probabilities, atol=0.00051)
    value = widget.activations[4][5, 1, 2]
    text = formula(page)
    assert text.startswith("y[5,1,2]=b+Σx·w=")
    assert float(text.rsplit("=", 1)[1]) == pytest.approx(value, rel=1e-3)
    assert words(page).endswith("reads x[0, 0, 1] to x[7, 2, 3] of 3 MaxPool2d(2).")
    parts = page.locator(".dlt-parts > div")
    assert parts.count() == 8
    window = widget.activations[3][6, 0:3, 1:4]
    kernel = widget._net[3].weight[5, 6]
    assert float(parts.nth(6).inner_text().split("sum ")[1].split()[0].replace("−", "-")) == pytest.approx(
        float((window * kernel).sum()), rel=1e-3
    )
    cells = parts.nth(6).locator("td").all_inner_texts()
    numbers = np.array([float(text.replace("−", "-")) for text in cells]).reshape(3, 9)
    np.testing.assert_allclose(
        numbers, [window.ravel(), kernel.ravel(), (window * kernel).ravel()], atol=0.0051
    )


def test_every_layer_explains_its_cell(widget_page, reader):
    widget = reader(layer=0, cell=(3, 5))
    page = widget_page(widget)
    values = widget.activations
    expected = {
        0: f"x[0,3,5]={16 * values[0][0, 3, 5]:g}/16=",
        1: "y[0,3,5]=b+Σx·w=",
        2: "y[0,3,5]=max(0,x[0,3,5])=max(0,",
        3: "y[0,3,3]=max(",
        6: "y[0,1,1]=max(",
        7: "y[5]=x[1,0,1]=",
        8: "y[5]=b+Σx·w=",
        9: "y[5]=max(0,x[5])=max(0,",
        10: "y[5]=b+Σx·w=",
    }
    for layer in range(11):
        chosen_layer = page.locator(".dlt-layer > [aria-pressed=true]")
        assert chosen_layer.inner_text().startswith(f"{layer} ")
        assert formula(page).startswith(expected.get(layer, "y[0,"))
        shape = values[layer].shape
        at = (0, min(3, shape[1] - 1), min(5, shape[2] - 1)) if len(shape) == 3 else 5
        value = float(formula(page).rsplit("=", 1)[1])
        assert value == pytest.approx(values[layer][at], rel=1e-3, abs=1e-9)
        page.get_by_role("button", name="Step forward").click()
    assert page.get_by_role("slider", name="Layer").input_value() == "10"


def test_a_maximum_and_its_place(widget_page, reader):
    widget = reader(layer=3, map=2, cell=(1, 1))
    page = widget_page(widget)
    window = widget.activations[2][2, 2:4, 2:4]
    r, c = np.unravel_index(window.argmax(), (2, 2))
    assert formula(page).endswith(f"=x[2,{2 + r},{2 + c}]={window.max():.4g}")
    assert float(page.locator(".dlt-win").inner_text()) == pytest.approx(window.max(), abs=0.006)
    assert page.locator(".dlt-mini td").count() == 4


def test_draw_with_the_mouse(widget_page, reader):
    page = widget_page(reader())
    press(page, "Clear")
    assert answer(page).startswith("Nothing is drawn. It says ")
    assert "never taught “nothing”" in answer(page)
    draw(page, SEVEN)
    pixels = pixels_of(page)
    assert 150 < pixels.sum() < 420
    assert pixels[0, 3] > 8
    assert pixels[7, 3] > 4
    assert pixels[4, 0] == pixels[4, 7] == 0
    np.testing.assert_array_equal(pixels, np.round(pixels))
    widget = reader(pixels=pixels / 16)
    np.testing.assert_allclose(scores_of(page)[:, 1], widget.scores, atol=0.0051)
    assert answer(page).startswith(f"It says {widget.answer}, ")
    press(page, "Erase")
    draw(page, [[(0.2, 0.1), (0.8, 0.1)]])
    assert pixels_of(page)[0].sum() < 20
    for _ in range(3):
        press(page, "Undo")
    assert pixels_of(page).sum() == 0
    press(page, "Undo")
    assert page.get_by_role("button", name="Undo").is_disabled()
    np.testing.assert_array_equal(pixels_of(page), np.array(reader().pixels) * 16)


def test_pick_an_example_that_is_read_wrongly(widget_page, reader):
    widget = reader()
    page = widget_page(widget)
    strip = page.get_by_role("group", name="Examples")
    texts = strip.get_by_role("button").all_inner_texts()
    for number, text in enumerate(texts):
        widget.example = number
        label = widget.labels[number]
        assert text == (str(label) if number < 3 else f"{label}, read as {widget.answer}")
    strip.get_by_role("button").nth(5).click()
    assert answer(page).startswith(f"It says {widget.answer}, ")
    assert answer(page).endswith(f" The label is {widget.labels[5]}: wrong.")
    assert strip.get_by_role("button", pressed=True).inner_text() == texts[5]
    press(page, "Shift left by one pixel")
    assert strip.get_by_role("button", pressed=True).count() == 0


def test_shift_and_turn_and_what_they_change(widget_page, reader):
    widget = reader()
    page = widget_page(widget)
    before, old = widget.activations, widget.probabilities
    start = np.array(widget.pixels)
    press(page, "Shift right by one pixel")
    widget.pixels = np.pad(start, ((0, 0), (1, 0)))[:, :8]
    np.testing.assert_array_equal(pixels_of(page), np.array(widget.pixels) * 16)
    shares = [
        np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in zip(before, widget.activations, strict=True)
    ]
    changed = page.locator(".dlt-layer > .dlt-name").all_inner_texts()
    assert changed == [f"changed by {np.floor(100 * share + 0.5):.0f} %" for share in shares]
    moved = int((abs(widget.probabilities - old) > 0.05).sum())
    assert f"{moved} of the ten probabilities changed by more than 0.05." in answer(page)
    press(page, "Undo")
    press(page, "Turn right by 10 degrees")
    press(page, "Turn right by 10 degrees")
    assert "turned by 20°" in page.locator(".dlt-top").inner_text()
    assert abs(pixels_of(page) - start * 16).max() > 1
    press(page, "Turn left by 10 degrees")
    press(page, "Turn left by 10 degrees")
    np.testing.assert_array_equal(pixels_of(page), start * 16)


def test_everything_by_keyboard_alone(widget_page, reader):
    page = widget_page(reader())
    key = page.keyboard.press
    page.get_by_role("button", name="Clear").focus()
    key("Enter")
    page.locator(".dlt-pad [tabindex='0']").focus()
    for _ in range(3):
        key("ArrowRight")
    for _ in range(7):
        key("Space")
        key("ArrowDown")
    key("Enter")
    expected = np.zeros((8, 8))
    expected[:, 3] = 16
    np.testing.assert_array_equal(pixels_of(page), expected)
    key(" ")
    expected[7, 3] = 0
    np.testing.assert_array_equal(pixels_of(page), expected)
    widget = reader(pixels=expected / 16)
    np.testing.assert_allclose(scores_of(page)[:, 1], widget.scores, atol=0.0051)
    page.get_by_role("slider", name="Layer").focus()
    for _ in range(3):
        key("ArrowRight")
    page.locator(".dlt-near .dlt-picture[tabindex='0']").nth(6).focus()
    key("Enter")
    page.locator(".dlt-detail [tabindex='0'][role=gridcell]").focus()
    key("Home")
    key("ArrowDown")
    key(" ")
    row = int(re.match(r"Map 6, row (\d), column 0: y\[6, \1, 0\] = ", words(page))[1])
    shown = float(words(page).split(" = ")[1].split()[0].replace("−", "-"))
    assert shown == pytest.approx(widget.activations[3][6, row, 0], rel=1e-3, abs=1e-9)
    page.get_by_role("button", name="Reset").focus()
    key("Enter")
    np.testing.assert_array_equal(pixels_of(page), np.array(reader().pixels) * 16)
    assert page.get_by_role("slider", name="Layer").input_value() == "0"


def test_a_finger_on_a_phone(widget_page, reader):
    page = widget_page(reader(), width=360, touch=True)
    page.get_by_role("button", name="Clear").tap()
    page.wait_for_function("document.querySelector('.dlt-answer').textContent.startsWith('Nothing')")
    box = page.locator(".dlt-pad canvas").bounding_box()
    touch = page.context.new_cdp_session(page)
    for kind, points in (
        ("touchStart", (0.3, 0.1)),
        ("touchMove", (0.5, 0.5)),
        ("touchMove", (0.5, 0.9)),
        ("touchEnd", ()),
    ):
        places = (
            [{"x": box["x"] + points[0] * box["width"], "y": box["y"] + points[1] * box["height"]}]
            if points
            else []
        )
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})
    page.wait_for_function("!document.querySelector('.dlt-answer').textContent.startsWith('Nothing')")
    pixels = pixels_of(page)
    assert pixels[6, 4] > 3
    assert pixels[0:2, 2].sum() > 8
    assert page.evaluate("scrollY") == 0
    page.get_by_role("button", name="Undo").tap()  # at once: a fast stroke must not swallow the next tap
    page.wait_for_function("document.querySelector('.dlt-answer').textContent.startsWith('Nothing')")
    page.get_by_role("button", name="1 Conv2d(1, 8, 3, padding=1)").first.tap()
    page.get_by_role("button", name="Layer 1, map 4").tap()
    page.locator(".dlt-detail [role=gridcell]").nth(9).tap()
    assert words(page).startswith("Map 4, row 1, column 1: y[4, 1, 1] = ")
    sizes = page.locator("button:visible, select:visible, summary:visible, input:visible").evaluate_all(
        "all => all.map((one) => [one.getBoundingClientRect(), one.ariaLabel ?? one.textContent])"
        ".map(([box, name]) => [Math.min(box.height, box.width), name])"
    )
    small = [name for size, name in sizes if size < 43.9]
    assert [name for name in small if ", map " not in name] == []


def test_predict_the_digit_before_it_shows(widget_page, reader):
    widget = reader(predict="digit", layer=10)
    page = widget_page(widget)
    card = page.locator(".dlt-digit")
    assert answer(page) == "What will it say?"
    assert page.locator(".dlt-scores tr").nth(3).inner_text().split() == ["2", "?", "?"]
    assert page.locator(".dlt-detail").is_hidden()
    assert "read as" not in card.inner_text()
    page.locator("summary").click()
    page.locator(".dlt-tables table").first.wait_for()
    assert page.locator(".dlt-tables table").count() == 1
    page.get_by_role("spinbutton", name="digit").fill(str(widget.answer))
    page.get_by_role("button", name="Check").click()
    assert f"Right: {widget.answer}." in page.locator("form").inner_text()
    assert answer(page).startswith(f"It says {widget.answer}")
    assert page.locator(".dlt-detail").is_visible()
    assert "read as" in card.inner_text()
    press(page, "Turn right by 10 degrees")
    assert answer(page) == "What will it say?"


def test_predict_what_a_shift_changes(widget_page, reader):
    widget = reader(predict="change", example=3)
    page = widget_page(widget)
    old = widget.probabilities
    widget.pixels = np.pad(np.array(widget.pixels), ((0, 0), (1, 0)))[:, :8]
    count = int((abs(widget.probabilities - old) > 0.05).sum())
    page.get_by_role("spinbutton", name="how many").fill(str(count + 1))
    page.keyboard.press("Enter")
    assert f"Not quite: not {count + 1} but {count}." in page.locator("form").inner_text()
    page.get_by_role("combobox", name="Predict").select_option("off")
    assert page.locator("form").is_hidden()


@pytest.mark.parametrize(
    ("width", "touch"), [(320, True), (360, True), (360, False), (700, False), (1280, False)]
)
def test_no_sideways_scrolling(widget_page, reader, width, touch):
    page = widget_page(reader(layer=4, predict="digit"), width=width, touch=touch)
    page.get_by_role("button", name="Show anyway").click()
    press(page, "Shift right by one pixel")
    page.get_by_role("button", name="Show anyway").click()
    page.locator("summary").click()
    page.locator(".dlt-tables table").nth(2).wait_for()
    for _ in range(7):
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.get_by_role("button", name="Step forward").click()


@pytest.mark.parametrize(("width", "theme"), [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")])
def test_no_violations(widget_page, reader, axe, width, theme):
    page = widget_page(
        reader(layer=4, map=3),
        reader(layer=10, pixels=np.zeros((8, 8))),
        reader(predict="digit"),
        width=width,
        theme=theme,
        touch=width == 360,
    )
    page.locator("summary").first.click()
    page.locator(".dlt-tables table").nth(2).wait_for()
    assert page.locator(".dlt-widget [id]").count() == 0
    assert axe(page) == []


def test_tables_hold_the_numbers(widget_page, reader):
    widget = reader(layer=3, map=1)
    page = widget_page(widget)
    page.locator("summary").click()
    page.locator(".dlt-tables table").nth(2).wait_for()
    tables = page.locator(".dlt-tables table").evaluate_all(
        "all => all.map((one) => [...one.rows].map((row) => [...row.cells].map((cell) => cell.textContent)))"
    )
    picture, scores, cells = (
        np.array([[float(t.replace("−", "-")) for t in row] for row in rows]) for rows in tables
    )
    np.testing.assert_allclose(picture, 16 * np.array(widget.pixels))
    np.testing.assert_allclose(scores[:, 1], widget.scores, rtol=1e-3)
    np.testing.assert_allclose(scores[:, 2], widget.probabilities, rtol=1e-3)
    np.testing.assert_allclose(cells, widget.activations[3][1], rtol=1e-3)


def test_the_answer_is_announced(widget_page, reader):
    page = widget_page(reader())
    press(page, "Shift down by one pixel")
    said = "(text) => document.querySelector('[aria-live=polite]').textContent.includes(text)"
    page.wait_for_function(said, arg=answer(page))


def test_copied_program_is_pythons(widget_page, reader):
    widget = reader(example=2)
    page = widget_page(widget)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, "Copy PyTorch code")
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == widget.code()
    press(page, "Turn left by 10 degrees")
    page.get_by_role("button", name="Copy PyTorch code").wait_for()
    page.get_by_role("button", name="Copy PyTorch code").click()
    page.get_by_role("button", name="Copied").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    rows = re.findall(r"^    \[(.*)\],$", text, re.M)
    copied = np.array([[float(number) for number in row.split(", ")] for row in rows])
    np.testing.assert_allclose(copied, pixels_of(page) / 16, atol=4e-4)  # the labels have 4 digits


def test_a_redraw_is_quick(widget_page, reader):
    """A shift redraws everything; the fastest of many says what it costs, whatever else the machine does."""
    page = widget_page(reader(layer=4))
    times = page.evaluate(
        """async () => {
          const times = [], ways = ["left", "right"];
          for (let i = 0; i < 12; i++) {
            const start = performance.now();
            document.querySelector(`[aria-label='Shift ${ways[i % 2]} by one pixel']`).click();
            await new Promise((done) => setTimeout(done));
            document.body.getBoundingClientRect();
            times.push(performance.now() - start);
          }
          return times;
        }"""
    )
    assert min(times) < 50
