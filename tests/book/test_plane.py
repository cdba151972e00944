"""The plane and the chart that widgets draw with: ticks, curves, marks by mouse and keyboard, scrubbing."""

import pytest
from rjsmin import jsmin

from dltwice.widgets.base import HERE, read

PARTS = ("core.js", "frame.js", "plane.js", "chart.js")
STYLES = "\n".join(read(HERE / name) for name in ("core.css", "frame.css", "plane.css", "chart.css"))
SHOW = """(make) => {
  window.log = [];
  const note = (name) => (...values) => void log.push([name, ...values]);
  const one = new Function("widget", "note", make)(widget, note);
  window.one = one;
  const card = document.createElement("div");
  card.className = "dlt-widget dlt-card";
  card.append(one.node);
  document.body.replaceChildren(card);
}"""


class Parts:
    """The shared parts as a module of their own."""

    _esm = (
        jsmin("\n".join(read(HERE / part) for part in PARTS))
        + "\nexport default { plane, chart, niceTicks };"
    )


@pytest.fixture
def show(widget_module):
    """Function that shows what a line of JavaScript makes: `show("return widget.plane({ … })")`."""

    def open_page(make):
        page = widget_module(Parts)
        page.add_style_tag(content=STYLES)
        page.evaluate(SHOW, make)
        return page

    return open_page


def log(page):
    return page.evaluate("log.splice(0)")


def spot(page, u, v):
    """Return a place on the page: parts of the ground's width from the left and of its height from below."""
    box = page.locator(".dlt-ground").bounding_box()
    return box["x"] + u * box["width"], box["y"] + (1 - v) * box["height"]


def paths(page, cls="dlt-curve"):
    return page.locator(f".{cls}").evaluate_all("all => all.map((one) => one.getAttribute('d'))")


