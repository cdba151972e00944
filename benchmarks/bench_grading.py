"""Grading: nbgrader's autograder against ours on the same 20 submissions, one core, in turns.

    python benchmarks/bench_grading.py              # side by side: the median of a submission, and the ratio
    python benchmarks/bench_grading.py --class 1000 # time and memory of a batch with 2 workers

nbgrader runs as an instructor would run it: a course in a temporary folder, its database, its API. Ours is
warm, as it is in a batch, and in its sandbox where there is one.
"""

import argparse
import contextlib
import itertools
import json
import os
import statistics
import sysconfig
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from harness import environment

ROOT = Path(__file__).parents[1]
STEM = "04_convolution"
MASTER = (ROOT / "solutions" / STEM / f"{STEM}.ipynb").read_bytes()
EXERCISE = (ROOT / "exercises" / STEM / f"{STEM}.ipynb").read_bytes()

# Faults as in tests/test_grading_04_convolution.py: in the solution of a question, this is replaced by that.
FAULTS = [
    ("output_size", "room // stride", "room / stride"),
    ("output_size", "room // stride", "-(-room // stride)"),
    ("output_size", "dilation * (kernel_size - 1) + 1", "kernel_size"),
    ("by_hand", "(3 * 3 * 3 + 1)", "3 * 3 * 3"),
    ("by_hand", "unread_rows = 1", "unread_rows = 0"),
    ("conv2d_loops", "* w[f])", "* w[f, :, ::-1, ::-1])"),
    ("conv2d_loops", " + b[f]", ""),
    ("conv2d_loops", "// stride + 1", "// stride"),
    ("conv2d_fast", " + b[:, None, None]", ""),
    ("conv2d_fast", "[:, :, ::stride, ::stride]", "[:, :, ::stride]"),
    ("conv2d_same", "* w[f])", "* w[f, 0])"),
    ("conv2d_same", "(Kh - 1) // 2, (Kw - 1) // 2", "Kh // 2, Kw // 2"),
    ("separable", ", groups=in_channels", ""),
    ("separable", "padding=kernel_size // 2", "padding=0"),
    ("conv2d_backward", "w[:, :, i, j])", "w[:, :, -1 - i, -1 - j])"),
    ("conv2d_backward", "axis=(0, 2, 3)", "axis=(1, 2, 3)"),
    ("learn_kernel", "optimizer.zero_grad()", "pass"),
    ("shifts", "int((", "int(0.5 * ("),
]


