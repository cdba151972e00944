"""What crosses between tests and answers: every value comes back as it was, and no message does harm."""

import collections
import enum
import json
import math
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dltwice.grading import codec
from dltwice.grading.codec import MAX_DEPTH, CodecError, dump, load

KINDS = ("list", "tuple", "set", "frozenset", "dict", "slice", "array", "scalar", "tensor", "kept")
KINDS += (*codec.SIMPLE, "object", "", None)
SIMPLE_TYPES = (type(None), bool, int, float, complex, str, bytes, slice, type(...), np.dtype)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Point = collections.namedtuple("Point", "x y")
Color = enum.IntEnum("Color", "RED GREEN")


class Text(str):
    """Text that says something else."""

    def __str__(self):
        return "other"


class Number(float):
    def __float__(self):
        return 99.0


class Items(list):
    def __iter__(self):
        raise RuntimeError


class Pairs(dict):
    def items(self):
        raise RuntimeError


class Sly(np.ndarray):
    def tobytes(self, order="C"):
        return b"other"


def same(one, other) -> bool:
    """Whether two values are of the same types, and equal, also where they are not numbers."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray | np.generic):
        if one.dtype.char == "g":  # not all of its bytes mean something
            return other.dtype.char == "g" and np.array_equal(one, other, equal_nan=True)
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, complex):
        return same([one.real, one.imag], [other.real, other.imag])
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other) or (one != one and other != other)
    if isinstance(one, slice):
        return same([one.start, one.stop, one.step], [other.start, other.stop, other.step])
    return one == other


def message(tree, *blobs: bytes) -> bytes:
    """A message with this tree, as someone may write who knows the format."""
    parts = [tree if isinstance(tree, bytes) else json.dumps(tree).encode(), *blobs]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def array_tree(**changes):
    return {"t": "array", "b": 0, "d": "<f8", "s": [2], "o": "C"} | changes


PLAIN = [
    *(None, True, False, ..., b"", b"\0\xff", "", "é", "\0", "\ud800", "𝄞", "a" * 10_000),
    *(0, -1, 2**31, -(2**63), 2**64, 10**3000, 10**6000, -(10**6000)),
    *(0.0, -0.0, 1e-320, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 0.1),
    *(1j, complex(-0.0, math.nan), complex(math.inf, -1)),
    *([], (), {}, set(), frozenset(), [[], ()], ([1, (2.0, "three")],), [True, 1, 1.0]),
    *({1: "a", "1": 2, None: [], (1, (2,)): {}, True + 1: 0, 0.5: 1}, {1, "a", (2, 3)}, {frozenset({1})}),
    *(slice(None), slice(1, None, -2), (slice(0, 3), ..., None), [slice(1.5, "a")]),
    *(np.dtype("<f4"), np.dtype(">i2"), np.dtype("U5"), np.dtype(bool)),
    *(np.float64(1.5), np.float32(np.nan), np.float16(2), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True)),
    *(np.complex64(1 + 2j), np.bytes_(b"ab"), np.bytes_(b""), np.longdouble("1.1"), {np.int64(3): "x"}),
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values_come_back_as_they_were(value):
    assert same(load(dump(value)), value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Color.GREEN, 2),
        (Text("text"), "text"),
        (Number(0.5), 0.5),
        (np.str_("text"), "text"),
        (bytearray(b"ab"), b"ab"),
        (Point(1, [2]), (1, [2])),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (Items([1, 2]), [1, 2]),
        (Pairs(a=1), {"a": 1}),
        (np.arange(3.0).view(Sly), np.arange(3.0)),
        (np.ma.array([1, 2], mask=[0, 1]), np.array([1, 2])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_of_a_subclass_only_the_plain_value_crosses(value, expected):
    assert same(load(dump(value)), expected)


numbers = st.one_of(
    st.integers(), st.floats(allow_nan=True), st.complex_numbers(allow_nan=True), st.booleans(), st.none()
)
texts = st.one_of(st.text(st.characters(exclude_categories=())), st.binary())
hashable = st.recursive(numbers.filter(lambda x: x == x) | texts, lambda v: st.tuples(v, v), max_leaves=4)
dtypes = st.one_of(
    arrays.scalar_dtypes().filter(lambda dtype: dtype.kind in "biufc"),
    arrays.byte_string_dtypes(max_len=5),
    arrays.unicode_string_dtypes(max_len=5),
)
plain_arrays = arrays.arrays(dtypes, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
nested = st.recursive(
    numbers | texts | plain_arrays,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(hashable, inner, max_size=3),
        st.builds(slice, inner, inner, inner),
    ),
    max_leaves=12,
)


@QUICK
@given(nested)
def test_nested_values_come_back_as_they_were(value):
    assert same(load(dump(value)), value)


VIEWS = {
    "as it is": lambda a: a,
    "transposed": lambda a: a.T,
    "every second": lambda a: a[..., ::2] if a.ndim else a,
    "backwards": lambda a: a[::-1] if a.ndim else a,
    "Fortran order": lambda a: np.asfortranarray(a),
    "swapped axes": lambda a: a.swapaxes(0, -1) if a.ndim else a,
    "broadcast": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "other bytes": lambda a: a.astype(a.dtype.newbyteorder()),
    "a new axis": lambda a: a[None, ..., None],
    "one item": lambda a: a[..., :1] if a.ndim else a,
}


@QUICK
@given(plain_arrays, st.sampled_from(sorted(VIEWS)))
@example(np.array(3.5), "as it is")
@example(np.zeros((0, 3), ">i2"), "transposed")
@example(np.array([["ab", "c"]], "U2"), "transposed")
def test_every_view_of_an_array_comes_back(array, view):
    array = VIEWS[view](array)
    array.flags.writeable = False
    data = dump(array)
    copy = load(data)
    assert type(copy) is np.ndarray
    assert copy.dtype.str == array.dtype.str
    assert copy.shape == array.shape
    assert copy.tobytes() == array.tobytes()
    for order in ("c_contiguous", "f_contiguous"):
        assert getattr(copy.flags, order) or not getattr(array.flags, order)
    assert copy.flags.writeable
    if copy.size:
        copy.flat[0] = copy.dtype.type(1)
    assert load(data).tobytes() == array.tobytes()


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "int64", "uint8", "bool", "complex64"])
@pytest.mark.parametrize("shape", [(), (0, 2), (3,), (2, 3, 4)])
def test_tensors_come_back_as_tensors(name, shape):
    torch = pytest.importorskip("torch")
    dtype = getattr(torch, name)
    tensor = torch.ones(shape).to(dtype)
    views = [tensor, tensor.mT if len(shape) > 1 else tensor, tensor[..., ::2] if shape else tensor]
    for view, copy in zip(views, load(dump(views)), strict=True):
        assert isinstance(copy, torch.Tensor)
        assert copy.dtype == dtype
        assert copy.shape == view.shape
        assert torch.equal(copy, view)
    assert load(dump(dtype)) is dtype


def test_what_is_special_about_a_tensor_is_lost_but_never_its_values():
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    negated = torch.tensor([1 + 2j]).conj()
    assert negated.is_conj()
    assert negated.imag.is_neg()
    crossed = load(dump([weight, weight * 2, negated, negated.imag]))
    assert [type(value) for value in crossed] == [torch.Tensor] * 4
    assert not any(value.requires_grad for value in crossed)
    assert [value.tolist() for value in crossed] == [[1, 2], [2, 4], [1 - 2j], [-2]]


class Thing:
    pass


def uncrossable():
    torch = pytest.importorskip("torch")
    yield from (Thing(), Thing, len, iter([]), range(3), lambda: 0, np, np.random.default_rng(0))
    yield from (np.array([None]), np.zeros(2, "i4,f4"), np.array("2020", "M8[D]"), np.timedelta64(1, "s"))
    yield from (torch.zeros(2, dtype=torch.bfloat16), torch.eye(2).to_sparse(), torch.nn.ReLU())


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [1, {"a": (v,)}]], ids=["alone", "nested"])
def test_other_objects_are_kept_or_refused(wrap):
    for number, value in enumerate(uncrossable()):
        kept = []
        data = dump(wrap(value), lambda v, kept=kept, number=number: kept.append(v) or {"id": number})
        assert len(kept) == 1
        assert kept[0] is value
        assert same(load(data, lambda found: ("found", found)), wrap(("found", {"id": number})))
        with pytest.raises(CodecError, match=f"A {type(value).__name__} can't cross"):
            dump(wrap(value))
        with pytest.raises(CodecError):
            load(data)


def deep(depth: int, wrap=lambda inner: [inner]):
    value = 0
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {0: v}, lambda v: slice(0, v)])
def test_depth_is_limited(wrap):
    value = deep(MAX_DEPTH, wrap)
    assert same(load(dump(value)), value)
    for depth in (MAX_DEPTH + 1, 5000):
        with pytest.raises(CodecError, match="nested more than 40 deep"):
            dump(deep(depth, wrap))


def test_a_list_in_itself_is_refused():
    value = [1]
    value.append(value)
    with pytest.raises(CodecError, match="nested more than 40 deep"):
        dump(value)


def test_size_is_limited():
    assert load(dump(np.ones(2**22 - 100))).sum() == 2**22 - 100
    for value in (np.ones(2**22), bytes(2**24), ["x" * 2**20] * 33):
        with pytest.raises(CodecError, match=r"too large: 3\d,\d+,\d+ bytes, at most 33,554,432"):
            dump(value)


ODD = [
    b"",
    b"\0",
    b"\0\0\0\0",
    b"\0\0\0\4null\0\0",
    message(b"[" * 100_000),
    message(b"[" * 900 + b"]" * 900 + b"}"),
    message(b"1" * 5000),
    message({}),
    message({"t": "pickle", "v": "cos\nsystem\n"}),
    message({"t": []}),
    message({"t": "kept", "v": {"id": 0}}),
    message({"t": "dict", "v": [[[], 1]]}),
    message({"t": "dict", "v": [1]}),
    message({"t": "set", "v": [[]]}),
    message({"t": "slice", "v": [1, 2, 3, 4]}),
    message({"t": "int", "v": "os"}),
    message({"t": "bytes", "v": "xyz"}),
    message({"t": "complex", "v": [1, 2, 3]}),
    message({"t": "dtype", "v": "no such type"}),
    message({"t": "torch", "v": "load"}),
    message({"t": "torch", "v": "__builtins__"}),
    message(array_tree()),
    message(array_tree(b="x"), bytes(16)),
    message(array_tree(b=1), bytes(16)),
    message(array_tree(d="O"), bytes(16)),
    message(array_tree(d="M8[s]"), bytes(16)),
    message(array_tree(d="<i4,O"), bytes(24)),
    message(array_tree(d=[["a", "O"]]), bytes(16)),
    message(array_tree(d="(2,)O"), bytes(16)),
    message(array_tree(s=[3]), bytes(16)),
    message(array_tree(s=[2**62, 2**62]), bytes(16)),
    message(array_tree(s="2"), bytes(16)),
    message(array_tree(o="?"), bytes(16)),
    message(array_tree(t="scalar"), bytes(15)),
    message(array_tree(t="tensor", d=">f8"), bytes(16)),
    message(array_tree(t="tensor", d="U2"), bytes(16)),
    message([array_tree(), array_tree()], bytes(16)),
]


@pytest.mark.parametrize("data", ODD, ids=lambda data: repr(data[4:70]))
def test_what_was_not_made_by_dump_is_refused(data):
    with pytest.raises(CodecError) as error:
        load(data)
    assert 10 < len(str(error.value)) < 200


def test_a_short_message_can_not_fill_the_memory():
    trees = [array_tree(s=[2**17]) for _ in range(20_000)]  # 20 GB, were each of them a copy
    with pytest.raises(CodecError):
        load(message(trees, bytes(2**20)))


def check_simple(value) -> None:
    """That a decoded value is made of numbers and text only."""
    if isinstance(value, list | tuple | set | frozenset):
        assert type(value) in (list, tuple, set, frozenset)
        for item in value:
            check_simple(item)
    elif isinstance(value, dict):
        assert type(value) is dict
        check_simple(list(value.items()))
    elif isinstance(value, np.ndarray | np.generic):
        assert value.dtype.kind in "biufcUS"
        assert value.dtype.names is None
    elif type(value).__module__.startswith("torch"):
        assert type(value).__name__ in ("Tensor", "dtype")
    else:
        assert isinstance(value, SIMPLE_TYPES)


def check_harmless(data: bytes) -> None:
    try:
        value = load(data)
    except CodecError:
        return
    check_simple(value)


@QUICK
@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_plain(data):
    check_harmless(data)


leaves = st.one_of(
    st.none(),
    st.integers(-3, 70),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["<f8", "O", "U3", "S", "V8", "i4,O", "C", "F", "ff", "float32", "load", "-0x1"]),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from("tvbdso"), inner, max_size=6),
        st.fixed_dictionaries({"t": st.sampled_from(KINDS), "v": inner}),
        st.fixed_dictionaries(
            {
                "t": st.sampled_from(["array", "scalar"]),
                "b": st.integers(-1, 2),
                "d": leaves,
                "s": st.lists(st.integers(-1, 3), max_size=2),
                "o": st.sampled_from(["C", "F", "A", 3]),
            }
        ),
    ),
    max_leaves=10,
)


@settings(QUICK, max_examples=400)
@given(trees, st.lists(st.binary(max_size=24), max_size=2))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_made_up_messages_are_refused_or_plain(tree, blobs):
    check_harmless(message(tree, *blobs))


@QUICK
@given(nested, st.data())
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_changed_messages_are_refused_or_plain(value, data):
    raw = bytearray(dump(value))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    check_harmless(bytes(raw))


@pytest.mark.parametrize("value", [{"a": [1, "two"]}, np.arange(3.0), [np.float32(1), np.eye(2, dtype="f4")]])
def test_a_message_that_was_cut_off_is_refused(value):
    data = dump(value)
    for size in range(len(data)):
        with pytest.raises(CodecError):
            load(data[:size])


def test_what_find_raises_is_a_codec_error():
    data = dump(Thing(), lambda value: {"id": 5})
    for error in (IndexError, KeyError, RecursionError):

        def find(kept, error=error):
            raise error

        with pytest.raises(CodecError, match=error.__name__):
            load(data, find)
