"""Every chapter of `_toc.yml` is complete: its files, its twelve parts, its outputs."""

import re
from pathlib import Path

import nbformat
import pytest
import yaml
from nbval.plugin import find_comment_markers, find_metadata_tags

from dltwice import widgets
from dltwice.authoring.normalize import machine_traces
from dltwice.authoring.source import STEM, read_source

ROOT = Path(__file__).resolve().parents[1]
PARTS = [
    "Question",
    "Predict",
    "Play",
    "Loops",
    "NumPy",
    "PyTorch",
    "Real data",
    "Myths",
    "Break it",
    "Recall",
    "Exercises",
    "Sources",
]
COMPARED = 0.8  # of the cells with output
WIDTH = 88  # characters of code that a page shows without scrolling


def entries(node):
    """Yield the files that a node of `_toc.yml` names, in order."""
    if isinstance(node, list):
        for item in node:
            yield from entries(item)
    elif isinstance(node, dict):
        yield from (node[key] for key in ("root", "file") if key in node)
        for key in ("parts", "chapters", "sections"):
            yield from entries(node.get(key, []))


TOC = list(entries(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))))
STEMS = [Path(name).name for name in TOC if STEM.fullmatch(Path(name).name)]


def stems(pattern):
    return sorted(path.stem for path in ROOT.glob(pattern) if STEM.fullmatch(path.stem))


def headings(stem):
    """The `##` headings of a chapter's text, without what stands in code blocks."""
    source = read_source(ROOT / "book" / f"{stem}.md", ROOT)
    text = "\n".join(cell.source for cell in source.notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"^(`{3,}|~{3,}).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^## +(.+)$", text, flags=re.MULTILINE)


def exercise_points(stem):
    """The points that the headings of a chapter's exercises promise, in order."""
    text = (ROOT / "solutions" / stem / f"{stem}.md").read_text(encoding="utf-8")
    return [int(points) for points in re.findall(r"^## .*\((\d+) points?\)$", text, flags=re.MULTILINE)]


def part_cells(stem, part):
    """The cells of one part of a chapter's source, from its `##` heading to the next."""
    found, inside = [], False
    for cell in read_source(ROOT / "book" / f"{stem}.md", ROOT).notebook.cells:
        if cell.cell_type == "markdown":
            for piece in re.split(r"^(?=## )", cell.source, flags=re.MULTILINE):
                if piece.startswith("## "):
                    inside = re.match(rf"## {part}\b", piece) is not None
                if inside and piece.strip():
                    found.append(nbformat.v4.new_markdown_cell(piece))
        elif inside:
            found.append(cell)
    return found


def texts(cells):
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def code_cells(stem):
    notebook = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", 4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_compared(cell):
    """Whether strict nbval compares the cell's outputs: the last of its marks decides, a tag or a comment."""
    marks = dict(find_metadata_tags(cell.metadata)) | dict(find_comment_markers(cell.source))
    return marks.get("check", True) and not marks.get("skip", False)


def test_the_table_of_contents_names_files():
    assert STEMS, "no chapter in _toc.yml"
    missing = [
        name for name in TOC if not any((ROOT / f"{name}{end}").is_file() for end in (".md", ".ipynb"))
    ]
    assert not missing


@pytest.mark.parametrize(
    "pattern",
    ["book/*.md", "notebooks/*.ipynb", "solutions/*/*.md", "solutions/*/*.ipynb", "exercises/*/*.ipynb"],
)
def test_each_chapter_has_its_files_and_each_file_its_chapter(pattern):
    assert stems(pattern) == sorted(STEMS)


def test_chapters_stand_in_the_order_of_their_numbers():
    assert sorted(STEMS) == STEMS
    assert [f"notebooks/{stem}" for stem in STEMS] == [name for name in TOC if name.startswith("notebooks/")]


@pytest.mark.parametrize("stem", STEMS)
class TestChapter:
    def test_the_twelve_parts_stand_in_order(self, stem):
        found = headings(stem)
        named = [
            next((part for part in PARTS if re.match(rf"{part}\b", heading)), heading) for heading in found
        ]
        assert named == PARTS

    def test_two_explorers_with_tasks_and_a_prediction(self, stem):
        source = read_source(ROOT / "book" / f"{stem}.md", ROOT).notebook
        code = "\n".join(cell.source for cell in source.cells if cell.cell_type == "code")
        used = {name for name in widgets.__all__ if re.search(rf"\b{name}[.(]", code)}
        assert "Predict" in used
        assert len(used) >= 3
        assert texts(source.cells).count("{dropdown} Answers") >= 2

    def test_each_myth_is_met_by_a_cell(self, stem):
        myths = part_cells(stem, "Myths")
        titles = re.findall(r"^### (.+)$", texts(myths), flags=re.MULTILINE)
        assert len(titles) >= 2
        runs = [0]
        for cell in myths:
            runs += [0] * len(re.findall(r"^### ", cell.source, flags=re.MULTILINE))
            runs[-1] += cell.cell_type == "code" and bool(
                re.search(r"assert|attempt\(", cell.source, re.IGNORECASE)
            )
        assert all(runs[1:]), dict(zip(titles, runs[1:], strict=True))

    def test_questions_to_recall(self, stem):
        assert texts(part_cells(stem, "Recall")).count("{dropdown}") >= 5

    def test_exercises_are_named_with_their_points(self, stem):
        text = texts(part_cells(stem, "Exercises"))
        assert f"make grade CH={stem[:2]}" in text
        rows = re.findall(r"^\|.*\| (\d+) \|$", text, flags=re.MULTILINE)
        assert [int(points) for points in rows] == exercise_points(stem)
        assert f"{sum(map(int, rows))} points" in text

    def test_sources_are_cited(self, stem):
        assert "{cite" in texts(part_cells(stem, "Sources"))

    def test_every_cell_was_executed(self, stem):
        cells = [cell for cell in code_cells(stem) if cell.source.strip()]
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))

    def test_enough_outputs_are_compared(self, stem):
        shown = [cell for cell in code_cells(stem) if cell.outputs]
        ignored = [cell.source for cell in shown if not is_compared(cell)]
        assert len(shown) - len(ignored) >= COMPARED * len(shown), ignored

    def test_outputs_that_are_not_compared_assert_their_claim(self, stem):
        ignored = [cell.source for cell in code_cells(stem) if cell.outputs and not is_compared(cell)]
        assert not [source for source in ignored if "assert" not in source]

    def test_outputs_hold_no_path_and_no_address(self, stem):
        traces = {
            cell.source: machine_traces(cell, [str(ROOT), str(Path.home())]) for cell in code_cells(stem)
        }
        assert not {source: trace for source, trace in traces.items() if trace}

    def test_source_that_is_shown_fits_on_the_page(self, stem):
        shown = [
            line
            for cell in code_cells(stem)
            for output in cell.outputs
            for line in output.get("data", {}).get("text/markdown", "").splitlines()
        ]
        assert not [line for line in shown if len(line) > WIDTH]

    def test_no_cell_shows_an_error_that_is_not_meant(self, stem):
        shown = [
            cell.source
            for cell in code_cells(stem)
            for output in cell.outputs
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", [])
        ]
        assert not shown
