"""Reads `book/teaching.md`, and types its commands in the folder of a small book.

In the order of the page, a ```bash block is run, unless the comment above it says `not executed`; a block of
the kind ```console has commands and what they print; a block whose caption is a path is a file.
"""

import itertools
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
STEM = "04_convolution"
PAGE = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
MASTER = (ROOT / "solutions" / STEM / f"{STEM}.ipynb").read_bytes()
EXERCISE = (ROOT / "exercises" / STEM / f"{STEM}.ipynb").read_bytes()
COPIED = (
    "dltwice exercises solutions tests benchmarks Makefile pyproject.toml requirements.txt constraints.txt"
)
ADDRESS = "10.0.0.5:8786"  # of the page's scheduler
PROGRESS = re.compile(r"^\d+ submissions, \d+ to grade\n|^\d+ of \d+, \d+ s left\n", re.MULTILINE)
FENCE = re.compile(
    r"(?:^% (?P<comment>[^\n]*)\n)?^(?P<fence>`{3,})(?P<language>[^\n]*)\n(?P<body>.*?)^(?P=fence)$",
    re.DOTALL | re.M,
)
OPTION = re.compile(r"^:(\w+): (.*)\n", re.MULTILINE)


@dataclass
class Block:
    """A code block of the page: its place, its text, the comment above it, its caption."""

    line: int
    language: str
    text: str
    comment: str = ""
    caption: str = ""


def blocks(page: str) -> list[Block]:
    """The blocks of a page in order."""
    found: list[Block] = []
    for match in FENCE.finditer(page):
        language, body = match["language"], match["body"]
        options: dict[str, str] = {}
        if language.startswith("{code-block}"):
            head = re.match(r"(?::\w+: .*\n)*", body)[0]
            options, body = dict(OPTION.findall(head)), body[len(head) :].removeprefix("\n")
        line = page[: match.start("fence")].count("\n") + 1
        caption = options.get("caption", "")
        found.append(Block(line, language, body, match["comment"] or "", caption))
    return found


BLOCKS = blocks(PAGE)
STEPS = [
    number
    for number, block in enumerate(BLOCKS)
    if block.language in ("bash", "console") and not block.comment.startswith("not executed")
]


def captioned(caption: str) -> str:
    """The text of the block with this caption, or this comment above it."""
    (text,) = [block.text for block in BLOCKS if caption in (block.caption, block.comment)]
    return text


def table(head: str, page: str = PAGE) -> list[list[str]]:
    """The rows of the table whose first line starts with `head`."""
    lines = page[page.index(f"\n| {head}") + 1 :].split("\n")
    rows = list(itertools.takewhile(lambda line: line.startswith("|"), lines))
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def codes(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def plain_text(text: str) -> str:
    """Printed text without progress, times, byte order marks, and spaces at the ends of lines."""
    text = PROGRESS.sub("", text.replace("\ufeff", ""))
    text = re.sub(r"in \d+\.\d+s", "in 0.00s", text)
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


class Lesson:
    """A small book in which the page's commands are typed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder / "book", folder / "home"
        self.home.mkdir()
        self.background: list[subprocess.Popen] = []
        self.printed: list[str] = []
        for name in COPIED.split():
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            self.folder.mkdir(exist_ok=True)
            extra = {"ignore": shutil.ignore_patterns("__pycache__")} if copy is shutil.copytree else {}
            copy(ROOT / name, self.folder / name, **extra)
        jupyter = [f"JUPYTER_{name}_DIR" for name in ("CONFIG", "DATA", "RUNTIME")]
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "PYTHONSAFEPATH": "1",  # the package is this checkout's, and not the copy in the folder
            "GIT_CONFIG_GLOBAL": os.devnull,
            "DLTWICE_DATA": str(self.home),
            "COLUMNS": "80",
            **dict.fromkeys(jupyter, str(self.home)),
        }
        self.environment.pop("PYTEST_ADDOPTS", None)
        who = "-c user.name=x -c user.email=x@example.org"
        self.shell(f"git init -q && git add -A && git {who} commit -q -m x")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"

    def shell(self, script: str) -> str:
        """What a script prints; it must end with 0."""
        done = subprocess.run(
            ["bash", "-ec", script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    def run_to(self, number: int) -> str:
        """Do everything on the page up to the block `number`; what that one prints, after its commands."""
        while len(self.printed) <= number:
            self.printed.append("")
            self.printed[-1] = self.do(BLOCKS[len(self.printed) - 1])
        return self.printed[number]

    def do(self, block: Block) -> str:
        """Run a block, write the file that it is, or leave it alone."""
        if "/" in block.caption:
            path = self.folder / block.caption
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        if block.language not in ("bash", "console") or block.comment.startswith("not executed"):
            return ""
        script = block.text.replace(ADDRESS, self.address)
        if block.comment == "in the background":
            self.start(script)
            return ""
        if block.language == "bash":
            return self.shell(script)
        commands = [line[2:] for line in script.splitlines() if line.startswith("$ ")]
        return "".join(f"$ {command}\n{self.shell(command)}" for command in commands)

    def start(self, script: str) -> None:
        """Start a program that goes on until the end, for this machine only; wait for the scheduler."""
        scheduler = "scheduler" in script
        port = f" --port {self.address.split(':')[1]}" if scheduler else ""
        with open(self.home / "background.txt", "ab") as log:
            line = f"exec {script.strip()} --host 127.0.0.1 --no-dashboard{port}"
            process = subprocess.Popen(
                ["bash", "-ec", line], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        self.background.append(process)
        for _ in range(300 if scheduler else 0):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(self.address.split(":")[1]))) == 0:
                    return
            time.sleep(0.1)

    def close(self) -> None:
        """End what was started, the workers first."""
        for process in reversed(self.background):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
