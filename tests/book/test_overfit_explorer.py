"""OverfitExplorer in a real browser: its maths against Python and torch; keyboard, mouse and finger."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from dltwice import overfit
from dltwice.widgets import OverfitExplorer, overfit_runs

GOLDEN = Path(__file__).parents[1] / "golden" / "overfit_explorer.json"
COMPUTE = """([packed, settings]) => {
  const runs = math.unpack(packed);
  return settings.map((s) => {
    const problem = math.problemOf(runs, s), near = math.nearest(runs, s);
    const code = math.code({ ...s, epochs: 15 });
    if (problem) return { problem, near, code };
    const curves = math.curvesOf(runs, s), { valid_loss } = curves;
    const rules = valid_loss.map((_, epoch) => math.ruleAt(valid_loss, s.patience, epoch));
    const stop = math.earlyStop(valid_loss, s.patience), results = math.resultsOf(runs, s);
    return { problem, near, code, curves, rules, stop, results };
  });
}"""
EPOCHS = 24


@pytest.fixture(scope="module")
def runs():
    """Real runs, few and short: 64 hidden units overfit within 24 epochs, 16 with dropout do not."""
    return overfit.run_all((16, 64), (0.0, 0.4), (0.0, 0.5), (0, 1, 2), epochs=EPOCHS)


@pytest.fixture
def explorer(runs):
    """Function that makes the widget on these runs; 64 hidden units, 40 % wrong labels, unless told."""
    return lambda **traits: OverfitExplorer(runs, **{"hidden": 64, "noise": 0.4, "dropout": 0.0, **traits})


# ---- maths ----


def test_maths_gives_the_golden_values(widget_module):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    settings = [entry["setting"] for entry in golden["entries"]]
    packed = overfit_runs.pack(golden["runs"])
    results = widget_module(OverfitExplorer).evaluate(COMPUTE, [packed, settings])
    for entry, result in zip(golden["entries"], results, strict=True):
        widget, values = OverfitExplorer(golden["runs"], **entry["setting"]), entry["values"]
        assert result["near"] == entry["nearest"]
        assert result["code"] == widget.code()
        if values is None:
            assert result["problem"]["message"] == widget.problem
            continue
        assert result["curves"] == values["curves"]
        for epoch, (stopped, best) in enumerate(values["stops"]):
            rule = result["rules"][epoch]
            assert (rule["stopped"], rule["best"], rule["waited"]) == (stopped, best, stopped - best)
            assert rule["ended"] == (stopped - best >= widget.patience)
        assert list(result["stop"].values()) == values["stops"][-1]
        assert [list(one.values()) for one in result["results"]] == values["results"]


def test_every_way_out_works(widget_module):
    """A problem's fix leaves no problem of its kind: the setting first, then the seed, then the patience."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    settings = [entry["setting"] for entry in golden["entries"] if entry["values"] is None]
    rounds = widget_module(OverfitExplorer).evaluate(
        """([packed, settings]) => settings.map((s) => {
          const runs = math.unpack(packed);
          let count = 0;
          for (let p; (p = math.problemOf(runs, s)) && count < 9; count++) s = { ...s, ...p.fix };
          return count;
        })""",
        [overfit_runs.pack(golden["runs"]), settings],
    )
    assert len(rounds) > 20
    assert set(rounds) <= {1, 2, 3}


def test_parameters_are_those_of_the_network(widget_module):
    count = widget_module(OverfitExplorer).evaluate("math.parameterCount(64)")
    assert count == sum(p.data.size for p in overfit.network(64, 0.5, 0).parameters())


# ---- the page ----


def words(page):
    return page.locator(".dlt-words").inner_text()


def result(page):
    return page.locator(".dlt-result").inner_text()


def choose(page, label):
    page.get_by_role("button", name=label, exact=True).click()


def formula(page, what):
    """Return the formula of a line without spaces, `Lvalid−Ltrain=1.2−0.3=0.9`."""
    line = page.locator(".dlt-formula").filter(has=page.locator("b", has_text=what))
    return re.sub(r"\s", "", "".join(line.locator("math").all_text_contents()))


def share(value):
    return f"{100 * value:.1f}"


def spread(values):
    return f"{share(np.mean(values))} % ({share(min(values))} to {share(max(values))})"


