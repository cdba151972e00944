"""JupyterLab itself: a chapter runs from top to bottom, and every widget and Python stay in step."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from dltwice import widgets

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = "04_convolution"
EXPLORER = "explorer = ConvExplorer("
READ = 'print("Python reads", explorer.stride)'
WRITE = "explorer.stride = 3"
START_SECONDS, RUN_SECONDS = 60, 150

# For every explorer: how one is made, and a trait to change.
EXPLORERS = {
    "BackpropStepper": ("BackpropStepper()", "lr", 0.25),
    "ConvExplorer": ("ConvExplorer()", "stride", (2, 2)),
    "DescentExplorer": ("DescentExplorer()", "lr", 0.05),
    "DigitReader": ("DigitReader(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))", "layer", 1),
    "FeatureMapCalculator": ("FeatureMapCalculator()", "input_shape", (3, 20, 20)),
    "OverfitExplorer": ("OverfitExplorer(overfit.run_all((4,), (0.2,), (0.0,), (0,), 6))", "patience", 2),
    "PerceptronBoundary": ("PerceptronBoundary()", "lr", 0.25),
    "PoolExplorer": ("PoolExplorer()", "stride", (1, 1)),
    "XORFolding": ("XORFolding()", "lr", 0.25),
}

# No news, no update check: nothing leaves the machine.
CONFIG = {
    "ServerApp": {"ip": "127.0.0.1", "port": 0, "open_browser": False, "allow_root": True, "token": "test"},
    "LabApp": {
        "expose_app_in_browser": True,
        "news_url": None,
        "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    },
}
# All cells stay in the page, also those that are scrolled out of sight.
SETTINGS = {"notebook-extension/tracker": {"windowingMode": "none"}}

# All that a widget shows, and whether it shows something else now.
LOOK = """(one) => one.innerHTML +
    [...one.querySelectorAll("input, select")].map((field) => `${field.value} ${field.checked}`).join()"""
OTHER = f"([one, shown]) => ({LOOK})(one) !== shown"

# How far the run is: the cells that were not executed, and the errors that no tag announces.
PROGRESS = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const cells = [...panel.content.model.cells].map((cell) => cell.toJSON());
    const code = cells.filter((cell) => cell.cell_type === "code");
    const waiting = code.filter((cell) => cell.execution_count === null).length;
    const errors = code
        .filter((cell) => !(cell.metadata.tags ?? []).includes("raises-exception"))
        .flatMap((cell) => cell.outputs)
        .filter((output) => output.output_type === "error")
        .map((output) => `${output.ename}: ${output.evalue}`);
    const idle = panel.sessionContext.session?.kernel?.status === "idle";
    const views = code.flatMap((cell) => cell.outputs)
        .filter((output) => output.data?.["application/vnd.jupyter.widget-view+json"]).length;
    return { done: errors.length > 0 || (idle && waiting === 0), errors, waiting, views };
}"""


def write_json(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


def running_url(process, runtime, log):
    """Wait for the server and return its address, which it writes into its runtime folder."""
    end = time.monotonic() + START_SECONDS
    while not any(text := [path.read_text() for path in runtime.glob("jpserver-*.json")]):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
    return json.loads(text[0])["url"]


@pytest.fixture
def notebook_folder(tmp_path):
    """A copy of notebooks/: the chapter has no outputs yet and two more cells; one notebook more."""
    folder = tmp_path / "root" / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder)
    path = folder / f"{CHAPTER}.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells += [new_code_cell(WRITE), new_code_cell(READ)]
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)
    cells = ["from dltwice import nn, overfit\nfrom dltwice.widgets import *\nshown = False"]
    for name, (make, trait, value) in EXPLORERS.items():
        cells += [
            f"{name}_1 = {make}\n{name}_1",
            f"if shown: {name}_1.{trait} = {value!r}",
            f'print("{name} has", {name}_1.{trait})',
        ]
    notebook.cells = [new_code_cell(source) for source in [*cells, "shown = True"]]
    nbformat.write(notebook, folder / "widgets.ipynb")
    return folder


