"""Messages between processes: whole and in order, in time or not at all, whoever is at the other end."""

import os
import socket
import struct
import subprocess
import sys
import threading
import time
from functools import cached_property

import pytest
from grading_tools import wait_until
from hypothesis import given, settings
from hypothesis import strategies as st

from dltwice.grading.channel import GRACE, LONGEST, MAX_BYTES, Channel, ClosedError, PipeChannel, SlowError


def frame(message: bytes) -> bytes:
    return struct.pack(">I", len(message)) + message


class Ends:
    """A channel, and its other end: raw, or as another channel."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        if kind == "socket":
            one, self.other = socket.socketpair()
            self.one = Channel(one)
        else:
            (read_one, self.writing), (self.reading, write_one) = os.pipe(), os.pipe()
            self.one = PipeChannel(os.fdopen(read_one, "rb"), os.fdopen(write_one, "wb"))

    @cached_property
    def two(self) -> Channel | PipeChannel:
        if self.kind == "socket":
            return Channel(self.other)
        return PipeChannel(os.fdopen(self.reading, "rb"), os.fdopen(self.writing, "wb"))

    def write(self, data: bytes) -> None:
        """Write bytes, whole messages or not, to the channel."""
        if self.kind == "socket":
            self.other.setblocking(True)
            self.other.sendall(data)
        while data and self.kind == "pipe":
            data = data[os.write(self.writing, data) :]

    def hang_up(self) -> None:
        if "two" in vars(self):
            self.two.close()
        elif self.kind == "socket":
            self.other.close()
        elif self.writing:
            os.close(self.reading)
            os.close(self.writing)
            self.writing = None

    def close(self) -> None:
        self.hang_up()
        self.one.close()

    def send_until_it_fails(self, seconds: float, size: int) -> None:
        for _ in range(50):
            self.one.send(bytes(size), soon(seconds))


@pytest.fixture(params=["socket", "pipe"])
def ends(request):
    if request.param == "socket" and not hasattr(socket, "AF_UNIX"):
        pytest.skip("forks on Linux only")
    ends = Ends(request.param)
    yield ends
    ends.close()


def soon(seconds: float = 20.0) -> float:
    return time.monotonic() + seconds


SIZES = [0, 1, 3, 4, 5, 1000, 65_535, 65_536, 300_000]


@pytest.mark.parametrize("size", SIZES)
def test_messages_of_every_size_arrive(ends, size):
    message = os.urandom(size)
    sender = threading.Thread(target=ends.two.send, args=(message, soon()))
    sender.start()
    assert ends.one.receive(soon()) == message
    sender.join()


def test_the_largest_message_arrives_and_no_larger_one(ends):
    sender = threading.Thread(target=ends.two.send, args=(bytes(LONGEST), soon()))
    sender.start()
    assert len(ends.one.receive(soon())) == LONGEST > MAX_BYTES
    sender.join()
    ends.write(struct.pack(">I", LONGEST + 1))
    with pytest.raises(ClosedError):
        ends.one.receive(soon())


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_pieces_are_put_together_and_taken_apart(ends, piece):
    messages = [b"", b"a", b"", b"bc" * 9, b"\0\0\0\1", bytes(60)]
    data = b"".join(map(frame, messages))

    def write():
        for start in range(0, len(data), piece):
            ends.write(data[start : start + piece])

    sender = threading.Thread(target=write)
    sender.start()
    assert [ends.one.receive(soon()) for _ in messages] == messages
    sender.join()
    with pytest.raises(SlowError):
        ends.one.receive(soon(0.02))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=10), st.lists(st.integers(1, 60), max_size=20))
def test_however_the_bytes_come(messages, cuts):
    ends = Ends("socket")
    data, taken = b"".join(map(frame, messages)), 0
    for cut in [*cuts, len(data)]:
        ends.write(data[taken : taken + cut])
        taken += cut
    assert [ends.one.receive(soon()) for _ in messages] == messages
    ends.close()


def test_both_directions_at_once(ends):
    def answer():
        for _ in range(50):
            ends.two.send(ends.two.receive(soon()) + b"!", soon())

    other = threading.Thread(target=answer)
    other.start()
    for number in range(50):
        ends.one.send(b"%d" % number, soon())
        assert ends.one.receive(soon()) == b"%d!" % number
    other.join()


@pytest.mark.parametrize("before", [b"", b"\0", b"\0\0\0\5abc"])
def test_an_end_is_not_a_message(ends, before):
    ends.write(before)
    ends.hang_up()
    for _ in range(2):
        with pytest.raises(ClosedError):
            ends.one.receive(soon())


def test_what_came_before_an_end_is_received(ends):
    ends.write(frame(b"one") + frame(b"two"))
    ends.hang_up()
    assert [ends.one.receive(soon()), ends.one.receive(None)] == [b"one", b"two"]
    with pytest.raises(ClosedError):
        ends.one.receive(None)


@pytest.mark.parametrize("before", [b"", b"\0\0", b"\0\0\0\5abc"])
@pytest.mark.parametrize("seconds", [-100, 0, 0.05])
def test_waiting_ends(ends, before, seconds):
    ends.write(before)
    start = time.monotonic()
    with pytest.raises(SlowError):
        ends.one.receive(soon(seconds))
    assert max(seconds, 0) <= time.monotonic() - start < max(seconds, GRACE) + 1


def test_what_has_come_is_taken_after_the_deadline(ends):
    ends.write(frame(b"late"))
    time.sleep(0.05)
    assert ends.one.receive(soon(-10)) == b"late"


def test_bytes_that_keep_coming_do_not_help(ends):
    stop = threading.Event()

    def drip():
        while not stop.is_set():
            ends.write(bytes(1))

    ends.write(struct.pack(">I", LONGEST))
    writer = threading.Thread(target=drip)
    writer.start()
    start = time.monotonic()
    with pytest.raises(SlowError):
        ends.one.receive(soon(0.2))
    assert time.monotonic() - start < 2
    stop.set()
    writer.join()


def test_sending_to_someone_who_does_not_read_ends(ends):
    start = time.monotonic()
    with pytest.raises(SlowError):
        ends.send_until_it_fails(0.2, 2**20)
    assert time.monotonic() - start < 5


def test_sending_to_no_one_is_an_error(ends):
    ends.hang_up()
    with pytest.raises(ClosedError):
        ends.send_until_it_fails(2, 2**16)


FLOOD = "import sys\nwhile True: sys.stdout.buffer.write(bytes({size}))"
STUCK = "import time\ntime.sleep(60)"
DEAF = "import sys, time\nsys.stdout.buffer.write(bytes(4) * 3)\nsys.stdout.buffer.flush()\ntime.sleep(60)"


class TestPipesOfAProcess:
    """The side of `StayingServer`: whatever the process does, it can be ended, and no thread is left."""

    def start(self, code: str) -> tuple[subprocess.Popen, PipeChannel]:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return process, PipeChannel(process.stdout, process.stdin)

    @pytest.mark.parametrize("code", [STUCK, DEAF, FLOOD.format(size=4), FLOOD.format(size=2**20), "pass"])
    def test_it_can_always_be_ended(self, code):
        before = threading.active_count()
        process, channel = self.start(code)
        with pytest.raises((SlowError, ClosedError)):
            channel.send(bytes(2**22), soon(0.2))
        process.kill()
        process.wait()
        start = time.monotonic()
        channel.close()
        assert time.monotonic() - start < 1.5
        assert wait_until(lambda: threading.active_count() <= before)
        assert wait_until(lambda: process.stdout.closed)
        assert process.stdin.closed

    def test_a_flood_of_messages_does_not_fill_the_memory(self):
        process, channel = self.start(FLOOD.format(size=4000))
        time.sleep(0.5)
        assert channel.messages.qsize() <= 4
        assert channel.receive(soon()) == b""
        process.kill()
        process.wait()
        channel.close()

    def test_the_end_of_the_other_side_is_told(self):
        told = threading.Event()
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, stdout=-1)
        channel = PipeChannel(process.stdout, process.stdin, ended=told.set)
        assert not told.wait(0.1)
        channel.send(b"", soon())
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert told.wait(10)
        process.wait()
        channel.close()