def make_submissions() -> dict[str, bytes]:
    """The solution, the untouched exercise, and 18 with one to three faults and at times a gap."""
    from dltwice.grading import load_master
    from dltwice.grading.notebook import BEGIN, END

    master = load_master(MASTER)
    solution = {q: master.answer(q).source.replace(BEGIN, "").replace(END, "") for q in master.questions}
    made = {"solution": _fill(solution), "untouched": EXERCISE}
    for i in range(len(FAULTS)):
        answers = dict(solution)
        for question, old, new in FAULTS[i :: len(FAULTS) // (1 + i % 3)]:
            if old not in solution[question]:
                raise SystemExit(f"{old!r} is not in the solution of {question}: adapt FAULTS.")
            answers[question] = solution[question].replace(old, new)
        if i % 4 == 0:
            answers.pop(master.questions[-1 - i % len(master.questions)])
        made[f"wrong{i:02}"] = _fill(answers)
    return made


def _fill(answers: dict[str, str]) -> bytes:
    """The exercise with these answers."""
    notebook = json.loads(EXERCISE)
    for cell in notebook["cells"]:
        cell["source"] = answers.get(cell["id"], cell["source"])
    return json.dumps(notebook).encode()


class Nbgrader:
    """A course of nbgrader's in `folder`, with the exercise and all submissions."""

    def __init__(self, folder: Path, submissions: dict[str, bytes]) -> None:
        for path, data in {
            folder / "source" / STEM: MASTER,
            **{folder / "submitted" / name / STEM: data for name, data in submissions.items()},
        }.items():
            path.mkdir(parents=True)
            (path / f"{STEM}.ipynb").write_bytes(data)
        from nbgrader.apps import NbGraderAPI
        from traitlets.config import Config

        config = Config()
        config.CourseDirectory.root = str(folder)
        config.CourseDirectory.db_url = f"sqlite:///{folder / 'gradebook.db'}"
        self.api = NbGraderAPI(config=config)
        self.folder = folder
        self._check(self.api.generate_assignment(STEM))

    def grade(self, name: str) -> None:
        """Autograde one submission."""
        self._check(self.api.autograde(STEM, name))

    def scores(self, name: str) -> dict[str, tuple[float, bool]]:
        """Points by question, and whether a test of it wrote to standard error: nbgrader gives it nothing."""
        notebook = json.loads((self.folder / "autograded" / name / STEM / f"{STEM}.ipynb").read_text())
        noisy = {
            cell["metadata"]["nbgrader"]["grade_id"]
            for cell in notebook["cells"]
            if any(output.get("name") == "stderr" for output in cell.get("outputs", ()))
            and "nbgrader" in cell["metadata"]
        }
        found: dict[str, tuple[float, bool]] = {}
        with self.api.gradebook as gradebook:
            for grade in gradebook.find_submission_notebook(STEM, STEM, name).grades:
                question = grade.name.removeprefix("test_").partition("-")[0]
                points, loud = found.get(question, (0.0, False))
                found[question] = (points + grade.score, loud or grade.name in noisy)
        return found

    def _check(self, answer: dict) -> None:
        if not answer["success"]:
            raise SystemExit(f"nbgrader failed.\n{answer.get('error')}\n{answer.get('log')}")


def side_by_side(rounds: int) -> dict:
    """Grade each submission with both, in turns; medians, ratio and the questions with other scores."""
    from dltwice.grading import grade_one, load_master, shutdown

    submissions, master = make_submissions(), load_master(MASTER)
    seconds: dict[str, list[float]] = {"nbgrader": [], "ours": []}
    other = set()
    with tempfile.TemporaryDirectory() as folder:
        _isolate(Path(folder) / "jupyter")
        with _quiet():
            nbgrader = Nbgrader(Path(folder) / "course", submissions)
            for _ in range(3):
                grade_one(submissions["solution"], master, warm=True)
            for name, data in rounds * list(submissions.items()):
                seconds["nbgrader"].append(_time(nbgrader.grade, name)[0])
                taken, result = _time(grade_one, data, master, warm=True)
                seconds["ours"].append(taken)
                theirs = nbgrader.scores(name)
                other |= {
                    (q.name, theirs[q.name][1], name, q.earned, theirs[q.name][0])
                    for q in result.questions
                    if q.earned != theirs[q.name][0]
                }
                print(f"\r{len(seconds['ours'])} of {rounds * len(submissions)} ", end="", flush=True)
    shutdown()
    return {
        "submissions": len(submissions),
        "rounds": rounds,
        "sandboxed": result.sandboxed,
        "seconds": {key: _spread(values) for key, values in seconds.items()},
        "ratio": statistics.median(seconds["nbgrader"]) / statistics.median(seconds["ours"]),
        "scores compared": len(submissions) * len(master.questions),
        "scores that differ": sorted(other),
    }


@contextlib.contextmanager
def _quiet():
    """Drop what is written to standard error: nbgrader's kernels and database layer warn at every start."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _time(function, *args, **kwargs):
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return time.perf_counter() - start, result


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def _isolate(folder: Path) -> None:
    """Keep what Jupyter writes, its settings and its history, in `folder`; let nbgrader find alembic."""
    os.environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ.get("PATH", "")
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        os.environ[name] = str(folder / name.lower())
        (folder / name.lower()).mkdir(parents=True)


def _pin_to_one_core() -> int | None:
    """Use one core, also in all processes that are started from now on."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def show(found: dict) -> None:
    """Print the comparison."""
    print(f"\n{found['submissions']} submissions of {STEM}, one core, {found['rounds']} round(s), in turns")
    print(f"{'seconds a submission':24}{'median':>10}{'least':>10}{'most':>10}")
    for key, spread in found["seconds"].items():
        print(f"{key:24}" + "".join(f"{spread[k]:10.3f}" for k in ("median", "least", "most")))
    print(f"ratio of the medians: {found['ratio']:.1f}")
    differ = found["scores that differ"]
    print(f"scores of questions: {found['scores compared']} compared, {len(differ)} differ")
    for (question, noisy), group in itertools.groupby(differ, key=lambda one: one[:2]):
        rows = [f"{name} {ours:g} and {theirs:g}" for _, _, name, ours, theirs in group]
        if noisy:
            print(f"  {question}: {len(rows)}, where a test wrote a warning, for which nbgrader gives 0")
        else:
            print(f"  {question}, ours and nbgrader's: {', '.join(rows)}")
    if not found["sandboxed"]:
        print("Ours ran without the sandbox.")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=1, help="how often each submission is graded (default 1)"
    )
    parser.add_argument("--class", dest="size", type=int, help="grade a class of this size instead")
    parser.add_argument("--json", type=Path, default=Path("_build/bench/grading.json"), help="where to write")
    options = parser.parse_args()
    versions = {name: version(name) for name in ("nbgrader", "nbconvert", "ipykernel", "torch", "joblib")}
    if options.size:
        from bench_class import grade_class

        name, found = "class", grade_class(options.size, make_submissions())
    else:
        name, core = "side by side", _pin_to_one_core()
        found = side_by_side(options.rounds) | {"core": core}
        show(found)
    print(", ".join(f"{key} {value}" for key, value in versions.items()))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(options.json.read_text()) if options.json.exists() else {}
    kept |= {"environment": environment() | versions, name: found}
    options.json.write_text(json.dumps(kept, indent=2) + "\n")
    print(f"written: {options.json}")


if __name__ == "__main__":
    main()
