"""What chapters show of Python itself: the package's own source, and the messages of errors."""

import ast
import inspect
import textwrap
from collections.abc import Callable

WIDTH = 80  # characters of a printed line


class Source:
    """A piece of source code: highlighted in pages and notebooks, plain text elsewhere."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}\n```"


def show_source(obj: Callable | type, *, docstring: bool = True) -> Source:
    """The source of a function, method or class, as it stands in the package: book and library cannot drift.

    With `docstring=False` its docstring is left out.

    Raises:
        ValueError: the object has no Python source (it is built in, say).
    """
    try:
        text = textwrap.dedent(inspect.getsource(obj)).rstrip()
    except (TypeError, OSError) as error:
        raise ValueError(f"expected a function, method or class written in Python, got {obj!r}") from error
    if not docstring and obj.__doc__:
        text = _without_docstring(text)
    return Source(text)


def _without_docstring(text: str) -> str:
    lines = text.splitlines()
    doc = ast.parse(text).body[0].body[0]
    return "\n".join(lines[: doc.lineno - 1] + lines[doc.end_lineno :])


def attempt(what: str, *calls: Callable[[], object]) -> None:
    """Print `what`, and below it the error that each call raises, wrapped to the width of a page.

    Raises:
        AssertionError: a call raises neither `ValueError` nor `RuntimeError` (nor `TypeError`).
    """
    print(what)
    for call in calls:
        try:
            call()
        except (ValueError, RuntimeError, TypeError) as error:
            text = f"{type(error).__name__}: {error}"
            print(textwrap.fill(text, WIDTH, initial_indent="  - ", subsequent_indent="    "))
        else:
            raise AssertionError(f"{what}: expected an error, and none was raised")
