"""show_source prints what runs."""

import inspect
import textwrap

import pytest

from dltwice import data, plot
from dltwice.show import attempt, show_source


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


def test_errors_are_printed_and_wrapped(capsys):
    def fail():
        raise ValueError("word " * 30)

    attempt("two of a kind", fail, fail)
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "two of a kind"
    assert [line[:16] for line in rest[::3]] == ["  - ValueError: "] * 2
    assert max(map(len, rest)) <= 80


def test_a_call_that_does_not_fail_is_an_error():
    with pytest.raises(AssertionError, match="nothing: expected an error"):
        attempt("nothing", lambda: 1)
    with pytest.raises(KeyError):
        attempt("of another kind", lambda: {}["x"])
