"""Messages over a socket or a pair of pipes: four bytes of length, then that many bytes.

Between the watcher and the tests, the first byte says what a message is:

| byte | from the tests | to the tests |
|---|---|---|
| `A` | a request, to be passed to the answers | the answers' reply |
| `X` | | the answers' process was stopped or has ended: status and message |
| `N` | start a new answers' process | |
| `C` | a cell begins, and its time: its question and name | |
| `O` | the outcome of a test: name, status and message | |
| `E` | the exercise's own cells do not run: why | |
| `D` | all is done | |
"""

import contextlib
import queue
import socket
import struct
import threading
import time
from typing import BinaryIO

MAX_BYTES = 32 * 2**20  # of a value in a message
LENGTH = struct.Struct(">I")
LONGEST = MAX_BYTES + 2**16
RELAY, STOPPED, NEW, CELL, OUTCOME, BROKEN, DONE = b"A", b"X", b"N", b"C", b"O", b"E", b"D"


class ClosedError(Exception):
    """The other side has ended, or sent something that is no message."""


class SlowError(Exception):
    """No message came in time."""


class Channel:
    """One side of a socket. `deadline` is a time of `time.monotonic`; None waits forever."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock

    def send(self, message: bytes, deadline: float | None = None) -> None:
        """Send one message.

        Raises:
            ClosedError: if the other side has ended.
            SlowError: if it does not read the message before the deadline.
        """
        self._wait(deadline)
        try:
            self.socket.sendall(LENGTH.pack(len(message)) + message)
        except TimeoutError:
            raise SlowError from None
        except OSError:
            raise ClosedError from None

    def receive(self, deadline: float | None = None) -> bytes:
        """The next message.

        Raises:
            ClosedError: if the other side has ended, or the message is longer than `LONGEST`.
            SlowError: if it does not come before the deadline.
        """
        (size,) = LENGTH.unpack(self._exactly(LENGTH.size, deadline))
        if size > LONGEST:
            raise ClosedError
        return self._exactly(size, deadline)

    def close(self) -> None:
        """Close this side."""
        self.socket.close()

    def _exactly(self, size: int, deadline: float | None) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._wait(deadline)
            try:
                piece = self.socket.recv(min(size - len(data), 2**20))
            except TimeoutError:
                raise SlowError from None
            except OSError:
                raise ClosedError from None
            if not piece:
                raise ClosedError
            data += piece
        return bytes(data)

    def _wait(self, deadline: float | None) -> None:
        """Give the socket the time that is left."""
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            left = 1e-3  # what has come already is still taken
        self.socket.settimeout(left)


class PipeChannel:
    """The same over two pipes, on systems whose pipes can't be waited for: a thread reads."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self.reader, self.writer = reader, writer
        self.messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, message: bytes, deadline: float | None = None) -> None:
        """Send one message; see `Channel.send`. A pipe that is not read blocks without a deadline."""
        try:
            self.writer.write(LENGTH.pack(len(message)) + message)
            self.writer.flush()
        except (OSError, ValueError):
            raise ClosedError from None

    def receive(self, deadline: float | None = None) -> bytes:
        """The next message; see `Channel.receive`."""
        left = None if deadline is None else max(deadline - time.monotonic(), 1e-3)
        try:
            message = self.messages.get(timeout=left)
        except queue.Empty:
            raise SlowError from None
        if message is None:
            raise ClosedError
        return message

    def close(self) -> None:
        """Close this side."""
        for file in (self.writer, self.reader):
            with contextlib.suppress(OSError):
                file.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError, struct.error):
            while True:
                (size,) = LENGTH.unpack(self.reader.read(LENGTH.size))
                data = self.reader.read(size) if size <= LONGEST else b""
                if len(data) < size:
                    break
                self.messages.put(data)
        self.messages.put(None)
