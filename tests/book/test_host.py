"""host.js on its own: small anywidgets that try what the front-end module interface promises."""

import anywidget
import pytest
import traitlets
from ipywidgets import IntSlider

COUNTER = """
export default {
  initialize({ model }) { globalThis.initialized = (globalThis.initialized ?? 0) + 1; },
  render({ model, el }) {
    const button = document.createElement("button");
    const draw = () => { button.textContent = `count ${model.get("count")}`; };
    button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
    model.on("change:count", draw);
    draw();
    el.append(button);
  },
};
"""


class Counter(anywidget.AnyWidget):
    _esm = COUNTER
    _css = ".counter { color: inherit; }"
    count = traitlets.Int(0).tag(sync=True)


class FromFunction(anywidget.AnyWidget):
    _esm = """
    export default async () => ({
      async render({ model, el }) { el.textContent = `says ${model.get("text")}`; },
    });
    """
    text = traitlets.Unicode("hello").tag(sync=True)


class Broken(anywidget.AnyWidget):
    _esm = "export default { render() { throw new Error('no luck'); } };"


class NoDefault(anywidget.AnyWidget):
    _esm = "export const render = () => {};"


class Data(anywidget.AnyWidget):
    _esm = """
    export default {
      render({ model, el }) { el.textContent = [...new Uint8Array(model.get("data").buffer)]; },
    };
    """
    data = traitlets.Bytes(b"\x01\x02\xff").tag(sync=True)


class Events(anywidget.AnyWidget):
    """Writes down which events came, in their order."""

    _esm = """
    export default {
      render({ model, el }) {
        const heard = [];
        const both = () => heard.push(`${model.get("a")}${model.get("b")}`);
        model.on("change:a change:b", both);
        model.on("change", () => heard.push("change"));
        model.set({ a: 1, b: 2 });
        model.set("a", 1);
        model.set("list", [0, [1]]);
        model.off("change:a", both);
        model.set("a", 5);
        model.set("b", 6);
        model.off(null, both);
        model.set("b", 7);
        model.off();
        model.set("a", 8);
        el.textContent = heard.join(" ");
      },
    };
    """
    a = traitlets.Int(0).tag(sync=True)
    b = traitlets.Int(0).tag(sync=True)
    list = traitlets.List([0, [1]]).tag(sync=True)


def test_views_of_one_model_stay_in_step(widget_page):
    one, other = Counter(), Counter(count=9)
    page = widget_page(one, one, other)
    page.get_by_role("button").first.click()
    assert page.get_by_role("button").all_inner_texts() == ["count 1", "count 1", "count 9"]


def test_a_model_is_initialized_once_and_its_style_comes_once(widget_page):
    one = Counter()
    page = widget_page(one, one, Counter())
    assert page.evaluate("initialized") == 2
    styles = page.evaluate("[...document.querySelectorAll('style')].map((style) => style.textContent)")
    assert len([text for text in styles if ".counter" in text]) == 1


def test_equal_modules_are_imported_once(widget_page):
    class Noted(Counter):
        _esm = "globalThis.imports = (globalThis.imports ?? 0) + 1;" + COUNTER

    page = widget_page(Noted(), Noted(), Noted())
    assert page.evaluate("imports") == 1


def test_module_may_give_a_function(widget_page):
    page = widget_page(FromFunction())
    assert page.get_by_text("says hello").is_visible()


def test_events_come_as_in_jupyter(widget_page):
    page = widget_page(Events())
    assert page.locator(".dlt-widget").inner_text() == "12 12 change change 56 change change"


def test_binary_values_are_restored(widget_page):
    page = widget_page(Data())
    assert page.locator(".dlt-widget").inner_text() == "1,2,255"


@pytest.mark.parametrize(
    ("widget", "reason"), [(Broken, "no luck"), (NoDefault, "its module has no default export")]
)
def test_a_widget_that_fails_says_so_and_leaves_others_alone(widget, reason, widget_page, watch):
    page = widget_page(widget(), Counter(), live=1)
    assert page.locator(".dlt-widget-error").inner_text() == f"This widget could not start: {reason}"
    assert page.get_by_role("button", name="count 0").is_visible()
    assert list(watch.seen) == ["console error"]
    watch.seen.clear()


def test_a_plain_control_says_that_it_needs_the_notebook(widget_page):
    page = widget_page(IntSlider(), live=0)
    assert page.get_by_text("This control is live in the notebook.").is_visible()


def test_text_in_a_state_cannot_end_its_script(widget_page):
    page = widget_page(FromFunction(text="</script><b>bold</b>"))
    assert page.get_by_text("says </script><b>bold</b>").is_visible()