def test_it_shows_pythons_numbers(widget_page, explorer):
    widget = explorer(patience=3)
    page = widget_page(widget)
    train, valid = widget.curve("train_loss")[-1], widget.curve("valid_loss")[-1]
    assert f"After epoch {EPOCHS} (mean of 3 seeds): training loss {train:.3f}" in words(page)
    assert f"validation loss {valid:.3f}." in words(page)
    stop = widget.stop
    assert f"ended this run after epoch {stop.stopped} and keeps" in words(page)
    assert words(page).endswith(f"the weights of epoch {stop.best}.")
    assert formula(page, "gap") == f"Lvalid−Ltrain={valid:.3f}−{train:.3f}={widget.gap:.3f}"
    assert formula(page, "patience") == f"e−ebest={stop.stopped}−{stop.best}=3≥P=3"
    assert formula(page, "dropout") == "scale=11−p=11−0=1"
    assert formula(page, "capacity") == "64·h+h+10·h+10=75·64+10=4810"
    results = widget.results
    assert f"{spread([one.test_last for one in results])} after epoch {EPOCHS}" in result(page)
    assert f"{spread([one.test_stopped for one in results])} with early stopping" in result(page)
    assert f"after epochs {', '.join(str(one.stopped) for one in results)}" in result(page)
    notes = page.locator(".dlt-chart:visible .dlt-halo").all_text_contents()
    assert notes == [f"lowest loss: {stop.best}", f"stop: {stop.stopped}"]


def test_choices_by_mouse(widget_page, explorer):
    page = widget_page(explorer())
    choose(page, "Dropout p: 0.5")
    assert formula(page, "dropout") == "scale=11−p=11−0.5=2"
    assert "on average 32 of 64" in page.locator(".dlt-formulas").inner_text()
    choose(page, "Hidden units: 16")
    choose(page, "Wrong labels: 0 %")
    widget = explorer(hidden=16, noise=0.0, dropout=0.5)
    assert spread([one.test_last for one in widget.results]) in result(page)
    page.get_by_role("combobox", name="Curve").select_option("seed 2")
    widget.seed = 2
    assert f"(seed 2): training loss {widget.curve('train_loss')[-1]:.3f}" in words(page)
    page.get_by_role("combobox", name="Show").select_option("accuracy")
    assert page.locator(".dlt-chart:visible").count() == 1
    assert "validation accuracy" in page.locator(".dlt-chart:visible").get_attribute("aria-label")


def test_thin_lines_are_the_single_seeds(widget_page, explorer):
    page = widget_page(explorer())
    lines = ".dlt-chart:visible .dlt-thin"
    assert page.locator(lines).count() == 6
    assert page.locator(".dlt-chart:visible .dlt-dash").count() >= 4
    assert page.locator(".dlt-legend:visible").inner_text().split() == ["training", "validation"]
    page.get_by_role("combobox", name="Curve").select_option("seed 0")
    assert page.locator(lines).count() == 4


def test_scrubbing_shows_what_the_rule_knows_then(widget_page, explorer):
    widget = explorer(patience=4, seed=1)
    page = widget_page(widget)
    bar = page.get_by_role("slider", name="Epoch")
    losses = widget.curve("valid_loss")
    stop = widget.stop
    assert stop.stopped < EPOCHS
    bar.fill(str(stop.stopped - 1))
    assert f"After epoch {stop.stopped - 1} (seed 1)" in words(page)
    assert f"It was lowest after epoch {stop.best}: 3 of 4 epochs of patience are used up." in words(page)
    assert formula(page, "patience").endswith("=3<P=4")
    page.get_by_role("button", name="Step forward").click()
    assert f"Early stopping ended this run after epoch {stop.stopped}" in words(page)
    page.get_by_role("button", name="First").click()
    assert f"Before training (seed 1): training loss {widget.curve('train_loss')[0]:.3f}" in words(page)
    assert f"validation loss {losses[0]:.3f}. It was lowest before training: 0 of 4" in words(page)
    box = page.locator(".dlt-chart:visible .dlt-ground").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    assert f"After epoch {EPOCHS // 2} " in words(page)
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 40)
    page.mouse.up()
    assert f"After epoch {EPOCHS // 4} " in words(page)


def test_keep_a_run_and_compare(widget_page, explorer):
    plain, dropped = explorer(), explorer(dropout=0.5)
    page = widget_page(plain)
    choose(page, "Keep this run")
    choose(page, "Dropout p: 0.5")
    means = [np.mean([one.test_stopped for one in widget.results]) for widget in (dropped, plain)]
    gain = 100 * (means[0] - means[1])
    change = f"That is {abs(gain):.1f} points {'less' if gain < 0 else 'more'} than the kept run"
    assert f"{change}: 64 hidden units, 40 % wrong labels and dropout 0." in result(page)
    assert "validation, kept run" in page.locator(".dlt-legend:visible").inner_text()
    label = page.locator(".dlt-strip svg").get_attribute("aria-label")
    assert f"kept run, last epoch: {spread([one.test_last for one in plain.results])}" in label
    assert f"this run, last epoch: {spread([one.test_last for one in dropped.results])}" in label
    assert page.locator(".dlt-strip circle").count() == 12
    choose(page, "Forget the kept run")
    assert "kept run" not in page.locator(".dlt-overfit").inner_text()
    assert page.evaluate("document.activeElement.textContent") == "Keep this run"


