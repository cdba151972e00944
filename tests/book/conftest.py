"""Fixtures of the tests that look at the book in a real browser.

- `site`: the folder of the built site, brought up to date once per session;
- `http_site`: its address on a server of this machine;
- `new_page(...)`: a browser page of a given width, theme and kind of pointer;
- `widget_page(*widgets, ...)`: a page with live widgets, hosted as in the built site;
- `widget_module(WidgetClass)`: an empty page with that widget's module in it, `widget` and `math`;
- `axe`: what an accessibility checker finds on a page.

Every page that a test opens is watched (`watch`): the test fails when one raised an error, wrote one to the
console or asked another host for anything.
"""

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path

import pytest

from dltwice.site.widgets import STATE_TYPE, VIEW_TYPE, script, widget_box

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "book" / "assets"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NO_BROWSER = (
    "no Chromium found: install one (Debian and Ubuntu: sudo apt-get install chromium; macOS: "
    "brew install --cask chromium) or name it, CHROMIUM=/path/to/chromium"
)
HARNESS = """<!DOCTYPE html>
<html lang="en" data-theme="{theme}" data-mode="{theme}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Widgets</title>
<link rel="stylesheet" href="book.css">
<style>
html {{ background: #fff; color: #1b1f24; font-family: sans-serif; }}
html[data-theme="dark"] {{ background: #14181e; color: #ced6dd; }}
</style>
<script src="host.js"></script>
{state}
</head>
<body><main><h1>Widgets</h1>
{views}
</main></body>
</html>"""


def pytest_collection_modifyitems(items):
    """Mark everything in this folder, so that `-m "not browser"` leaves it out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


def chromium_path():
    """Return the browser to use, or None: what CHROMIUM names, else the first one installed."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="session")
def browser():
    """One Chromium for the whole session. Without one, tests are skipped, in CI they fail."""
    path = chromium_path()
    if path is None:
        required = os.environ.get("CI") or os.environ.get("DLTWICE_REQUIRE_BROWSER")
        (pytest.fail if required else pytest.skip)(NO_BROWSER)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=[*BROWSER_ARGS])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def build_site():
    """Function that builds the book as `make book` does; its arguments go to `jupyter-book build`."""

    def build(*options):
        jupyter_book = "from jupyter_book.cli.main import main; main()"
        command = [sys.executable, "-c", jupyter_book, "build", ".", "-W", "-n", "--keep-going", *options]
        built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert built.returncode == 0, f"the site does not build:\n{built.stdout}\n{built.stderr}"

    return build


@pytest.fixture(scope="session")
def site(build_site):
    """The built site. Building again what did not change takes a few seconds, so it is never stale."""
    build_site()
    return ROOT / "_build" / "html"


LOAD_MODULE = """async (text) => {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  Object.assign(window, { widget, math: widget.math });
}"""


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing: the test's output is for the test."""


@contextlib.contextmanager
def serve(folder):
    """Serve a folder on a free port of this machine; gives the address, without a slash at its end."""
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def http_site(site):
    """Address of the built site, served over http."""
    with serve(site) as address:
        yield address


class Watch:
    """What the pages of one test did that a reader would mind, by kind, and all that they asked for."""

    def __init__(self):
        self.seen = defaultdict(list)
        self.requests = []

    def attach(self, page):
        """Listen to a page. Requests to other hosts are not sent, only noted."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.seen["page error"].append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("request", lambda request: self.requests.append(request.url))
        page.route(self._is_foreign, self._refuse)

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.seen[f"console {message.type}"].append(message.text)

    def _failed(self, request):
        if request.failure != "net::ERR_ABORTED":  # the page was left meanwhile
            self.seen["failed request"].append(request.url)

    @staticmethod
    def _is_foreign(url):
        return not url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:", "about:"))

    def _refuse(self, route):
        self.seen["request to another host"].append(route.request.url)
        route.abort()


@pytest.fixture
def watch():
    """The record of this test's pages. A test that provokes an error ends with `watch.seen.clear()`."""
    record = Watch()
    yield record
    assert not record.seen, dict(record.seen)


@pytest.fixture
def new_page(browser, watch):
    """Function that opens an empty page: `new_page(width=1280, theme="light", touch=False)`.

    `theme` is what the reader's system asks for, `touch` makes it a phone. Further keywords go to
    Playwright's `new_context`, for example `reduced_motion="reduce"` or `java_script_enabled=False`.
    """
    contexts = []

    def open_page(width=1280, theme="light", touch=False, height=900, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            has_touch=touch,
            is_mobile=touch,
            **options,
        )
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        watch.attach(page)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe():
    """Function that lists the serious and critical violations on a page, one text each; empty is good."""
    from axe_playwright_python.sync_playwright import Axe

    checker = Axe()

    def check(page):
        # Without preload axe does not fetch the page's styles again, which a page in a folder may not.
        options = {"preload": False, "resultTypes": ["violations"]}
        violations = checker.run(page, options=options).response["violations"]
        return [
            f"{violation['id']}: {node['target']} {node['failureSummary']}"
            for violation in violations
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]

    return check


@pytest.fixture
def widget_module(new_page):
    """Function that opens an empty page with a widget's module in it: `widget`, and `math`, its arithmetic.

    `page.evaluate("(cases) => cases.map((one) => math.forward(one))", cases)` runs it on many cases.
    """

    def load(widget_class):
        page = new_page()
        page.goto("about:blank")
        page.evaluate(LOAD_MODULE, widget_class._esm)
        return page

    return load


def harness_html(widgets, theme="light"):
    """Return a page with the widgets' state in it, as a built page has it."""
    from ipywidgets import Widget

    state = Widget.get_manager_state(widgets=widgets, drop_defaults=False)
    views = (widget_box(script(VIEW_TYPE, widget.get_view_spec())) for widget in widgets)
    return HARNESS.format(theme=theme, views="\n".join(views), state=script(STATE_TYPE, state))


@pytest.fixture
def widget_page(new_page, tmp_path):
    """Function that shows widgets as the site does: `widget_page(ConvExplorer(), width=360, touch=True)`.

    Returns the page once all views are live, or `live` of them. Further keywords are those of `new_page`.
    """
    with contextlib.ExitStack() as stack:
        addresses = []

        def open_widgets(*widgets, live=None, theme="light", **options):
            for name in ("host.js", "book.css"):
                shutil.copy(ASSETS / name, tmp_path / name)
            (tmp_path / "index.html").write_text(harness_html(widgets, theme), encoding="utf-8")
            if not addresses:
                addresses.append(stack.enter_context(serve(tmp_path)))
            page = new_page(theme=theme, **options)
            page.goto(f"{addresses[0]}/index.html")
            page.wait_for_function("() => !document.querySelector('.dlt-widget[aria-busy]')")
            expected = len(widgets) if live is None else live
            notes = page.locator(".dlt-widget-error, .dlt-widget-note").all_inner_texts()
            assert page.locator("[data-dlt-live=true]").count() == expected, notes
            return page

        yield open_widgets