@pytest.mark.parametrize(
    ("span", "ticks"),
    [
        ([0, 1], [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ([-1.5, 2.5], [-1, 0, 1, 2]),
        ([-0.3, 0.3], [-0.2, 0, 0.2]),
        ([0, 1234], [0, 500, 1000]),
        ([1e-7, 6e-7], [1e-7, 2e-7, 3e-7, 4e-7, 5e-7, 6e-7]),
    ],
)
def test_ticks_are_round(widget_module, span, ticks):
    assert widget_module(Parts).evaluate("(span) => widget.niceTicks(...span)", span) == pytest.approx(ticks)


# ---- the plane ----

PLANE = 'return widget.plane({ label: "Plane", box: [0, 10, 0, 10], onPress: note("ground") })'
MARKS = """one.paint({ marks: [
  { key: "a", x: 2, y: 2, label: "a", onPress: () => log.push(["press"]),
    onMove: (x, y) => log.push(["a", x, y]) },
  { key: "b", x: 12, y: 5, label: "b", role: "weight", onMove: (x, y) => log.push(["b", x, y]) },
  { key: "c", x: 12, y: 5, label: "c", shape: "cross" },
  { key: "d", x: 5, y: 5 },
] })"""


def test_a_press_on_free_ground_and_on_a_mark(show):
    page = show(PLANE)
    page.evaluate(MARKS)
    page.mouse.click(*spot(page, 0.7, 0.9))
    [(name, x, y)] = log(page)
    assert (name, x, y) == ("ground", pytest.approx(7, abs=0.03), pytest.approx(9, abs=0.03))
    page.mouse.click(*spot(page, 0.2, 0.2))
    assert log(page) == [["press"]]
    page.mouse.click(*spot(page, 0.5, 0.5))
    assert log(page)[0][0] == "ground"


def test_a_drag_stays_in_the_box_and_is_no_press(show):
    page = show(PLANE)
    page.evaluate(MARKS)
    page.mouse.move(*spot(page, 0.2, 0.2))
    page.mouse.down()
    page.mouse.move(*spot(page, 0.4, 0.6))
    page.mouse.move(*spot(page, 0.6, 1.4))
    page.mouse.up()
    moves = log(page)
    assert [move[0] for move in moves] == ["a", "a"]
    assert moves[0][1:] == pytest.approx([4, 6], abs=0.03)
    assert moves[1][1:] == [pytest.approx(6, abs=0.03), 10]


def test_keys_move_and_press_a_mark(show):
    page = show(PLANE)
    page.evaluate(MARKS)
    page.get_by_role("button", name="a", exact=True).focus()
    for key in ("ArrowRight", "Shift+ArrowDown", "Enter", " ", "x", "Control+ArrowLeft"):
        page.keyboard.press(key)
    assert log(page) == [["a", 2.1, 2], ["a", 2, 1.99], ["press"], ["press"]]


def test_outside_the_box_only_what_can_be_fetched_back_shows(show):
    page = show(PLANE)
    page.evaluate(MARKS)
    shown = page.locator(".dlt-mark").evaluate_all("all => all.map((one) => one.style.display !== 'none')")
    assert shown == [True, True, False, True]
    page.get_by_role("button", name="b", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    assert log(page) == [["b", 10, 5]]
    page.evaluate(MARKS.replace("one.paint({", "one.paint({ box: [0, 20, 0, 20],"))
    shown = page.locator(".dlt-mark").evaluate_all("all => all.map((one) => one.style.display !== 'none')")
    assert shown == [True] * 4
    assert page.locator("text", has_text="20").count() == 2


def test_focus_stays_on_a_mark_and_goes_to_another_when_it_is_removed(show):
    page = show(PLANE)
    page.evaluate(MARKS)
    page.get_by_role("button", name="b", exact=True).focus()
    page.evaluate(MARKS.replace("x: 12", "x: 9"))
    assert page.evaluate("document.activeElement.ariaLabel") == "b"
    page.evaluate("one.paint({ marks: [{ key: 'a', x: 1, y: 1, label: 'new a', onPress: () => {} }] })")
    assert page.evaluate("document.activeElement.ariaLabel") == "new a"
    assert page.locator(".dlt-mark").count() == 1


def test_curves_break_at_null_and_are_clipped(show):
    page = show(PLANE)
    page.evaluate(
        """one.paint({
          curves: [
            { points: [[0, 0], [1, 1], null, [2, 2], [3, NaN], [1e9, 5]], role: "output", name: "here" },
            { points: [[5, 5], [7, 7]], arrow: true, name: "far away" },
            { points: [], arrow: true, name: "none" }],
          levels: [{ points: [[0, 5], [10, 5]] }],
        })"""
    )
    assert [path.count("M") for path in paths(page)] == [1, 3, 1, 0]
    assert page.locator(".dlt-head").count() == 1
    assert page.locator(".dlt-halo:visible").all_text_contents() == ["here", "far away"]
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_shade_is_lightness_by_size_and_hatch_by_sign(show):
    page = show(PLANE)
    page.evaluate("one.paint({ shade: (x) => (x > 8 ? null : (x - 5) / 5) })")
    filled = [index for index, path in enumerate(paths(page, "dlt-shade")) if path]
    assert filled == [0, 1, 2, 3, 4, 5, 6]
    [hatch] = paths(page, "dlt-hatch")
    assert max(float(part.split(" ")[0]) for part in hatch.split("M")[1:]) < 135
    page.evaluate("one.paint({ shade: (x) => x / 10 })")
    assert paths(page, "dlt-hatch") == [""]


# ---- the chart ----

CHART = 'return widget.chart({ label: "Loss", xLabel: "step", yLabel: "L", onScrub: note("scrub"), LOG })'


def test_scrubbing_gives_the_nearest_x(show):
    page = show(CHART.replace("LOG", "log: false"))
    page.evaluate(
        "one.paint({ series: [{ name: 'train', points: [[0, 3], [10, 2], [40, 1]] }], cursor: 10 })"
    )
    page.mouse.move(*spot(page, 0.3, 0.5))
    assert log(page) == []
    page.mouse.down()
    page.mouse.move(*spot(page, 0.9, 0.5))
    page.mouse.up()
    page.mouse.move(*spot(page, 0, 0.5))
    assert log(page) == [["scrub", 10], ["scrub", 40]]
    assert paths(page, "dlt-cursor") == ["M70 0v140"]


def test_a_logarithmic_chart_leaves_out_what_has_no_logarithm(show):
    page = show(CHART.replace("LOG", "log: true"))
    page.evaluate(
        "one.paint({ series: [{ points: [[0, 100], [1, 0], [2, 1], [3, -1], [4, 0.01], [5, NaN]] }] })"
    )
    assert paths(page)[0].count("M") == 3
    labels = page.locator("text").all_text_contents()
    assert {"0.01", "1", "100"} <= set(labels)


def test_ranges_can_be_fixed_and_nothing_is_no_trouble(show):
    page = show(CHART.replace("LOG", "log: false"))
    page.evaluate("one.paint({ series: [{ name: 'empty', points: [] }] })")
    assert paths(page)[0] == ""
    page.evaluate(
        "one.paint({ series: [{ name: 'one', points: [[5, 0.5]] }], x: [0, 10], y: [0, 1], cursor: null })"
    )
    assert paths(page)[0] == "M140.00,70.00h0"
    assert paths(page, "dlt-cursor") == [""]


def test_the_legend_names_all_but_thin_series_and_notes_have_lines_of_their_own(show):
    page = show(CHART.replace("LOG", "log: false"))
    page.evaluate(
        """one.paint({ notes: [{ x: 3, text: "best" }, { x: 3.1, text: "stop" }], series: [
          { name: "train", points: [[0, 1], [9, 0]] }, { name: "test", dash: true, points: [[0, 2], [9, 1]] },
          { name: "seed", thin: true, points: [[0, 2], [9, 2]] }] })"""
    )
    assert page.locator(".dlt-legend span").all_text_contents() == ["train", "test"]
    assert page.locator(".dlt-legend .dlt-dash").count() == 1
    tops = page.locator(".dlt-chart .dlt-halo").evaluate_all(
        "all => all.map((one) => Number(one.getAttribute('y')))"
    )
    assert tops[1] - tops[0] >= 12
    assert page.get_by_role("img", name="Loss").count() == 1
