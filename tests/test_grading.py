"""The grader on small exercises of its own: what it accepts, what it says, and what it never shows."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from dltwice.grading import GradingError, grade, grade_one, load_master
from dltwice.grading.checks import (
    check_close,
    check_integer,
    check_is_integer,
    check_no_growing_loop,
    check_numpy_only,
    check_raises,
    count_steps,
)
from dltwice.grading.cli import main
from dltwice.grading.notebook import released, stub
from dltwice.grading.report import html_page, text_report
from dltwice.grading.sandbox import why_not

SECRET = "secret_name_of_a_hidden_test"
DOUBLE = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION\n"
HALF = "def half(x):\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION\n"
GOOD = "def double(x):\n    return 2 * x"


def cell(source, grade_id="", points=0, hint="", **changes):
    metadata = {}
    if grade_id:
        metadata["nbgrader"] = {"grade_id": grade_id, "solution": not points, "grade": points > 0}
    if points:
        metadata["nbgrader"]["points"] = points
    if hint:
        metadata["hint"] = hint
    return {"cell_type": "code", "id": grade_id or "x", "metadata": metadata, "source": source} | changes


def heading(text):
    return {"cell_type": "markdown", "id": "md", "metadata": {}, "source": [text]}


def notebook(*cells, nbformat=4):
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": nbformat, "nbformat_minor": 5}).encode()


def hidden(test):
    return f"### BEGIN HIDDEN TESTS\n{SECRET} = 17\n{test}\n### END HIDDEN TESTS"


MASTER = notebook(
    cell("FACTOR = 3"),
    heading("## Doubling (3 points)\nWrite it."),
    cell(DOUBLE, "double"),
    cell(
        f"assert double(1) == 2, f'double(1): expected 2, got {{double(1)}}'\n{hidden('double(4)')}",
        "test_double",
        1,
    ),
    cell(
        hidden("assert double(-3) == -6, 'double(-3) is wrong'"),
        "test_double-negative",
        2,
        hint="Mind the sign.",
    ),
    heading("## Halving"),
    cell(HALF, "half"),
    cell(hidden("assert half(FACTOR) == 1.5, f'half(3): got {half(FACTOR)}'"), "test_half", 1),
)
NAMES = ["double", "half"]
RELEASED = [
    cell(released(test.source), test.name, 1) for name in NAMES for test in load_master(MASTER).tests(name)
]


def grade_cells(*cells, time_limit=20.0):
    return grade_one(notebook(*cells), MASTER, time_limit)


def grade_double(source, time_limit=20.0):
    """The result of the question `double` for this answer; `half` is answered right."""
    double, half = grade_cells(cell(source, "double"), cell(HALF, "half"), time_limit=time_limit).questions
    assert half.status == "passed", half
    return double


def test_solution_and_partial_submission():
    assert grade_one(MASTER, MASTER).earned == 4
    result = grade_cells(cell(GOOD, "double"), cell(stub(HALF), "half"))
    assert [(q.name, q.title, q.earned, q.points, q.status) for q in result.questions] == [
        ("double", "Doubling", 3, 3, "passed"),
        ("half", "Halving", 0, 1, "untouched"),
    ]


def test_grading_is_repeatable_plain_data():
    data = notebook(cell("def double(x): return 3", "double"))
    one, two = grade_one(data, MASTER), grade_one(data, load_master(MASTER))
    assert one == two
    assert json.loads(json.dumps(one.to_dict()))["questions"][0]["problems"][1] == {
        "message": "double(-3) is wrong",
        "hint": "Mind the sign.",
    }


def test_points_are_given_test_by_test():
    double = grade_double("def double(x):\n    return abs(2 * x)")
    assert (double.earned, double.status) == (1, "failed")
    assert [(p.message, p.hint) for p in double.problems] == [("double(-3) is wrong", "Mind the sign.")]


def test_the_learners_tests_and_setup_do_not_count():
    result = grade_cells(
        cell("FACTOR = 100"),
        cell("def double(x): return 3", "double"),
        cell("assert True", "test_double", 1),
        cell("def half(x): return 1.5 if x == 3 else 0", "half"),
    )
    assert [q.earned for q in result.questions] == [0, 1]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def double(x)\n    return x", "SyntaxError: expected ':' (line 1 of your answer: `def double(x)`)"),
        ("def double(x):\nreturn x", "IndentationError: .*line 2 of your answer: `return x`"),
        (
            "%timeit 1\n" + GOOD,
            "Line 1 of your answer, `%timeit 1`, is a command of the notebook, not Python",
        ),
        (GOOD + "\n!ls", "Line 3 of your answer, `!ls`, is a command of the notebook"),
        (
            "def double(x):\n    return y",
            r"NameError: name 'y' is not defined (line 2 of your answer: `return y`).",
        ),
        ("dubble = 1", "NameError: name 'double' is not defined. The answer must define it."),
        ("def double(x):\n    return helper(x)", "Only answer cells are graded"),
        (
            "def double(x):\n    return x.y",
            "'int' object has no attribute 'y' (line 2 of your answer: `return x.y`)",
        ),
        ("def double(x):\n    assert x > 9, 'mine'\n", "AssertionError: mine (line 2 of your answer"),
        ("import sys\nsys.exit()", "The answer stops the program (line 2 of your answer: `sys.exit()`)"),
        ("def double(x):\n    raise SystemExit", "The answer stops the program"),
        ("def double(x):\n    return input()", "EOFError"),
        ("def double(x):\n    raise NotImplementedError()", "Not written yet"),
        ("def double(x):\n    return double(x)", "RecursionError"),
        ("import os\nos._exit(0)", "The answer ended the whole Python process."),
        ("import os\ndef double(x):\n    os._exit(0)", "The answer ended the whole Python process."),
        ("x = " + "(" * 500 + ")" * 500, "(SyntaxError|can't be read as Python)"),
        ("x = '\0'", "null bytes"),
    ],
)
def test_an_answer_that_does_not_run_is_explained(source, message):
    double = grade_double(source)
    assert (double.earned, double.status) == (0, "error")
    said = " | ".join(problem.message for problem in double.problems)
    assert message in said or re.search(message, said), said


def test_what_an_unfinished_answer_defines_counts():
    assert grade_double(GOOD + "\nraise NotImplementedError()").earned == 3


@pytest.mark.parametrize(
    ("source", "earned"),
    [
        ("while True: pass", 0),
        ("def double(x):\n    while True: pass", 0),
        ("def double(x):\n    while x < 0: pass\n    return 2 * x", 1),
        ("def double(x):\n    while True:\n        try:\n            input()\n        except: pass", 0),
    ],
)
def test_an_endless_loop_costs_its_question_only(source, earned):
    double = grade_double(source, time_limit=1.0)
    assert (double.earned, double.status) == (earned, "timeout")
    assert double.problems[0].message == "Stopped after 1 seconds. Is there a loop that does not end?"


def test_output_does_not_matter():
    noise = "import os, sys\nprint('x' * 10**6)\nos.write(1, b'[]')\nsys.stderr.write('é')\n"
    assert grade_double(noise + GOOD).earned == 3


def test_deleted_answer():
    result = grade_cells(cell(GOOD, "double"))
    assert [q.status for q in result.questions] == ["passed", "missing"]
    assert result.questions[1].points == 1
    assert result.notes[-1].startswith("The answer cell of half is missing.")


def test_copied_and_split_answers_run_as_in_the_notebook():
    wrong, split = "def double(x): return 0", ("def double(x):\n    return two * x", "two = 2")
    for sources, earned in [
        ((GOOD, stub(DOUBLE)), 3),
        ((stub(DOUBLE), GOOD), 3),
        ((wrong, GOOD), 3),
        ((GOOD, wrong), 0),
        (split, 3),
    ]:
        result = grade_cells(*(cell(source, "double") for source in sources))
        assert result.questions[0].earned == earned
        assert "double is there 2 times" in result.reason
        assert result.status == "tampered"  # the tests are missing


def test_an_answer_without_metadata_is_known_by_its_id():
    assert grade_cells(cell(GOOD, "double", metadata={})).questions[0].earned == 3
    assert grade_cells(cell(GOOD, "double", id="other")).questions[0].earned == 3
    lost = cell(GOOD, "double", id="other", metadata={})
    assert grade_cells(lost, cell(stub(HALF), "half")).questions[0].status == "missing"
    assert grade_cells(lost).status == "unreadable"
    for name in (None, ["double"], 3):
        odd = cell(GOOD, "double", metadata={"nbgrader": {"grade_id": name}})
        assert grade_cells(odd).questions[0].earned == 3


def test_odd_but_readable_notebooks():
    bare = json.dumps({"cells": [{"id": "double", "cell_type": "code", "source": [GOOD]}]}).encode()
    assert grade_one(bare, MASTER).earned == 3
    assert grade_one(b"\xef\xbb\xbf" + bare, MASTER).earned == 3
    assert (
        grade_cells({"cell_type": None, "metadata": 3}, cell(GOOD.split(), "half", metadata=[])).earned == 0
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"print(1)", "not a Jupyter notebook"),
        (MASTER[:-20], "not a Jupyter notebook"),
        (b"\xff\xfe\x00", "not a Jupyter notebook"),
        (b"[" * 100_000, "not a Jupyter notebook"),
        (b"[]", "no list of cells"),
        (b"{}", "no list of cells"),
        (b'{"cells": [1]}', "no list of cells"),
        (notebook(nbformat=3), "notebook format 3, expected 4"),
    ],
)
def test_what_is_not_a_notebook_is_unreadable(data, message):
    result = grade_one(data, MASTER)
    assert (result.status, result.questions, result.points) == ("unreadable", (), 0)
    assert message in result.reason


def test_a_master_that_can_not_be_used_is_refused():
    with pytest.raises(GradingError, match="no answer cell"):
        load_master(notebook(cell("x = 1")))
    broken = notebook(
        cell("import no_such_package"), cell(DOUBLE, "double"), cell("double(1)", "test_double", 1)
    )
    with pytest.raises(GradingError, match="No module named 'no_such_package'"):
        grade_one(broken, broken)
    endless = notebook(
        cell("import os; os._exit(1)"), cell(DOUBLE, "double"), cell("double(1)", "test_double", 1)
    )
    with pytest.raises(GradingError, match="imports do not run here"):
        grade_one(endless, endless)


@pytest.mark.parametrize(
    "answer",
    [
        "def double(x): return x",
        "def double(x): return None",
        "def double(x): return x.y",
        "def double(x): raise KeyError(x)",
        "class double:\n    def __init__(self, x): pass\n    def __eq__(self, other): 1 / 0",
        "def double(x) return",
        "nothing = 0",
    ],
)
def test_the_source_of_a_hidden_test_is_never_shown(answer):
    result = grade_cells(cell(answer, "double"), cell(answer.replace("double", "half"), "half"))
    shown = json.dumps(result.to_dict()) + text_report(result) + html_page(result)
    assert result.earned == 0
    assert SECRET not in shown
    assert "FACTOR" not in shown
    assert "Traceback" not in shown


def test_answers_do_not_see_the_variables_of_tests():
    assert grade_double(f"def double(x):\n    return {SECRET}").status == "error"


def test_the_reports_hold_every_word():
    result = grade_cells(cell("def double(x):\n    return [x, '<b>']", "double"))
    text, page = text_report(result), html_page(result)
    assert "Doubling" in text
    assert "0 of 4 points" in text
    assert "double(1): expected 2, got [1, '<b>']" in text
    assert "Hint: Mind the sign." in text
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert '<html lang="en">' in page
    assert result._repr_html_() in page
    assert str(result) == text


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A small book with one chapter, in the working directory."""
    for folder in ("solutions", "exercises"):
        (tmp_path / folder / "03_doubling").mkdir(parents=True)
    (tmp_path / "solutions/03_doubling/03_doubling.ipynb").write_bytes(MASTER)
    data = notebook(cell(GOOD, "double"), cell(stub(HALF), "half"), *RELEASED)
    (tmp_path / "exercises/03_doubling/03_doubling.ipynb").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "target",
    [
        "exercises/03_doubling",
        "exercises/03_doubling/03_doubling.ipynb",
        "exercises/03_doubling/",
        "03",
        "3",
        "03_doubling",
    ],
)
def test_the_command_takes_a_file_a_folder_or_a_chapter(book, target):
    result = CliRunner().invoke(main, ["grade", target])
    assert result.exit_code == 0, result.output
    assert "3 of 4 points" in result.output
    assert "untouched" in result.output


