"""A class of N small submissions through the function behind `dltwice grade-batch`: time and memory.

Started by `bench_grading.py --class N`. Memory is the proportional share (PSS) where the system has it: the
processes that a worker forks share most of theirs.
"""

import itertools
import tempfile
import threading
import time
from pathlib import Path

import psutil

MARKS = (100, 500, 1000)
STEM = "04_convolution"


def grade_class(size: int, submissions: dict[str, bytes], workers: int = 2) -> dict:
    """Grade `size` copies of the submissions with `workers` processes; print and return what it took."""
    from dltwice.grading.batch import Settings, count_statuses, run_batch

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "submissions"
        for number, data in zip(range(size), itertools.cycle(submissions.values()), strict=False):
            path = source / f"student{number:05}" / STEM
            path.mkdir(parents=True)
            (path / f"{STEM}.ipynb").write_bytes(data)
        meter = Meter()
        start = time.perf_counter()
        with meter:
            done = run_batch(Settings(source, Path(folder) / "out", workers=workers), meter)
        seconds = time.perf_counter() - start
    found = {
        "submissions": size,
        "workers": workers,
        "seconds": seconds,
        "statuses": count_statuses(done.rows),
        "marks": meter.marks,
    }
    show(found)
    return found


class Meter:
    """The progress of a batch: at each mark the time so far, and the peak memory since the mark before."""

    def __init__(self) -> None:
        self.marks: list[dict] = []
        self.process = psutil.Process()
        self.done = 0
        self.peak = [0.0, 0.0]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "Meter":
        self.started = time.perf_counter()
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.ended.set()
        self.thread.join()
        self._mark("end")

    def start(self, total: int, before: int) -> None:
        """Nothing: the batch has just begun."""

    def advance(self, status: str) -> None:
        """Count one submission."""
        self.done += 1
        if self.done in MARKS:
            self._mark(self.done)

    def _mark(self, name: int | str) -> None:
        coordinator, workers = self.peak
        seconds = time.perf_counter() - self.started
        self.marks.append(
            {"at": name, "seconds": seconds, "coordinator MB": coordinator, "workers MB": workers}
        )
        self.peak = [0.0, 0.0]

    def _sample(self) -> None:
        while not self.ended.wait(1.0):
            workers = sum(map(_megabytes, self.process.children(recursive=True)))
            now = (_megabytes(self.process), workers)
            self.peak = [max(pair) for pair in zip(self.peak, now, strict=True)]


def _megabytes(process: psutil.Process) -> float:
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0.0
    return getattr(memory, "pss", memory.rss) / 1e6


def show(found: dict) -> None:
    """Print time and memory."""
    size, seconds = found["submissions"], found["seconds"]
    print(
        f"{size} submissions with {found['workers']} workers: {seconds:.1f} s, {size / seconds:.1f} a second"
    )
    print(", ".join(f"{count} {status}" for status, count in found["statuses"].items() if count))
    print(f"{'peak memory up to':>20}{'seconds':>10}{'coordinator MB':>16}{'workers MB':>12}")
    for mark in found["marks"]:
        coordinator, workers = mark["coordinator MB"], mark["workers MB"]
        print(f"{mark['at']:>20}{mark['seconds']:10.1f}{coordinator:16.0f}{workers:12.0f}")
