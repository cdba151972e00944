"""Takes out of an executed notebook what would differ between two executions of the same code."""

import json
import re
from collections.abc import Iterator
from typing import Any

import nbformat
from nbformat import NotebookNode

from dltwice.authoring.source import digest

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
TRACES = re.compile(r"\bat 0x[0-9a-fA-F]{6,}|\bsite-packages\b|/(ipykernel_|home/|Users/)\w+|[A-Z]:\\Users")


def plain(text: str) -> str:
    """Return `text` without color codes."""
    return ANSI.sub("", text)


def normalize(notebook: NotebookNode, stem: str) -> None:
    """Normalize an executed notebook in place.

    Executions are counted from 1, tracebacks lose colors and the frames outside the notebook, unused widget
    models are dropped and the others get ids that depend on `stem` and their order alone.
    """
    count = 0
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        ran = bool(cell.source.strip())
        count += ran
        cell.execution_count = count if ran else None
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            if output.output_type == "error":
                output.traceback = _own_frames(output.traceback)
    _stable_widgets(notebook, stem)


def _own_frames(traceback: list[str]) -> list[str]:
    """Keep the frames of the notebook's cells; the others hold paths and line numbers of this machine."""
    return [part for part in map(plain, traceback) if not part.startswith("File ")]


def _stable_widgets(notebook: NotebookNode, stem: str) -> None:
    """Rename the widget models that an output shows (and those that they refer to), drop the others."""
    widgets = notebook.metadata.pop("widgets", {}).get(WIDGET_STATE)
    if not widgets:
        return
    order = _reachable(notebook, widgets["state"])
    names = {old: digest(f"{stem}/{number}", 32) for number, old in enumerate(order)}
    widgets["state"] = {old: widgets["state"][old] for old in order}
    text = json.dumps({"cells": notebook.cells, "widgets": widgets})
    for old, new in names.items():
        text = text.replace(old, new)
    renamed = nbformat.from_dict(json.loads(text))
    notebook.cells = renamed.cells
    if order:
        notebook.metadata.widgets = {WIDGET_STATE: renamed.widgets}


def _reachable(notebook: NotebookNode, state: dict[str, Any]) -> list[str]:
    """List the models in the order in which the outputs, and then the models themselves, name them."""
    order: list[str] = []

    def visit(model: str) -> None:
        if model in state and model not in order:
            order.append(model)
            for name in re.findall(r"IPY_MODEL_(\w+)", json.dumps(state[model], sort_keys=True)):
                visit(name)

    for data in _shown(notebook):
        if WIDGET_VIEW in data:
            visit(data[WIDGET_VIEW]["model_id"])
    return order


def _shown(notebook: NotebookNode) -> Iterator[dict[str, Any]]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield output.get("data", {})


def machine_traces(cell: NotebookNode, paths: list[str]) -> str | None:
    """Return the first path or memory address in the text of the cell's outputs, or None."""
    for text in _texts(cell.get("outputs", [])):
        if found := TRACES.search(text):
            return found.group()
        if path := next((path for path in paths if path in text), None):
            return path
    return None


def _texts(value: Any) -> Iterator[str]:
    """Yield every string in nested lists and dictionaries, bitmaps apart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in {"image/png", "image/jpeg"}:
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