def test_the_command_writes_json_and_html(book):
    result = CliRunner().invoke(main, ["grade", "03", "--json", "--html", "page.html"])
    assert result.exit_code == 0
    assert json.loads(result.output) | {"seconds": 0} == {
        "chapter": "03_doubling",
        "earned": 3,
        "points": 4,
        "questions": [
            {
                "name": "double",
                "title": "Doubling",
                "earned": 3,
                "points": 3,
                "status": "passed",
                "problems": [],
            },
            {
                "name": "half",
                "title": "Halving",
                "earned": 0,
                "points": 1,
                "status": "untouched",
                "problems": [],
            },
        ],
        "notes": [],
        "status": "ok",
        "sandboxed": why_not() is None,
        "seconds": 0,
    }
    assert "3 of 4 points" in (book / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("exercises/05_none", "There is no exercises/05_none here."),
        ("99", "There is no 99 here."),
        ("exercises", "has no notebook"),
        ("two", "several notebooks: a.ipynb, b.ipynb"),
        ("text.ipynb", "text.ipynb: The file is not a Jupyter notebook"),
        ("two/a.ipynb", "There are no solutions for a.ipynb"),
    ],
)
def test_the_command_ends_with_2_when_there_is_nothing_to_grade(book, target, message):
    (book / "two").mkdir()
    (book / "two/a.ipynb").write_bytes(MASTER)
    (book / "two/b.ipynb").write_bytes(MASTER)
    (book / "text.ipynb").write_text("hello")
    (book / "solutions/text").mkdir()
    (book / "solutions/text/text.ipynb").write_bytes(MASTER)
    result = CliRunner().invoke(main, ["grade", target])
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert "Traceback" not in result.output


