"""What goes wrong around a batch: a row with the reason, or an end with the reason."""

import os
import signal
import time

import classroom
import pytest
from classroom import LOCAL, MASTER, STEM, Quiet, hand_in, journal_rows, run, submission
from click.testing import CliRunner

from dltwice.grading import batch, cluster, local, work
from dltwice.grading.cli_batch import grade_batch
from dltwice.grading.results import GradingError

book, dask = classroom.book, classroom.dask


class TestTrouble:
    """What goes wrong in the grader itself: a row with the reason, or an end with the reason."""

    def test_an_exception_is_a_row_and_is_tried_again(self, book, monkeypatch):
        hand_in(book, ann=submission(), bob=submission())
        grade_one, calls = work.grade_one, []

        def fail(data, *rest, **settings):
            calls.append(data)
            if len(calls) == 1:
                raise ZeroDivisionError("a\nb")
            return grade_one(data, *rest, **settings)

        monkeypatch.setattr(work, "grade_one", fail)
        ann, bob = run("class").rows
        assert (ann["status"], ann["earned"], ann["percent"]) == ("unreadable", None, None)
        assert "The grader failed on this file" in ann["reason"]
        assert "ZeroDivisionError: a b" in ann["reason"]
        assert bob["earned"] == 3
        done = run("class")
        assert [row["earned"] for row in done.rows] == [3, 3]
        assert (done.before, len(calls)) == (1, 3)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_broken_master_stops_the_batch(self, book, workers):
        broken = MASTER.replace(b"import math", b"import no_such_package")
        (book / "solutions" / STEM / f"{STEM}.ipynb").write_bytes(broken)
        hand_in(book, ann=submission(), bob=submission())
        with pytest.raises(GradingError, match=f"{STEM}: .*No module named 'no_such_package'"):
            run("class", workers=workers)
        assert not (book / "grades/results.csv").exists()

    def test_a_file_that_vanishes_during_the_batch_is_a_row(self, book):
        hand_in(book, ann=submission(), bob=submission())

        class Deleting(Quiet):
            def start(self, total, before):
                (book / f"class/bob/{STEM}/{STEM}.ipynb").unlink()

        ann, bob = run("class", progress=Deleting()).rows
        assert ann["earned"] == 3
        assert (bob["status"], bob["sha256"]) == ("unreadable", "")
        assert "can't be read: No such file" in bob["reason"]

    def test_a_task_that_kills_its_process_is_a_row(self, book, monkeypatch):
        monkeypatch.setattr(local, "grade_task", deadly)
        hand_in(book, **{name: submission() for name in "abdefg"}, c=submission(double="kill"))
        self.check_killed(run("class", workers=2).rows)

    def test_a_task_that_kills_its_workers_is_a_row(self, book, monkeypatch):
        import dask
        from distributed import LocalCluster

        monkeypatch.setattr(cluster, "grade_task", deadly)
        hand_in(book, **{name: submission() for name in "abdefg"}, c=submission(double="kill"))
        with (
            dask.config.set({"distributed.scheduler.allowed-failures": 1}),
            LocalCluster(**LOCAL) as found,
        ):
            self.check_killed(run("class", scheduler=found.scheduler_address).rows)

    def check_killed(self, rows):
        for row in rows:
            if row["student"] == "c":
                assert row["status"] == "unreadable"
                assert "was killed" in row["reason"]
                assert row["percent"] is None
            else:
                assert row["earned"] == 3, row

    @pytest.mark.parametrize("pause", [0, 2])
    def test_when_all_workers_are_lost_the_rows_are_kept(self, book, monkeypatch, pause):
        """With a pause, two answers are ready when the first is taken, and the second is lost."""
        from distributed import LocalCluster

        class Slow(cluster._Flow):
            def _finished(self):
                time.sleep(pause)
                return super()._finished()

        monkeypatch.setattr(cluster, "_Flow", Slow)
        monkeypatch.setattr(cluster, "POLL", 0.2)
        monkeypatch.setattr(cluster, "FETCH_LIMIT", 0.2)
        monkeypatch.setattr(cluster, "LOST_LIMIT", 0.5)
        hand_in(book, **{f"s{i:02}": submission() for i in range(12)})

        class Losing(Quiet):
            def advance(self, status):
                super().advance(status)
                found.scale(0)
                time.sleep(pause)

        with (
            LocalCluster(
                n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
            ) as found,
            pytest.raises(GradingError, match="There has been no worker for"),
        ):
            run("class", progress=Losing(), scheduler=found.scheduler_address)
        kept = journal_rows("grades")
        assert 0 < len(kept) < 12
        assert run("class").before == len(kept)

    def test_no_scheduler_and_no_workers(self, book, monkeypatch):
        hand_in(book, ann=submission())
        with pytest.raises(GradingError, match=r"nowhere is no scheduler's address, expected one such as"):
            run("class", scheduler="nowhere")
        with pytest.raises(GradingError, match=r"There is no scheduler at tcp://127\.0\.0\.1:1: "):
            run("class", scheduler="tcp://127.0.0.1:1")
        from distributed import LocalCluster

        monkeypatch.setattr(cluster, "START_LIMIT", 0.5)
        with (
            LocalCluster(**LOCAL | {"n_workers": 0}) as found,
            pytest.raises(GradingError, match=r"The scheduler has no workers\. Start some"),
        ):
            run("class", scheduler=found.scheduler_address)


