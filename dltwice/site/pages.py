"""What stands around the text of a page: only the scripts and styles that the page uses."""

import re
from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.osutil import relative_uri

_TEMPLATES = Path(__file__).parent / "templates"

# Files that extensions put on every page, and the text by which a page shows that it uses them (None: never).
_OPTIONAL = {
    "sphinx-thebe": None,
    "design-tabs": "sd-tab-set",
    "togglebutton": "dropdown admonition",
    "copybutton": 'class="highlight"',
    "clipboard": 'class="highlight"',
}
_OPTIONAL_CODE = {
    "const THEBE_JS_URL": None,
    "let toggle": "dropdown admonition",
    "var toggle": "dropdown admonition",
}

# The theme's icon script (0.5 MB; book/assets/icons.css has the few icons that pages show) and what it would
# need to search while the reader types, which is off.
_THEME_SCRIPTS = re.compile(
    r'\s*<script[^>]*["/](?:fontawesome|searchtools|language_data|searchindex)\.js[^>]*></script>'
)

# Excerpts of what was found are fetched page by page, which browsers refuse to pages opened from a folder.
_SEARCH_IN_A_FOLDER = "if (location.protocol === 'file:') DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;"

_UNFINISHED = "# Sphinx build info version 1\n#\nconfig: unfinished\ntags: unfinished\n"

_ENTRANCE = """<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="0; url={url}">
<link rel="canonical" href="{url}">
<link rel="icon" href="{icon}">
<title>{title}</title>
</head>
<body><main><h1>{title}</h1><p><a href="{url}">Read the book</a></p></main></body>
</html>
"""


def configure(app: Sphinx, config: Config) -> None:
    """Add the book's template and styles; have MathJax draw glyphs as paths, which needs no font files.

    Browsers refuse fonts to pages opened from a folder (`file://`).
    """
    config.templates_path.append(str(_TEMPLATES))
    config.mathjax_path = "mathjax/tex-svg.js"
    for name in ("book.css", "icons.css", "reference.css"):
        app.add_css_file(name, priority=900)


def lighten(app: Sphinx, page: str, _template: str, context: dict[str, Any], _doctree: object) -> None:
    """Take from one page the scripts and styles that it does not use; add the widgets' host if it does."""
    body = context.get("body", "")
    if 'class="dlt-widget"' in body:
        app.add_js_file("host.js", priority=100)  # small, and ready before the first widget is read
    if page == "search":
        app.add_js_file(None, body=_SEARCH_IN_A_FOLDER)
    # A list whose entries are no list items is an error to screen readers; docutils writes one.
    context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')
    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context[kind] if _is_used(asset, body)]
    context["without_theme_scripts"] = lambda html: _THEME_SCRIPTS.sub("", html)


def mark_unfinished(app: Sphinx, *_: object) -> None:
    """Leave a note while pages are written, so that the build after an aborted one writes all of them again.

    Sphinx compares the configuration that its `.buildinfo` names with its own; it writes the file last.
    """
    Path(app.outdir, ".buildinfo").write_text(_UNFINISHED, encoding="utf-8")


def _is_used(asset: Any, body: str) -> bool:
    name = Path(str(getattr(asset, "filename", asset) or "")).name
    code = getattr(asset, "attributes", {}).get("body", "")
    needs = [need for start, need in _OPTIONAL.items() if name.startswith(start)]
    needs += [need for start, need in _OPTIONAL_CODE.items() if not name and code.startswith(start)]
    return all(need is not None and need in body for need in needs)


def write_entrance(app: Sphinx, exception: Exception | None) -> None:
    """Write the page at the site's root, which leads to the book's first page."""
    root = app.config.root_doc
    if exception or app.builder.name != "html" or root == "index":
        return
    values = {
        "lang": app.config.language,
        "title": app.config.html_title,
        "url": relative_uri("index.html", app.builder.get_target_uri(root)),
        "icon": "_static/" + Path(app.config.html_favicon).name,
    }
    text = _ENTRANCE.format_map({name: escape(value) for name, value in values.items()})
    Path(app.outdir, "index.html").write_text(text, encoding="utf-8")
