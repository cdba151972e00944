"""Runs an exercise's cells in a Python process of their own, with a time limit for each cell.

Nothing here needs a POSIX system: the process is a plain subprocess that is killed when it takes too long.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path

from dltwice.grading.notebook import Cell
from dltwice.grading.results import GradingError, Outcome

TIME_LIMIT = 20.0  # seconds for one answer or test cell
SETUP_LIMIT = 60.0  # seconds for one cell of imports, and for the start of Python
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # faster at an exercise's sizes
RUNNER = Path(__file__).with_name("runner.py")
ENDLESS = "Stopped after {:g} seconds. Is there a loop that does not end?"
ENDED = "The answer ended the whole Python process."


def run_cells(cells: list[Cell], time_limit: float = TIME_LIMIT) -> dict[str, Outcome]:
    """Run `cells` in order in one namespace; the outcome of each test by name.

    A cell that takes more than `time_limit` seconds or ends the process costs its question the tests that
    have not run yet. The other questions are then run in a new process, so an endless loop hides none.

    Raises:
        GradingError: if a cell before the first answer fails, such as a missing package.
    """
    outcomes: dict[str, Outcome] = {}
    given = next((i for i, cell in enumerate(cells) if cell.kind != "setup"), len(cells))
    first = {cell.name for cell in cells[:given]}
    todo = cells
    while todo:
        results, reason = _run_process(todo, time_limit)
        for cell, outcome in zip(todo, results, strict=False):
            if cell.kind == "test":
                outcomes[cell.name] = outcome
            elif cell.name in first and outcome[0] != "passed":
                raise GradingError(f"The exercise's imports do not run here. {outcome[1]}")
        if reason is None:
            break
        stopped = todo[len(results)]
        if stopped.name in first:
            raise GradingError(f"The exercise's imports do not run here. {reason[1]}")
        lost = [cell for cell in todo if cell.kind == "test" and cell.question == stopped.question]
        outcomes = {cell.name: reason for cell in lost} | outcomes
        todo = [cell for cell in todo if cell is not stopped and cell.name not in outcomes]
        if not any(cell.kind == "test" for cell in todo):
            break
    return outcomes


def _run_process(cells: list[Cell], time_limit: float) -> tuple[list[Outcome], Outcome | None]:
    """Run `cells` in a new process: the outcomes of those that ended, and why the next one did not."""
    results: list[Outcome] = []
    job = json.dumps([asdict(cell) for cell in cells]).encode()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = _start(folder)
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=_talk, args=(process, job, lines), daemon=True).start()
        limit = SETUP_LIMIT
        try:
            if not lines.get(timeout=limit):
                raise GradingError(f"Python does not start: {sys.executable} ended at once.")
            for cell in cells:
                limit = SETUP_LIMIT if cell.kind == "setup" else time_limit
                results.append(_outcome(lines.get(timeout=limit)))
        except queue.Empty:
            return results, ("timeout", ENDLESS.format(limit))
        except (ValueError, TypeError):
            return results, ("error", ENDED)
        finally:
            process.kill()
            process.wait()
    return results, None


def _start(folder: str) -> subprocess.Popen:
    """Start Python on the runner in isolated mode: no user site, no PYTHON* settings, no local module."""
    return subprocess.Popen(
        [sys.executable, "-I", "-X", "utf8", str(RUNNER)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | dict.fromkeys(ONE_THREAD, "1"),
    )


def _talk(process: subprocess.Popen, job: bytes, lines: "queue.SimpleQueue[bytes]") -> None:
    """Write the job to the process and put its lines, and at its end an empty one, into the queue."""
    with contextlib.suppress(OSError), process.stdin:
        process.stdin.write(job)
    with contextlib.suppress(OSError), process.stdout:
        for line in process.stdout:
            lines.put(line)
    lines.put(b"")


def _outcome(line: bytes) -> Outcome:
    """The outcome in one line of the runner; ValueError or TypeError if it is none: the process has ended."""
    status, message = json.loads(line)
    return status, message