def test_what_has_no_run_is_explained_and_mended(widget_page, explorer):
    widget = explorer(hidden=100)
    page = widget_page(widget)
    trouble = page.locator(".dlt-trouble")
    assert trouble.inner_text().startswith(widget.problem)
    assert page.locator(".dlt-chart:visible").count() == 0
    assert page.get_by_role("button", name="Keep this run").is_disabled()
    choose(page, "Show the nearest")
    assert page.get_by_role("button", name="Hidden units: 64").get_attribute("aria-pressed") == "true"
    assert page.get_by_role("button", name="Hidden units: 100").count() == 0
    assert trouble.is_hidden()
    patience = page.get_by_role("spinbutton", name="Patience")
    patience.fill("80")
    assert trouble.inner_text().startswith(f"A patience of 80 never ends a run of {EPOCHS} epochs.")
    choose(page, "Show the nearest")
    assert patience.input_value() == str(EPOCHS)
    patience.fill("0")
    error = page.locator(".dlt-error:visible").inner_text()
    assert "Patience must be a whole number from 1 to 1000; 0 is not." in error
    choose(page, "Use 1")
    assert formula(page, "patience").endswith("=1≥P=1")


def test_predict_the_best_epoch_before_it_shows(widget_page, explorer):
    widget = explorer(predict="best")
    page = widget_page(widget)
    box = page.locator("form:visible")
    assert words(page).endswith("validation loss ?.")
    assert page.locator(".dlt-legend:visible").inner_text() == "training"
    assert page.locator(".dlt-chart:visible .dlt-halo").count() == 0
    assert page.locator(".dlt-outcome").is_hidden()
    assert formula(page, "gap").endswith("=?")
    page.locator("summary").click()
    page.locator("table").nth(1).wait_for()
    assert page.locator("table").nth(0).locator("tr").count() == 1
    cells = page.locator("table").nth(1).locator("tr").nth(5).locator("td").all_inner_texts()
    assert (cells[2], cells[4]) == ("?", "?")
    page.get_by_role("spinbutton", name="epoch").fill("21")
    page.get_by_role("button", name="Check").click()
    assert f"Not quite: not 21 but {widget.best_epoch}." in box.inner_text()
    assert page.locator(".dlt-legend:visible").inner_text().split() == ["training", "validation"]
    choose(page, "Dropout p: 0.5")
    assert words(page).endswith("validation loss ?.")
    widget.dropout = 0.5
    page.get_by_role("spinbutton", name="epoch").fill(str(widget.best_epoch))
    page.keyboard.press("Enter")
    assert f"Right: {widget.best_epoch}." in box.inner_text()


def test_predict_the_test_accuracy(widget_page, explorer):
    widget = explorer(dropout=0.5, predict="test")
    page = widget_page(widget)
    assert page.locator(".dlt-outcome").is_hidden()
    percent = float(share(np.mean([one.test_last for one in widget.results])))
    page.get_by_role("spinbutton", name="percent").fill(str(percent + 1))
    page.get_by_role("button", name="Check").click()
    assert f"Right: {percent:g}." in page.locator("form:visible").inner_text()
    assert page.locator(".dlt-outcome").is_visible()
    page.get_by_role("combobox", name="Predict").select_option("off")
    assert page.locator("form:visible").count() == 0


