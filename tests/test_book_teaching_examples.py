"""What the page for instructors shows by example: layouts, private tests, what answers and tests can do."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from grading_tools import needs_sandbox
from teaching_page import EXERCISE, MASTER, PAGE, ROOT, STEM, captioned, codes, table

from dltwice.grading import GradingError, batch, grade_one, load_master
from dltwice.grading.notebook import STUB
from dltwice.grading.private import overlay
from dltwice.grading.sandbox import visible


# -- collect -------------------------------------------------------------------------------------------
class Quiet:
    def start(self, total, before): ...
    def advance(self, status): ...


def rows_of(folder: Path, source: str, *paths: str, **settings):
    """The batch's result for these files; notebooks are untouched exercises, which start no process."""
    for path in paths:
        file = folder / source / path
        (file if path.endswith("/") else file.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            file.write_bytes(EXERCISE if path.endswith(".ipynb") else b"PK")
    if source.endswith(".zip"):
        packed = zipfile.ZipFile(folder / f"packed {source}", "w")
        with packed:
            for path in paths:
                packed.write(folder / source / path, path)
        (folder / "zip").mkdir()
        source = str((folder / f"packed {source}").rename(folder / "zip" / source).relative_to(folder))
    return batch.run_batch(batch.Settings(folder / source, folder / "out", unsafe=True, **settings), Quiet())


def tree(text: str) -> tuple[str, list[str]]:
    """The root and the files of a tree drawn with lines."""
    root, *lines = text.strip().splitlines()
    parts: list[str] = []
    files = []
    for line in lines:
        indent, name = line.split("── ")
        parts[len(indent) // 4 :] = [name.rstrip("/")]
        if not name.endswith("/"):
            files.append("/".join(parts))
    return root.rstrip("/"), files


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("folder", [("ada", "", False), ("ben", "", False), ("eve", "", False)]),
        ("flat", [("ada", "", False), ("ben", "", False), ("eve", "", False)]),
        ("moodle", [("Ada Lee", "101", False), ("Ben Park", "102", False), ("Eve Rossi", "103", False)]),
        ("canvas", [("anon_x7Kq2", "", False), ("leeada", "101", False), ("parkben", "102", True)]),
    ],
)
def test_the_layouts_are_understood(tmp_path, caption, expected):
    root, files = tree(captioned(caption))
    rows = rows_of(tmp_path, root, *files).rows
    assert sorted((row["student"], row["student_id"], row["late"]) for row in rows) == expected
    assert {(row["chapter"], row["status"]) for row in rows} == {(STEM, "ok")}
    assert any(file.endswith(".ipynb") and "04" not in file for file in files) == (caption != "canvas")


REST = {
    "two notebooks": (["ada/04_convolution.ipynb", "ada/again.ipynb"], ["ok", "ok"], "Each is graded"),
    "only other files": (["ada/x.ipynb", "ben/answers.pdf"], ["ok", "unreadable"], "only answers.pdf"),
    "an empty folder": (["ada/x.ipynb", "ben/"], ["ok", "unreadable"], "The folder has no notebook"),
    "other files beside": (["ada/x.ipynb", "ada/data.csv"], ["ok"], ""),
    "a file beside": (["ada/x.ipynb", "class.csv"], ["ok"], ""),
    "another file in a flat": (["ada.ipynb", "ben.pdf"], ["ok", "unreadable"], "only ben.pdf"),
    "a zip in": (["ada/x.ipynb", "ben/all.zip"], ["ok", "unreadable"], "not packed"),
    "checkpoints": (
        ["ada/x.ipynb", "ada/.ipynb_checkpoints/x.ipynb", "__MACOSX/y.ipynb", ".z/z.ipynb"],
        ["ok"],
        "",
    ),
}


@pytest.mark.parametrize("what", [row[0] for row in table("what is there")])
def test_what_else_may_come(tmp_path, what):
    if what.startswith("more than 32 MB"):
        (tmp_path / "class/ben").mkdir(parents=True)
        (tmp_path / "class/ben/x.ipynb").symlink_to(ROOT / "exercises" / STEM / f"{STEM}.ipynb")
        with open(tmp_path / "class/eve.ipynb", "wb") as file:
            file.truncate(32 * 2**20 + 1)
        rows = rows_of(tmp_path, "class", "ada/04_convolution.ipynb").rows
        assert [row["status"] for row in rows] == ["ok", "unreadable", "unreadable"]
        assert all(row["reason"] for row in rows[1:])
        return
    (paths, statuses, words) = next(REST[key] for key in REST if what.startswith(key))
    done = rows_of(tmp_path, "class", *paths)
    assert [row["status"] for row in done.rows] == statuses
    assert words in " ".join(row["reason"] + " ".join(row["notes"]) for row in done.rows)
    assert done.left_out == (["class.csv"] if "class.csv" in paths else [])


def test_the_chapter_is_named_by_option_or_folder_or_path(tmp_path):
    (row,) = rows_of(tmp_path / "a", "class", "04_convolution/ada.ipynb").rows
    assert (row["student"], row["chapter"]) == ("ada", STEM)
    for name, settings in (("class", {"chapter": "04"}), ("04 Convolution", {})):
        (row,) = rows_of(tmp_path / name, name, "ada/x.pdf", "ben/y.ipynb", **settings).rows[1:]
        assert (row["student"], row["chapter"]) == ("ben", STEM)


