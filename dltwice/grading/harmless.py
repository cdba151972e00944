"""Text that came from a learner, made fit to be shown: short, and only what can be printed.

Characters that move the cursor, color a terminal, delete what stands before them or turn the line around
(ESC, backspace, U+202E …) become their escapes, as in `\\x1b`. HTML is escaped elsewhere, by the templates.
"""

MESSAGE = 700  # characters of one message that are shown
LINE = 120  # of a name, a file name, a short reason
LINES = 12

_JOINERS = "\u200c\u200d"  # needed in Persian and in composed emoji; they turn nothing around


def harmless(text: object, limit: int = MESSAGE) -> str:
    """`text` with at most about `limit` characters in at most `LINES` lines, and none that does harm.

    What is left out is named, in the middle: a message says first what was asked and last in which line.
    """
    return "\n".join(_fewer_lines([_printable(line) for line in shorten(str(text), limit).splitlines()]))


def one_line(text: object, limit: int = LINE) -> str:
    """The same on one line: spaces instead of line ends."""
    return " ".join(_printable(shorten(" ".join(str(text).split()), limit)).split())


def shorten(text: str, limit: int) -> str:
    """The first three quarters and the last quarter of what fits, and between them how much is missing."""
    if len(text) <= limit:
        return text
    tail = limit // 4
    return f"{text[: limit - tail]} … ({len(text) - limit:,} characters left out) … {text[-tail:]}"


def _fewer_lines(lines: list[str]) -> list[str]:
    if len(lines) <= LINES:
        return lines
    return [*lines[: LINES - 3], f"… ({len(lines) - LINES + 1} lines left out) …", *lines[-2:]]


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() or char in _JOINERS else _shown(char) for char in text)


def _shown(char: str) -> str:
    """A character that can't be printed: a space for spaces, its escape for others."""
    return " " if char.isspace() else ascii(char)[1:-1]
