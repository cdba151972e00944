"""The order of the tests, and a record of scores that is not the user's own."""

import signal
import tempfile
from pathlib import Path

import pytest

BROWSER_TESTS = Path(__file__).parent / "book"


def pytest_configure():
    """Undo what a shell does to a job in the background: its programs ignore Ctrl-C, which tests send."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Put the tests in a browser last: Playwright keeps an event loop, and nbclient starts its own."""
    items.sort(key=lambda item: BROWSER_TESTS in item.path.parents)


@pytest.fixture(autouse=True, scope="session")
def _own_data():
    """Scores that the tests get go into a folder of their own."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLTWICE_DATA", folder)
        yield
