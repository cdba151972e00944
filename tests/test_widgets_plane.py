"""The parts that drawing widgets share: how they join, and how large they may be."""

import pytest
from rjsmin import jsmin

from dltwice.widgets import FeatureMapCalculator, PerceptronBoundary, Predict
from dltwice.widgets.base import HERE, read


def minified(*names):
    return sum(len(jsmin(read(HERE / name)).encode()) for name in names)


def test_the_drawing_parts_leave_room_for_a_widget():
    assert minified("frame.js", "plane.js") < 8_000
    assert minified("frame.js", "chart.js") < 6_000
    assert minified("core.js", "stepper.js", "frame.js", "plane.js", "chart.js") < 18_000


def test_a_part_brings_its_style_sheet_once_and_in_order():
    css = PerceptronBoundary._css
    starts = [
        css.index(read(HERE / f"{name}.css")) for name in ("core", "frame", "plane", "perceptron_boundary")
    ]
    assert starts == sorted(starts)
    assert css.count(".dlt-plane, .dlt-chart) {") == 1
    assert "dlt-legend" not in css


@pytest.mark.parametrize(
    ("widget", "name"), [(FeatureMapCalculator, "feature_map_calculator"), (Predict, "predict")]
)
def test_a_widget_whose_parts_have_no_style_keeps_its_own(widget, name):
    assert widget._css == read(HERE / "core.css") + "\n" + read(HERE / f"{name}.css")
