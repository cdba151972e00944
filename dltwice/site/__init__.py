"""The built HTML: a Sphinx extension that hosts the widgets without a kernel and keeps the pages light.

`_config.yml` names it. It needs Sphinx only: no NumPy, no PyTorch, no Jupyter.

- `pages`: what stands around the text: scripts, styles, the template, the way in;
- `content`: what stands in it: widgets and their placeholders, Korean words;
- `widgets`: the HTML of one widget, which `book/assets/host.js` brings to life.
"""

import hashlib
from pathlib import Path

from sphinx.application import Sphinx

from dltwice import __version__
from dltwice.site import content, pages

_HERE = Path(__file__).parent


def _digest(folders: tuple[Path, ...]) -> str:
    """Return a digest of everything that shapes a page beside its text."""
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    parts = (path.read_bytes() for path in files if path.suffix != ".pyc")
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def setup(app: Sphinx) -> dict[str, str | bool]:
    """Register the extension with Sphinx."""
    digest = _digest((_HERE, Path(app.confdir) / "book" / "assets"))
    app.add_config_value("dltwice_site_digest", digest, rebuild="env")
    app.connect("config-inited", pages.configure)
    app.connect("doctree-read", content.mark_korean)
    app.connect("doctree-resolved", content.place_widgets)
    app.connect("doctree-resolved", content.drop_thebe, priority=900)
    app.connect("html-page-context", pages.mark_unfinished)
    app.connect("html-page-context", pages.lighten, priority=900)
    app.connect("build-finished", pages.write_entrance, priority=100)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
