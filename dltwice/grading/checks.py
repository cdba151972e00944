"""Checks for the tests of an exercise: each passes in silence or says what was expected and what came.

Everything here raises `AssertionError` with a sentence that starts with `what`, the call or value that was
looked at. The learner sees the same words in the notebook and in the graded report.
"""

import copy
import sys
import time
from collections.abc import Callable
from numbers import Integral
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from dltwice.grading import remote

SMALL = 12  # arrays of up to this many values are shown whole
PLAIN = "This exercise asks for plain NumPy."
# Seconds: a loop in Python needs several times as long for a value, an array operation a tenth.
PER_VALUE = 0.25e-6
TRIES = 20  # one of which must be that fast, whatever else the machine does
LIBRARIES = ("torch", "dltwice", "scipy")


def check_close(got: Any, want: Any, what: str, rtol: float = 1e-6, atol: float = 1e-8) -> None:
    """Check that `got` has the shape and, within |got − want| ≤ atol + rtol·|want|, the values of `want`.

    Args:
        got: the learner's result: a number, an array, a tensor or nested lists, of any shape.
        want: the right result, of the same kinds.
        what: what `got` is, for the message: `"output_size(9, 3)"`.
        rtol: relative tolerance.
        atol: absolute tolerance, in the unit of the values.

    Raises:
        AssertionError: with `what`, the expectation and what came, or the worst value and its index.
    """
    want = _as_array(want, what)
    if got is None:
        raise AssertionError(f"{what}: expected {_kind(want)}, got None. Is a `return` missing?")
    got = _as_array(got, what)
    if got.shape != want.shape:
        raise AssertionError(f"{what}: expected {_kind(want)}, got {_kind(got)}.")
    wrong = ~np.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return
    if want.size <= SMALL:
        raise AssertionError(f"{what}: expected {_text(want)}, got {_text(got)}.")
    distance = np.where(wrong, np.abs(np.nan_to_num(got - want, nan=np.inf)), -1.0)
    worst = tuple(int(i) for i in np.unravel_index(distance.argmax(), want.shape))
    raise AssertionError(
        f"{what}: {wrong.sum()} of {want.size} values are wrong. The worst is at {list(worst)}: "
        f"expected {want[worst]:.6g}, got {got[worst]:.6g}."
    )


def check_is_integer(got: Any, what: str) -> None:
    """Check that `got` is an integer, and not a float that happens to be whole.

    Raises:
        AssertionError: with `what`, the value and the type that came.
    """
    if not isinstance(got, Integral) or isinstance(got, bool):
        raise AssertionError(f"{what}: expected an integer, got {_text(got)} ({_type(got)}).")


def check_integer(got: Any, want: int, what: str) -> None:
    """Check that `got` is an integer and equals `want`.

    Raises:
        AssertionError: with `what`, the expected integer, and what came.
    """
    if not isinstance(got, Integral) or isinstance(got, bool):
        raise AssertionError(f"{what}: expected the integer {want}, got {_text(got)} ({_type(got)}).")
    if got != want:
        raise AssertionError(f"{what}: expected {want}, got {got}.")


def check_raises(error: type[Exception], call: Callable[[], Any], what: str) -> None:
    """Check that `call()` raises `error`.

    Raises:
        AssertionError: with `what` and the value that was returned, or the other error that came.
    """
    try:
        got = call()
    except error:
        return
    except Exception as other:
        raise AssertionError(
            f"{what}: expected a {error.__name__}, got {type(other).__name__}: {other}"
        ) from None
    raise AssertionError(f"{what}: expected a {error.__name__}, got the result {got!r}.")


def check_numpy_only(function: Callable) -> None:
    """Check that `function`, and the learner's functions that it calls, use neither torch, SciPy nor dltwice.

    It reads the answer and does not run it. The grader looks at the source (see `plain.py`), a notebook at
    the names in the compiled code, as a reminder of the task.

    Raises:
        AssertionError: naming the function and the library.
    """
    if isinstance(function, remote.Remote):
        if found := remote.current.objection(function.__name__):
            raise AssertionError(f"{function.__name__} {found}. {PLAIN}")
        return
    seen: set[str] = set()

    def visit(function: FunctionType) -> None:
        for name in _names(function.__code__) - seen:
            seen.add(name)
            value = function.__globals__.get(name)
            library = _library(value) or next(
                (root for root in LIBRARIES if name.split(".")[0] == root), None
            )
            if library:
                raise AssertionError(f"{function.__name__} uses {library} (`{name}`). {PLAIN}")
            if isinstance(value, FunctionType) and value.__globals__ is function.__globals__:
                visit(value)

    visit(function)


