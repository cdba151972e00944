"""Runs a notebook from top to bottom in a fresh kernel and notes which files of the project it read."""

import ast
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path

from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from packaging.utils import canonicalize_name
from packaging.version import Version

from dltwice.authoring.normalize import machine_traces, normalize, plain
from dltwice.authoring.source import AuthoringError, Source

GENERATED = {"__pycache__", "_build", "site-packages"}
CELL_TIMEOUT = 300  # seconds; far above the budget, so that the author sees the time and not a timeout

# Run in the kernel before the first cell: from here on each file that is opened for reading is noted.
RECORD = """
import sys as _sys
_sys._opened = set()
def _note(event, args, _opened=_sys._opened):
    if event == "open" and isinstance(args[0], str) and "r" in (args[1] or "r"):
        _opened.add(args[0])
_sys.addaudithook(_note)
del _note, _sys
"""
# Read after the last cell: the opened files, the files of the imported modules, the packages' names.
REPORT = """__import__("json").dumps([
    sorted(__import__("sys")._opened),
    sorted(str(f) for m in list(__import__("sys").modules.values()) if (f := getattr(m, "__file__", None))),
    sorted({name.partition(".")[0] for name in __import__("sys").modules}),
])"""


@dataclass(frozen=True)
class Run:
    """What an execution read: files of the project, and the version of each imported distribution."""

    files: list[Path]
    versions: dict[str, str]


class _ThisInterpreter(KernelSpecManager):
    """Starts the kernel in this interpreter, whatever kernels the machine's user has installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


def execute(source: Source, root: Path) -> Run:
    """Run every code cell of `source.notebook` in `root/notebooks` and store normalized outputs in it.

    Raises
    ------
    AuthoringError
        A cell fails, takes longer than 300 s, writes to stderr without the tag `allow-stderr`, or shows
        something that differs from machine to machine.
    KeyboardInterrupt
        The process was asked to stop.
    """
    folder = root / "notebooks"
    folder.mkdir(exist_ok=True)
    client = NotebookClient(
        source.notebook,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=_ThisInterpreter()),
        timeout=CELL_TIMEOUT,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
        skip_cells_with_tag="",
    )
    with tempfile.TemporaryDirectory() as scratch:
        try:
            opened, imported, packages = asyncio.run(_run_cells(client, source, _environment(root, scratch)))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
    normalize(source.notebook, source.path.stem)
    _refuse_traces(source, root)
    return Run(_project_files(opened + imported, folder, root), _versions(packages))


def _environment(root: Path, scratch: str) -> dict[str, str]:
    """Return an environment with this project's package first and without the author's own settings."""
    inline = "module://matplotlib_inline.backend_inline"
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    return os.environ | {
        "PYTHONPATH": path,
        "MPLBACKEND": inline,
        "IPYTHONDIR": scratch,
        "PYTHONHASHSEED": "0",
    }


async def _run_cells(client: NotebookClient, source: Source, environment: dict[str, str]) -> list[list[str]]:
    """Run the cells one by one; return what `REPORT` says."""
    async with client.async_setup_kernel(env=environment, stderr=subprocess.DEVNULL, cleanup_kc=True):
        _cancel_on_signals()
        await _silently(client, RECORD)
        for index, cell in enumerate(source.notebook.cells):
            _refuse_semicolon(source, index)
            try:
                await client.async_execute_cell(cell, index)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                if asyncio.current_task().cancelling():
                    raise asyncio.CancelledError from None
                raise AuthoringError(_failure(source, index, error)) from None
            _refuse_stderr(source, index)
        client.set_widgets_metadata()
        return json.loads(await _silently(client, "", REPORT))


def _cancel_on_signals() -> None:
    """Let Ctrl-C end the whole run: nbclient would end only this kernel, as if a cell had failed."""
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(RuntimeError, ValueError):  # Windows has no signal handlers in asyncio
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _silently(client: NotebookClient, code: str, expression: str = "None") -> str:
    """Run `code` and evaluate `expression` in the kernel without counting it as an execution."""
    wanted = {"value": expression}
    reply = await client.kc.execute_interactive(
        code, silent=True, store_history=False, user_expressions=wanted, output_hook=lambda _: None
    )
    return str(ast.literal_eval(reply["content"]["user_expressions"]["value"]["data"]["text/plain"]))


def _failure(source: Source, index: int, error: Exception) -> str:
    """Say where in the source a cell failed, with the cell's text and the traceback."""
    cell, line = source.notebook.cells[index], 1
    report = f"{type(error).__name__}: {error}"
    for output in cell.outputs:
        if output.output_type == "error":
            report = plain("\n".join(output.traceback))
            in_cell = re.findall(r"Cell In\[\d+\], line (\d+)", report)
            line = int(in_cell[-1]) if in_cell else 1
    return f"{source.where(index, line)}: the cell failed\n\n{_indented(cell.source)}\n\n{report}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _refuse_semicolon(source: Source, index: int) -> None:
    """Refuse a `;` that hides a cell's value: in nbval's kernel it hides nothing, and the outputs differ."""
    cell = source.notebook.cells[index]
    if cell.cell_type == "code" and cell.source.rstrip().endswith(";"):
        raise AuthoringError(
            f"{source.where(index)}: the cell ends with ';', which nbval ignores; assign the value to _"
        )


def _refuse_stderr(source: Source, index: int) -> None:
    """Readers should see no stray warning: what a cell writes to stderr is wanted, or it is a mistake."""
    cell = source.notebook.cells[index]
    if cell.cell_type != "code" or "allow-stderr" in cell.metadata.get("tags", []):
        return
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            raise AuthoringError(
                f"{source.where(index)}: the cell writes to stderr; cure the cause, or tag the cell "
                f"allow-stderr if readers should see it\n\n{_indented(output.text)}"
            )


def _refuse_traces(source: Source, root: Path) -> None:
    """Refuse an output that would not come out the same on another machine."""
    for index, cell in enumerate(source.notebook.cells):
        if trace := machine_traces(cell, [str(root), sys.prefix]):
            raise AuthoringError(
                f"{source.where(index)}: the output holds {trace!r}, which differs from machine to machine; "
                "print something else (an object needs a __repr__, a path its name)"
            )


def _project_files(names: list[str], folder: Path, root: Path) -> list[Path]:
    """Keep the files of the project, below `root`; the environment and hidden or generated files are not."""
    found = set()
    for name in names:
        path = (folder / name).resolve()
        if path.is_relative_to(root) and path.is_file():
            parts = path.relative_to(root).parts
            if not any(part.startswith(".") or part in GENERATED for part in parts):
                found.add(path)
    return sorted(found)


def _versions(packages: list[str]) -> dict[str, str]:
    """Return the version of each distribution that one of the imported packages belongs to."""
    distributions = packages_distributions()
    names = {name for package in packages for name in distributions.get(package, [])}
    return {canonicalize_name(name): Version(version(name)).public for name in sorted(names)}
