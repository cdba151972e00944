"""A whole class: the same rows however they are graded, none lost and none doubled, whatever happens."""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import classroom
import psutil
import pytest
from classroom import (
    GOOD,
    MASTER,
    STATUSES,
    STEM,
    WRONG,
    Quiet,
    command,
    hand_in,
    journal_rows,
    mixed,
    needs_sandbox,
    plain,
    run,
    submission,
    written,
)

from dltwice.grading import batch, cluster, local, work
from dltwice.grading.journal import Journal, Key
from dltwice.grading.notebook import load_master

book, dask = classroom.book, classroom.dask


class TestSameRows:
    """Sequentially, with joblib, with dask, and with workers that are killed."""

    @pytest.fixture
    def expected(self, book):
        rows = run(mixed(book), "here").rows
        assert batch.count_statuses(rows) == STATUSES
        assert plain(written("here")) == plain(rows)
        return plain(rows)

    def test_joblib(self, book, expected):
        progress = Quiet()
        assert plain(run("class", "pool", progress, workers=2).rows) == expected
        assert (progress.total, progress.before, len(progress.statuses)) == (25, 2, 23)

    def test_joblib_with_a_worker_killed(self, book, expected):
        progress = self.killing(lambda: psutil.Process().children(recursive=True), "LokyProcess")
        assert plain(run("class", "pool", progress, workers=2).rows) == expected

    def test_dask(self, book, expected, dask):
        assert plain(run("class", "cluster", scheduler=dask.scheduler_address).rows) == expected

    def test_dask_with_a_worker_killed(self, book, expected, dask):
        pid = next(iter(dask.workers.values())).pid
        progress = self.killing(lambda: [psutil.Process(pid)], "")
        rows = run("class", "cluster", progress, scheduler=dask.scheduler_address).rows
        assert plain(rows) == expected

    def killing(self, processes, name):
        """A progress that kills a worker when the fifth row comes."""

        class Killing(Quiet):
            def advance(self, status):
                super().advance(status)
                if len(self.statuses) == 5:
                    found = [p for p in processes() if name in " ".join(p.cmdline())]
                    found[0].kill()

        return Killing()

    @needs_sandbox
    def test_in_the_sandbox(self, book, expected, dask):
        settings = {"unsafe": False}
        for name, more in (("a", {}), ("b", {"workers": 2}), ("c", {"scheduler": dask.scheduler_address})):
            rows = plain(run("class", name, **settings, **more).rows)
            assert all(row["result"]["sandboxed"] for row in rows if row["sha256"])
            assert [r | {"result": 0} for r in rows] == [r | {"result": 0} for r in expected]


def wait_for_a_moment(process, attempt):
    """A time to be killed at: every third one while it starts, the others while it grades or writes."""
    if attempt % 3 == 0:
        time.sleep(random.uniform(0, 0.6))
        return
    todo = process.stderr.readline()  # "162 submissions, 140 to grade"
    time.sleep(random.uniform(0, 0.25) if ", 0 to grade" in todo else random.uniform(0.2, 0.7))


