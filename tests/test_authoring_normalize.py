"""What an executed notebook keeps, and what it must not."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from dltwice.authoring import notebooks
from dltwice.authoring.normalize import WIDGET_STATE, WIDGET_VIEW, machine_traces
from dltwice.authoring.source import digest, read_source

CHAPTER = """---
kernelspec:
  display_name: Some other kernel
  language: python
  name: other
jupytext:
  formats: ipynb,md:myst
  text_representation:
    extension: .md
    format_name: myst
---

# A title

```{code-cell} ipython3
import ipywidgets, anywidget

class Dial(ipywidgets.IntSlider):
    def __repr__(self):
        return "Dial"

unused = Dial()
shown = Dial(value=3)
print("before")
shown
```

```{code-cell} ipython3
```

```{code-cell} ipython3
:tags: [raises-exception]

import json

def read(text):
    return json.loads(text)

read("{")
```

```{code-cell} ipython3
print(1)
```

```{code-cell} ipython3
print(1)
```
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    (root / "book").mkdir()
    (root / "book/01_title.md").write_text(CHAPTER, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert notebooks.main([]) == 0
    return root


@pytest.fixture(scope="module")
def notebook(root):
    return nbformat.read(root / "notebooks/01_title.ipynb", 4)


def test_the_file_is_sorted_and_ends_with_a_newline(root):
    text = (root / "notebooks/01_title.ipynb").read_text()
    assert text.startswith('{\n "cells": [')
    assert text.endswith("}\n")


def test_metadata_hold_what_learners_need(notebook):
    assert set(notebook.metadata) == {"dltwice", "kernelspec", "language_info", "widgets"}
    assert notebook.metadata.kernelspec == {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    assert "version" not in notebook.metadata.language_info


def test_executed_cells_are_counted_and_carry_no_times(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, None, 2, 3, 4]
    assert code[0].outputs[1].execution_count == 1
    assert all("execution" not in cell.metadata for cell in code)


def test_shown_widgets_are_kept_and_their_ids_depend_on_nothing_but_the_order(notebook):
    state = notebook.metadata.widgets[WIDGET_STATE].state
    view = notebook.cells[1].outputs[1].data[WIDGET_VIEW]
    shown = state[view.model_id].state
    assert shown.value == 3
    references = {name.removeprefix("IPY_MODEL_") for name in (shown.layout, shown.style)}
    assert set(state) == references | {view.model_id}, "the unused slider is dropped"
    assert view.model_id == digest("01_title/0", 32)


def test_tracebacks_hold_the_notebook_and_the_message_alone(notebook):
    error = notebook.cells[3].outputs[0]
    assert error.ename == "JSONDecodeError"
    text = "\n".join(error.traceback)
    assert 'read("{")' in text
    assert "return json.loads(text)" in text
    assert "File " not in text
    assert "\x1b" not in text


def test_a_new_cell_changes_no_other_id(root, tmp_path):
    (tmp_path / "01_title.md").write_text(
        CHAPTER.replace("print(1)", "x = 1\n```\n\n```{code-cell}\nprint(1)", 1)
    )
    before = [cell.id for cell in read_source(root / "book/01_title.md", root).notebook.cells]
    after = [cell.id for cell in read_source(tmp_path / "01_title.md", tmp_path).notebook.cells]
    assert len(set(after)) == len(after) == len(before) + 1
    assert [name for name in after if name in before] == before


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        ("<Dial object at 0x7f1234567890>", "at 0x7f1234567890"),
        ("/home/ada/book/x.py", "/home/ada"),
        ("see /tmp/ipykernel_12/3.py:1", "/ipykernel_12"),
        ("/opt/env/lib/python3/site-packages/numpy", "site-packages"),
        ("/srv/book/data", "/srv/book"),
        ("looking at 0x10 and C:\\frac{1}{2}, either/or", None),
    ],
)
def test_traces_of_the_machine_are_found(text, trace):
    for output in (
        new_output("stream", text=text),
        new_output("display_data", {"text/html": f"<b>{text}</b>", "image/png": "/home/ada"}),
    ):
        assert machine_traces(new_code_cell(outputs=[output]), ["/srv/book"]) == trace