def test_everything_by_keyboard_alone(widget_page, explorer):
    page = widget_page(explorer())
    press = page.keyboard.press
    page.get_by_role("button", name="Hidden units: 16").focus()
    press("Enter")
    assert page.evaluate("document.activeElement.ariaLabel") == "Hidden units: 16"
    press("Tab")
    press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Wrong labels: 0 %"
    press(" ")
    widget = explorer(hidden=16, noise=0.0)
    assert spread([one.test_last for one in widget.results]) in result(page)
    page.get_by_role("spinbutton", name="Patience").focus()
    press("ArrowUp")
    assert page.get_by_role("spinbutton", name="Patience").input_value() == "6"
    page.get_by_role("combobox", name="Curve").focus()
    press("ArrowDown")
    assert "(seed 0)" in words(page)
    page.get_by_role("slider", name="Epoch").focus()
    press("Home")
    press("ArrowRight")
    assert "After epoch 1 (seed 0)" in words(page)
    page.get_by_role("button", name="Keep this run").focus()
    press("Enter")
    assert page.get_by_role("button", name="Forget the kept run").is_visible()
    page.get_by_role("button", name="Reset").focus()
    press("Enter")
    assert f"After epoch {EPOCHS} (mean of 3 seeds)" in words(page)
    assert page.get_by_role("button", name="Hidden units: 64").get_attribute("aria-pressed") == "true"
    assert page.get_by_role("spinbutton", name="Patience").input_value() == "5"
    assert page.get_by_role("button", name="Forget the kept run").is_hidden()


def test_a_finger_on_a_phone(widget_page, explorer):
    page = widget_page(explorer(), width=360, touch=True)
    page.get_by_role("button", name="Dropout p: 0.5").tap()
    assert formula(page, "dropout").endswith("=2")
    page.get_by_role("button", name="Step back").tap()
    assert f"After epoch {EPOCHS - 1} " in words(page)
    page.locator(".dlt-chart:visible .dlt-ground").tap()
    assert f"After epoch {EPOCHS // 2} " in words(page)
    sizes = page.locator("button:visible, select:visible, summary:visible, input:visible").evaluate_all(
        "all => all.map((one) => [one.getBoundingClientRect().height, one.ariaLabel ?? one.textContent])"
    )
    assert [name for height, name in sizes if height < 43.9] == []


@pytest.mark.parametrize(
    ("width", "touch"), [(320, True), (360, False), (360, True), (700, False), (1280, False)]
)
def test_no_sideways_scrolling(widget_page, explorer, width, touch):
    kept = {"hidden": 64, "noise": 0.4, "dropout": 0.0, "patience": 5}
    page = widget_page(explorer(dropout=0.5, kept=kept, predict="test"), width=width, touch=touch)
    page.get_by_role("button", name="Show anyway").click()
    page.locator("summary").click()
    page.locator("table").nth(1).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violations(widget_page, explorer, axe, width, theme):
    kept = {"hidden": 16, "noise": 0.4, "dropout": 0.0, "patience": 5}
    shown = (explorer(kept=kept, epoch=9), explorer(hidden=99), explorer(predict="best", metric="accuracy"))
    page = widget_page(*shown, width=width, theme=theme, touch=width == 360)
    page.locator("summary").first.click()
    page.locator("table").nth(1).wait_for()
    assert page.locator(".dlt-widget [id]").count() == 0
    assert axe(page) == []


def test_tables_hold_the_numbers(widget_page, explorer):
    widget = explorer()
    page = widget_page(widget)
    page.locator("summary").click()
    page.locator("table").nth(1).wait_for()
    rows = page.locator("table").nth(0).locator("tr")
    for i, one in enumerate(widget.results):
        tests = [f"{share(value)} %" for value in (one.test_last, one.test_stopped)]
        expected = [str(one.seed), str(one.stopped), str(one.best), *tests]
        assert rows.nth(i + 1).locator("td").all_inner_texts() == expected
    cells = page.locator("table").nth(1).locator("tr").nth(11).locator("td").all_inner_texts()
    curves = [widget.curve(name)[10] for name in overfit.CURVES[:4]]
    np.testing.assert_allclose([float(text) for text in cells], [10, *curves], rtol=1e-3)


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_only_when_asked_and_pause(widget_page, explorer, motion):
    page = widget_page(explorer(epoch=3), reduced_motion=motion)
    page.wait_for_timeout(1000)
    assert "After epoch 3 " in words(page)
    page.get_by_role("combobox", name="Speed").select_option("2×")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.dlt-words').textContent.startsWith('After epoch 4 ')")
    page.get_by_role("button", name="Pause").click()
    at = words(page)
    page.wait_for_timeout(1000)
    assert words(page) == at


def test_the_result_is_announced(widget_page, explorer):
    page = widget_page(explorer())
    choose(page, "Dropout p: 0.5")
    widget = explorer(dropout=0.5)
    text = spread([one.test_last for one in widget.results])
    said = "(text) => document.querySelector('[aria-live=polite]').textContent.includes(text)"
    page.wait_for_function(said, arg=text)


def test_copied_program_is_pythons(widget_page, explorer):
    widget = explorer(dropout=0.5, patience=2, seed=1)
    page = widget_page(widget)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy PyTorch code").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == widget.code()
