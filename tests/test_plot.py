"""Figures: the same bytes on every run, a text alternative, the page's text color."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from dltwice import plot


def draw() -> plot.SVGFigure:
    fig, axes = plot.subplots(1, 2, width=4, height=2)
    plot.matrix(axes[0], np.array([[1, -2], [3, 4]]), "input", "X", box=(0, 0, 1, 1))
    axes[1].plot([1, 2, 3], color=plot.COLORS["output"])
    return plot.show(fig, 'a matrix & a "line"')


def test_same_bytes_twice():
    assert draw().svg == draw().svg


def test_is_well_formed_and_labelled():
    svg = ET.fromstring(draw().svg)
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == 'a matrix & a "line"'


def test_text_follows_the_page():
    text = draw().svg
    assert "currentColor" in text
    assert "#010203" not in text
    assert "#000000" not in text


def test_keeps_only_ids_that_are_used():
    svg = ET.fromstring(draw().svg)
    ids = {element.get("id") for element in svg.iter() if element.get("id")}
    assert all(f"#{name}" in draw().svg for name in ids)


def test_styles_nothing_but_itself():
    assert "<style" not in draw().svg


def test_negative_numbers_have_a_minus_sign():
    assert "−2" in draw().svg


def test_text_alternative_is_required():
    fig, _ = plot.subplots()
    with pytest.raises(ValueError, match="text alternative"):
        plot.show(fig, " ")


def test_repr_is_the_text_alternative():
    assert repr(draw()) == '[Figure: a matrix & a "line"]'
