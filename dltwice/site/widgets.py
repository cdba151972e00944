"""How a widget stands in a built page: the HTML that `book/assets/host.js` brings to life."""

import json

STATE_TYPE = "application/vnd.jupyter.widget-state+json"
VIEW_TYPE = "application/vnd.jupyter.widget-view+json"

_BOX = """<div class="dlt-widget" aria-busy="true">
<p class="dlt-widget-note">An interactive widget stands here. It needs JavaScript.</p>
{script}
<script>globalThis.dltHost?.(document.currentScript.parentElement)</script>
</div>"""


def script(mime_type: str, data: dict) -> str:
    """Return `data` as a JSON script element; no text in it can end the element early."""
    text = json.dumps(data).replace("<", "\\u003c")
    return f'<script type="{mime_type}">{text}</script>'


def widget_box(view_script: str) -> str:
    """Return the place of one widget view: `view_script` and what is seen until it is live.

    `view_script` is the script element of the view, as MyST-NB writes it or as `script(VIEW_TYPE, …)` does.
    """
    return _BOX.format(script=view_script)
