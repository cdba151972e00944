"""The built site, every page of it: quiet, self-contained, accessible, narrow enough for a phone, light."""

import functools
import gzip
import json
import re
import statistics
import types
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
import yaml

from dltwice.site import pages
from dltwice.site.widgets import STATE_TYPE, VIEW_TYPE

ROOT = Path(__file__).resolve().parents[2]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
TEXTS = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
CHAPTERS = [name for name in TEXTS if name.startswith("notebooks/")]
PAGES = [*TEXTS, "search", "genindex"]

# What a page may weigh: JavaScript without MathJax, gzipped, and the time to the first usable widget.
JS_BUDGET = 250_000
WIDGET_SECONDS = 1.0

LIVE = "[data-dlt-live=true]"
SETTLED = "() => !document.querySelector('.dlt-widget[aria-busy]')"


class Page(HTMLParser):
    """The parts of a built page that the tests read."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.elements = []
        self.scripts = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag == "script":
            self.scripts.append((attributes, ""))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)

    @functools.cached_property
    def anchors(self):
        return {value for _, a in self.elements for key in ("id", "name") if (value := a.get(key))}

    def links(self):
        return [(tag, a[key]) for tag, a in self.elements for key in ("href", "src") if a.get(key)]

    def json_scripts(self, mime_type):
        return [json.loads(text) for attributes, text in self.scripts if attributes.get("type") == mime_type]


@pytest.fixture(scope="module")
def read(site):
    """Function that gives a page of the site by its name, parsed once."""
    return functools.cache(lambda name: Page(site / f"{name}.html"))


@pytest.fixture(params=["http", "file"])
def address(request):
    """The site's address, once on a server and once as a folder."""
    if request.param == "http":
        return request.getfixturevalue("http_site")
    return request.getfixturevalue("site").as_uri()


def visit(page, url):
    """Open a page and wait until its widgets and equations stand."""
    page.goto(url)
    page.wait_for_function(SETTLED)
    page.evaluate("() => globalThis.MathJax?.startup?.promise")


def widget_views(page):
    """The views of a page that are to come to life: those of anywidgets, not of plain controls."""
    models = {
        key: model for script in page.json_scripts(STATE_TYPE) for key, model in script["state"].items()
    }
    return [view for view in page.json_scripts(VIEW_TYPE) if "_esm" in models[view["model_id"]]["state"]]


