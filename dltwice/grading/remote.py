"""What a test holds in place of the learner's functions and objects, which live in another process.

A number, a text, a list or an array that an answer defines or returns is a copy, and real. Anything else is a
`Remote`: calling it, asking for an attribute or an item, or iterating over it asks the other process.
"""

import builtins
import json
from collections.abc import Callable, Iterator
from typing import Any

from dltwice.grading.channel import RELAY, STOPPED, Channel, PipeChannel
from dltwice.grading.codec import CodecError, dump, load
from dltwice.grading.results import Outcome

MOST_CALLBACKS = 100_000  # during one call
# Of these a test sees an AnswerError only: two can't be made here, two would end the test's own loop.
NOT_RAISED = ("ExceptionGroup", "MemoryError", "StopIteration", "StopAsyncIteration")
TOO_MANY = f"The answer calls a function that it was given more than {MOST_CALLBACKS:,} times."

current: Any = None  # the examination under way; None in a notebook


class StoppedError(BaseException):
    """The answers' process was stopped or has ended. Not an Exception, so that no test catches it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome[1])
        self.outcome = outcome


class AnswerError(Exception):
    """An exception that an answer raised. `text` is for the learner; `str` gives the answer's message."""

    text = ""
    message = ""

    def __str__(self) -> str:
        return self.message


class Link:
    """The tests' connection to the answers' process, by way of the process that watches the time."""

    def __init__(self, channel: Channel | PipeChannel) -> None:
        self.channel = channel
        self.callbacks: list[Callable] = []
        self.broken: Outcome | None = None  # why the answers' process does not reply any more

    def ask(self, op: str, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its reply.

        Raises:
            AnswerError: what the answer raised, as a subclass of the builtin exception that it is.
            StoppedError: if the answers' process does not reply.
            TypeError: if a test passes what can't cross.
        """
        if self.broken:
            raise StoppedError(self.broken)
        given = len(self.callbacks)
        message = dump(request | {"op": op}, self._keep)
        for _ in range(MOST_CALLBACKS):
            reply = self._exchange(message)
            if "callback" not in reply:
                break
            message = self._call_back(reply)
        else:  # it still waits, so nothing else can be asked
            self.broken = ("error", TOO_MANY)
            raise StoppedError(self.broken)
        del self.callbacks[given:]  # a function of the test may ask as well
        if "raised" in reply:
            raise answer_error(reply["raised"])
        return reply

    def _exchange(self, message: bytes) -> dict[str, Any]:
        self.channel.send(RELAY + message)
        answer = self.channel.receive()
        if answer[:1] == STOPPED:
            self.broken = tuple(json.loads(answer[1:]))
            raise StoppedError(self.broken)
        try:
            reply = load(answer[1:], self._find)
        except CodecError as error:
            raise answer_error({"text": f"The answer gives something that can't be used. {error}"}) from None
        if not isinstance(reply, dict) or not {"value", "raised", "callback"} & reply.keys():
            raise answer_error({"text": "The answer disturbs the process that it runs in."})
        return reply

    def _call_back(self, reply: dict[str, Any]) -> bytes:
        """Call a function of the test, which an answer was given, on the answer's behalf."""
        try:
            function = self.callbacks[reply["callback"]]
            return dump({"value": function(*reply["args"], **reply["kwargs"])}, self._keep)
        except Exception as error:
            return dump({"raised": f"{type(error).__name__}: {error}"[:500]})

    def _keep(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Remote):
            return {"id": value._id}
        if callable(value) and not isinstance(value, type) and not hasattr(value, "parameters"):
            self.callbacks.append(value)
            return {"callback": len(self.callbacks) - 1}
        raise TypeError(
            f"A test can pass numbers, text, lists, arrays, tensors and functions to an answer, not a "
            f"{type(value).__name__}. Let a function of the exercise make it: `answer_side(make)()`."
        )

    def _find(self, kept: dict[str, Any]) -> "Remote":
        return Remote(self, int(kept["id"]), str(kept["type"])[:100], str(kept["text"])[:200])


class Remote:
    """An object of the answers' process. Only what a test needs of it is passed on."""

    def __init__(self, link: Link, number: int, kind: str, text: str, name: str = "") -> None:
        self._link, self._id, self._kind, self._text = link, number, kind, text
        self.__name__ = name or kind

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it; arrays that the call changed in place are changed here too."""
        reply = self._link.ask("call", target=self, args=list(args), kwargs=kwargs)
        given = [value for value in (*args, *kwargs.values()) if is_array(value)]
        for index, new in _pairs(reply.get("changed")):
            if index < len(given) and getattr(new, "shape", None) == given[index].shape:
                given[index][...] = new
        return reply.get("value")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._link.ask("attribute", target=self, name=name).get("value")

    def __getitem__(self, key: Any) -> Any:
        return self._link.ask("item", target=self, key=key).get("value")

    def __bool__(self) -> bool:
        return bool(self._link.ask("truth", target=self).get("value"))

    def __len__(self) -> int:
        length = self._link.ask("length", target=self).get("value")
        if not isinstance(length, int) or length < 0:
            raise answer_error({"text": "The answer gives an object without a length."})
        return length

    def __iter__(self) -> Iterator[Any]:
        items = self._link.ask("items", target=self).get("value")
        return iter(items if isinstance(items, list) else [])

    def __repr__(self) -> str:
        return self._text

    def count_steps(self, *args: Any) -> Any:
        """How many lines of Python a call runs, as the answers' process counts them."""
        return self._link.ask("steps", target=self, args=list(args)).get("value")


def is_array(value: Any) -> bool:
    """Whether `value` is an array or a tensor, without importing torch."""
    return hasattr(value, "__array_interface__") or (
        type(value).__module__.startswith("torch") and hasattr(value, "requires_grad")
    )


def _pairs(changed: Any) -> list[tuple[int, Any]]:
    pairs = changed.items() if isinstance(changed, dict) else ()
    return [(index, new) for index, new in pairs if isinstance(index, int) and index >= 0]


def answer_error(raised: Any) -> AnswerError:
    """The exception that a description from the answers' process stands for."""
    raised = raised if isinstance(raised, dict) else {}
    kinds = raised["kinds"][:50] if isinstance(raised.get("kinds"), list) else []
    found = (getattr(builtins, str(kind), None) for kind in kinds if kind not in NOT_RAISED)
    base = next((cls for cls in found if isinstance(cls, type) and issubclass(cls, Exception)), Exception)
    name = str(raised.get("name"))[:100]
    cls = type(
        name if name.isidentifier() else "Exception",
        (AnswerError,) if base is Exception else (AnswerError, base),
        {},
    )
    error = cls.__new__(cls)
    error.message = str(raised.get("message", ""))[:1000]
    error.text = str(raised.get("text", error.message))[:1500]
    return error
