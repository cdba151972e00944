"""show_source prints what runs."""

import inspect
import textwrap

import pytest

from dltwice import data, plot
from dltwice.show import show_source


def test_shows_the_source_as_it_stands():
    assert repr(show_source(plot.show)) == textwrap.dedent(inspect.getsource(plot.show)).rstrip()


def test_methods_are_dedented():
    assert repr(show_source(plot.SVGFigure._repr_html_)).startswith("def _repr_html_")


def test_without_docstring():
    text = repr(show_source(data.photograph, docstring=False))
    assert '"""' not in text
    assert text.startswith("def photograph")
    assert "load_sample_image" in text


def test_markdown_is_a_python_block():
    assert show_source(plot.show)._repr_markdown_().startswith("```python\ndef show(")


def test_what_has_no_source_is_refused():
    with pytest.raises(ValueError, match="written in Python"):
        show_source(len)
