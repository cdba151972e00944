"""What a test can do with an answer elsewhere: here the two sides are threads with a socket between."""

import contextlib
import json
import random
import socket
import sys
import threading

import numpy as np
import pytest
from grading_tools import ENDED, Wire

from dltwice.grading import remote
from dltwice.grading.answers import MOST_ITEMS, Answers
from dltwice.grading.channel import RELAY, STOPPED, Channel, ClosedError
from dltwice.grading.checks import answer_side, check_close, check_integer, check_raises, count_steps
from dltwice.grading.codec import dump
from dltwice.grading.examine import Examination
from dltwice.grading.remote import AnswerError, Link, Remote, StoppedError

with contextlib.suppress(ImportError):  # before there are threads, which might import it at the same time
    import torch  # noqa: F401


class Side:
    """A link to a thread that runs answers."""

    def __init__(self) -> None:
        here, there = socket.socketpair()
        self.there = there
        self.wire = Wire(Channel(here))
        self.link = Link(self.wire)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(ClosedError):
            Answers(Channel(self.there)).serve()

    def run(self, source: str, question: str = "f") -> str:
        return self.link.ask("run", name="cell", source=source, question=question)["value"]

    def get(self, name: str):
        return self.link.ask("get", names=[name])["value"][name]

    def define(self, source: str, name: str = "f"):
        assert self.run(source) == ""
        return self.get(name)

    def close(self) -> None:
        self.wire.channel.close()
        self.thread.join(10)
        self.there.close()
        assert not self.thread.is_alive()


@pytest.fixture
def side(monkeypatch):
    """A new side for answers; what it does to the whole process is undone."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    before = random.getstate(), np.random.get_state()
    side = Side()
    yield side
    side.close()
    random.setstate(before[0])
    np.random.set_state(before[1])


class TestValues:
    @pytest.mark.parametrize(
        "source",
        [
            "3",
            "-2.5",
            "'text'",
            "[1, (2, None), {'a': {3}}]",
            "np.arange(6.0).reshape(2, 3).T",
            "np.float32(1.5)",
            "np.array(['a', 'bc'])",
            "frozenset({1, 2})",
        ],
    )
    def test_plain_values_are_copies(self, side, source):
        got = side.define(f"import numpy as np\nvalue = {source}", "value")
        want = eval(source, {"np": np})
        assert type(got) is type(want)
        np.testing.assert_equal(got, want)

    def test_tensors_are_tensors(self, side):
        torch = pytest.importorskip("torch")
        got = side.define("import torch\nvalue = torch.ones(2, 3, requires_grad=True) * 2", "value")
        assert torch.equal(got, torch.full((2, 3), 2.0))

    def test_only_names_that_are_defined_are_given(self, side):
        side.run("one = 1")
        assert side.link.ask("get", names=["one", "two"]) == {"value": {"one": 1}}

    @pytest.mark.parametrize(
        ("call", "want"),
        [
            ("f(2)", (2, (), {})),
            ("f(2, 3, 4)", (2, (3, 4), {})),
            ("f(x=2, y=[1.5])", (2, (), {"y": [1.5]})),
            ("f(None, *'ab', **{'é': (1,)})", (None, ("a", "b"), {"é": (1,)})),
        ],
    )
    def test_arguments_arrive_as_they_were_given(self, side, call, want):
        f = side.define("def f(x, *args, **kwargs):\n    return x, args, kwargs")
        assert eval(call, {"f": f}) == want

    def test_a_name_is_looked_up_by_name_and_objects_by_number(self, side):
        f = side.define("class Thing: pass\none, two = Thing(), Thing()\ndef f(a, b): return a is b")
        one, two = side.get("one"), side.get("two")
        assert f(one, one) is True
        assert f(one, two) is False
        assert f([one], [one]) is False
        assert one != two

    def test_every_cell_and_test_starts_from_the_same_random_numbers(self, side):
        draw = "import random\nimport numpy as np\nx = [random.random(), np.random.rand()]"
        f = "import numpy as np\ndef f(): return np.random.rand()"
        assert side.define(draw, "x") == side.define(draw, "x")
        assert side.define(f)() == side.get("f")()
        f = side.get("f")
        assert f() != f()

    def test_reset_forgets_names_and_objects(self, side):
        side.define("one = object()", "one")
        one = side.get("one")
        side.link.ask("reset")
        assert side.link.ask("get", names=["one"]) == {"value": {}}
        with pytest.raises(AnswerError):
            _ = one.attribute


class TestObjects:
    SOURCE = """