def test_a_batch_that_is_killed_again_and_again_loses_no_row_and_doubles_none(book):
    """SIGKILL at random moments: while it starts, grades, or writes the results."""
    hand_in(book, **{f"s{i:03}": submission(double=GOOD if i % 3 else WRONG) for i in range(160)})
    hand_in(book, text=b"hello", nothing=None)
    expected = plain(run("class", "whole").rows)
    before, kills, while_grading, left = {}, 0, 0, []
    for attempt in range(80):
        workers = 1 + attempt % 2
        process = subprocess.Popen(
            command("class", "--unsafe", "--time-limit", 1, "--workers", workers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for_a_moment(process, attempt)
        with contextlib.suppress(psutil.NoSuchProcess):
            left += psutil.Process(process.pid).children(recursive=True)
        finished = process.poll() is not None
        kills += not finished
        process.kill()
        process.wait()
        process.stderr.close()
        if not (book / "grades/journal.sqlite").exists():
            continue
        with contextlib.suppress(sqlite3.OperationalError):  # killed before the table was made
            now = journal_rows("grades")
            assert before.items() <= now.items()
            while_grading += len(before) < len(now) < len(expected)
            before = now
        if finished or (book / "grades/results.csv").exists():
            assert plain(written("grades")) == expected
        if kills >= 22 and while_grading >= 5:
            break
        if finished:  # a fast machine: the next kills need a batch that has something left to do
            shutil.rmtree(book / "grades")
            before = {}
    assert kills >= 22
    assert while_grading >= 5
    done = run("class", time_limit=1.0)
    assert before.items() <= journal_rows("grades").items()
    assert done.before == len(before)
    assert plain(written("grades")) == plain(done.rows) == expected
    assert not (book / "grades/.tmp").exists()
    assert psutil.wait_procs(left, timeout=20)[1] == []


class TestAgain:
    """What a second run grades, and what it leaves."""

    @pytest.fixture
    def graded(self, book):
        hand_in(book, ann=submission(), bob=submission(double=WRONG), eve=b"hello", zoe=None)
        run("class")
        return journal_rows("grades")

    def again(self, graded, **settings):
        """The files that are graded again."""
        progress = Quiet()
        run("class", progress=progress, **settings)
        with contextlib.closing(sqlite3.connect("grades/journal.sqlite")) as base:
            numbers = dict(base.execute("SELECT file, max(number) FROM rows GROUP BY file"))
        changed = [file.split("/")[0] for file in numbers if numbers[file] != graded.get(file, (0,))[0]]
        assert len(progress.statuses) == len([student for student in changed if student != "zoe"])
        return sorted(changed)

    def test_nothing_when_nothing_changed(self, graded):
        assert self.again(graded) == []
        assert self.again(graded, workers=2) == []

    def test_a_changed_file(self, book, graded):
        hand_in(book, bob=submission())
        assert self.again(graded) == ["bob"]
        assert [row["earned"] for row in written("grades")] == [3, 3, None, None]

    def test_new_and_deleted_students(self, book, graded):
        hand_in(book, dan=submission())
        (book / f"class/ann/{STEM}/{STEM}.ipynb").unlink()
        (book / f"class/ann/{STEM}").rmdir()
        (book / "class/ann").rmdir()
        assert self.again(graded) == ["dan"]
        assert [row["student"] for row in written("grades")] == ["bob", "dan", "eve", "zoe"]
        pages = sorted(path.name for path in (book / "grades/feedback").iterdir())
        assert pages == ["bob", "dan", "eve", "zoe"]

    def test_a_changed_master(self, book, graded):
        master = book / "solutions" / STEM / f"{STEM}.ipynb"
        master.write_bytes(MASTER.replace(b'"points": 2', b'"points": 7'))
        assert self.again(graded) == ["ann", "bob", "eve"]
        assert [row["points"] for row in written("grades")] == [8, 8, None, None]
        master.write_bytes(MASTER)
        run("class")
        assert [row["points"] for row in written("grades")] == [3, 3, None, None]

    def test_other_settings(self, graded):
        assert self.again(graded, time_limit=2.0) == ["ann", "bob", "eve"]

    def test_when_asked_to(self, graded):
        assert self.again(graded, again=True) == ["ann", "bob", "eve", "zoe"]

    def test_leftovers_of_an_aborted_write_go(self, book, graded):
        (book / "grades/.tmp").mkdir()
        (book / "grades/.tmp/file").write_text("half a")
        self.again(graded)
        assert not (book / "grades/.tmp").exists()


def test_another_batch_on_the_same_folder_is_refused(book):
    hand_in(book, ann=submission())
    with Journal(book / "grades") as journal:
        journal.put(Key("a", "b", "c"), {})
        done = subprocess.run(command("class", "--unsafe"), capture_output=True, text=True)
        assert done.returncode == 2
        assert "Another batch is writing to grades" in done.stderr
        assert "Traceback" not in done.stderr
    assert subprocess.run(command("class", "--unsafe"), capture_output=True).returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT there")
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_the_rows_and_says_how_to_go_on(book, workers):
    slow = submission(double="import time\ntime.sleep(0.1)\n" + GOOD)
    hand_in(book, **{f"s{i:02}": slow for i in range(12)})
    process = subprocess.Popen(
        command("class", "--unsafe", "--workers", workers),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr.readline() == "12 submissions, 12 to grade\n"
    log = book / "grades/journal.sqlite-wal"
    size = log.stat().st_size
    while log.stat().st_size < size + 10_000:  # two or three rows
        time.sleep(0.01)
    left = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Interrupted." in said
    assert "run the same command again to go on" in said
    assert "Traceback" not in said
    assert psutil.wait_procs(left, timeout=20)[1] == []
    rows = journal_rows("grades")
    assert 0 < len(rows) < 12
    again = command("class", "--unsafe", "--workers", 1)
    done = subprocess.run(again, capture_output=True, text=True, check=True)
    assert f"12 submissions ({len(rows)} of them by an earlier run): 12 ok" in done.stdout
    assert len(written("grades")) == 12


@pytest.mark.parametrize("backend", ["here", "pool", "cluster"])
def test_submissions_are_read_when_their_turn_comes(book, backend, request):
    """At no time are many of them in memory."""
    hand_in(book, **{f"s{i:02}": submission() for i in range(40)})
    master = load_master(MASTER)
    lock, taken, done, most = threading.Lock(), 0, 0, 0

    def tasks():
        nonlocal taken, most
        for number in range(40):
            with lock:
                taken += 1
                most = max(most, taken - done)
            yield work.Task(number, "", "", STEM, submission(), master, unsafe=True)

    if backend == "cluster":
        scheduler = request.getfixturevalue("dask").scheduler_address
        answers = cluster.run_cluster(tasks(), scheduler, unsafe=True)
    else:
        answers = local.run_here(tasks()) if backend == "here" else local.run_pool(tasks(), 2)
    for answer in answers:
        with lock:
            done += 1
        assert answer.result["earned"] == 3
    assert done == 40
    assert most <= (1 if backend == "here" else 12)