def deadly(task):
    """Grade, but die of one submission."""
    if b'"kill"' in task.data:
        os.kill(os.getpid(), signal.SIGKILL)
    return work.grade_task(task)


class TestSandbox:
    def test_without_it_nothing_is_graded(self, book, monkeypatch):
        hand_in(book, ann=submission())
        monkeypatch.setattr(batch, "sandbox_problem", lambda: "There is no bubblewrap.")
        result = CliRunner().invoke(grade_batch, ["class"])
        assert result.exit_code == 2
        assert "There is no bubblewrap." in result.output
        assert "--unsafe" in result.output
        assert not (book / "grades").exists()
        assert CliRunner().invoke(grade_batch, ["class", "--unsafe", "--workers", "1"]).exit_code == 0

    def test_the_workers_need_it_and_not_this_machine(self, book, monkeypatch, dask):
        hand_in(book, ann=submission())
        monkeypatch.setattr(batch, "sandbox_problem", lambda: "There is none here.")
        here = cluster.version("dltwice")
        monkeypatch.setattr(cluster, "_describe", lambda: {"version": here, "why_not": "No."})
        with pytest.raises(GradingError, match=r"There is no sandbox on the worker tcp://.*No\."):
            run("class", scheduler=dask.scheduler_address, unsafe=False)
        assert journal_rows("grades") == {}

    def test_a_worker_that_comes_later_without_it_stops_the_batch(self, book, dask, monkeypatch):
        hand_in(book, ann=submission())
        monkeypatch.setattr(cluster, "_check_workers", lambda client, unsafe: None)
        monkeypatch.setattr(cluster, "grade_task", refuse)
        with pytest.raises(GradingError, match="no sandbox on this worker"):
            run("class", scheduler=dask.scheduler_address, unsafe=False)
        assert journal_rows("grades") == {}

    def test_other_versions_are_refused(self, book, monkeypatch, dask):
        hand_in(book, ann=submission())
        monkeypatch.setattr(cluster, "_describe", lambda: {"version": "0.0.1", "why_not": None})
        with pytest.raises(GradingError, match=r"has dltwice 0\.0\.1, here is .* Install the same one"):
            run("class", scheduler=dask.scheduler_address)


def refuse(task):
    """What a worker without the sandbox answers."""
    return work.answer(task, stop="There is no sandbox on this worker.")
