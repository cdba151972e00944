"""The side on which the learner's code runs: executes answers, and calls their functions when a test asks.

The tests are in another process. They send requests, dictionaries with an `op`, and get values back. Whatever
the learner's code does to this process, all it can send is values, as wrong as a wrong answer's.
"""

import builtins
import itertools
import random
import sys
import types
from collections.abc import Callable
from typing import Any

from dltwice.grading.channel import Channel, PipeChannel
from dltwice.grading.checks import count_steps
from dltwice.grading.codec import CodecError, dump, load
from dltwice.grading.explain import answer_file, explain, explain_syntax, remember
from dltwice.grading.remote import is_array

MOST_ITEMS = 10_000  # that a test may draw from an iterator
SEED = 2048
LOCKED = "A function of PyTorch was called. This exercise asks for plain NumPy."


class Answers:
    """The answers of one question: a namespace, and the objects that a test knows by number."""

    def __init__(self, channel: Channel | PipeChannel) -> None:
        self.channel = channel
        self.lock = _lock() if "torch" in sys.modules else None
        self.locked = False
        self.do_reset()

    def serve(self) -> None:
        """Answer requests until the other side closes."""
        while True:
            self.channel.send(self._reply(self.channel.receive()))

    def _reply(self, message: bytes) -> bytes:
        """The reply to a request; an empty one begins a new submission."""
        try:
            request = load(message, self._find) if message else {"op": "reset"}
            value = getattr(self, f"do_{request.pop('op')}")(**request)
            return dump(value, self._keep)
        except BaseException as error:
            return dump({"raised": describe(error)})

    def do_reset(self) -> dict[str, Any]:
        """Forget everything, where one process serves several questions."""
        self._unlock()
        self.objects: list[Any] = []
        self.module = types.ModuleType("__main__")
        self.namespace = self.module.__dict__
        sys.modules["__main__"] = self.module
        return {"value": None}

    def do_lock(self) -> dict[str, Any]:
        """Let every call of PyTorch fail until the next test."""
        if self.lock and not self.locked:
            self.lock.__enter__()
            self.locked = True
        return {"value": None}

    def _unlock(self) -> None:
        if self.locked:
            self.lock.__exit__(None, None, None)
            self.locked = False

    def do_run(self, name: str, source: str, question: str) -> dict[str, Any]:
        """Execute one cell. `question` is empty for a cell of the exercise itself."""
        file = answer_file(question) if question else f"<{name}>"
        remember(source, file)
        try:
            code = compile(source, file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return {"value": explain_syntax(error, source)}
        seed()
        try:
            exec(code, self.namespace)
        except BaseException as error:
            return {"value": explain(error)}
        return {"value": ""}

    def do_get(self, names: list[str]) -> dict[str, Any]:
        """Those of `names` that are defined. Every test starts from the same random state."""
        self._unlock()
        seed()
        return {"value": {name: self.namespace[name] for name in names if name in self.namespace}}

    def do_call(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Call `target`; arrays that it changed in place go back with the result."""
        given = [value for value in (*args, *kwargs.values()) if is_array(value)]
        before = [to_bytes(value) for value in given]
        value = target(*args, **kwargs)
        pairs = enumerate(zip(before, given, strict=True))
        return {"value": value, "changed": {i: new for i, (old, new) in pairs if to_bytes(new) != old}}

    def do_attribute(self, target: Any, name: str) -> dict[str, Any]:
        """An attribute of an object."""
        return {"value": getattr(target, name)}

    def do_item(self, target: Any, key: Any) -> dict[str, Any]:
        """`target[key]`."""
        return {"value": target[key]}

    def do_truth(self, target: Any) -> dict[str, Any]:
        """`bool(target)`."""
        return {"value": bool(target)}

    def do_length(self, target: Any) -> dict[str, Any]:
        """`len(target)`."""
        return {"value": len(target)}

    def do_items(self, target: Any) -> dict[str, Any]:
        """What iterating over an object gives."""
        items = list(itertools.islice(iter(target), MOST_ITEMS + 1))
        if len(items) > MOST_ITEMS:
            raise CodecError(f"The result gives more than {MOST_ITEMS:,} items.")
        return {"value": items}

    def do_steps(self, target: Any, args: list[Any]) -> dict[str, Any]:
        """How many lines of Python a call runs."""
        return {"value": count_steps(target, *args)}

    def _keep(self, value: Any) -> dict[str, Any]:
        """Give an object a number that the test can use in its place."""
        self.objects.append(value)
        return {"id": len(self.objects) - 1, "type": type(value).__name__, "text": short(value)}

    def _find(self, kept: dict[str, Any]) -> Any:
        return self.objects[kept["id"]] if "id" in kept else self._callback(kept["callback"])

    def _callback(self, number: int) -> Callable:
        """A function of the test: calling it asks the test for the result."""

        def function(*args: Any, **kwargs: Any) -> Any:
            self.channel.send(dump({"callback": number, "args": args, "kwargs": kwargs}, self._keep))
            reply = load(message := self.channel.receive(), self._find)
            while "op" in reply:  # the test's function calls something of the answer
                self.channel.send(self._reply(message))
                reply = load(message := self.channel.receive(), self._find)
            if "raised" in reply:
                raise TypeError(reply["raised"])
            return reply["value"]

        return function


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as plain data: its name, the builtin ones that it is, and what it says."""
    try:
        kinds = [cls.__name__ for cls in type(error).__mro__ if vars(builtins).get(cls.__name__) is cls]
        name = type(error).__name__
        return {"name": name, "kinds": kinds, "message": str(error)[:1000], "text": explain(error)}
    except BaseException:
        text = f"The answer raises a {type(error).__name__} that can't be shown."
        return {"name": type(error).__name__, "kinds": [], "message": "", "text": text}


def _lock() -> Any:
    """A mode in which every operation on tensors fails."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Locked(TorchDispatchMode):
        def __torch_dispatch__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError(LOCKED)

    return Locked()


def short(value: Any) -> str:
    """`repr(value)` on one line and not too long."""
    try:
        text = " ".join(repr(value).split())
    except BaseException as error:
        return f"an object whose repr raises {type(error).__name__}"
    return text if len(text) <= 200 else text[:197] + "..."


def to_bytes(value: Any) -> bytes:
    """The numbers of an array or a tensor."""
    return (value.detach().numpy() if hasattr(value, "detach") else value).tobytes()


def seed() -> None:
    """The same random numbers for everyone, so that the same file always gets the same score."""
    random.seed(SEED)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(SEED)
    if torch := sys.modules.get("torch"):
        torch.default_generator.manual_seed(SEED)  # torch.manual_seed looks for graphics cards first
