"""The page for instructors does what it says: its commands are run, its tables are compared with the code."""

import csv
import inspect
import io
import json
import re
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from typing import get_args

import click
import pytest
from grading_tools import needs_sandbox
from teaching_page import (
    ADDRESS,
    BLOCKS,
    EXERCISE,
    FENCE,
    MASTER,
    PAGE,
    ROOT,
    STEM,
    STEPS,
    Lesson,
    codes,
    plain_text,
    table,
)

from dltwice.grading import batch, checks, cli, grade_one, load_master, plain, sandbox
from dltwice.grading.cli_batch import grade_batch
from dltwice.grading.report import text_report
from dltwice.grading.results import SubmissionStatus

TEXTS = {path: (ROOT / path).read_text(encoding="utf-8") for path in ("book/how_to_use.md", "README.md")}
TEXTS["book/teaching.md"] = PAGE


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    made = Lesson(tmp_path_factory.mktemp("lesson"))
    yield made
    made.close()


@needs_sandbox
@pytest.mark.parametrize("number", STEPS, ids=lambda n: f"line {BLOCKS[n].line}")
def test_commands_print_what_the_page_says(lesson, number):
    printed = lesson.run_to(number)
    if BLOCKS[number].language == "console":
        shown = BLOCKS[number].text.replace(ADDRESS, lesson.address)
        assert plain_text(printed) == plain_text(shown)


def test_little_is_not_executed():
    left = [block.comment for block in BLOCKS if block.language in ("bash", "console") and block.comment]
    assert left == ["not executed: it installs packages", "in the background", "in the background"]


def after(lesson: Lesson, text: str) -> Path:
    """The lesson's folder once the block with `text` was run."""
    lesson.run_to(next(n for n in STEPS if text in BLOCKS[n].text))
    return lesson.folder


def hidden_lines() -> list[str]:
    """Lines that only a hidden test has."""
    public = EXERCISE.decode()
    tests = [
        test.source for name in load_master(MASTER).questions for test in load_master(MASTER).tests(name)
    ]
    lines = {line.strip() for source in tests for line in source.splitlines()}
    return [line for line in lines if len(line) > 25 and json.dumps(line)[1:-1] not in public]


@needs_sandbox
def test_the_copy_to_hand_out_has_no_solution(lesson, tmp_path):
    archive = zipfile.ZipFile(after(lesson, "git archive") / "class.zip")
    names = set(archive.namelist())
    assert {"requirements.txt", f"exercises/{STEM}/{STEM}.ipynb", "dltwice/grading/checks.py"} <= names
    text = "\n".join(archive.read(name).decode(errors="replace") for name in names)
    assert len(hidden_lines()) > 30
    assert [line for line in hidden_lines() if line in text or json.dumps(line)[1:-1] in text] == []
    archive.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "dltwice.grading.cli", "grade", "04"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    assert "There are no solutions" in done.stderr


@needs_sandbox
def test_the_tables_of_the_results(lesson):
    grades = after(lesson, "-f1,2,4-7 grades") / "grades"
    text = (grades / "results.csv").read_text(encoding="utf-8-sig")
    head = next(csv.reader(io.StringIO(text)))
    shown = [
        "CHAPTER/QUESTION:max" if n.endswith(":max") else "CHAPTER/QUESTION" if "/" in n else n for n in head
    ]
    listed = [row[0].strip("*`") for row in table("column |")]
    assert [name for name in listed if name != "email"] == list(dict.fromkeys(shown))
    files = [row[0].strip("*") for row in table("file | what")]
    assert sorted(files) == sorted(path.name + "/" * path.is_dir() for path in grades.iterdir())


@needs_sandbox
def test_a_feedback_page_shows_points_and_no_hidden_test(lesson):
    folder = after(lesson, "dltwice grade-batch submissions\n")
    (path,) = [folder / code for code in codes(FENCE.sub("", PAGE)) if code.startswith("grades/feedback/Eve")]
    page = path.read_text(encoding="utf-8")
    assert "Eve Rossi" in page
    assert "24 of 27" in page
    assert "output_size(9, 3)" in page
    assert "<script" not in page
    assert [line for line in hidden_lines() if line in page] == []


# -- tables --------------------------------------------------------------------------------------------
def test_the_statuses_are_all_there_the_gravest_last():
    listed = [row[0].strip("*") for row in table("status |")]
    assert sorted(listed) == sorted(get_args(SubmissionStatus))
    assert listed == list(batch.count_statuses([]))


