"""What several tests of the grader share."""

import contextlib
import json
import os
import time
from collections.abc import Callable

import psutil
import pytest

from dltwice.grading.channel import RELAY, STOPPED, Channel, ClosedError, PipeChannel
from dltwice.grading.sandbox import why_not

REQUIRED = bool(os.environ.get("DLTWICE_REQUIRE_SANDBOX"))  # then a test without the sandbox fails
NO_SANDBOX = "" if REQUIRED else why_not() or ""
needs_sandbox = pytest.mark.skipif(bool(NO_SANDBOX), reason=f"needs the sandbox. {NO_SANDBOX}")
ENDED = ["error", "The answer ended."]


class Wire:
    """The tests' end of a line to the answers. It also stands for the watcher, which marks what passes."""

    def __init__(self, channel: Channel | PipeChannel, seconds: float = 20.0) -> None:
        self.channel, self.seconds, self.passed = channel, seconds, 0

    def send(self, message: bytes) -> None:
        assert message[:1] == RELAY
        self.passed += 1
        with contextlib.suppress(ClosedError):
            self.channel.send(message[1:], time.monotonic() + self.seconds)

    def receive(self) -> bytes:
        try:
            return RELAY + self.channel.receive(time.monotonic() + self.seconds)
        except ClosedError:
            return STOPPED + json.dumps(ENDED).encode()


def descendants() -> list[psutil.Process]:
    """The living processes that this one has started, and theirs, but for joblib's own, which stay."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if is_alive(process) and not is_tracker(process)]


def is_tracker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "resource_tracker" in " ".join(process.cmdline())
    return False


def is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether `condition()` becomes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
