import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from traitlets import TraitError

from dltwice.widgets import Predict


def test_an_answer_within_the_tolerance_is_right():
    widget = Predict("How long?", 2.5, tolerance=0.1, unit="s")
    assert widget.correct is None
    for response, right in [(2.5, True), (2.6, True), (2.4, True), (2.61, False), (-2.5, False)]:
        widget.response = response
        assert widget.correct is right, response


def test_without_a_tolerance_only_rounding_is_forgiven():
    widget = Predict("0.1 + 0.2?", 0.3)
    widget.response = 0.1 + 0.2
    assert widget.correct
    widget.response = 0.3001
    assert not widget.correct


def test_numbers_may_be_numpys_and_hints_may_be_keyed_by_text():
    widget = Predict("How many?", np.int64(9), wrong={36: "dense", "12.25": "half", np.float64(4): "rows"})
    assert widget.answer == 9
    assert widget.wrong == {"36": "dense", "12.25": "half", "4": "rows"}
    json.dumps(widget.get_state(["answer", "wrong"]))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"answer": "many"}, "answer: expected a finite number, got 'many'"),
        ({"answer": float("nan")}, "answer: expected a finite number"),
        ({"answer": 9, "wrong": {"nine": "x"}}, "wrong: expected a finite number, got 'nine'"),
        ({"answer": 9, "wrong": {9: "x"}}, "wrong: expected wrong numbers, got 9, which is right"),
        ({"answer": 9, "tolerance": -1}, "tolerance"),
    ],
)
def test_what_cannot_be_checked_is_refused(settings, says):
    with pytest.raises(TraitError, match=says):
        Predict("How many?", **settings)


def test_what_the_page_sends_arrives():
    widget = Predict("How many?", 9)
    widget.set_state({"response": 9})
    assert widget.response == 9
    assert widget.correct


def test_the_repr_has_no_address():
    assert repr(Predict("How many?", 9)) == "Predict(question='How many?', response=None)"


def test_its_own_script_is_small():
    script = Path(inspect.getfile(Predict)).with_suffix(".js")
    assert len(script.read_bytes()) < 4096
