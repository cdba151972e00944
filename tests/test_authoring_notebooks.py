"""`make notebooks` on a project of two small chapters that import two small packages."""

import json
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import numpy
import pytest

from dltwice.authoring import notebooks

HEADER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""
LAYER = 'def double(x):\n    """Twice x."""\n    return 2 * x\n'
WIDGET = """
from pathlib import Path
import anywidget, traitlets

class Dial(anywidget.AnyWidget):
    _esm = Path(__file__).with_suffix(".js").read_text()
    stride = traitlets.Int(1).tag(sync=True)

    def __repr__(self):
        return f"Dial(stride={self.stride})"
"""
LAYERS_CHAPTER = """# Layers

Some prose.

```{code-cell} ipython3
from shop.layer import double
print(double(21), sorted({"b", "a"}))
```
"""
WIDGET_CHAPTER = """# Widgets

```{code-cell} ipython3
import numpy as np
from shop.dial import Dial

unused = Dial()
Dial(stride=2)
```
"""


def cell(code, options=""):
    return f"\n```{{code-cell}} ipython3\n{options}\n{code}\n```\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A project with the chapters 01_layers and 02_widgets, whose notebooks are made."""
    root = tmp_path_factory.mktemp("template")
    files = {
        "book/01_layers.md": HEADER + LAYERS_CHAPTER,
        "book/02_widgets.md": HEADER + WIDGET_CHAPTER,
        "book/notation.md": "# Not a chapter\n",
        "shop/__init__.py": "",
        "shop/layer.py": LAYER,
        "shop/dial.py": WIDGET,
        "shop/dial.js": "export default { render() {} }",
        "shop/other.py": "",
        "requirements.txt": f"numpy=={numpy.__version__}\nruff==0.0.1\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert make() == 0
    return root


@pytest.fixture
def built(template, tmp_path, monkeypatch):
    """A copy of the project. That it stands elsewhere must not matter."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def project(built):
    """The project before its notebooks are made."""
    shutil.rmtree(built / "notebooks")
    return built


def make(*arguments):
    return notebooks.main(list(arguments))


def append(path, text):
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def contents(project):
    return {path.name: path.read_bytes() for path in (project / "notebooks").iterdir()}


def done(capsys):
    """What the last run said it did, by chapter."""
    lines = capsys.readouterr().out.splitlines()
    return {line[:24].strip(): line[24:75].strip() for line in lines if line.endswith(" s")}


class TestExecution:
    def test_outputs_are_stored_and_the_second_run_changes_nothing(self, project, capsys):
        assert make() == 0
        assert done(capsys) == dict.fromkeys(("01_layers", "02_widgets"), "executed (no readable notebook)")
        first = contents(project)
        assert set(first) == {"01_layers.ipynb", "02_widgets.ipynb"}
        assert b"42 ['a', 'b']" in first["01_layers.ipynb"]
        assert make() == 0
        assert done(capsys) == dict.fromkeys(("01_layers", "02_widgets"), "up to date")
        assert contents(project) == first
        assert make("--check") == 0

    def test_two_executions_give_the_same_bytes(self, built, capsys):
        first = contents(built)
        assert make("--force") == 0
        assert set(done(capsys).values()) == {"executed (forced), same outputs"}
        assert contents(built) == first

    def test_new_prose_keeps_the_outputs(self, built, capsys):
        source = built / "book/02_widgets.md"
        source.write_text(source.read_text().replace("# Widgets\n", "# Widgets\n\nNew words.\n"))
        before = nbformat.read(built / "notebooks/02_widgets.ipynb", 4)
        assert make("--check") == 1
        assert make() == 0
        assert done(capsys) == {"01_layers": "up to date", "02_widgets": "text updated, outputs kept"}
        after = nbformat.read(built / "notebooks/02_widgets.ipynb", 4)
        assert "New words." in after.cells[0].source
        assert after.cells[1:] == before.cells[1:]
        assert after.metadata == before.metadata
        assert make("--check") == 0

    def test_new_code_executes_this_chapter_alone(self, built, capsys):
        append(built / "book/01_layers.md", cell("print(double(4))"))
        other = (built / "notebooks/02_widgets.ipynb").read_bytes()
        assert make() == 0
        assert done(capsys) == {"01_layers": "executed (code changed)", "02_widgets": "up to date"}
        assert (built / "notebooks/02_widgets.ipynb").read_bytes() == other

    def test_a_chapter_can_be_named(self, built, capsys):
        assert make("--force", "02") == 0
        assert done(capsys) == {"02_widgets": "executed (forced), same outputs"}
        assert make("03") == 1
        assert "no chapter '03' in book/; there are: 01_layers, 02_widgets" in capsys.readouterr().err


class TestWhatItRanOn:
    @pytest.mark.parametrize(
        ("file", "chapter"),
        [("shop/layer.py", "01_layers"), ("shop/dial.js", "02_widgets"), ("shop/dial.py", "02_widgets")],
    )
    def test_a_changed_file_executes_the_chapters_that_read_it(self, built, capsys, file, chapter):
        append(built / file, "\n")
        assert make("--check") == 1
        assert f"notebooks/{chapter}.ipynb: {file} changed" in capsys.readouterr().out
        assert make() == 0
        assert {name for name, what in done(capsys).items() if what != "up to date"} == {chapter}

    def test_a_file_that_nobody_read_executes_nothing(self, built):
        append(built / "shop/other.py", "x = 1\n")
        assert make("--check") == 0

    def test_data_files_count(self, built):
        (built / "book/data.csv").write_text("1,2")
        append(built / "book/01_layers.md", cell('print(open("../book/data.csv").read())'))
        assert make("01") == 0
        (built / "book/data.csv").write_text("1,3")
        assert make("--check") == 1

    def test_a_changed_pin_executes_the_chapters_that_import_it(self, built, capsys):
        pins = built / "requirements.txt"
        pins.write_text(pins.read_text().replace("ruff==0.0.1", "ruff==0.0.2"))
        assert make("--check") == 0
        pins.write_text("numpy==1.0\n")
        assert make("--check") == 1
        output = capsys.readouterr().out
        assert "02_widgets.ipynb: ran on numpy" in output
        assert "01_layers" not in output

    def test_included_requirements_are_read(self, project):
        (project / "base.txt").write_text("PyYAML==6.0\n# a comment\n")
        append(project / "requirements.txt", "-r base.txt\n-e .\ntorch==2.1; python_version > '3'\n")
        found = notebooks.pins(project / "requirements.txt")
        assert found | {"numpy": ""} == {"numpy": "", "ruff": "0.0.1", "pyyaml": "6.0", "torch": "2.1"}


class TestFailures:
    def test_a_failing_cell_is_named_and_leaves_the_old_notebook(self, built, capsys):
        before = contents(built)
        append(built / "book/01_layers.md", cell("x = 1\nraise KeyError('no such layer')", ":tags: [a]\n"))
        append(built / "book/02_widgets.md", cell("print('next')"))
        assert make() == 1
        out, err = capsys.readouterr()
        line = (built / "book/01_layers.md").read_text().splitlines().index(
            "raise KeyError('no such layer')"
        ) + 1
        assert f"book/01_layers.md:{line}: the cell failed" in err
        assert "    raise KeyError('no such layer')" in err
        assert "\x1b" not in err
        after = contents(built)
        assert after["01_layers.ipynb"] == before["01_layers.ipynb"]
        assert b"next" in after["02_widgets.ipynb"]
        assert "01_layers                FAILED" in out

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("import warnings; warnings.warn('old')", "the cell writes to stderr"),
            ("object()", "'at 0x"),
            ("print('value');", "the cell ends with ';'"),
            ("from pathlib import Path; Path.cwd().parent", "differs from machine to machine"),
            ("import sys; sys.exit()", "the cell failed"),
            ("import os; os._exit(1)", "DeadKernelError"),
        ],
    )
    def test_what_readers_must_not_see_is_refused(self, built, capsys, code, reason):
        before = contents(built)
        append(built / "book/01_layers.md", cell(code))
        assert make("01") == 1
        assert reason in capsys.readouterr().err
        assert contents(built) == before

    def test_a_wanted_warning_is_tagged(self, built):
        warning = cell("import sys; print('!', file=sys.stderr)", ":tags: [allow-stderr]\n")
        append(built / "book/01_layers.md", warning)
        assert make("01") == 0
        assert b'"stderr"' in (built / "notebooks/01_layers.ipynb").read_bytes()

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_an_abort_leaves_nothing_half_written(self, built, number):
        before = contents(built)
        append(built / "book/01_layers.md", cell("from pathlib import Path; Path('../started').touch()"))
        append(built / "book/01_layers.md", cell("import time; time.sleep(60)"))
        run = subprocess.Popen([sys.executable, "-m", "dltwice.authoring.notebooks"], stderr=subprocess.PIPE)
        wait_for((built / "started").exists)
        run.send_signal(number)
        assert run.wait(30) != 0
        assert b"Traceback" not in run.stderr.read()
        assert contents(built) == before
        source = built / "book/01_layers.md"
        source.write_text(source.read_text().replace("sleep(60)", "sleep(0)"))
        assert make() == 0
        assert make("--check") == 0

    def test_leftovers_of_an_abort_are_removed(self, built):
        (built / "notebooks/.01_layers.ipynb.tmp").write_text('{"cells": [')
        before = contents(built)
        assert make("--check") == 0
        assert make() == 0
        assert contents(built) == {name: data for name, data in before.items() if not name.startswith(".")}

    def test_a_source_that_is_no_notebook_is_named(self, project, capsys):
        (project / "book/01_layers.md").write_text("---\n{broken: [\n---\n")
        assert make("01") == 1
        assert "book/01_layers.md: not a MyST notebook" in capsys.readouterr().err


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class TestCheck:
    def test_edited_notebooks_are_named(self, built, capsys):
        edits = {"42 ['a', 'b']": "43 ['a', 'b']", "Some prose": "Other prose", "double(21)": "double(20)"}
        path = built / "notebooks/01_layers.ipynb"
        text = path.read_text()
        for old, new in edits.items():
            assert old in text
            path.write_text(text.replace(old, new))
            assert make("--check") == 1
            assert "notebooks/01_layers.ipynb: " in capsys.readouterr().out
            assert make() == 0
            assert path.read_text() == text

    @pytest.mark.parametrize("text", ["", "{", '{"cells": []}', "[]"])
    def test_unreadable_notebooks_are_made_anew(self, built, text):
        path = built / "notebooks/01_layers.ipynb"
        before = path.read_text()
        path.write_text(text)
        assert make("--check") == 1
        assert make() == 0
        assert path.read_text() == before

    def test_a_notebook_that_never_ran_is_named(self, built, capsys):
        path = built / "notebooks/01_layers.ipynb"
        data = json.loads(path.read_text())
        data["cells"][1].update(execution_count=None, outputs=[])
        path.write_text(json.dumps(data))
        assert make("--check") == 1
        assert "a code cell was never executed" in capsys.readouterr().out

    def test_missing_and_stray_notebooks_are_named(self, built, capsys):
        (built / "notebooks/01_layers.ipynb").rename(built / "notebooks/09_gone.ipynb")
        assert make("--check") == 1
        output = capsys.readouterr().out
        assert "notebooks/01_layers.ipynb: missing" in output
        assert "notebooks/09_gone.ipynb: no book/09_gone.md gives it" in output

    def test_outside_a_project_it_says_so(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert make("--check") == 1
        assert "no folder book/" in capsys.readouterr().err