class Layer:
    size = 3
    def __init__(self, scale=2): self.scale = scale
    def __call__(self, x): return self.scale * x
    def __len__(self): return self.size
    def __getitem__(self, key): return [self.scale, key]
    def __iter__(self): return iter([self.scale, Layer(7)])
    def __repr__(self): return f"Layer({self.scale})"
    def twin(self): return Layer(self.scale)
    _private = 1
"""

    @pytest.fixture
    def layer(self, side):
        return side.define(self.SOURCE, "Layer")(5)

    @pytest.mark.parametrize(
        ("expression", "want"),
        [
            ("layer.size", 3),
            ("layer(2)", 10),
            ("layer(np.ones(2)).tolist()", [5, 5]),
            ("len(layer)", 3),
            ("layer['a']", [5, "a"]),
            ("layer[1:, ..., None]", [5, (slice(1, None), ..., None)]),
            ("list(layer)[0]", 5),
            ("list(layer)[1].scale", 7),
            ("repr(layer)", "Layer(5)"),
            ("f'{layer}'", "Layer(5)"),
            ("layer.__name__", "Layer"),
            ("layer.twin().twin()(1)", 5),
            ("bool(layer)", True),
            ("hasattr(layer, 'scale'), hasattr(layer, 'missing'), hasattr(layer, '_private')", (1, 0, 0)),
            ("getattr(layer, 'missing', 4)", 4),
            ("isinstance(layer, Remote), callable(layer)", (True, True)),
            ("layer == 5", False),
        ],
    )
    def test_what_a_test_can_ask_for(self, layer, expression, want):
        assert eval(expression, {"layer": layer, "np": np, "Remote": Remote}) == want

    @pytest.mark.parametrize(
        ("value", "truth"),
        [("lambda: 0", True), ("deque()", False), ("deque([0])", True), ("range(0)", False), ("len", True)],
    )
    def test_truth_is_that_of_the_object(self, side, value, truth):
        got = side.define(f"from collections import deque\nvalue = {value}", "value")
        assert isinstance(got, Remote)
        assert bool(got) is truth

    @pytest.mark.parametrize(
        ("source", "want"),
        [
            ("(i * i for i in range(4))", [0, 1, 4, 9]),
            ("range(3, 0, -1)", [3, 2, 1]),
            ("{'a': 1, 'b': 2}.items()", [("a", 1), ("b", 2)]),
            ("map(str, [1, 2])", ["1", "2"]),
            (f"(i for i in range({MOST_ITEMS}))", list(range(MOST_ITEMS))),
        ],
    )
    def test_iterators_are_drawn_from(self, side, source, want):
        assert list(side.define(f"value = {source}", "value")) == want

    @pytest.mark.parametrize("source", [f"iter(range({MOST_ITEMS} + 1))", "__import__('itertools').count()"])
    def test_long_iterators_are_refused(self, side, source):
        value = side.define(f"value = {source}", "value")
        with pytest.raises(AnswerError, match="more than 10,000 items"):
            list(value)

    @pytest.mark.parametrize(
        "use",
        [lambda r: check_close(r, 3, "x"), lambda r: check_integer(r, 3, "x"), lambda r: float(r) and None],
    )
    def test_an_object_is_no_number(self, layer, use):
        with pytest.raises((AssertionError, TypeError), match=r"Layer|Remote"):
            use(layer)

    def test_steps_are_counted_there(self, side):
        f = side.define("def f(n):\n    for i in range(n):\n        n = i\n    return n")
        assert [count_steps(f, n) for n in (0, 1, 5)] == [(3, 3), (5, 5), (13, 13)]

    def test_what_can_not_cross_is_not_passed(self, layer):
        before = layer._link.channel.passed
        for value in (object(), np.array([None]), iter([]), int):
            with pytest.raises(TypeError, match=f"not a {type(value).__name__}. Let a function"):
                layer(value)
        assert layer._link.channel.passed == before


class TestChangesInPlace:
    @pytest.mark.parametrize(
        ("body", "changed"),
        [
            ("x[...] = 7", True),
            ("x += 1; return x", True),
            ("x.sort()", True),
            ("x[0, 0] = x[0, 0]", False),
            ("x = x + 1; return x", False),
        ],
    )
    @pytest.mark.parametrize("how", ["position", "keyword"])
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_of_arrays(self, side, body, changed, how, order):
        f = side.define(f"def f(x, y=None):\n    {body}")
        x = np.array([[4.0, 3], [2, 1]], order=order)
        want, y = x.copy(), x.copy()
        if changed:
            exec(body.partition(";")[0], {"x": want})
        f(x, y=y) if how == "position" else f(y=y, x=x)
        np.testing.assert_array_equal(x, want)
        np.testing.assert_array_equal(y, [[4, 3], [2, 1]])

    def test_what_is_not_changed_is_not_written_to(self, side):
        x = np.ones(3)
        x.flags.writeable = False
        assert side.define("def f(x):\n    return x.sum()")(x) == 3
        with pytest.raises(ValueError, match="read-only"):
            side.define("def f(x):\n    x[0] = 2")(x)

    def test_of_parts_of_arrays(self, side):
        x = np.zeros((3, 4))
        side.define("def f(x):\n    x += 1")(x[::2, 1:3])
        assert x.tolist() == [[0, 1, 1, 0], [0, 0, 0, 0], [0, 1, 1, 0]]

    def test_an_array_of_another_shape_is_left_alone(self, side):
        x = np.zeros((2, 2))
        side.define("def f(x):\n    x[:] = 1\n    x.shape = (4,)")(x)
        assert x.tolist() == [[0, 0], [0, 0]]

    def test_of_tensors(self, side):
        torch = pytest.importorskip("torch")
        x, same = torch.ones(2, 3), torch.ones(2)
        side.define("def f(x, same):\n    x.mul_(3)\n    same.mul(3)")(x, same)
        assert x.tolist() == [[3, 3, 3], [3, 3, 3]]
        assert same.tolist() == [1, 1]

    def test_the_result_is_not_the_argument(self, side):
        x = np.ones(2)
        got = side.define("def f(x):\n    return x")(x)
        got[0] = 5
        assert x.tolist() == [1, 1]


RAISES = [
    ("ValueError('no')", ValueError, "no"),
    ("KeyError('k')", KeyError, "'k'"),
    ("ZeroDivisionError", ArithmeticError, ""),
    ("UnicodeDecodeError('a', b'', 0, 1, 'r')", UnicodeError, "'a' codec can't decode bytes"),
    ("OSError(2, 'gone')", FileNotFoundError, "[Errno 2] gone"),
    ("StopIteration(3)", Exception, "3"),
    ("NotImplementedError()", NotImplementedError, ""),
    ("ExceptionGroup('g', [ValueError(1)])", Exception, "g (1 sub-exception)"),
    ("SystemExit(3)", Exception, "3"),
    ("KeyboardInterrupt()", Exception, ""),
    ("GeneratorExit()", Exception, ""),
    ("type('Mine', (IndexError,), {})('m')", LookupError, "m"),
    ("type('Mine', (BaseException,), {})('m')", Exception, "m"),
    ("type('Bad', (ValueError,), {'__str__': lambda self: 1 / 0})()", Exception, ""),
    ("type('a b', (ValueError,), {})('m')", ValueError, "m"),
    ("ValueError('x' * 10**6)", ValueError, "x" * 1000),
    ("3", TypeError, "exceptions must derive from BaseException"),
]


class TestExceptions:
    @pytest.mark.parametrize(("raised", "kind", "message"), RAISES, ids=[r[0][:30] for r in RAISES])
    def test_they_are_raised_here_as_what_they_are(self, side, raised, kind, message):
        f = side.define(f"def f():\n    raise {raised}")
        with pytest.raises(AnswerError) as error:
            f()
        assert isinstance(error.value, kind)
        assert str(error.value).startswith(message)
        assert len(str(error.value)) <= 1000
        assert 0 < len(error.value.text) <= 1500
        assert side.define("x = 3", "x") == 3

    def test_the_learner_is_told_the_line(self, side):
        f = side.define("def f(x):\n    y = x\n    return 1 / y")
        with pytest.raises(ZeroDivisionError) as error:
            f(0)
        place = "(line 3 of your answer: `return 1 / y`)"
        assert error.value.text == f"ZeroDivisionError: division by zero {place}"

    def test_they_count_for_checks(self, side):
        f = side.define("class Mine(ValueError): pass\ndef f(): raise Mine('no')")
        check_raises(ValueError, f, "f()")
        with pytest.raises(AssertionError, match="expected a KeyError, got Mine: no"):
            check_raises(KeyError, f, "f()")

    @pytest.mark.parametrize(
        ("source", "question", "message"),
        [
            ("x = ", "f", "SyntaxError: invalid syntax (line 1 of your answer: `x =`)"),
            ("1 / 0", "f", "ZeroDivisionError: division by zero (line 1 of your answer: `1 / 0`)"),
            ("1 / 0", "", "ZeroDivisionError: division by zero"),
            ("raise SystemExit", "f", "The answer stops the program (line 1 of your answer"),
            ("class E(NotImplementedError):\n  def __str__(self): 1/0\nraise E", "f", None),
        ],
    )
    def test_a_cell_that_does_not_run_is_explained(self, side, source, question, message):
        if message is None:
            with pytest.raises(AnswerError):
                side.run(source, question)
        else:
            assert side.run(source, question).startswith(message)
        assert side.run("y = 1") == ""


class TestCallbacks:
    def test_an_answer_calls_the_tests_function(self, side):
        f = side.define("def f(g, x):\n    return [g(x), g(x + 1, scale=3), g(scale=2, x=[x])]")
        asked = []

        def g(x, scale=1):
            asked.append((x, scale))
            return scale * x

        assert f(g, 5) == [5, 18, [5, 5]]
        assert asked == [(5, 1), (6, 3), ([5], 2)]

    def test_gradients_by_differences(self, side):
        slope = side.define("def f(g, x):\n    return (g(x + 1e-4) - g(x - 1e-4)) / 2e-4")
        check_close(slope(lambda x: x**3, np.array([1.0, 2.0])), [3, 12], "slope", rtol=1e-4)
        check_close(slope(np.sin, 0.0), 1, "slope", rtol=1e-4)

    def test_several_functions_and_calls(self, side):
        f = side.define("def f(a, b, *, c):\n    return a() + b() + c(), a(), b()")
        for _ in range(3):
            assert f(lambda: 1, lambda: 20, c=lambda: 300) == (321, 1, 20)

    def test_what_it_raises_is_raised_in_the_answer(self, side):
        f = side.define("def f(g):\n    try: g(1)\n    except TypeError as e: return str(e)")
        assert f(lambda x: [][x]) == "IndexError: list index out of range"
        assert "positional argument" in f(lambda: 0)
        assert f(lambda x: object()).startswith("TypeError: A test can pass numbers")

    def test_it_may_call_the_answer_in_turn(self, side):
        side.run("class Net:\n    def __call__(self, x): return 2 * x\nnet = Net()")
        f = side.define("def f(loss, g, x):\n    return loss(net, x), loss(net, x + 1), g(1)")
        assert f(lambda net, x: net(x) + 1, lambda x: 100 * x, 5) == (11, 13, 100)

    def test_what_is_raised_on_the_way_back_arrives(self, side):
        side.run("def inner(x):\n    return 1 // x")
        f = side.define("def f(g):\n    return g(inner)")
        with pytest.raises(TypeError, match="ZeroDivisionError: integer division"):
            f(lambda inner: inner(0))
        assert f(lambda inner: inner(1)) == 1

    def test_a_function_that_was_kept_reaches_nothing(self, side):
        f = side.define("kept = []\ndef f(g=None):\n    if g: kept.append(g)\n    return kept[0](1)")
        assert f(lambda x: x + 1) == 2
        with pytest.raises(TypeError, match="IndexError"):
            f()
        assert f(lambda x: x + 5) == 6  # the only one there is

    def test_calls_are_limited(self, side, monkeypatch):
        monkeypatch.setattr(remote, "MOST_CALLBACKS", 50)
        f = side.define("def f(g, n):\n    for i in range(n):\n        g(i)\n    return n")
        assert f(lambda i: i, 49) == 49
        with pytest.raises(StoppedError, match="calls a function that it was given more than"):
            f(lambda i: i, 51)
        with pytest.raises(StoppedError, match="more than"):  # it waits for another reply, so it is not asked
            side.get("f")


EVIL = """
class Equal:
    def __eq__(self, other): return True
    __hash__ = None
