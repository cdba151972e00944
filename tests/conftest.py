"""The order of the tests."""

from pathlib import Path

BROWSER_TESTS = Path(__file__).parent / "book"


def pytest_collection_modifyitems(items):
    """Put the tests in a browser last: Playwright keeps an event loop, and nbclient starts its own."""
    items.sort(key=lambda item: BROWSER_TESTS in item.path.parents)
