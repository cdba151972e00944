"""The two processes of a grader, one for tests and one for answers, kept ready between submissions."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from dltwice.grading import sandbox
from dltwice.grading.channel import Channel, ClosedError, PipeChannel, SlowError
from dltwice.grading.confine import MEMORY, check_filter
from dltwice.grading.notebook import Cell
from dltwice.grading.orders import KILL, ORDER_SIZE, READY, START, WARM
from dltwice.grading.results import GradingError

START_LIMIT = 120.0  # seconds for Python and its libraries to start
KILL_LIMIT = 20.0
NO_START = f"Python does not start: {sys.executable} ended at once or took {START_LIMIT:g} seconds."
BOOT = "import sys; sys.path.append({!r}); from dltwice.grading.server import main; main({!r})"


class ForkServer:
    """A server process whose copies work on one question or one submission each (Linux)."""

    def __init__(self, role: str, modules: tuple[str, ...], sandboxed: bool, hide: tuple[Path, ...]) -> None:
        self.role, self.modules, self.sandboxed, self.hide = role, modules, sandboxed, hide
        self.process: subprocess.Popen | None = None
        self.warm: list[Cell] = []
        self.channel: Channel | None = None
        self._launch()

    def _launch(self) -> None:
        """Start the server; `_wait` sees that it is ready."""
        self.control, theirs = socket.socketpair()
        self.folder = None if self.sandboxed else _new_folder()
        inside = str(sandbox.SCRATCH) if self.sandboxed else str(self.folder)
        arguments = [self.role, "fork", inside, "1" if check_filter() is None else "0", *self.modules]
        line, files, environment = [], (), sandbox.environment()
        if self.sandboxed:
            self.info = open(os.memfd_create("dltwice"), "rb", buffering=0)  # noqa: SIM115
            line = sandbox.command(self.hide)
            line[1:1] = ["--info-fd", str(self.info.fileno())]
            files = (self.info.fileno(),)
        code = BOOT.format(str(sandbox.PACKAGE.parent), arguments)
        self.process = subprocess.Popen(
            [*line, sys.executable, "-s", "-P", "-X", "utf8", "-c", code],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=files,
            env=environment,
            cwd=self.folder or "/",
            start_new_session=True,
        )
        theirs.close()
        self.ready = self.busy = False

    def _wait(self) -> None:
        """Wait until the server has imported its libraries, and measure it.

        Raises:
            GradingError: if it does not start.
        """
        if self.ready:
            return
        self.control.settimeout(START_LIMIT)
        try:
            answer = self.control.recv(1)
        except OSError:
            answer = b""
        if answer != READY:
            self.close()
            raise GradingError(NO_START)
        self.ready, self.number = True, self._number()
        if self.warm:
            self._warm_up()

    def _number(self) -> int:
        """The server's process number. Bubblewrap tells it before anything runs inside."""
        end = time.monotonic() + KILL_LIMIT
        while self.sandboxed and self.process.poll() is None and time.monotonic() < end:
            if number := sandbox.process_id(self.info.fileno()):
                self.info.close()
                return number
            time.sleep(1e-3)
        return self.process.pid

    def open(self, calm: bool = True) -> Channel:
        """A channel to a new copy, after the end of the one before. `calm` makes no difference here."""
        self.stop()
        for _ in range(2):
            self._wait()
            ours, theirs = socket.socketpair()
            with theirs:
                if self._order(START + str(self._memory()).encode(), theirs.fileno()):
                    self.busy, self.channel = True, Channel(ours)
                    return self.channel
            ours.close()
            self.close()
            self._launch()
        raise GradingError("The grader's processes end as soon as they start.")

    def stop(self) -> None:
        """End the copy; if the server does not confirm it, it is replaced."""
        if not self.busy:
            return
        self.channel.close()
        self.busy = False
        self.control.settimeout(KILL_LIMIT)
        try:
            confirmed = self._order(KILL) and self.control.recv(1)
        except OSError:
            confirmed = b""
        if not confirmed:
            self.close()
            self._launch()

    finish = stop

    def prepare(self, cells: Iterable[Cell]) -> None:
        """Have the server read the exercise and load what its libraries load late, so that no copy has to."""
        if not self.warm:
            self.warm = [cell for cell in cells if cell.kind == "setup" or self.role == "tests"]
            if self.ready:
                self._warm_up()

    def _warm_up(self) -> None:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:  # closed before anything is sent: should the server end, nobody waits for it
                there = self._order(WARM, theirs.fileno())
            if there:
                message = json.dumps([asdict(cell) for cell in self.warm]).encode()
                with contextlib.suppress(ClosedError, SlowError):
                    Channel(ours).send(message, time.monotonic() + START_LIMIT)

    def close(self) -> None:
        """End the server and its copy."""
        self.control.close()
        if self.process:
            if self.process.poll() is None:
                number = self.number if self.ready else self._number()
                with contextlib.suppress(OSError):
                    os.kill(number, signal.SIGKILL)  # with it ends all that is in the sandbox
            _end(self.process)
        if self.folder:
            sandbox.remove(self.folder)
        self.busy = self.ready = False

    def _order(self, order: bytes, descriptor: int | None = None) -> bool:
        """Send an order, padded so that two of them are never taken for one; whether the server is there."""
        try:
            socket.send_fds(
                self.control, [order.ljust(ORDER_SIZE)], [] if descriptor is None else [descriptor]
            )
        except OSError:
            return False
        return True

    def _memory(self) -> int:
        """The address space that a copy may use: the server's own, and `MEMORY`."""
        try:
            pages = int(Path(f"/proc/{self.number}/statm").read_text().split()[0])
        except (OSError, ValueError):
            return -1
        return pages * os.sysconf("SC_PAGE_SIZE") + MEMORY