class Liar:
    __class__ = property(lambda self: int)
class Negative:
    def __len__(self): return self.n
    def __getattr__(self, name): return self
class Endless:
    def __getattr__(self, name): return self
    def __getitem__(self, key): return self
    def __call__(self, *args): return self
    def __repr__(self): raise SystemExit
class Loud:
    def __repr__(self): return "x\\n" * 10**6
class Whole(int):
    def __index__(self): return 99
    def __repr__(self): return "99"
class Double(float):
    def __float__(self): return 99.0
class Text(str):
    def __str__(self): return "99"
class Listed(list):
    def __iter__(self): return iter([99])
    def __len__(self): return 99
class Mapped(dict):
    def items(self): return [(9, 9)]
import numpy as np
class Array(np.ndarray):
    def tobytes(self, *a): return bytes(16)
    def __array_finalize__(self, other): pass
class Module(type):
    __module__ = 3
class Odd:
    __module__ = 3
loop = []
loop.append(loop)
deep = 0
for _ in range(10_000): deep = [deep]
wide = 0
for _ in range(30): wide = [wide] * 10
"""


class TestEvilObjects:
    @pytest.mark.parametrize(
        ("made", "want"),
        [
            ("Whole(3)", 3),
            ("Double(0.5)", 0.5),
            ("Text('text')", "text"),
            ("Listed([1, 2])", [1, 2]),
            ("Mapped({1: 2})", {1: 2}),
            ("[Whole(3), (Double(2),)]", [3, (2.0,)]),
        ],
    )
    def test_disguised_values_are_what_they_are(self, side, made, want):
        got = side.define(f"{EVIL}\nvalue = {made}", "value")
        assert got == want
        assert type(got) is type(want)

    def test_a_disguised_array_is_what_it_is(self, side):
        got = side.define(f"{EVIL}\nvalue = np.arange(2.0).view(Array)", "value")
        assert type(got) is np.ndarray
        assert got.tolist() == [0, 1]

    @pytest.mark.parametrize("made", ["Equal()", "Negative()", "Endless()", "Loud()", "Odd()", "Liar"])
    def test_objects_equal_nothing(self, side, made):
        got = side.define(f"{EVIL}\nvalue = {made}", "value")
        assert isinstance(got, Remote)
        assert got != 3
        assert not isinstance(got, int | float | list)
        assert len(repr(got)) <= 200
        with pytest.raises(AssertionError):
            check_close(got, 3, "x")
        with pytest.raises(AssertionError):
            check_integer(got, 3, "x")

    @pytest.mark.parametrize(
        ("made", "message"),
        [
            ("Liar()", "descriptor '__index__'|__index__"),
            ("loop", "nested more than 40 deep"),
            ("deep", "nested more than 40 deep"),
            ("np.zeros(10**7)", "too large: 80,000,"),
            ("['x' * 10**6] * 40", "too large: 40,000,"),
        ],
    )
    def test_what_can_not_be_sent_is_an_error(self, side, made, message):
        side.run(f"{EVIL}\nvalue = {made}")
        with pytest.raises(AnswerError, match=message):
            side.get("value")
        assert side.define("x = 3", "x") == 3

    def test_attributes_without_end(self, side):
        value = side.define(f"{EVIL}\nvalue = Endless()", "value")
        for _ in range(50):
            value = value.a[0](1)
        assert isinstance(value, Remote)
        assert repr(value) == "an object whose repr raises SystemExit"

    @pytest.mark.parametrize("length", ["-1", "2**80", "'3'", "None", "3.0"])
    def test_odd_lengths(self, side, length):
        value = side.define(f"{EVIL}\nvalue = Negative()\nvalue.n = {length}", "value")
        with pytest.raises((AnswerError, OverflowError)):
            len(value)

    def test_an_argument_of_an_odd_class(self, side):
        f = side.define(f"{EVIL}\nodd = Odd()\ndef f(x): return x is odd")
        with contextlib.suppress(AnswerError):  # it hurts nobody but itself
            assert f(side.get("odd")) is True
        assert side.define("x = 3", "x") == 3


class Script:
    """A wire on which the replies are made up, and after them the process has ended."""

    def __init__(self, replies) -> None:
        self.replies = [RELAY + message for message in replies]
        self.sent: list[bytes] = []

    def send(self, message: bytes) -> None:
        self.sent.append(message)

    def receive(self) -> bytes:
        return self.replies.pop(0) if self.replies else STOPPED + json.dumps(ENDED).encode()


FORGED = [
    b"",
    b"garbage",
    b"\0\0\0\2[]",
    dump(3),
    dump([1]),
    dump({}),
    dump({"other": 1}),
    *(dump({"raised": raised}) for raised in (3, None, [], {}, {"name": 3, "kinds": 3, "text": 3})),
    *(dump({"raised": {"name": name, "kinds": ["ValueError"]}}) for name in ("a\0b", "\ud800", "", None)),
    *(dump({"raised": {"kinds": kinds}}) for kinds in (["print", "type"], ["ExceptionGroup"], [[]], [None])),
    *(dump({"raised": {"kinds": kinds}}) for kinds in (["BaseException"], ["StoppedError"], ["é"], [{}])),
    dump({"raised": {"kinds": ["ValueError"] * 10**5, "message": "m" * 10**6, "text": "t" * 10**6}}),
    dump({"value": 1, "raised": {"kinds": ["KeyError"]}}),
]


class TestForgedReplies:
    """Whatever comes instead of a reply ends in a value or an exception that fails the test."""

    def ask(self, *replies: bytes, request=None):
        link = Link(Script(replies))
        return (request or (lambda link: link.ask("get", names=["x"])))(link)

    @pytest.mark.parametrize("message", FORGED, ids=lambda message: repr(message[4:60]))
    def test_it_is_an_error(self, message):
        with pytest.raises(AnswerError) as error:
            self.ask(message)
        assert len(str(error.value)) <= 1000
        assert 0 <= len(error.value.text) <= 1500

    @pytest.mark.parametrize("number", [0, -1, 5, None, "0", [], 2**70])
    @pytest.mark.parametrize(
        "more", [{}, {"args": 3}, {"args": [], "kwargs": []}, {"args": [1], "kwargs": {"é": 2}}]
    )
    def test_calls_of_functions_that_were_not_given(self, number, more):
        calls = [dump({"callback": number, **more})] * 3
        assert self.ask(*calls, dump({"value": 7})) == {"value": 7}

    @pytest.mark.parametrize(
        "changed",
        [
            *(3, [1], {"0": 1}, {-1: np.ones(2)}, {5: np.ones(2)}, {0: np.ones(3)}, {0: 1}, {0: [1, 2]}),
            *({True: "x"}, {None: np.ones(2)}, {0.0: np.ones(2)}),
        ],
        ids=repr,
    )
    def test_changes_that_do_not_fit_are_ignored(self, changed):
        x = np.zeros(2)
        message = dump({"value": 4, "changed": changed})
        assert self.ask(message, request=lambda link: Remote(link, 0, "f", "f")(x)) == 4
        assert x.tolist() == [0, 0]

    @pytest.mark.parametrize(
        ("new", "want"),
        [(np.ones(2), 1), (np.ones(2, int), 1), (np.array(["a", "b"]), 0)],
    )
    def test_changes_of_another_type_fail_or_are_cast(self, new, want):
        x = np.zeros(2)
        with contextlib.suppress(ValueError):
            forged = dump({"value": 0, "changed": {0: new}})
            self.ask(forged, request=lambda link: Remote(link, 0, "f", "f")(x))
        assert x.dtype == float
        assert x.tolist() == [want, want]

    @pytest.mark.parametrize("kept", [{}, {"id": "x"}, {"id": None}, {"id": 0, "type": 1}, [], None])
    def test_objects_made_up(self, kept):
        message = dump({"value": object()}, lambda value: kept)
        with contextlib.suppress(AnswerError):
            got = self.ask(message)["value"]
            assert isinstance(got, Remote)

    def test_no_reply_ends_the_link_for_good(self):
        def ask_twice(link):
            for _ in range(2):
                with pytest.raises(StoppedError) as error:
                    link.ask("get", names=["x"])
                assert list(error.value.outcome) == ENDED
            return link

        link = self.ask(request=ask_twice)
        assert len(link.channel.sent) == 1


class TestAnswerSide:
    def make_network(self):
        return [1, 2]

    def test_in_a_notebook_it_is_the_function_itself(self):
        assert remote.current is None
        assert answer_side(len) is len

    def test_it_makes_objects_where_the_answers_are(self, side, monkeypatch):
        examination = Examination(side.wire, [], [])
        examination.link = side.link
        monkeypatch.setattr(remote, "current", examination)
        side.run("class Net: pass\ndef make(size):\n    net = Net()\n    net.size = size\n    return net", "")
        train = side.define("def train(net):\n    net.size += 1\n    return isinstance(net, Net)", "train")

        def make(size):
            raise AssertionError("it must not run here")

        net = answer_side(make)(size=8)
        assert isinstance(net, Remote)
        assert train(net) is True
        assert net.size == 9

    def test_a_function_that_is_not_there_is_an_error(self, side, monkeypatch):
        examination = Examination(side.wire, [], [])
        examination.link = side.link
        monkeypatch.setattr(remote, "current", examination)
        with pytest.raises(KeyError):
            answer_side(self.make_network)


def test_many_requests_keep_their_order(side):
    f = side.define("def f(x):\n    if x % 3 == 0: raise ValueError(x)\n    return x")
    for x in range(300):
        with pytest.raises(ValueError, match=f"^{x}$") if x % 3 == 0 else contextlib.nullcontext():
            assert f(x) == x
