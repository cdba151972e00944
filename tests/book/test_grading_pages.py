"""The pages of grades in a browser: quiet, narrow enough for a phone, readable in light and dark."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from test_grading_report import PAGES

NARROW = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture
def open_page(new_page, tmp_path):
    def open_one(name, **options):
        path = tmp_path / "page.html"
        path.write_text(PAGES[name], encoding="utf-8")
        page = new_page(**options)
        page.goto(path.as_uri())
        return page

    return open_one


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_and_fits(open_page, axe, watch, name, theme, width):
    page = open_page(name, width=width, theme=theme, bypass_csp=True)  # for the checker's own script
    assert page.evaluate(NARROW)
    assert axe(page) == []
    assert [url for url in watch.requests if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_a_page_is_black_on_white(open_page, name):
    page = open_page(name, theme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
