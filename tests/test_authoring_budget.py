"""The plugin that times notebooks under nbval, on a notebook of two cells."""

import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output, writes


@pytest.fixture
def nbval(tmp_path):
    """Function that runs nbval with the plugin on a notebook; `counts` are the cells' execution counts."""

    def run(counts, *options):
        outputs = [[new_output("stream", name="stdout", text="2\n")] if count else [] for count in counts]
        cells = [
            new_code_cell("print(1 + 1)", execution_count=count, outputs=output)
            for count, output in zip(counts, outputs, strict=True)
        ]
        (tmp_path / "01_sum.ipynb").write_text(writes(new_notebook(cells=cells)), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env"]
        command += ["-p", "dltwice.authoring.budget", "--rootdir=.", *options, "."]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_times_are_printed(nbval):
    run = nbval([1, 2])
    assert run.returncode == 0, run.stdout
    assert "2 passed" in run.stdout
    assert " s  01_sum.ipynb" in run.stdout
    assert " s  in all" in run.stdout


def test_a_late_notebook_fails_the_run(nbval):
    run = nbval([1, 2], "--notebook-budget=0.01", "--total-budget=0.02")
    assert run.returncode == 1
    assert "2 passed" in run.stdout
    assert "FAILED 01_sum.ipynb took " in run.stdout
    assert "the budget is 0.01 s" in run.stdout
    assert "the budget is 0.02 s" in run.stdout


def test_a_cell_that_never_ran_fails(nbval):
    run = nbval([1, None])
    assert run.returncode == 1
    assert "this cell was never executed" in run.stdout
    assert "1 passed, 1 error" in run.stdout
