"""Messages over a socket or a pair of pipes: four bytes of length, then that many bytes.

Between the watcher and the tests, the first byte says what a message is:

| byte | from the tests | to the tests |
|---|---|---|
| `A` | a request, to be passed to the answers | the answers' reply |
| `X` | | the answers' process was stopped or has ended: status and message |
| `N` | start a new answers' process; "1" if it can be used again | |
| `C` | a cell begins, and its time: question, name, whether no answer has run there yet | |
| `O` | the outcome of a test: name, status and message | |
| `E` | the exercise's own cells do not run: why | |
| `D` | all is done | |
"""

import contextlib
import queue
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

MAX_BYTES = 32 * 2**20  # of a value in a message
LENGTH = struct.Struct(">I")
LONGEST = MAX_BYTES + 2**16
GRACE = 0.01  # seconds after a deadline in which what has come already is still taken
MOST_WAITING = 4  # messages that were read ahead
RELAY, STOPPED, NEW, CELL, OUTCOME, BROKEN, DONE = b"A", b"X", b"N", b"C", b"O", b"E", b"D"


class ClosedError(Exception):
    """The other side has ended, or sent something that is no message."""


class SlowError(Exception):
    """No message came in time."""


def late(deadline: float | None) -> float | None:
    """The time after which nothing more is waited for: `deadline`, or very soon if it is past."""
    return None if deadline is None else max(deadline, time.monotonic() + GRACE)


class Channel:
    """One side of a socket. `deadline` is a time of `time.monotonic`; None waits forever."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.unread = b""  # what came behind the last message

    def send(self, message: bytes, deadline: float | None = None) -> None:
        """Send one message.

        Raises:
            ClosedError: if the other side has ended.
            SlowError: if it does not read the message before the deadline.
        """
        data, sent, deadline = LENGTH.pack(len(message)) + message, 0, late(deadline)
        while sent < len(data):
            try:
                sent += self.socket.send(data[sent:] if sent else data)
            except BlockingIOError:
                self._wait(select.POLLOUT, deadline)
            except OSError:
                raise ClosedError from None

    def receive(self, deadline: float | None = None) -> bytes:
        """The next message.

        Raises:
            ClosedError: if the other side has ended, or the message is longer than `LONGEST`.
            SlowError: if it does not come before the deadline.
        """
        deadline, data = late(deadline), bytearray(self.unread)
        while len(data) < (end := self._end(data)):
            self._wait(select.POLLIN, deadline)
            data += self._read()
        self.unread = bytes(data[end:])
        return bytes(data[LENGTH.size : end])

    def _end(self, data: bytearray) -> int:
        """Where the first message in `data` ends, or its length does."""
        if len(data) < LENGTH.size:
            return LENGTH.size
        (size,) = LENGTH.unpack_from(data)
        if size > LONGEST:
            raise ClosedError
        return LENGTH.size + size

    def close(self) -> None:
        """Close this side."""
        self.socket.close()

    def _read(self) -> bytes:
        """What has come, at least one byte."""
        try:
            piece = self.socket.recv(2**16)
        except BlockingIOError:
            return b""
        except OSError:
            raise ClosedError from None
        if not piece:
            raise ClosedError
        return piece

    def _wait(self, event: int, deadline: float | None) -> None:
        """Wait until there is something to read, or room to write."""
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise SlowError
        try:
            poll = select.poll()
            poll.register(self.socket, event)
            ready = poll.poll(None if left is None else 1000 * left)
        except (OSError, ValueError):  # it is closed
            raise ClosedError from None
        if not ready:
            raise SlowError


class PipeChannel:
    """The same over two pipes, on systems whose pipes can't be waited for: threads read and write.

    `ended` is called when the other side has ended.
    """

    def __init__(
        self, reader: BinaryIO, writer: BinaryIO, ended: Callable[[], object] = lambda: None
    ) -> None:
        self.reader, self.writer, self.ended = reader, writer, ended
        self.messages: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        self.writing: threading.Thread | None = None
        self.closed = False
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, message: bytes, deadline: float | None = None) -> None:
        """Send one message; see `Channel.send`. After a `SlowError` the other side has to be ended."""
        if deadline is None:
            self._write(message)
        else:
            self.writing = threading.Thread(target=self._write, args=(message,), daemon=True)
            self.writing.start()
            self.writing.join(late(deadline) - time.monotonic())
            if self.writing.is_alive():
                raise SlowError
        if self.closed:
            raise ClosedError

    def receive(self, deadline: float | None = None) -> bytes:
        """The next message; see `Channel.receive`."""
        left = None if deadline is None else late(deadline) - time.monotonic()
        try:
            message = self.messages.get(timeout=left)
        except queue.Empty:
            raise SlowError from None
        if message is None:
            self.messages.put(None)  # it stays closed
            raise ClosedError
        return message

    def close(self) -> None:
        """Close this side, after the other one has ended."""
        self.closed = True
        with contextlib.suppress(queue.Empty):
            while True:
                self.messages.get_nowait()
        if self.writing:
            self.writing.join(1.0)
        if not (self.writing and self.writing.is_alive()):  # a file in use can't be closed
            with contextlib.suppress(OSError):
                self.writer.close()

    def _write(self, message: bytes) -> None:
        try:
            self.writer.write(LENGTH.pack(len(message)) + message)
            self.writer.flush()
        except (OSError, ValueError):
            self.closed = True

    def _read(self) -> None:
        with self.reader, contextlib.suppress(OSError, ValueError, struct.error):
            while not self.closed:
                (size,) = LENGTH.unpack(self.reader.read(LENGTH.size))
                data = self.reader.read(size) if size <= LONGEST else b""
                if len(data) < size:
                    break
                self.messages.put(data)
        self.ended()
        self.messages.put(None)