def count_steps(function: Callable, *args: Any) -> tuple[int, int]:
    """Run `function(*args)` and count the lines and calls of Python that were executed.

    A loop over the positions of an image costs lines in proportion to its area, one array operation a
    single line whatever the size, so the count tells the two apart on every machine, unlike the time.

    Returns:
        The count in the function's own file or notebook cell, and everywhere.
    """
    if isinstance(function, remote.Remote):
        return function.count_steps(*args)
    file = _code(function).co_filename
    counts = [0, 0]

    def trace(frame: Any, event: str, arg: Any) -> Any:
        if event in ("line", "call"):
            counts[0] += frame.f_code.co_filename == file
            counts[1] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*args)
    finally:
        sys.settrace(before)
    return counts[0], counts[1]


def check_no_growing_loop(function: Callable, small: tuple, large: tuple, most: int = 200) -> None:
    """Check that `function(*large)` runs no more lines of Python than `function(*small)`, and at most `most`.

    The first argument is the input that grows, an array, by much more than `most` positions. In the grader
    the count comes from the learner's process, so the time is looked at too: a loop that is hidden from the
    count still takes its time.

    Raises:
        AssertionError: with both counts, or the time.
    """
    (few, few_in_all), (many, many_in_all) = _steps(function, small), _steps(function, large)
    shapes = np.shape(small[0]), np.shape(large[0])
    name = function.__name__
    if many > few:
        raise AssertionError(
            f"{name}: {few} lines of Python ran for an input of shape {shapes[0]}, {many} for {shapes[1]}. "
            "The count must not grow with the input: there is still a loop over it."
        )
    if many > most:
        raise AssertionError(f"{name}: {many} lines of Python ran, at most {most} are needed without a loop.")
    graded = isinstance(function, remote.Remote)
    if many_in_all > 2 * few_in_all + most or (graded and not _is_fast(function, small, large)):
        raise AssertionError(
            f"{name}: an input of shape {shapes[1]} takes much longer than one of shape {shapes[0]}. There "
            "is still a loop over the input, if not one in your own lines."
        )


def _steps(function: Callable, args: tuple) -> tuple[int, int]:
    """The counts of a call. They come from the learner's process, so they may be anything."""
    counts = count_steps(function, *args)
    if type(counts) is not tuple or len(counts) != 2 or any(type(count) is not int for count in counts):
        raise AssertionError(f"{function.__name__}: the lines that it runs can't be counted.")
    return counts


def answer_side(make: Callable) -> Callable:
    """A function of the exercise's own cells, as it is where the answers run.

    What it returns can be passed to an answer, whatever it is: `train(answer_side(make_network)(), x, y)`.
    In a notebook, where there is one process only, it is `make` itself.
    """
    return remote.current.there(make.__name__) if remote.current else make


def _is_fast(function: Callable, small: tuple, large: tuple) -> bool:
    """Whether in one of `TRIES` the time per value of the larger input is that of array operations."""
    extra = np.size(large[0]) - np.size(small[0])
    for turn in range(TRIES):
        scale = 1 + (turn + 1) / 8  # new values each time
        spent = [_seconds(function, args[0] * scale, *copy.deepcopy(args[1:])) for args in (small, large)]
        if spent[1] - spent[0] < PER_VALUE * extra:
            return True
    return False


def _seconds(function: Callable, *args: Any) -> float:
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def _code(function: Callable) -> CodeType:
    """The code of a function, also of a decorated or a partial one."""
    while not hasattr(function, "__code__"):
        function = (
            getattr(function, "__wrapped__", None)
            or getattr(function, "func", None)
            or type(function).__call__
        )
    return function.__code__


def _as_array(value: Any, what: str) -> np.ndarray:
    """`value` as a NumPy array of numbers; tensors are detached."""
    if isinstance(value, remote.Remote):
        raise AssertionError(f"{what}: expected numbers, got {_text(value)} ({value._kind}).")
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "biufc":
        raise AssertionError(f"{what}: expected numbers, got {_text(value)} ({type(value).__name__}).")
    return array.astype(int) if array.dtype.kind == "b" else array


def _kind(array: np.ndarray) -> str:
    return f"an array of shape {array.shape}" if array.ndim else f"the number {array:.6g}"


def _type(value: Any) -> str:
    return value._kind if isinstance(value, remote.Remote) else type(value).__name__


def _text(value: Any) -> str:
    """`value` on one line and not too long."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, separator=", ", formatter={"float_kind": "{:.6g}".format})
    else:
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:197] + "..."


def _names(code: CodeType) -> set[str]:
    """Global and attribute names that `code` and the functions inside it use."""
    inner = (_names(const) for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*inner)


def _library(value: Any) -> str | None:
    """The forbidden library that the module, class or function `value` belongs to, if any."""
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    root = str(module).partition(".")[0]
    return root if root in LIBRARIES and module != __name__ else None
