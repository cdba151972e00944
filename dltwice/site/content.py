"""Changes to the text of a page before it is written as HTML."""

import re

from docutils import nodes
from sphinx.application import Sphinx

from dltwice.site.widgets import VIEW_TYPE, widget_box

_KOREAN = re.compile(r"([\uac00-\ud7a3]+(?:[ ·][\uac00-\ud7a3]+)*)")
_VERBATIM = (nodes.literal, nodes.literal_block, nodes.raw, nodes.math, nodes.math_block, nodes.comment)


def mark_korean(_app: Sphinx, doctree: nodes.document) -> None:
    """Say of every Korean word that it is one: screen readers and browsers choose voice and font by it."""
    for text in list(doctree.findall(nodes.Text)):
        if not _KOREAN.search(text) or isinstance(text.parent, (*_VERBATIM, nodes.title)):
            continue
        parts = enumerate(_KOREAN.split(text))  # every second part is Korean
        # docutils writes the class language-ko as lang="ko".
        marked = [
            nodes.inline("", part, classes=["language-ko"]) if i % 2 else nodes.Text(part)
            for i, part in parts
        ]
        text.parent.replace(text, [node for node in marked if node.astext()])


def place_widgets(_app: Sphinx, doctree: nodes.document, _docname: str) -> None:
    """Give every widget a place of its own, with a note that stands there until it is live."""
    for node in list(doctree.findall(nodes.raw)):
        html = node.astext()
        if html.startswith(f'<script type="{VIEW_TYPE}">'):
            node.replace_self(nodes.raw("", widget_box(html), format="html"))


def drop_thebe(_app: Sphinx, doctree: nodes.document, _docname: str) -> None:
    """Remove what sphinx-thebe, which Jupyter Book always loads, adds to every page."""
    for node in list(doctree.findall(nodes.raw)):
        if "text/x-thebe-config" in node.astext() or "<script>kernelName" in node.astext():
            node.parent.remove(node)
