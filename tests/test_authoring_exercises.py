"""`make exercises` on a project of one small chapter."""

import nbformat
import pytest

from dltwice.authoring import exercises

SOURCE = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Exercises

```{code-cell} ipython3
import numpy as np
```

```{code-cell} ipython3
:answer: output_size

def output_size(N, K):
    ### BEGIN SOLUTION
    return N - K + 1  # the secret answer
    ### END SOLUTION
```

```{code-cell} ipython3
:test: output_size
:points: 2

assert output_size(5, 3) == 3, "Count the positions."
### BEGIN HIDDEN TESTS
assert output_size(7, 7) == 1, "the secret test"
### END HIDDEN TESTS
```

```{code-cell} ipython3
:test: output_size-large
:points: 1.5

### BEGIN HIDDEN TESTS
assert output_size(1000, 1) == 1000
### END HIDDEN TESTS
```
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with the solution of 01_size; the working directory is its root."""
    source = tmp_path / "solutions/01_size/01_size.md"
    source.parent.mkdir(parents=True)
    source.write_text(SOURCE, encoding="utf-8")
    (source.parent / "wrong_answers.py").write_text("secret = 1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*arguments):
    return exercises.main(list(arguments))


def files(project):
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in project.rglob("*.*")}


def cells(project, folder):
    notebook = nbformat.read(project / folder / "01_size/01_size.ipynb", 4)
    return {cell.id: cell for cell in notebook.cells}


def edit(project, old, new):
    source = project / "solutions/01_size/01_size.md"
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))


def test_master_and_exercise_are_made_and_nothing_else(project):
    before = files(project)
    assert make() == 0
    made = set(files(project)) - set(before)
    assert made == {"solutions/01_size/01_size.ipynb", "exercises/01_size/01_size.ipynb"}


def test_exercises_hold_no_solution_and_no_hidden_test(project):
    assert make() == 0
    text = (project / "exercises/01_size/01_size.ipynb").read_text()
    assert "secret" not in text
    assert "HIDDEN" not in text
    assert "1000" not in text
    learner = cells(project, "exercises")
    assert learner["output_size"].source.endswith("    # YOUR CODE HERE\n    raise NotImplementedError()")
    assert learner["test_output_size"].source == 'assert output_size(5, 3) == 3, "Count the positions."'
    master = cells(project, "solutions")
    assert "secret answer" in master["output_size"].source
    assert "secret test" in master["test_output_size"].source


@pytest.mark.parametrize("folder", ["solutions", "exercises"])
def test_cells_carry_the_metadata_of_nbgrader(project, folder):
    assert make() == 0
    found = cells(project, folder)
    answer, test = found["output_size"].metadata.nbgrader, found["test_output_size-large"].metadata.nbgrader
    fixed = {"schema_version": 3, "task": False, "cell_type": "code"}
    expected = fixed | {"grade_id": "output_size", "grade": False, "solution": True, "locked": False}
    assert answer | expected == answer
    assert "points" not in answer
    expected = fixed | {
        "grade_id": "test_output_size-large",
        "grade": True,
        "solution": False,
        "locked": True,
    }
    assert test | expected | {"points": 1.5} == test
    graded = [name for name, cell in found.items() if "nbgrader" in cell.metadata]
    assert graded == ["output_size", "test_output_size", "test_output_size-large"]
    assert not any({"answer", "test", "points"} & set(cell.metadata) for cell in found.values())


def test_regenerating_gives_the_same_bytes(project):
    assert make() == 0
    first = files(project)
    assert make() == 0
    assert files(project) == first
    for path in project.rglob("*.ipynb"):
        path.unlink()
    assert make("01") == 0
    assert files(project) == first


def test_nbgrader_accepts_the_master(project):
    """An instructor who uses nbgrader itself finds valid cells."""
    from nbgrader.preprocessors import CheckCellMetadata

    assert make() == 0
    for folder in ("solutions", "exercises"):
        notebook = nbformat.read(project / folder / "01_size/01_size.ipynb", 4)
        CheckCellMetadata().preprocess(notebook, {})


def test_check_names_what_is_out_of_date(project, capsys):
    assert make("--check") == 1
    assert make() == 0
    assert make("--check") == 0
    before = files(project)
    edit(project, "Count the positions.", "Count them.")
    assert make("--check") == 1
    assert "exercises/01_size/01_size.ipynb" in capsys.readouterr().out
    assert {name for name, data in files(project).items() if before[name] != data} == {
        "solutions/01_size/01_size.md"
    }
    assert make() == 0
    assert make("--check") == 0


def test_check_notices_an_edited_exercise(project):
    assert make() == 0
    path = project / "exercises/01_size/01_size.ipynb"
    path.write_text(path.read_text().replace("Exercises", "Drills"))
    assert make("--check") == 1


def test_strays_and_leftovers(project, capsys):
    assert make() == 0
    (project / "exercises/01_size/.01_size.ipynb.tmp").write_text("{")
    (project / "exercises/02_gone").mkdir()
    (project / "exercises/02_gone/02_gone.ipynb").write_text("{}")
    assert make() == 1
    assert "exercises/02_gone/02_gone.ipynb: no source" in capsys.readouterr().err
    assert not (project / "exercises/01_size/.01_size.ipynb.tmp").exists()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (":points: 2\n", "", "needs `:points:`"),
        (":points: 2\n", ":points: 0\n", "needs `:points:`"),
        (":points: 2\n", ":points: two\n", "needs `:points:`"),
        (":test: output_size\n", ":test: input_size\n", "no answer 'input_size' above this test"),
        (":test: output_size-large\n", ":test: output_size\n", "a second cell 'test_output_size'"),
        (":answer: output_size", ":answer: Output Size", "expected a name like output_size"),
        (":answer: output_size\n", "", "in a cell without `answer` or `test`"),
        ("    ### END SOLUTION\n", "", "expected ### BEGIN SOLUTION and ### END SOLUTION"),
        ("    ### BEGIN SOLUTION\n", "", "expected ### BEGIN SOLUTION and ### END SOLUTION"),
        ("### END HIDDEN TESTS\n", "", "expected ### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS"),
        ("import numpy as np", "### BEGIN HIDDEN TESTS", "in a cell without `answer` or `test`"),
        (":test: output_size-large", ":answer: other", "BEGIN"),
    ],
)
def test_mistakes_are_named_with_their_line_and_nothing_is_written(project, capsys, old, new, reason):
    edit(project, old, new)
    before = files(project)
    assert make() == 1
    error = capsys.readouterr().err
    assert reason in error
    assert "solutions/01_size/01_size.md:" in error
    assert files(project) == before


def test_an_answer_needs_a_test(project, capsys):
    source = project / "solutions/01_size/01_size.md"
    source.write_text(SOURCE.partition("```{code-cell} ipython3\n:test:")[0])
    assert make() == 1
    assert "no test for the answer 'output_size'" in capsys.readouterr().err