def test_the_options_are_all_there():
    listed = {codes(row[0])[0].split()[0] for row in table("option |")}
    assert listed == {param.opts[0] for param in grade_batch.params if isinstance(param, click.Option)}
    defaults = {param.name: param.default for param in grade_batch.params}
    assert (str(defaults["out"]), defaults["time_limit"]) == ("grades", 20.0)


@pytest.mark.parametrize("path", TEXTS)
def test_every_option_and_command_exists(path):
    commands = cli.main.list_commands(None)
    for line in re.findall(r"dltwice ([a-z]+(?:-[a-z]+)*\b[^\n`]*)", TEXTS[path]):
        name, *words = line.split()
        assert name in commands, line
        known = {opt for param in cli.main.get_command(None, name).params for opt in param.opts}
        assert {word.split("=")[0] for word in words if word.startswith("--")} <= known, line


LIMITS = """
watch.TIME_LIMIT watch.SETUP_LIMIT watch.SUBMISSION confine.CPU_SECONDS confine.MEMORY confine.FILE_SIZE
sandbox.DISK confine.OPEN_FILES channel.MAX_BYTES codec.MAX_DEPTH answers.MOST_ITEMS notebook.LARGEST
""".split()


def test_the_limits_are_those_of_the_code():
    units = {"s": 1, "MB": 2**20, "times": 1, "": 1}
    for (what, value), name in zip(table("limit |"), LIMITS, strict=True):
        module, constant = name.split(".")
        amount, unit = re.match(r"(\d+) ?(s|MB|times|)", value).groups()
        code = getattr(import_module(f"dltwice.grading.{module}"), constant)
        assert code == int(amount) * units[unit], what
        assert f"`{module}`" in PAGE[PAGE.index("They are constants") :]


def test_numbers_and_names_in_the_text():
    from test_grading_04_convolution import WRONG

    from dltwice.grading import cli_batch, cluster

    text = " ".join(PAGE.split())
    assert f"gone for {cluster.LOST_LIMIT:.0f} seconds" in text
    assert "every ten seconds" in text
    assert "+ 10" in inspect.getsource(cli_batch.Lines)
    assert "more than forty wrong answers" in text
    assert len(WRONG) > 40
    (sentence,) = re.findall(r"The cell may import NumPy (.*?);", text)
    assert {"numpy", *codes(sentence)} <= plain.ALLOWED
    (sentence,) = re.findall(r"machinery, such as (.*?), is refused", text)
    assert set(codes(sentence)) <= plain.MACHINERY
    for code in [code for row in table("where |") for code in codes(row[1])]:
        assert code in sandbox.HOW


def test_the_checks_are_all_there():
    listed = {re.match(r"\*\*(\w+)\*\* `\((.*)\)`", row[0]).groups() for row in table("check |")}
    found = {
        name: function
        for name, function in inspect.getmembers(checks, inspect.isfunction)
        if function.__module__ == checks.__name__ and not name.startswith("_")
    }
    assert {name for name, _ in listed} == found.keys()
    for name, arguments in listed:
        required = [
            str(p).split(":")[0]
            for p in inspect.signature(found[name]).parameters.values()
            if p.default is p.empty
        ]
        assert arguments.split(", ") == required, name


# -- the other pages -----------------------------------------------------------------------------------
def test_what_the_grader_shows(tmp_path):
    """The words on the page for learners are those that a half-finished notebook with one mistake gets."""
    notebook = json.loads(EXERCISE)
    solution = load_master(MASTER).answer("output_size").source
    for one in notebook["cells"]:
        one["source"] = solution.replace("//", "/") if one["id"] == "output_size" else one["source"]
    printed = text_report(grade_one(json.dumps(notebook).encode(), MASTER), width=80)
    (shown,) = re.findall(r"^```text\n(.*?)^```$", TEXTS["book/how_to_use.md"], flags=re.DOTALL | re.M)
    assert plain_text(shown) in plain_text(printed)
    assert "8 questions are untouched" in printed


def test_the_map_of_the_grader_names_modules_that_are_there():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    modules = {path.stem for path in (ROOT / "dltwice" / "grading").rglob("*.py")}
    assert {code for row in table("task | modules", guide) for code in codes(row[1])} <= modules
