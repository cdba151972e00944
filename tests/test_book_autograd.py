"""The scalar autograd in the text of chapter 02: it agrees with PyTorch, and its graph is drawn."""

import math
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dltwice.authoring.source import read_source

ROOT = Path(__file__).resolve().parents[1]
VARIABLES = 3
NEAR = 1e-6  # a ReLU whose input is that near to 0 may round to either side of its kink
numbers = st.floats(-3, 3, allow_subnormal=False)


def cell_with(text: str) -> str:
    """The one code cell of the chapter that holds `text`."""
    notebook = read_source(ROOT / "book" / "02_backpropagation.md", ROOT).notebook
    found = [cell.source for cell in notebook.cells if cell.cell_type == "code" and text in cell.source]
    assert len(found) == 1, f"{len(found)} cells hold {text!r}"
    return found[0]


AUTOGRAD = cell_with("class Value:")


def book() -> dict:
    """What the chapter's cells define: Value, as_value, draw."""
    drawing = cell_with("def draw(result, names, alt").partition("\n\ndraw(\n")[0]
    space = {}
    exec("import math\nfrom dltwice import plot\n" + AUTOGRAD + "\n" + drawing, space)
    return space


BOOK = book()
Value = BOOK["Value"]


def grow(part: st.SearchStrategy) -> st.SearchStrategy:
    """Expressions one operation larger, as tuples: ("+", part, part), ("power", part, 3)."""
    one = st.tuples(st.sampled_from(["exp", "log", "tanh", "relu", "-"]), part)
    two = st.tuples(st.sampled_from(["+", "-", "*", "/"]), part, part)
    with_number = st.tuples(st.sampled_from(["+", "-", "*", "/"]), part, numbers)
    number_first = st.tuples(st.sampled_from(["+", "-", "*", "/"]), numbers, part)
    power = st.tuples(st.just("power"), part, st.sampled_from([-2, -1, 0, 1, 2, 3, 0.5]))
    return st.one_of(one, two, with_number, number_first, power)


expressions = st.recursive(st.integers(0, VARIABLES - 1), grow, max_leaves=12)

BINARY = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "power": lambda a, b: a**b,
}


def evaluate(expression, variables, kinks):
    """The value of an expression. The inputs of each ReLU are appended to `kinks`."""
    if isinstance(expression, int):
        return variables[expression]
    if isinstance(expression, float):
        return expression
    name, *operands = expression
    operands = [
        part if name == "power" and k else evaluate(part, variables, kinks) for k, part in enumerate(operands)
    ]
    if len(operands) == 2:
        return BINARY[name](*operands)
    if name == "-":
        return -operands[0]
    if name == "relu":
        kinks.append(operands[0].data)
    return getattr(operands[0], name)()


def with_book(expression, values):
    """(value, gradients, inputs of ReLUs), or None where a number leaves the range of floats."""
    variables, kinks = [Value(value) for value in values], []
    try:
        result = evaluate(expression, variables, kinks)
        result.backward()
    except (OverflowError, ZeroDivisionError, ValueError, TypeError):
        return None  # the logarithm of a negative number, and its like: PyTorch gives nan or inf there
    gradients = [variable.grad for variable in variables]
    usable = all(math.isfinite(number) and abs(number) < 1e12 for number in [result.data, *gradients])
    return (result.data, gradients, kinks) if usable else None


def with_torch(expression, values):
    variables = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]
    result = evaluate(expression, variables, [])
    result.backward()
    gradients = [0.0 if variable.grad is None else variable.grad.item() for variable in variables]
    return result.item(), gradients


@settings(max_examples=500, deadline=None, derandomize=True)
@given(expressions, st.lists(numbers, min_size=VARIABLES, max_size=VARIABLES))
def test_random_expressions_have_pytorch_s_values_and_gradients(expression, values):
    ours = with_book(expression, values)
    assume(ours is not None)
    value, gradients, kinks = ours
    assume(all(abs(kink) > NEAR for kink in kinks))
    expected, wanted = with_torch(expression, values)
    scale = max(1.0, *map(abs, wanted))
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert gradients == pytest.approx(wanted, rel=1e-7, abs=1e-9 * scale)


@pytest.mark.parametrize("slope_is", ["x*x", "x+x", "x-x", "x/x", "x**3"])
def test_gradients_of_a_value_that_is_used_twice_add_up(slope_is):
    x = Value(2.0)
    result = eval(slope_is, {"x": x})
    result.backward()
    assert x.grad == {"x*x": 4, "x+x": 2, "x-x": 0, "x/x": 0, "x**3": 12}[slope_is]


def test_a_diamond_is_visited_in_topological_order():
    x = Value(3.0)
    a = x * 2
    b = a * a  # a has two children: its gradient must be complete before it is handed on
    c = a + b
    (b * c).backward()
    y = torch.tensor(3.0, requires_grad=True)
    u = y * 2
    (u * u * (u + u * u)).backward()
    assert x.grad == y.grad.item()
    order = (b * c).history()
    assert all(order.index(parent) < order.index(value) for value in order for parent in value.parents)
    assert len(order) == len(set(order))


def test_backward_may_be_called_twice():
    x = Value(3.0)
    result = (x * x).tanh() + x
    result.backward()
    first = x.grad
    result.backward()
    assert x.grad == first


def test_a_long_chain_needs_no_recursion():
    x = Value(1.0)
    total = x
    for _ in range(5000):
        total = total + x
    total.backward()
    assert x.grad == 5001


def test_relu_at_its_kink_has_pytorch_s_slope():
    x, y = Value(0.0), torch.tensor(0.0, requires_grad=True)
    x.relu().backward()
    y.relu().backward()
    assert x.grad == y.grad.item() == 0.0


def test_it_has_about_sixty_lines():
    lines = [
        line for line in AUTOGRAD.splitlines() if line.strip() and not line.strip().startswith(("#", '"""'))
    ]
    assert 50 <= len(lines) <= 70


def test_the_graph_is_drawn_with_a_text_alternative_and_the_same_every_time():
    def figure():
        w = Value(2)
        result = 3 * w + w * w
        result.backward()
        return BOOK["draw"](result, {w: "w", result: "L"}, "what it shows")

    one, other = figure(), figure()
    assert one.svg == other.svg
    root = ElementTree.fromstring(one.svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == "what it shows"
    texts = " ".join(element.text or "" for element in root.iter() if element.tag.endswith(("text", "tspan")))
    assert [part for part in ("gradient 7", "gradient 1", "×3") if part not in texts] == []
    assert "currentColor" in one.svg  # the text follows the page, light or dark