# -- private tests -------------------------------------------------------------------------------------
def laid(tmp_path: Path, *changes: tuple[str, str]):
    """The chapter with the page's private tests over it, changed by replacements."""
    text = captioned("private/04_convolution.md")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / f"{STEM}.md").write_text(text, encoding="utf-8")
    return overlay(load_master(MASTER), tmp_path / f"{STEM}.md")


def test_private_tests_replace_and_add(tmp_path):
    public = load_master(MASTER).tests("output_size")
    added = laid(tmp_path).tests("output_size")
    assert [test.name for test in added] == [*(test.name for test in public), "test_output_size-private"]
    assert (added[-1].points, added[-1].hint[:14]) == (2, "Do exercise 1 ")
    assert added[-1].source.startswith("def torch_size")  # the helper
    changed = laid(tmp_path, ("output_size-private", "output_size"), (":hint: ", ":other: "))
    assert [test.name for test in changed.tests("output_size")] == [test.name for test in public]
    assert changed.tests("output_size")[0].hint == public[0].hint
    assert "torch_size" in changed.tests("output_size")[0].source


@pytest.mark.parametrize(
    "change",
    [
        (":points: 2\n", ""),
        (":points: 2", ":points: 0"),
        (":test: output_size-private", ":test: area"),
        (":test: output_size-private", ":answer: output_size"),
    ],
)
def test_what_a_private_file_can_not_have(tmp_path, change):
    with pytest.raises(GradingError):
        laid(tmp_path, change)


def test_the_short_form():
    source = captioned("solutions/90_running_mean/90_running_mean.md")
    marks = [
        code.partition(":")[0] or code.split(": ")[0]
        for row in table("key or mark |")
        for code in codes(row[0])
    ]
    assert all(mark in source for mark in marks)
    assert [code for row in table("key or mark |")[1:2] for code in codes(row[1])] == list(STUB)


# -- tests and answers ---------------------------------------------------------------------------------
def cell(source: str, name: str = "", points: int = 0) -> dict:
    graded = {"grade_id": name, "solution": not points, "grade": points > 0, "points": points}
    data = {"nbgrader": graded} if name else {}
    return {"cell_type": "code", "id": name or "own", "metadata": data, "source": source, "outputs": []}


def question(own: str, answer: str, test: str, time_limit: float = 20.0):
    """How one answer does with one test; `own` is the exercise's own cell."""
    cells = [cell(own), cell("### BEGIN SOLUTION\n### END SOLUTION", "q"), cell(test, "test_q", 1)]
    master = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    submission = master | {"cells": [cells[0], cell(answer, "q"), cells[2]]}
    result = grade_one(json.dumps(submission).encode(), json.dumps(master).encode(), time_limit)
    return result.questions[0]


@pytest.mark.parametrize("test", [codes(row[0])[0] for row in table("test | because")])
def test_what_a_test_can_do(test):
    result = question(captioned("own cell"), captioned("answer"), test)
    assert result.status == "passed", result.problems


NOT_TO_DO = table("test | because", PAGE[PAGE.index("And these do not,") :])


@pytest.mark.parametrize("test", [codes(row[0])[0] for row in NOT_TO_DO])
def test_what_a_test_can_not_do(test, monkeypatch):
    own, answer = captioned("own cell"), captioned("answer")
    assert question(own, answer, test).status in ("failed", "error")
    monkeypatch.setattr(np, "sqrt", np.sqrt)  # it is put back after one of these
    exec(compile(f"{own}\n{answer}\n{test}", "<one process>", "exec"), {"__name__": "__main__"})


TRIED = [(tried, codes(row[1])[0]) for row in table("an answer tries to") for tried in codes(row[0])]


@needs_sandbox
@pytest.mark.parametrize(("tried", "outcome"), TRIED)
def test_what_an_answer_may_not_do(tried, outcome):
    own = "import os, socket, subprocess\nimport numpy as np"
    result = question(own, f"def f():\n    return {tried}", "assert f() is not None, 'None'")
    assert result.earned == 0
    message = result.problems[0].message
    assert outcome in message
    assert "line 2 of your answer" in message or message == outcome


@needs_sandbox
def test_nothing_of_the_machine_is_in_the_sandbox(tmp_path):
    (tmp_path / "secret").write_text("secret")
    places = [
        str(tmp_path / "secret"),
        str(ROOT / "solutions"),
        str(Path.home() / ".bashrc"),
        "/proc/1",
        "/etc/passwd",
    ]
    answer = (
        f"import os\nfound = [path for path in {places!r} if os.path.exists(path)]\ntmp = os.listdir('/tmp')"
    )
    own = [folder.parts[2] for folder in visible() if folder.is_relative_to("/tmp")]  # the book may lie there
    result = question("pass", answer, f"assert found == [] and set(tmp) <= set({own}), (found, tmp)")
    assert result.status == "passed", result.problems


def test_a_hidden_table_of_values_does_not_pass_hidden_tests():
    """The visible tests can be memorized, as the page says; hidden ones draw their inputs."""
    source = captioned("solutions/90_running_mean/90_running_mean.md")
    (test,) = re.findall(r"^:hint: \"The first.*?\n\n(.*?)^```$", source, flags=re.DOTALL | re.M)
    own = "import numpy as np\nfrom dltwice.grading.checks import check_close"
    answer = "def running_mean(x, K):\n    return [2, 5.5]"
    assert question(own, answer, test.partition("### BEGIN")[0]).status == "passed"
    assert question(own, answer, test).status == "failed"
