"""Grades the tasks of a batch on many machines (dask.distributed).

Bytes go to the workers and plain data comes back; there is no shared disk. A few tasks for each of the
workers' threads are under way at a time. When a worker is lost, its tasks are done again elsewhere. A task
that is lost with one worker after the other is tried once more when all others are done, alone; if that fails
too, it gets an answer that says so.
"""

import contextlib
import itertools
import re
import socket
import time
import uuid
import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from dltwice.grading.results import GradingError
from dltwice.grading.work import Answer, Task, answer, explain, grade_task

if TYPE_CHECKING:
    from distributed import Client, Future

ADDRESS = re.compile(r"\w+://(?P<host>\S+):(?P<port>\d+)")
CONNECT_LIMIT = 15.0  # seconds to reach the scheduler
START_LIMIT = 30.0  # seconds for a first worker to come
LOST_LIMIT = 120.0  # seconds to wait for workers when all are gone
POLL = 5.0  # seconds between looks whether there still are workers
FETCH_LIMIT = 5.0  # seconds for an answer to come from its worker
PER_THREAD = 2  # tasks under way for each thread of the workers
KILLED = (
    "Every worker that graded this file was killed: it may have used up the memory. The next run tries it "
    "again."
)


def run_cluster(tasks: Iterable[Task], address: str, unsafe: bool = False) -> Iterator[Answer]:
    """Grade on the workers of the scheduler at `address`; answers come as they are ready.

    Raises:
        GradingError: if the scheduler or its workers can't be used, or are gone for long.
    """
    from distributed import CancelledError

    with _client(address) as client:
        _check_workers(client, unsafe)
        flow = _Flow(client)
        try:
            yield from flow.run(iter(tasks))
            for suspect in flow.suspects:
                yield from flow.run(iter([suspect]), last=True)
        except (CancelledError, OSError):
            raise GradingError(
                f"The connection to the scheduler at {address} was lost. All rows so far are kept; run the "
                "same command again to go on."
            ) from None
        finally:
            with contextlib.suppress(Exception):
                client.cancel(list(flow.flying))


class _Flow:
    """The tasks that are under way, and those that took all of their workers with them."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        self.flying: dict[Future, Task] = {}
        self.suspects: list[Task] = []
        self.run_id = uuid.uuid4().hex
        self.sent = itertools.count()

    def run(self, tasks: Iterator[Task], last: bool = False) -> Iterator[Answer]:
        """Grade `tasks`; one that kills its workers is put aside, or answered if this is its `last` try."""
        self._send(tasks)
        while self.flying:
            for future in self._finished():
                try:
                    found = self._answer(future, self.flying[future], last)
                except TimeoutError:  # its worker is gone, and the answer with it
                    continue
                task = self.flying.pop(future)
                if found is None:
                    self.suspects.append(task)
                else:
                    yield found
            self._send(tasks)

    def _send(self, tasks: Iterator[Task]) -> None:
        """Send tasks until there is enough under way."""
        threads = sum(self.client.nthreads().values()) or 1
        for task in itertools.islice(tasks, max(0, PER_THREAD * threads - len(self.flying))):
            key = f"grade-{self.run_id}-{next(self.sent)}"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # large notebooks: distributed would have them scattered
                future = self.client.submit(grade_task, task, key=key, pure=False, retries=2)
            self.flying[future] = task

    def _finished(self) -> list["Future"]:
        """The futures that are done; waits for the first.

        Raises:
            GradingError: if there is no worker for `LOST_LIMIT` seconds.
        """
        from distributed import wait

        lost_since = None
        while True:
            try:
                with self.client.as_current():
                    return list(wait(list(self.flying), timeout=POLL, return_when="FIRST_COMPLETED").done)
            except TimeoutError:
                if self.client.nthreads():
                    lost_since = None
                    continue
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > LOST_LIMIT:
                raise GradingError(
                    f"There has been no worker for {LOST_LIMIT:.0f} seconds. All rows so far are kept; start "
                    "workers and run the same command again to go on."
                )

    def _answer(self, future: "Future", task: Task, last: bool) -> Answer | None:
        """The answer of a future that is done; None if the task has taken its workers with it.

        Raises:
            TimeoutError: the answer is on a worker that is gone.
        """
        from distributed import KilledWorker

        error = future.exception(timeout=FETCH_LIMIT)
        if error is None:
            return future.result(timeout=FETCH_LIMIT)
        if isinstance(error, KilledWorker):
            return answer(task, failed=KILLED) if last else None
        return answer(task, failed=explain(error))


def _client(address: str) -> "Client":
    """A connection to the scheduler."""
    from distributed import Client

    found = ADDRESS.fullmatch(address)
    if not found:
        raise GradingError(f"{address} is no scheduler's address, expected one such as tcp://10.0.0.5:8786.")
    try:
        socket.create_connection((found["host"].strip("[]"), int(found["port"])), CONNECT_LIMIT).close()
        return Client(address, timeout=CONNECT_LIMIT, set_as_default=False)
    except (OSError, ValueError, OverflowError) as error:
        raise GradingError(
            f"There is no scheduler at {address}: {str(error) or type(error).__name__}. Start one with `dask "
            "scheduler` and workers with `dask worker tcp://HOST:8786`."
        ) from None


def _check_workers(client: "Client", unsafe: bool) -> None:
    """See that there are workers, with this version of the package and a sandbox."""
    try:
        client.wait_for_workers(1, timeout=START_LIMIT)
    except TimeoutError:
        raise GradingError(
            "The scheduler has no workers. Start some: `dask worker tcp://HOST:8786 --nworkers 4 --nthreads "
            "1`."
        ) from None
    try:
        found = client.run(_describe)
    except Exception as error:
        raise GradingError(
            f"A worker can't import dltwice ({type(error).__name__}: {error}). Install the same one there."
        ) from None
    here = version("dltwice")
    for worker, about in found.items():
        if about["version"] != here:
            raise GradingError(
                f"The worker {worker} has dltwice {about['version']}, here is {here}. Install the same one."
            )
        if about["why_not"] and not unsafe:
            raise GradingError(f"There is no sandbox on the worker {worker}. {about['why_not']}")


def _describe() -> dict[str, Any]:
    """What a worker has; runs there."""
    from dltwice.grading.sandbox import why_not

    return {"version": version("dltwice"), "why_not": why_not()}
