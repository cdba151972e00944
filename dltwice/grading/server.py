"""A process that has imported the libraries once and is copied for every submission.

It runs in the sandbox, in one of two roles: `answers` or `tests`. Standard input is a socket with one-byte
orders: start a copy (a socket for it comes along), kill the copy, warm up (the exercise comes along). Nothing
of a submission is loaded in this process itself. Without forks (Windows, macOS) a process serves one
submission after the other, over its standard input and output.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from dltwice.grading import confine, sandbox
from dltwice.grading.answers import Answers
from dltwice.grading.channel import Channel, ClosedError, PipeChannel
from dltwice.grading.examine import examine, prime
from dltwice.grading.notebook import Cell
from dltwice.grading.orders import KILL, KILLED, ORDER_SIZE, READY, START, WARM

MOST_FILES = 5_000  # on the sandbox's disk
DISK_INTERVAL = 0.1  # seconds


def role_function(role: str) -> Callable[[Channel | PipeChannel], None]:
    """What a copy does: examine a submission, or run its answers."""
    if role == "tests":
        return examine
    return lambda channel: Answers(channel).serve()


def preload(modules: list[str]) -> None:
    """Import the libraries that the exercise's own cells import."""
    for name in ("numpy.random", *modules):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        torch.backends.mkldnn.set_flags(False)  # compiles a kernel for each new shape, in every copy


def warm_up(cells: list[Cell]) -> None:
    """Do once what every copy would do: compile the tests, and let PyTorch load what it loads late.

    The first backward pass and the first optimizer take a second.
    """
    prime(cells)
    if torch := sys.modules.get("torch"):
        layer = torch.nn.Conv2d(1, 1, 3)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        layer(torch.zeros(1, 1, 5, 5)).sum().backward()
        optimizer.step()
    gc.freeze()  # a copy that collects garbage does not touch what is there now


class Server:
    """The fork server: at most one copy at a time."""

    def __init__(self, control: socket.socket, role: str, scratch: Path, filtered: bool) -> None:
        self.control, self.scratch = control, scratch
        self.filter = confine.SystemCallFilter() if filtered else None
        self.work = role_function(role)
        self.child = 0

    def serve(self) -> None:
        """Follow orders until the other side closes."""
        self.control.sendall(READY)
        while True:
            self.watch_disk()
            order, descriptors, _, _ = socket.recv_fds(self.control, ORDER_SIZE, 1)
            if not order:
                break
            if order[:1] == START:
                self.start(descriptors[0], int(order[1:]))
            elif order[:1] == KILL:
                self.kill()
                self.control.sendall(KILLED)
            elif order[:1] == WARM:
                channel = Channel(socket.socket(fileno=descriptors[0]))
                warm_up([Cell(**cell) for cell in json.loads(channel.receive())])
                channel.close()
        self.kill()

    def watch_disk(self) -> None:
        """Wait for an order; meanwhile end a copy that makes so many files that they fill the memory."""
        while self.child and not select.select([self.control], [], [], DISK_INTERVAL)[0]:
            if count_files(self.scratch) > MOST_FILES:
                os.kill(self.child, signal.SIGKILL)
                return

    def start(self, descriptor: int, memory: int) -> None:
        """Copy this process; the copy works on the socket `descriptor`."""
        self.child = os.fork()
        if self.child:
            os.close(descriptor)
            return
        with contextlib.suppress(BaseException):
            self.control.close()
            confine.limit(memory)
            if self.filter:
                self.filter.load()
            with contextlib.suppress(ClosedError):
                self.work(Channel(socket.socket(fileno=descriptor)))
        os._exit(0)

    def kill(self) -> None:
        """End the copy and clear what it left on the sandbox's own small disk."""
        if self.child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            self.child = 0
        if any(self.scratch.iterdir()):
            if count_files(self.scratch) <= MOST_FILES:
                sandbox.clear(self.scratch)
            if any(self.scratch.iterdir()):
                sys.exit(1)  # a new server gets a new disk


def count_files(folder: Path) -> int:
    """How many files there are on a disk; those of the system count too where the disk is the system's."""
    found = os.statvfs(folder)
    return found.f_files - found.f_ffree if folder == sandbox.SCRATCH else 0


def main(arguments: list[str]) -> None:
    """Start as `ROLE fork|stay SCRATCH FILTERED MODULE…`."""
    role, mode, scratch, filtered, *modules = arguments
    nowhere = os.open(os.devnull, os.O_RDWR)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if mode == "fork":
        control = socket.socket(fileno=os.dup(0))
        silence(nowhere)
        preload(modules)
        Server(control, role, Path(scratch), filtered == "1").serve()
        sandbox.remove(Path(scratch))
        return
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    silence(nowhere)
    work, channel = role_function(role), PipeChannel(reader, writer, ended=lambda: leave(Path(scratch)))
    preload(modules)
    confine.limit(own_memory(), seconds=-1)
    channel.send(READY)
    with contextlib.suppress(ClosedError):
        while True:
            work(channel)
    os._exit(0)


def leave(scratch: Path) -> None:
    """End at once, whatever is running."""
    sandbox.remove(scratch)
    os._exit(0)


def own_memory() -> int:
    """The address space that this process may use, in bytes, or -1 where it can't be known."""
    try:
        return (
            int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") + confine.MEMORY
        )
    except (OSError, ValueError):
        return -1


def silence(nowhere: int) -> None:
    """Standard input, output and errors lead nowhere: nothing is read, and what is printed is lost."""
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