@pytest.fixture
def lab(browser, notebook_folder, tmp_path):
    """Address of a JupyterLab that touches neither the user's settings nor the project's folder."""
    write_json(tmp_path / "config" / "jupyter_server_config.json", {"ServerApp": CONFIG["ServerApp"]})
    write_json(tmp_path / "config" / "jupyter_lab_config.json", CONFIG)
    for name, values in SETTINGS.items():
        write_json(tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings", values)
    names = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    environment = os.environ | {key: str(tmp_path / folder) for key, folder in names.items()}
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={notebook_folder.parent}"]
    log = tmp_path / "lab.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        yield running_url(server, tmp_path / "runtime", log)
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def lab_page(new_page, watch):
    """A page in which only a request to another host counts: JupyterLab's console is not the book's."""
    yield new_page()
    for kind in [kind for kind in watch.seen if kind != "request to another host"]:
        del watch.seen[kind]


def cell_with(page, source):
    """Return the code cell that contains this text."""
    return page.locator(".jp-CodeCell").filter(has_text=source)


def run_cell(page, source):
    """Run the cell with this text again, and return its output area."""
    cell = cell_with(page, source)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    return cell.locator(".jp-OutputArea")


def run_all(page, lab, name):
    """Open a notebook, run all its cells, and wait for every widget that they show."""
    from playwright.sync_api import expect

    page.goto(f"{lab}lab/tree/notebooks/{name}.ipynb?token=test")
    page.wait_for_function(
        "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
        timeout=START_SECONDS * 1000,
    )
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    page.wait_for_function(f"() => ({PROGRESS})().done", timeout=RUN_SECONDS * 1000)
    progress = page.evaluate(PROGRESS)
    assert (progress["errors"], progress["waiting"]) == ([], 0)
    expect(page.locator(".jp-OutputArea-output .dlt-widget")).to_have_count(progress["views"])


@pytest.mark.browser
def test_the_chapter_runs_and_its_explorer_follows_python(lab, lab_page):
    from playwright.sync_api import expect

    page = lab_page
    run_all(page, lab, CHAPTER)

    explorer = cell_with(page, EXPLORER).locator(".dlt-widget")
    stride = explorer.get_by_role("spinbutton", name="stride height")
    expect(stride).to_have_value("3")
    explorer.get_by_role("button", name="stride height: one more").click()
    expect(stride).to_have_value("4")
    expect(run_cell(page, READ)).to_contain_text("Python reads (4, 4)")
    run_cell(page, WRITE)
    expect(stride).to_have_value("3")
    expect(run_cell(page, READ)).to_contain_text("Python reads (3, 3)")


@pytest.mark.browser
def test_every_explorer_follows_python_and_python_follows_it(lab, lab_page):
    """What Python sets is shown, and Reset in the page is told to Python."""
    from playwright.sync_api import expect

    assert set(EXPLORERS) == set(widgets.__all__) - {"Predict"}
    page = lab_page
    run_all(page, lab, "widgets")
    for name, (_, _trait, value) in EXPLORERS.items():
        explorer = cell_with(page, f"{name}_1 = ").locator(".dlt-widget")
        said, ask = f"{name} has {value}", f'print("{name} has"'
        shown = explorer.evaluate(LOOK)
        run_cell(page, f"if shown: {name}_1.")
        page.wait_for_function(OTHER, arg=[explorer.element_handle(), shown])
        expect(run_cell(page, ask)).to_contain_text(said)
        shown = explorer.evaluate(LOOK)
        explorer.get_by_role("button", name="Reset", exact=True).first.click()
        page.wait_for_function(OTHER, arg=[explorer.element_handle(), shown])
        expect(run_cell(page, ask)).not_to_contain_text(said)
