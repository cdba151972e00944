"""Where notebooks and their masters are in the book's folder."""

from collections.abc import Iterator
from pathlib import Path

from dltwice.grading.results import GradingError


def find_notebook(target: str | Path) -> Path:
    """The notebook meant by `target`: a notebook, a folder with one, or a chapter (04 or 04_convolution).

    Raises:
        GradingError: if there is none, or more than one.
    """
    path = Path(target)
    if path.is_file():
        return path
    if path.is_dir():
        return _only_notebook(path)
    name = str(target)
    if len(path.parts) == 1 and not path.suffix:
        number = name.zfill(2) if name.isdecimal() else name
        for root in _roots(Path.cwd()):
            for folder in sorted((root / "exercises").glob("*")):
                if folder.name == name or folder.name.partition("_")[0] == number:
                    return _only_notebook(folder)
    raise GradingError(
        f"There is no {name} here. Name a notebook, its folder (exercises/04_convolution) or a chapter (04)."
    )


def find_master(notebook: Path) -> Path:
    """The notebook in `solutions/` that belongs to `notebook`, by the name of the file or of its folder.

    It is looked for in the folders above the notebook, above the working directory, and beside the package.

    Raises:
        GradingError: if there is none.
    """
    notebook = notebook.resolve()
    for root in _roots(notebook.parent):
        for chapter in (notebook.stem, notebook.parent.name):
            master = root / "solutions" / chapter / f"{chapter}.ipynb"
            if master.is_file():
                return master
    raise GradingError(
        f"There are no solutions for {notebook.name}. Keep the notebook's name, as in "
        "exercises/04_convolution/04_convolution.ipynb, and grade inside the book's folder."
    )


def _roots(start: Path) -> Iterator[Path]:
    """Folders that may be the book's."""
    for folder in (start.resolve(), Path.cwd()):
        yield from (folder, *folder.parents)
    yield Path(__file__).resolve().parents[2]


def _only_notebook(folder: Path) -> Path:
    named = folder / f"{folder.resolve().name}.ipynb"
    notebooks = [named] if named.is_file() else sorted(folder.glob("*.ipynb"))
    if len(notebooks) == 1:
        return notebooks[0]
    found = "no notebook" if not notebooks else "several notebooks: " + ", ".join(p.name for p in notebooks)
    raise GradingError(f"The folder {folder} has {found}. Name the one to grade.")
