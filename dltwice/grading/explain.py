"""Why an answer did not run, in words that quote lines of the answer and never a line of a test.

Only the standard library is used.
"""

import linecache
import traceback
from types import TracebackType

LONGEST = 1000  # characters of an exception's message


def answer_file(question: str) -> str:
    """The file name under which the answer to `question` is compiled."""
    return f"<answer {question}>"


def remember(source: str, file: str) -> None:
    """Let tracebacks find the lines of an answer."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)


def explain(error: BaseException) -> str:
    """An exception that came out of an answer, with the line of the answer that it came through."""
    place = answer_line(error.__traceback__)
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return f"The answer stops the program{place}. Remove the call, such as `sys.exit()`."
    if isinstance(error, NotImplementedError) and not str(error):
        return f"Not written yet: `raise NotImplementedError()` still stands there{place}."
    text = "".join(traceback.format_exception_only(error)).strip()[:LONGEST]
    if isinstance(error, NameError):
        return f"{text}{place}. Only answer cells are graded: define it in yours."
    return f"{text}{place}"


def answer_line(step: TracebackType | None) -> str:
    """The innermost line of an answer in a traceback: " (line 3 of your answer: `return y`)", or ""."""
    place = ""
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if file.startswith("<answer "):
            line = linecache.getline(file, step.tb_lineno).strip()[:200]
            place = f" (line {step.tb_lineno} of your answer: `{line}`)"
        step = step.tb_next
    return place


def explain_syntax(error: BaseException, source: str) -> str:
    """Why an answer can't be compiled, with the line."""
    if not isinstance(error, SyntaxError) or not error.lineno:
        return f"The answer can't be read as Python: {str(error)[:LONGEST] or type(error).__name__}."
    lines = source.splitlines()
    line = lines[error.lineno - 1].strip()[:200] if error.lineno <= len(lines) else ""
    if line.startswith(("%", "!")):
        return (
            f"Line {error.lineno} of your answer, `{line}`, is a command of the notebook, not Python. "
            "Answers are graded as plain Python: move it to a cell of its own."
        )
    return f"{type(error).__name__}: {error.msg} (line {error.lineno} of your answer: `{line}`)"