# -- in the browser ------------------------------------------------------------------------------------
ANIMATIONS_END = "() => Promise.allSettled(document.getAnimations().map((a) => a.finished)).then(() => {})"
CUT_OFF = """(width) => {
  const isClipped = (element) => getComputedStyle(element).overflowX !== "visible";
  const sticksOut = (element) => element.getBoundingClientRect().right > width + 1;
  const scrollsInside = (element) =>
    element.matches("article, .bd-search-container") ? false :
    (isClipped(element) && !sticksOut(element)) || scrollsInside(element.parentElement);
  return [...document.querySelectorAll("article *, .bd-search-container *")]
    .filter((element) => !element.closest("mjx-assistive-mml, .visually-hidden"))
    .filter((element) => sticksOut(element) && !scrollsInside(element))
    .map((element) => `${element.tagName}.${element.className}`);
}"""


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_quiet_fits_and_is_accessible(name, width, address, new_page, read, axe):
    """No error and no foreign request (both by `watch`), nothing cut off, all widgets live, axe content.

    Each page is opened in one theme and turned to the other while the reader looks at it. Content checked by
    axe is the same on a server and in a folder.
    """
    themes = ["light", "dark"] if width > 500 else ["dark", "light"]
    page = new_page(width=width, theme=themes[0], touch=width < 500, reduced_motion="reduce")
    visit(page, f"{address}/{name}.html")
    page.evaluate("() => document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert page.evaluate(CUT_OFF, width) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(LIVE).count() == len(widget_views(read(name)))
    for theme in themes:
        page.emulate_media(color_scheme=theme)
        page.wait_for_function("(theme) => document.documentElement.dataset.theme === theme", arg=theme)
        page.evaluate(ANIMATIONS_END)
        if address.startswith("http"):
            assert axe(page) == []


def test_root_leads_to_the_first_page(address, new_page):
    page = new_page()
    page.goto(f"{address}/index.html")
    page.wait_for_url(f"**/{TOC['root']}.html")


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_has_live_widgets(name, site, new_page, read):
    """A chapter is not a chapter without something to play with; its widgets take what is done to them."""
    assert widget_views(read(name))
    page = new_page()
    visit(page, f"{site.as_uri()}/{name}.html")
    for widget in page.locator(LIVE).all():
        assert widget.locator("button, input, select").count()


@pytest.mark.parametrize("name", CHAPTERS)
def test_first_widget_is_soon_usable(name, http_site, new_page):
    """The median of three loads, each in a browser context of its own that has nothing in its cache."""
    times = []
    for _ in range(3):
        page = new_page()
        page.add_init_script(
            """new MutationObserver((_, observer) => {
                if (!document.querySelector("[data-dlt-live=true]")) return;
                globalThis.firstWidget = performance.now();
                observer.disconnect();
            }).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-dlt-live"] });"""
        )
        visit(page, f"{http_site}/{name}.html")
        times.append(page.evaluate("firstWidget") / 1000)
    assert statistics.median(times) <= WIDGET_SECONDS, times


@pytest.mark.parametrize("name", CHAPTERS)
def test_javascript_fits_its_budget(name, http_site, site, new_page, watch):
    """Every script that a chapter loads, modules of widgets included, MathJax aside."""
    page = new_page()
    visit(page, f"{http_site}/{name}.html")
    urls = {urlsplit(url).path.lstrip("/") for url in watch.requests if url.startswith(http_site)}
    files = sorted(path for path in urls if path.endswith(".js") and "mathjax" not in path)
    assert any(path.endswith("host.js") for path in files)
    inside = Page(site / f"{name}.html").scripts
    size = sum(len(gzip.compress((site / path).read_bytes())) for path in files)
    size += sum(len(gzip.compress(text.encode())) for _, text in inside if text)
    assert size <= JS_BUDGET, f"{size} bytes: {files}"


def test_theme_changes_by_keyboard(http_site, new_page):
    page = new_page(theme="light")
    visit(page, f"{http_site}/{TOC['root']}.html")
    page.locator(".theme-switch-button").first.focus()
    seen = set()
    for _ in range(3):
        page.keyboard.press("Enter")
        state = page.evaluate("({ ...document.documentElement.dataset })")
        seen.add((state["mode"], state["theme"]))
    assert seen == {("dark", "dark"), ("light", "light"), ("auto", "light")}


def test_theme_is_kept(http_site, new_page):
    page = new_page(theme="light")
    visit(page, f"{http_site}/{TEXTS[0]}.html")
    while page.evaluate("document.documentElement.dataset.mode") != "dark":
        page.locator(".theme-switch-button").first.press("Enter")
    visit(page, f"{http_site}/{TEXTS[1]}.html")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_theme_is_right_from_the_first_paint(http_site, new_page):
    page = new_page(theme="dark")
    page.add_init_script(
        """new MutationObserver((_, observer) => {
            if (!document.body) return;
            globalThis.firstTheme = document.documentElement.dataset.theme;
            observer.disconnect();
        }).observe(document, { subtree: true, childList: true });"""
    )
    visit(page, f"{http_site}/{TOC['root']}.html")
    assert page.evaluate("firstTheme") == "dark"


@pytest.mark.parametrize("width", [1280, 360])
def test_search_finds_a_word(width, address, new_page):
    page = new_page(width=width)
    visit(page, f"{address}/{TOC['root']}.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("stride")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=stride")
    # Sphinx adds the results one by one.
    page.locator("#search-results li a[href*='glossary']").first.wait_for()


def test_every_page_is_in_reach_of_the_menu(http_site, new_page):
    page = new_page(width=360, touch=True)
    visit(page, f"{http_site}/{TOC['root']}.html")
    page.locator(".primary-toggle").first.tap()
    page.get_by_role("link", name="Glossary").first.tap()
    page.wait_for_url("**/glossary.html")


@pytest.mark.parametrize("name", CHAPTERS)
def test_equations_are_drawn_without_network(name, address, new_page):
    page = new_page()
    visit(page, f"{address}/{name}.html")
    assert page.locator("mjx-container svg").count() >= page.locator("article .math").count() > 0
    assert page.locator("mjx-merror").count() == 0


@pytest.mark.parametrize("name", CHAPTERS)
def test_page_without_javascript_says_what_is_missing(name, site, new_page, read, watch):
    page = new_page(java_script_enabled=False)
    page.goto(f"{site.as_uri()}/{name}.html")
    notes = page.locator(".dlt-widget-note")
    assert notes.count() == len(read(name).json_scripts(VIEW_TYPE))
    assert "JavaScript" in notes.first.inner_text()
    assert all(".js?" in url for url in watch.seen.pop("failed request", []))  # not wanted, so not loaded


# -- in the files --------------------------------------------------------------------------------------
def test_every_built_page_is_among_the_tested(site):
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert {name for name in built if not name.startswith("_")} == {*PAGES, "index"}


@pytest.mark.parametrize("name", [*PAGES, "index"])
def test_links_lead_somewhere(name, site, read):
    here = read(name).path
    for tag, link in read(name).links():
        url, anchor = urldefrag(link)
        if urlsplit(url).scheme:
            assert tag == "a" or url.startswith("data:"), f"{tag} of {name} loads {link} from elsewhere"
            continue
        target = (here.parent / unquote(urlsplit(url).path)).resolve() if url else here
        assert target.is_file(), f"{name}: {link} leads nowhere"
        assert target.is_relative_to(site)
        if anchor and target.suffix == ".html":
            found = read(str(target.relative_to(site).with_suffix(""))).anchors
            assert anchor in found, f"{name}: {link} has no such place"


@pytest.mark.parametrize("name", PAGES)
def test_images_have_a_text_alternative(name, read):
    for tag, attributes in read(name).elements:
        if tag == "img":
            assert "alt" in attributes, attributes
        if tag == "svg" and attributes.get("aria-hidden") != "true":
            assert attributes.get("role") == "img", attributes
            assert attributes.get("aria-label", "").strip(), attributes


@pytest.mark.parametrize("name", [*PAGES, "index"])
def test_page_says_its_language(name, read):
    assert [a.get("lang") for tag, a in read(name).elements if tag == "html"] == ["en"]


def test_korean_terms_say_that_they_are(site):
    text = (site / "book" / "glossary.html").read_text(encoding="utf-8")
    article = re.search(r"<article.*</article>", text, flags=re.DOTALL)[0]
    marked = re.sub(r'<span lang="ko">[^<]*</span>', "", article)
    assert 'lang="ko"' in article
    assert re.findall(r"[\uac00-\ud7a3]+", re.sub(r"<[^>]*>", "", marked)) == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_view_has_its_state(name, read):
    states = {key for script in read(name).json_scripts(STATE_TYPE) for key in script["state"]}
    assert {view["model_id"] for view in read(name).json_scripts(VIEW_TYPE)} <= states


def test_pages_do_not_name_the_machine(site):
    for path in site.rglob("*.html"):
        assert str(ROOT) not in path.read_text(encoding="utf-8"), path


def test_build_after_an_aborted_one_writes_all_pages(build_site, tmp_path):
    build_site("--path-output", str(tmp_path))
    html = tmp_path / "_build" / "html"
    page = html / f"{TOC['root']}.html"
    whole = page.read_text(encoding="utf-8")
    page.write_text(whole[:2000], encoding="utf-8")
    pages.mark_unfinished(types.SimpleNamespace(outdir=html))
    build_site("--path-output", str(tmp_path))
    again = page.read_text(encoding="utf-8")
    assert re.sub(r"\?v=\w+", "", again) == re.sub(r"\?v=\w+", "", whole)
