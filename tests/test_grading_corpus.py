"""The corpus of bad submissions: what each is worth, and that none of them does any harm."""

import json
import os
import socket
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest
from bad_submissions import CORPUS, ESCAPED, FULL, MARK, MASTER, QUESTIONS, Entry, hidden_lines
from grading_tools import descendants, wait_until

import dltwice.grading
from dltwice.grading import GradeResult, grade_one
from dltwice.grading.report import html_page, text_report
from dltwice.grading.sandbox import why_not

ROOT = Path(__file__).parents[1]
TIME_LIMIT = 2.0
LONGEST = 20.0  # seconds for one submission: several cells at their limit, on a slow machine
WATCHED = ("solutions", "exercises", "dltwice")
SECRET = "canary-secret"
REQUIRED = bool(os.environ.get("DLTWICE_REQUIRE_SANDBOX"))
HIDDEN = hidden_lines()


class Surroundings:
    """What no submission may read, change or reach."""

    def __init__(self, folder: Path):
        self.canary, self.home = folder / "canary", folder / "home"
        for path in (self.canary, self.home / "canary"):
            path.mkdir(parents=True)
            (path / "file").write_text("canary")
        self.temporary = Path(tempfile.mkdtemp(prefix="canary-"))
        (self.temporary / "file").write_text("canary")
        self.name = f"canary-{os.getpid()}"
        self.visitors: list[str] = []
        self.sockets = [self._listen("TCP", socket.socket(), ("127.0.0.1", 0))]
        if hasattr(socket, "AF_UNIX") and os.path.exists("/proc"):  # an abstract socket
            self.sockets.append(self._listen("unix", socket.socket(socket.AF_UNIX), f"\0{self.name}"))
        self.places = {
            "PORT": self.sockets[0].getsockname()[1],
            "SOCKET": self.name,
            "CANARY": self.canary,
            "CHECKOUT": ROOT,
        }
        self.processes = 0

    def _listen(self, kind: str, server: socket.socket, address) -> socket.socket:
        server.bind(address)
        server.listen()

        def wait():
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return
                self.visitors.append(kind)

        threading.Thread(target=wait, daemon=True).start()
        return server

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file that is watched, with its time and size."""
        roots = [self.canary, self.home, self.temporary, *(ROOT / name for name in WATCHED)]
        paths = (
            path for root in roots for path in [root, *root.rglob("*")] if "__pycache__" not in path.parts
        )
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}

    def close(self) -> None:
        for server in self.sockets:
            server.close()


def left_over() -> list[str]:
    """Processes anywhere on the machine that bear the mark of the corpus."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if MARK in (process.info["cmdline"] or [])[1:]:
            found.append(str(process))
    return found


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory):
    """The grader's servers, started where there is something to find; they are gone at the end."""
    dltwice.grading.shutdown()
    around = Surroundings(tmp_path_factory.mktemp("around"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(around.home))
        patch.setenv("DLTWICE_CANARY", SECRET)
        assert grade_one(MASTER, QUESTIONS).earned == FULL
        around.processes = len(descendants())
        yield around
        dltwice.grading.shutdown()
    around.close()
    assert wait_until(lambda: not descendants()), descendants()
    assert not left_over()


def _grade(entry: Entry, around: Surroundings) -> tuple[GradeResult, float]:
    start = time.monotonic()
    result = grade_one(entry.data(**around.places), QUESTIONS, time_limit=TIME_LIMIT)
    return result, time.monotonic() - start


def _check_result(entry: Entry, result: GradeResult) -> None:
    """The row is the expected one."""
    told = " | ".join([result.reason, *(p.message for q in result.questions for p in q.problems)])
    assert result.status in entry.status.split("|"), told
    if result.status == "unreadable":
        assert not result.questions
        assert result.reason
    else:
        got = {q.name: q.earned for q in result.questions if q.name in entry.questions}
        others = {q.name: q.status for q in result.questions if q.name not in entry.questions}
        assert set(others.values()) <= {"passed"}, (others, told)
        assert result.points == FULL
        assert result.earned == entry.points, (got, told)
        assert result.reason or result.status == "ok"
    assert entry.says in told


def _was_slowed_down(entry: Entry, result: GradeResult) -> bool:
    """Whether a right answer was too slow for the test that measures time: other programs may do that."""
    messages = [problem.message for question in result.questions for problem in question.problems]
    return entry.points == FULL and any("takes much longer than" in message for message in messages)


def _check_what_is_shown(result: GradeResult) -> None:
    """All that a learner receives is plain, short, and holds no line of a hidden test."""
    data = json.dumps(result.to_dict())
    assert GradeResult.from_dict(json.loads(data)) == result
    shown = [json.dumps(result.to_dict(), ensure_ascii=False), text_report(result), html_page(result)]
    for text in shown:
        assert len(text.encode("utf-8")) < 100_000
        assert ESCAPED not in text
        for line in HIDDEN:
            assert line not in text
            assert json.dumps(line)[1:-1] not in text


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.name)
def test_a_bad_submission_gets_what_it_deserves_and_does_no_harm(entry, surroundings):
    reason = why_not() if entry.sandbox else None
    if reason and not REQUIRED:
        pytest.skip(f"needs the sandbox. {reason}")
    before = surroundings.files()
    for _ in range(10):
        result, seconds = _grade(entry, surroundings)
        if not _was_slowed_down(entry, result):
            break
        time.sleep(1)
    assert surroundings.files() == before
    assert not surroundings.visitors
    assert seconds < LONGEST
    assert wait_until(lambda: len(descendants()) <= surroundings.processes), descendants()
    _check_what_is_shown(result)
    _check_result(entry, result)


def test_the_corpus_is_large_and_its_names_are_unique():
    assert len(CORPUS) >= 80
    assert len({entry.name for entry in CORPUS}) == len(CORPUS)
    assert len(HIDDEN) > 50


def test_nothing_is_left_running(surroundings):
    dltwice.grading.shutdown()
    assert wait_until(lambda: not descendants()), descendants()
    assert not left_over()
