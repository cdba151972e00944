"""What crosses between the tests and the answers: numbers, text, lists, arrays. Never an object or a pickle.

`dump` turns a value into bytes, `load` turns bytes into a value. Arrays of numbers and text travel as their
bytes, type and shape, tensors as arrays. Everything else stays where it is: the caller's `keep` gives it a
number, and the other side gets what its `find` makes of that number (see `remote.py`).
"""

import json
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from dltwice.grading.channel import MAX_BYTES

MAX_DEPTH = 40  # of nested lists
NUMBERS_AND_TEXT = "biufcUS"  # kinds of dtype
LENGTH = struct.Struct(">I")


class CodecError(Exception):
    """A value can't cross, or a message is none; the text says why."""


def dump(value: Any, keep: Callable[[Any], dict[str, Any]] | None = None) -> bytes:
    """`value` as bytes.

    Args:
        value: numbers, text, lists, tuples, dictionaries, sets, arrays, tensors, of these in any nesting.
        keep: gives anything else a description, a dictionary of plain data.

    Raises:
        CodecError: if the value is too large or too deep, or holds something else and there is no `keep`.
    """
    blobs: list[bytes] = []
    tree = _encode(value, blobs, keep, 0)
    head = json.dumps(tree, separators=(",", ":")).encode("ascii")
    parts = [LENGTH.pack(len(head)), head]
    for blob in blobs:
        parts += [LENGTH.pack(len(blob)), blob]
    message = b"".join(parts)
    if len(message) > MAX_BYTES:
        raise CodecError(
            f"The value is too large: {len(message):,} bytes, at most {MAX_BYTES:,} can be used."
        )
    return message


def load(message: bytes, find: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The value that `dump` turned into `message`; `find` makes something of what was kept.

    Raises:
        CodecError: if `message` was not made by `dump`.
    """
    try:
        size = LENGTH.unpack_from(message)[0]
        tree = json.loads(message[4 : 4 + size])
        blobs, start = [], 4 + size
        while start < len(message):
            size = LENGTH.unpack_from(message, start)[0]
            blobs.append(message[start + 4 : start + 4 + size])
            start += 4 + size
        return _decode(tree, blobs, find)
    except CodecError:
        raise
    except Exception as error:
        raise CodecError(f"A message can't be read: {type(error).__name__}.") from None


def _encode(value: Any, blobs: list[bytes], keep: Callable | None, depth: int) -> Any:
    """`value` as a JSON tree; bytes go to `blobs`, and their number into the tree."""
    if depth > MAX_DEPTH:
        raise CodecError(f"The value is nested more than {MAX_DEPTH} deep.")
    if value is None or type(value) in (bool, float):
        return value
    plain = _plain(value)
    if plain is not None:
        return plain
    for base, kind in ((list, "list"), (tuple, "tuple"), (set, "set"), (frozenset, "frozenset")):
        if isinstance(value, base):
            items = [_encode(item, blobs, keep, depth + 1) for item in base.__iter__(value)]
            return items if kind == "list" else {"t": kind, "v": items}
    if isinstance(value, dict):
        pairs = [[_encode(part, blobs, keep, depth + 1) for part in pair] for pair in dict.items(value)]
        return {"t": "dict", "v": pairs}
    array = _array(value)
    if array is not None:
        kind, data = array
        order = "F" if data.flags.f_contiguous and not data.flags.c_contiguous else "C"
        blobs.append(data.tobytes(order))
        return {"t": kind, "b": len(blobs) - 1, "d": data.dtype.str, "s": data.shape, "o": order}
    if isinstance(value, slice):
        return {
            "t": "slice",
            "v": [_encode(v, blobs, keep, depth + 1) for v in (value.start, value.stop, value.step)],
        }
    if keep is None:
        raise CodecError(f"A {type(value).__name__} can't cross between the tests and the answers.")
    return {"t": "kept", "v": keep(value)}


def _plain(value: Any) -> Any:
    """An integer, a float or text, also of a subclass, as JSON keeps it; None if it is none of these."""
    if isinstance(value, int):
        number = int.__index__(value)
        return number if number.bit_length() < 10_000 else {"t": "int", "v": hex(number)}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, np.generic):
        return None  # np.float64 is a float; it keeps its type
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, complex):
        return {"t": "complex", "v": [value.real, value.imag]}
    if isinstance(value, bytes | bytearray):
        return {"t": "bytes", "v": bytes(value).hex()}
    if isinstance(value, np.dtype):
        return {"t": "dtype", "v": value.str}
    if value is Ellipsis:
        return {"t": "ellipsis"}
    torch = sys.modules.get("torch")
    if torch and isinstance(value, torch.dtype):
        return {"t": "torch", "v": str(value).removeprefix("torch.")}
    return None


def _array(value: Any) -> tuple[str, np.ndarray] | None:
    """The kind (array, scalar, tensor) and the numbers of `value`; None if it has none that can cross."""
    kind, torch = "array", sys.modules.get("torch")
    if torch and isinstance(value, torch.Tensor):
        kind = "tensor"
        try:
            value = torch.Tensor.detach(value).cpu().resolve_conj().resolve_neg().numpy()
        except (TypeError, RuntimeError):  # bfloat16, sparse
            return None
    elif isinstance(value, np.generic):
        kind = "scalar"
    elif not isinstance(value, np.ndarray):
        return None
    value = np.array(value, copy=None, subok=False)
    return (kind, value) if value.dtype.kind in NUMBERS_AND_TEXT else None


def _decode(tree: Any, blobs: list[bytes], find: Callable | None) -> Any:
    if isinstance(tree, list):
        return [_decode(item, blobs, find) for item in tree]
    if not isinstance(tree, dict):
        return tree
    kind, value = tree["t"], tree.get("v")
    if kind in ("array", "scalar", "tensor"):
        dtype = np.dtype(tree["d"])
        if dtype.kind not in NUMBERS_AND_TEXT:
            raise CodecError(f"An array of {dtype} can't cross.")
        data = bytearray(blobs[tree["b"]])  # so that the array can be written to
        blobs[tree["b"]] = b""  # one array each, so that a short message can't fill the memory
        flat = np.frombuffer(data, dtype)
        return _revive(kind, flat.reshape(tree["s"], order=tree["o"]))
    if kind == "kept" and find:
        return find(value)
    if kind in SIMPLE:
        return SIMPLE[kind](value)
    items = _decode(value, blobs, find)
    if kind == "dict":
        return dict(items)
    return {"tuple": tuple, "set": set, "frozenset": frozenset, "slice": lambda v: slice(*v)}[kind](items)


SIMPLE: dict[str, Callable[[Any], Any]] = {
    "int": lambda v: int(v, 16),
    "complex": lambda v: complex(*v),
    "bytes": bytes.fromhex,
    "dtype": np.dtype,
    "ellipsis": lambda v: Ellipsis,
    "torch": lambda v: _torch_dtype(v),
}


def _torch_dtype(name: str) -> Any:
    import torch

    dtype = vars(torch).get(name)
    if not isinstance(dtype, torch.dtype):
        raise CodecError(f"{name} is not a dtype of torch.")
    return dtype


def _revive(kind: str, array: np.ndarray) -> Any:
    if kind == "scalar":
        return array[()]
    if kind == "array":
        return array
    import torch

    return torch.from_numpy(array)
