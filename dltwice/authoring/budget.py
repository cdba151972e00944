"""A pytest plugin for `pytest --nbval`: times each notebook, and fails past the budget or when one never ran.

    python -m pytest --nbval --nbval-current-env -p dltwice.authoring.budget notebooks

nbval compares nothing in a cell that was never executed and calls it passed; here such a cell fails. Kernels
get one thread each: small products gain nothing from more, and on a busy machine threads wait for each other.
"""

import os
from collections import defaultdict
from collections.abc import Iterator

import pytest

NOTEBOOK_BUDGET = 60.0
TOTAL_BUDGET = 600.0
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two budgets, in seconds of wall time."""
    group = parser.getgroup("notebook budget")
    group.addoption("--notebook-budget", type=float, default=NOTEBOOK_BUDGET, help="seconds for one notebook")
    group.addoption("--total-budget", type=float, default=TOTAL_BUDGET, help="seconds for all notebooks")


def pytest_configure(config: pytest.Config) -> None:
    """Start with an empty table of times, and with one thread for each kernel."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    config.pluginmanager.register(_Budget(config), "dltwice-budget")


class _Budget:
    """Adds up what pytest reports for the cells of each notebook, starting the kernel included."""

    def __init__(self, config: pytest.Config) -> None:
        self.one: float = config.getoption("--notebook-budget")
        self.all: float = config.getoption("--total-budget")
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        cell = getattr(item, "cell", None)
        if cell is not None and cell.source.strip() and cell.execution_count is None:
            pytest.fail(
                "this cell was never executed, so nothing would be compared: run `make notebooks`",
                pytrace=False,
            )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("::")[0]
        if name.endswith(".ipynb"):
            self.seconds[name] += report.duration

    def _late(self) -> Iterator[str]:
        for name, seconds in self.seconds.items():
            if seconds > self.one:
                yield f"{name} took {seconds:.1f} s, the budget is {self.one:g} s"
        if sum(self.seconds.values()) > self.all:
            yield f"all notebooks took {sum(self.seconds.values()):.1f} s, the budget is {self.all:g} s"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and any(self._late()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("notebook times")
        for name, seconds in sorted(self.seconds.items()):
            terminalreporter.line(f"{seconds:6.1f} s  {name}")
        terminalreporter.line(f"{sum(self.seconds.values()):6.1f} s  in all")
        for problem in self._late():
            terminalreporter.line(f"FAILED {problem}", red=True)
