"""Submissions that go wrong or cheat, and what grading each must yield.

Every entry of `CORPUS` says its status, a piece of what the learner is told, and the exact points that it
deserves. Most are the full solution of chapter 04 with one answer replaced, so they also show that the other
questions keep their points.
"""

from .build import ESCAPED, EXERCISE, FULL, MASTER, QUESTIONS, STEM, WORTH, Entry, hidden_lines
from .cells import CELLS
from .cheats import CHEATS
from .escapes import ESCAPES, MARK
from .files import FILES
from .objects import OBJECTS
from .plain_numpy import PLAIN_NUMPY
from .runs import RUNS
from .snoops import SNOOPS

CORPUS = [*FILES, *CELLS, *RUNS, *OBJECTS, *CHEATS, *PLAIN_NUMPY, *SNOOPS, *ESCAPES]

__all__ = [
    "CORPUS",
    "ESCAPED",
    "EXERCISE",
    "FULL",
    "MARK",
    "MASTER",
    "QUESTIONS",
    "STEM",
    "WORTH",
    "Entry",
    "hidden_lines",
]