def test_grade_in_a_notebook_finds_its_file(book, monkeypatch):
    monkeypatch.chdir(book / "exercises" / "03_doubling")
    assert grade().earned == 3
    assert grade("03").chapter == "03_doubling"


def test_the_grader_starts_without_torch():
    code = "import sys, dltwice.grading.cli; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


class TestChecks:
    """The public checks: silent when right, clear when wrong."""

    def test_check_close_accepts_what_is_close(self):
        check_close([1, 2], (1.0, 2.0 + 1e-9), "x")
        check_close(np.array([np.nan, np.inf]), [np.nan, np.inf], "x")
        check_close(True, 1, "x")

    @pytest.mark.parametrize(
        ("got", "want", "message"),
        [
            (4, 3, "f(1): expected 3, got 4."),
            (None, 3, "f(1): expected the number 3, got None. Is a `return` missing?"),
            ([1, 2], [1, 3], "f(1): expected [1, 3], got [1, 2]."),
            ([1, 2], 3, "f(1): expected the number 3, got an array of shape (2,)."),
            ("a", 3, "f(1): expected numbers, got 'a' (str)."),
            ([[1], [2, 3]], 3, "f(1): expected numbers, got [[1], [2, 3]] (list)."),
            (np.nan, 3.0, "f(1): expected 3, got nan."),
            (
                np.zeros((4, 5)),
                np.eye(4, 5) * 2,
                "f(1): 4 of 20 values are wrong. The worst is at [0, 0]: expected 2, got 0.",
            ),
        ],
    )
    def test_check_close_says_what_was_expected_and_what_came(self, got, want, message):
        with pytest.raises(AssertionError) as error:
            check_close(got, want, "f(1)")
        assert str(error.value) == message

    def test_check_close_takes_tensors(self):
        torch = pytest.importorskip("torch")
        check_close(torch.ones(2, requires_grad=True), np.ones(2), "x")

    def test_integers(self):
        check_integer(np.int64(3), 3, "n")
        check_is_integer(3, "n")
        for got in (3.0, "3", True, None):
            with pytest.raises(AssertionError, match="expected the integer 3, got"):
                check_integer(got, 3, "n")
            with pytest.raises(AssertionError, match="expected an integer, got"):
                check_is_integer(got, "n")
        with pytest.raises(AssertionError, match="n: expected 3, got 4"):
            check_integer(4, 3, "n")

    def test_check_raises(self):
        check_raises(ValueError, lambda: int("x"), "int('x')")
        with pytest.raises(AssertionError, match="expected a ValueError, got the result 3"):
            check_raises(ValueError, lambda: 3, "f()")
        with pytest.raises(AssertionError, match="expected a ValueError, got ZeroDivisionError: division"):
            check_raises(ValueError, lambda: 1 / 0, "f()")

    @pytest.mark.parametrize(
        "body",
        [
            "import torch",
            "from scipy import signal",
            "return nn.conv(x)",
            "return [nn.conv(y) for y in x]",
            "return helper(x)",
            "from dltwice.nn import Conv2d",
        ],
    )
    def test_check_numpy_only(self, body):
        import dltwice

        scope = {"nn": dltwice, "np": np}
        exec("def helper(x): return nn.conv(x)\ndef fine(x): return np.sum(x) + fine(x)", scope)
        exec(f"def f(x):\n    {body}", scope)
        check_numpy_only(scope["fine"])
        with pytest.raises(AssertionError, match="asks for plain NumPy"):
            check_numpy_only(scope["f"])

    @pytest.mark.parametrize(
        "body",
        [
            "return [v + 1 for v in x]",
            "return sum(v for v in x)",
            "return list(map(lambda v: v + 1, x))",
            "return np.vectorize(lambda v: v + 1)(x)",
            "for v in x: v + 1",
            "while len(x): x = x[1:]",
        ],
    )
    def test_loops_of_every_kind_are_counted(self, body):
        scope = {"np": np}
        exec(compile(f"def f(x):\n    {body}\ndef fine(x):\n    return x + 1", "<answer f>", "exec"), scope)
        small, large = (np.zeros(3),), (np.zeros(30),)
        check_no_growing_loop(scope["fine"], small, large)
        assert count_steps(scope["fine"], *large) == (2, 2)
        with pytest.raises(AssertionError, match=r"shape \(3,\), \d+ for \(30,\)"):
            check_no_growing_loop(scope["f"], small, large)