class StayingServer:
    """A process that serves one question or submission after the other, where there is no fork."""

    def __init__(self, role: str, modules: tuple[str, ...]) -> None:
        self.role, self.modules = role, modules
        self.warm = False  # every process loads anew what its libraries load late
        self._launch()

    def _launch(self) -> None:
        self.folder = _new_folder()
        self.ready, self.calm = False, True
        arguments = [self.role, "stay", str(self.folder), "0", *self.modules]
        code = BOOT.format(str(sandbox.PACKAGE.parent), arguments)
        self.process = subprocess.Popen(
            [sys.executable, "-s", "-P", "-X", "utf8", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=sandbox.environment(),
            cwd=self.folder,
            start_new_session=True,
        )
        self.channel = PipeChannel(self.process.stdout, self.process.stdin)

    def open(self, calm: bool = True) -> PipeChannel:
        """A channel to the process, which has forgotten what it did before, or to a new one.

        Args:
            calm: whether what it will run leaves Python and its libraries as they are; if not, the process
                is not used again.
        """
        if self.ready and not (self.calm and self._reset()):
            self.stop()
        if not self.ready:
            self._wait()
        self.calm = calm
        return self.channel

    def _wait(self) -> None:
        """Wait until the process has imported its libraries.

        Raises:
            GradingError: if it does not start.
        """
        with contextlib.suppress(ClosedError, SlowError):
            self.ready = self.channel.receive(time.monotonic() + START_LIMIT) == READY
        if not self.ready:
            self.close()
            raise GradingError(NO_START)

    def _reset(self) -> bool:
        if self.role == "tests":
            return self.process.poll() is None
        try:
            deadline = time.monotonic() + KILL_LIMIT
            self.channel.send(b"", deadline)
            self.channel.receive(deadline)
        except (ClosedError, SlowError):
            return False
        return True

    def stop(self) -> None:
        """Replace the process, which is stuck, has ended, or can't be used again."""
        self.close()
        self._launch()

    def finish(self) -> None:
        """Have a new process for the next submission's answers; that of the tests stays."""
        if self.role == "answers":
            self.stop()

    def prepare(self, cells: Iterable[Cell]) -> None:
        """Nothing: the process keeps what it loads."""

    def close(self) -> None:
        """End the process."""
        _end(self.process)
        self.channel.close()
        sandbox.remove(self.folder)
        self.ready = False


def _new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="dltwice-"))


def _end(process: subprocess.Popen) -> None:
    """Kill a process and, where processes have groups, those that it has started."""
    if hasattr(os, "killpg") and process.returncode is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
